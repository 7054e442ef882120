"""The crystals that can be simulated, each a function of its parameters and a random generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.simulate import (
    graphene,
    layers,
    materials,
    movies,
    polycrystal,
    scattered,
    strained,
)
from vaescope.simulate.arguments import BENT, GRAINS, WEAKER, Parameters, Spread, within
from vaescope.simulate.crystals import System
from vaescope.simulate.lattice import Columns, crystal, first_grain, interface, join, place, thin


@dataclass(frozen=True)
class Perovskite(Parameters):
    """What can be asked of `perovskite`."""

    bend: float = within(4.0, -20.0, 20.0, BENT)  # degrees of rotation from left to right
    grain: float = within(
        27.0, -180.0, 180.0, GRAINS
    )  # degrees to the second grain (0: one crystal)
    # displacement of B in phase 1, in lattice parameters
    polar: float = within(0.1, 0.0, 0.25, Spread(0, 0.15, or_none=True))
    ratio: float = within(0.55, 0.0, 5.0, WEAKER)  # counts of B over A in phase 0
    ratio1: float = within(0.85, 0.0, 5.0, WEAKER)  # the same in phase 1


def perovskite(p: Perovskite, rng: np.random.Generator) -> Columns:
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
            phase = interface(y, x, p.size)
            if species == 1:
                points = points + np.stack([p.polar * p.spacing * phase, 0.0 * phase], axis=1)
            y, x, local = place(points, p.size, angle, bend)
            one = np.ones(len(y))
            strength = np.where(phase == 1, p.ratio1, p.ratio) if species else one
            columns = Columns(y, x, local, phase, np.full(len(y), species), strength)
            there = strength > 0
            if p.grain:
                there &= first_grain(y, x, p.size) != bool(grain)
            parts.append(columns.where(there))
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


SYSTEMS: dict[str, System] = {
    "perovskite": System(perovskite, Perovskite(), 4),
    "square": System(square, Parameters(), 4),
    "hexagonal": System(hexagonal, Parameters(), 6),
    "bifeo3": System(
        materials.bifeo3, materials.BiFeO3(), 4, materials.BIFEO3_NAMES, materials.BIFEO3_TRUTHS
    ),
    "nio-lsmo": System(materials.nio_lsmo, materials.NioLsmo(), 4, materials.NIO_LSMO_NAMES),
    "mos2": System(layers.mos2, layers.MoS2(), 3, layers.names("Mo", "S2"), layers.TRUTHS),
    "wse2": System(layers.wse2, layers.WSe2(), 3, layers.names("W", "Se2"), layers.TRUTHS),
    "graphene": System(graphene.graphene, graphene.Graphene(), 6, graphene.NAMES, layers.TRUTHS),
    "graphene-movie": System(
        movies.graphene_movie,
        movies.GrapheneMovie(),
        6,
        graphene.NAMES,
        movies.TRUTHS,
        movie=True,
    ),
    "mos2-movie": System(
        movies.mos2_movie,
        movies.MoS2Movie(),
        3,
        layers.names("Mo", "S2"),
        movies.TRUTHS,
        movie=True,
    ),
    "strained": System(strained.strained, strained.Strained(), 4, truths=strained.TRUTHS),
    "dislocation": System(strained.dislocation, strained.Dislocation(), 4, truths=strained.TRUTHS),
    "misfit": System(strained.misfit, strained.Misfit(), 4, truths=strained.TRUTHS),
    "square-grains": System(
        polycrystal.square_grains, polycrystal.Grains(), 4, truths=polycrystal.TRUTHS
    ),
    "hexagonal-grains": System(
        polycrystal.hexagonal_grains, polycrystal.Grains(), 6, truths=polycrystal.TRUTHS
    ),
    "oblique-grains": System(
        polycrystal.oblique_grains, polycrystal.Oblique(), 2, truths=polycrystal.TRUTHS
    ),
    "single-atoms": System(scattered.single_atoms, scattered.SingleAtoms(), 1),
}
