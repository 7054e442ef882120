"""The crystals that can be simulated, each a function of its parameters and a random generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.simulate import strained
from vaescope.simulate.lattice import Columns, crystal, join, place, thin

_PIXEL_NM = 0.01625  # so that the default 24 px are the 0.39 nm of a perovskite's cell


@dataclass(frozen=True)
class Parameters:
    """What can be asked of a simulated image (`NAME?parameter=value&…`)."""

    size: int = 512  # px, side of the square image
    dose: float = 2000.0  # electrons detected in one column of the strongest sublattice
    spacing: float = 24.0  # px, lattice parameter
    width: float = 3.0  # px, standard deviation of a column's image
    background: float = 0.1  # share of the strongest column's peak
    angle: float = 8.0  # degrees, rotation of the (first) crystal
    grain: float = 27.0  # degrees from the first grain to the second (0: a single crystal)
    bend: float = 4.0  # degrees of rotation from left to right
    exx: float = 0.0  # per cent, strain of `strained` at the centre of the image,
    eyy: float = 0.0  # along x (right), y (down)
    exy: float = 0.0  # and between them
    gradient: float = 0.0  # per cent by which exx grows from the left edge to the right one
    misfit: float = 2.0  # per cent by which the film's lattice is larger (`misfit`)
    coherent: int = 1  # 1: the film is strained to fit; 0: dislocations in the interface
    poisson: float = 0.3  # Poisson's ratio
    polar: float = 0.1  # displacement of B in phase 1, in lattice parameters
    ratio: float = 0.55  # counts of B over A in phase 0
    ratio1: float = 0.85  # the same in phase 1

    @property
    def pixel_size(self) -> float:
        """Size of a pixel in nm (the cell measures 0.39 nm whatever its size in pixels)."""
        return _PIXEL_NM * 24.0 / self.spacing


LIMITS = {
    "size": (64, 8192),
    "dose": (1.0, 1e7),
    "spacing": (4.0, 200.0),
    "width": (0.6, 50.0),
    "background": (0.001, 100.0),
    "angle": (-360.0, 360.0),
    "grain": (-180.0, 180.0),
    "bend": (-20.0, 20.0),
    "exx": (-10.0, 10.0),
    "eyy": (-10.0, 10.0),
    "exy": (-10.0, 10.0),
    "gradient": (-10.0, 10.0),
    "misfit": (-8.0, 8.0),
    "coherent": (0, 1),
    "poisson": (0.0, 0.49),
    "polar": (0.0, 0.25),
    "ratio": (0.0, 5.0),
    "ratio1": (0.0, 5.0),
}


def perovskite(p: Parameters, rng: np.random.Generator) -> Columns:
    """Two phases of ABO3 above and below an interface, each in two grains; A and B columns.

    Phase 1 differs in the intensity of B and in a polar displacement of B along the lattice
    vector a. The wall between the grains runs across the interface, so that phase and angle are
    independent of each other.
    """
    a, b = np.array([p.spacing, 0.0]), np.array([0.0, p.spacing])
    bend = np.radians(p.bend)
    parts = []
    for grain in range(2 if p.grain else 1):
        angle = np.radians(p.angle + grain * p.grain)
        origin = rng.uniform(0, 1, 2)
        for species, basis in enumerate([(0.0, 0.0), (0.5, 0.5)]):
            points, _ = crystal(p.size, a, b, angle, bend, origin + basis)
            y, x, _ = place(points, p.size, angle, bend)
            phase = _interface(y, x, p.size)
            if species == 1:
                points = points + np.stack([p.polar * p.spacing * phase, 0.0 * phase], axis=1)
            y, x, local = place(points, p.size, angle, bend)
            one = np.ones(len(y))
            strength = np.where(phase == 1, p.ratio1, p.ratio) if species else one
            columns = Columns(y, x, local, phase, np.full(len(y), species), strength)
            parts.append(columns.where(_first_grain(y, x, p.size) != bool(grain)))
            if not p.grain:
                parts[-1] = columns
    return thin(join(parts), 0.55 * p.spacing)


def square(p: Parameters, rng: np.random.Generator) -> Columns:
    """One square lattice of equal columns."""
    return _simple(p, rng, np.array([0.0, p.spacing]))


def hexagonal(p: Parameters, rng: np.random.Generator) -> Columns:
    """One hexagonal lattice of equal columns."""
    return _simple(p, rng, p.spacing * np.array([np.cos(np.pi / 3), np.sin(np.pi / 3)]))


def _simple(p: Parameters, rng: np.random.Generator, b: np.ndarray) -> Columns:
    a = np.array([p.spacing, 0.0])
    angle, bend = np.radians(p.angle), np.radians(p.bend)
    points, _ = crystal(p.size, a, b, angle, bend, rng.uniform(0, 1, 2))
    y, x, local = place(points, p.size, angle, bend)
    none = np.zeros(len(y), int)
    return Columns(y, x, local, none, none, np.ones(len(y)))


def _interface(y: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """Phase (0 above, 1 below) of a gently waving interface across the image."""
    wave = 0.03 * size * np.sin(2 * np.pi * x / size)
    return (y > 0.5 * size + wave).astype(int)


def _first_grain(y: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """Whether a point lies left of the wall between the grains, which runs slightly aslant."""
    return x < 0.5 * size + 0.25 * (y - 0.5 * size)


# name -> (crystal, symmetry of its lattice, what differs from the defaults)
SYSTEMS = {
    "perovskite": (perovskite, 4, {}),
    "square": (square, 4, {"bend": 0.0}),
    "hexagonal": (hexagonal, 6, {"bend": 0.0}),
    "strained": (strained.strained, 4, {"bend": 0.0, "grain": 0.0}),
    "dislocation": (strained.dislocation, 4, {"bend": 0.0, "grain": 0.0, "angle": 0.0}),
    "misfit": (strained.misfit, 4, {"bend": 0.0, "grain": 0.0, "angle": 0.0}),
}
