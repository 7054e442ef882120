"""Strained crystals: uniform strain and its gradient, an edge dislocation, a misfitting film.

Each is a perovskite's A and B columns (no B where its ratio is 0) carried from their places in an
unstrained lattice by a known deformation. Truth: the strain of every column relative to the
unstrained lattice, the logarithm of the left stretch in the frame of the image (see
``vaescope.deformation``), and its rotation in ``angle``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vaescope import deformation
from vaescope.simulate.arguments import ANY_ANGLE, WEAKER, Parameters, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.lattice import Columns, crystal, thin

_MARGIN = 1.3  # of the image's side: deformations move columns in from outside
_FLIP = np.diag([1.0, -1.0])  # from (right, up) to (right, down), and back


TRUTHS = {
    "strain_xx": truth("true strain along x", "1", "diverging"),
    "strain_yy": truth("true strain along y", "1", "diverging"),
    "strain_xy": truth("true strain between x and y (down)", "1", "diverging"),
}


@dataclass(frozen=True)
class Crystal(Parameters):
    """What can be asked of every strained crystal, which has A and B columns."""

    ratio: float = within(0.55, 0.0, 5.0, WEAKER)  # counts of B over A in phase 0
    ratio1: float = within(0.85, 0.0, 5.0, WEAKER)  # the same in phase 1


@dataclass(frozen=True)
class Strained(Crystal):
    """What can be asked of `strained`; per cent, at the centre of the image."""

    exx: float = within(0.0, -10.0, 10.0)  # along x (right)
    eyy: float = within(0.0, -10.0, 10.0)  # along y (down)
    exy: float = within(0.0, -10.0, 10.0)  # between them
    gradient: float = within(0.0, -10.0, 10.0)  # growth of exx from the left edge to the right


@dataclass(frozen=True)
class Dislocation(Crystal):
    """What can be asked of `dislocation`."""

    angle: float = within(0.0, -360.0, 360.0, ANY_ANGLE)  # degrees, rotation of the crystal
    poisson: float = within(0.3, 0.0, 0.49)  # Poisson's ratio


@dataclass(frozen=True)
class Misfit(Dislocation):
    """What can be asked of `misfit`."""

    misfit: float = within(2.0, -8.0, 8.0)  # per cent by which the film's lattice is larger
    coherent: int = within(1, 0, 1)  # 1: strained to fit; 0: dislocations in the interface


def strained(p: Strained, rng: np.random.Generator) -> Columns:
    """One crystal under a strain (``exx``, ``eyy``, ``exy`` at the centre of the image, in its
    frame) whose xx grows by ``gradient`` from the left edge to the right one."""
    points, species = _lattice(p, rng)
    turned = points @ _turn(np.radians(p.angle)).T
    slope = p.gradient / 100 / p.size
    carry = _FLIP @ deformation.join(np.array([p.exx, p.eyy, p.exy]) / 100, 0.0) @ _FLIP
    right = turned[:, 0]
    bent = np.stack([right + slope * right**2 / 2, turned[:, 1]], 1)
    local = np.zeros((len(points), 2, 2))
    local[:, 0, 0], local[:, 1, 1] = 1 + slope * right, 1.0
    return _columns(p, bent @ carry.T, carry @ local, species, np.zeros(len(points), int))


def dislocation(p: Dislocation, rng: np.random.Generator) -> Columns:
    """An edge dislocation in the middle of the image, its Burgers vector one lattice vector a.

    Isotropic elasticity. Source: J. P. Hirth & J. Lothe, Theory of Dislocations (1982), ch. 3.
    """
    points, species = _lattice(p, rng, centred=True)
    z = points[:, 0] + 1j * points[:, 1]
    displacement, gradient = edge_field(z, p.spacing, p.poisson)
    moved = points + np.stack([displacement.real, displacement.imag], 1)
    return _in_crystal(p, moved, np.eye(2) + gradient, species, np.zeros(len(z), int))


def misfit(p: Misfit, rng: np.random.Generator) -> Columns:
    """A film (phase 0, above) whose lattice is larger by ``misfit`` on a substrate (phase 1).

    With ``coherent`` 1 the film takes the substrate's spacing along the interface and stands
    taller, as a thin film strained equally along both directions does. Otherwise a row of edge
    dislocations a/misfit apart lies in the interface, and each crystal keeps half of the misfit
    that is then left near it (an infinite bicrystal of one stiffness). The substrate's lattice is
    the reference of the strain.

    Source: superposed edge dislocations of J. P. Hirth & J. Lothe, Theory of Dislocations (1982),
    ch. 3, their infinite row summed in closed form.
    """
    points, species = _lattice(p, rng, centred=True)
    film = points[:, 1] > 0
    share = p.misfit / 100
    gradient = np.zeros((len(points), 2, 2))
    taller = share * (1 + p.poisson) / (1 - p.poisson)
    gradient[film, 1, 1] = taller
    moved = points + np.stack([0 * points[:, 0], np.where(film, taller * points[:, 1], 0)], 1)
    if not p.coherent and share:
        z = points[:, 0] + 1j * points[:, 1]
        row, slopes = edge_row(z, -np.sign(share) * p.spacing, p.spacing / abs(share), p.poisson)
        moved = moved + np.stack([row.real, row.imag], 1)
        gradient = gradient + slopes
    return _in_crystal(p, moved, np.eye(2) + gradient, species, (~film).astype(int))


def edge_field(z: np.ndarray, burgers: float, poisson: float) -> tuple[np.ndarray, np.ndarray]:
    """Displacement (point,) as right + i up, and its gradient (point, 2, 2), of an edge dislocation
    at 0 with the Burgers vector along +x, slipped along the negative x axis.

    The displacement is Hirth & Lothe's, eqs. 3-45 and 3-46, written with complex numbers.
    """
    kappa = 3 - 4 * poisson
    factor = -1j * burgers / (2 * np.pi * (kappa + 1))
    log = np.log(z)
    back = np.conj(z)
    displacement = factor * (kappa * log - np.conj(log) + z / back)
    by_z = factor * (kappa / z + 1 / back)
    by_back = factor * (-1 / back - z / back**2)
    return displacement, _gradient(by_z, by_back)


def edge_row(
    z: np.ndarray, burgers: float, period: float, poisson: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same of an infinite row of such dislocations along x, half a period left and right of 0
    and so on."""
    kappa = 3 - 4 * poisson
    factor = -1j * burgers / (2 * np.pi * (kappa + 1))
    w = np.pi / period * (z - period / 2)
    log = _log_sine(w)
    back = np.conj(w)
    cot, sine = np.cos(back) / np.sin(back), np.sin(back)
    # Sum over k of (z - k) / (conj(z) - k) = 1 + 2 i y / (conj(z) - k): the ones are a shift.
    displacement = factor * (kappa * log - np.conj(log) + (w - back) * cot)
    by_w = factor * (kappa * np.cos(w) / np.sin(w) + cot)
    by_back = factor * (-2 * cot - (w - back) / sine**2)
    return displacement, _gradient(by_w * np.pi / period, by_back * np.pi / period)


def _log_sine(w: np.ndarray) -> np.ndarray:
    """log sin w, continuous above the real axis and, mirrored, below it."""
    upper = np.where(w.imag >= 0, w, np.conj(w))
    value = np.log(0.5j) - 1j * upper + np.log(1 - np.exp(2j * upper))
    return np.where(w.imag >= 0, value, np.conj(value))


def _gradient(by_z: np.ndarray, by_back: np.ndarray) -> np.ndarray:
    """Matrices (…, 2, 2) of derivatives of u + i v, from those by z and its conjugate."""
    along_x, along_y = by_z + by_back, 1j * (by_z - by_back)
    rows = [np.stack([along_x.real, along_y.real], -1), np.stack([along_x.imag, along_y.imag], -1)]
    return np.stack(rows, -2)


def _lattice(
    p: Crystal, rng: np.random.Generator, centred: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Places (site, 2) of the unstrained, unturned lattice as (right, up), and species (site,).

    ``centred``: the centre of the image lies between columns, where a dislocation's core belongs.
    """
    a, b = np.array([p.spacing, 0.0]), np.array([0.0, p.spacing])
    origin = np.array([0.25, 0.25]) if centred else rng.uniform(0, 1, 2)
    bases = [(0.0, 0.0), (0.5, 0.5)]
    side = int(_MARGIN * p.size)
    parts = [crystal(side, a, b, 0.0, 0.0, origin + basis)[0] for basis in bases]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _in_crystal(
    p: Crystal,
    moved: np.ndarray,
    gradient: np.ndarray,
    species: np.ndarray,
    phase: np.ndarray,
) -> Columns:
    """Columns of a crystal deformed in its own frame, then turned."""
    turn = _turn(np.radians(p.angle))
    return _columns(p, moved @ turn.T, turn @ gradient @ turn.T, species, phase)


def _columns(
    p: Crystal,
    moved: np.ndarray,
    gradient: np.ndarray,
    species: np.ndarray,
    phase: np.ndarray,
) -> Columns:
    """Columns at (right, up) of the centre; deformations of the turned, unstrained lattice."""
    strain, turn = deformation.split(_FLIP @ gradient @ _FLIP)
    centre = (p.size - 1) / 2
    weak = np.where(phase == 1, p.ratio1, p.ratio)
    more: dict[str, Any] = {
        f"strain_{name}": strain[:, k] for k, name in enumerate(deformation.COMPONENTS)
    }
    columns = Columns(
        y=centre - moved[:, 1],
        x=centre + moved[:, 0],
        angle=np.radians(p.angle) + turn,
        phase=phase,
        species=species,
        strength=np.where(species == 1, weak, 1.0),
        more=more,
    )
    return thin(columns.where(columns.strength > 0), 0.4 * p.spacing)


def _turn(angle: float) -> np.ndarray:
    """Matrix (2, 2) that turns (right, up) counter-clockwise."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
