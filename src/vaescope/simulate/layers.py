"""Single layers of MoS2 and WSe2 in plan view, with dopants and vacancies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.spatial import cKDTree

from vaescope.simulate.arguments import Parameters, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.lattice import Columns, join, place
from vaescope.simulate.structure import project, scattering, tile

if TYPE_CHECKING:
    from ase import Atoms

# What `defect` tells of a column.
PRISTINE, DOPANT, SINGLE, BESIDE = range(4)
DEFECTS = ("pristine", "dopant", "single vacancy", "beside a double vacancy")
METAL, PAIR = 0, 1  # species
# Å, from the bond of 2.526 Å and the distance of 3.34 Å between the two Se of a pair.
_WSE2, _SE_SE = 3.283, 3.34


TRUTHS = {"defect": truth("true kind of defect", "1", "categorical")}


@dataclass(frozen=True)
class Dichalcogenide(Parameters):
    """What can be asked of a layer of a metal and pairs of a chalcogen."""

    dopants: float = within(0.03, 0.0, 0.5)  # share of the metal that is another one
    # strength of a dopant's column over that of the metal, 0: that of the dopant's element
    dopant_strength: float = within(0.0, 0.0, 5.0)
    vacancies: float = within(0.03, 0.0, 0.5)  # share of the pairs that lack one atom
    divacancies: float = within(0.01, 0.0, 0.2)  # share of the pairs that lack both


@dataclass(frozen=True)
class MoS2(Dichalcogenide):
    """What can be asked of `mos2`, whose dopant is V."""

    CELL: ClassVar[float] = 0.318  # nm, the value of ASE


@dataclass(frozen=True)
class WSe2(Dichalcogenide):
    """What can be asked of `wse2`, whose dopant is Mo."""

    CELL: ClassVar[float] = _WSE2 / 10  # nm


def names(metal: str, pair: str) -> dict[str, tuple[str, ...]]:
    """What the values of `species` and `defect` mean."""
    return {"species": (metal, pair), "defect": DEFECTS}


@dataclass
class Layer:
    """The columns of a layer, as if it were whole, and what it lacks."""

    metal: Columns
    pair: Columns
    doped: np.ndarray  # (metal,) whether another metal stands here
    dopant: float  # strength of its columns
    missing: np.ndarray  # (pair,) 0, 1 or 2 atoms


def mos2(p: MoS2, rng: np.random.Generator) -> Columns:
    """MoS2 with V on some places of Mo."""
    return columns(mos2_layer(p, rng, p.size), p.spacing)


def wse2(p: WSe2, rng: np.random.Generator) -> Columns:
    """WSe2 with Mo on some places of W."""
    from ase.build import mx2

    atoms = mx2("WSe2", kind="2H", a=10 * p.CELL, thickness=_SE_SE)
    return columns(_layer(atoms, "Mo", p, rng, p.size), p.spacing)


def mos2_layer(p: MoS2, rng: np.random.Generator, reach: int) -> Layer:
    """MoS2 that covers an image of ``reach`` px."""
    from ase.build import mx2

    return _layer(mx2("MoS2", kind="2H", a=10 * p.CELL), "V", p, rng, reach)


def columns(layer: Layer, spacing: float) -> Columns:
    """The columns that are there; the atoms around defects stay in their places.

    A pair that lacks one atom scatters half as much. Where both are missing there is no column:
    the three metal columns around are known as ``BESIDE``, unless they are dopants.
    """
    gone = layer.missing == 2
    kind = np.where(_beside(layer.metal, layer.pair.where(gone), spacing), BESIDE, PRISTINE)
    metal = replace(
        layer.metal,
        strength=np.where(layer.doped, layer.dopant, layer.metal.strength),
        more={**layer.metal.more, "defect": np.where(layer.doped, DOPANT, kind)},
    )
    pair = replace(
        layer.pair,
        strength=layer.pair.strength * (1 - layer.missing / 2),
        more={**layer.pair.more, "defect": np.where(layer.missing == 1, SINGLE, PRISTINE)},
    )
    return join([metal, pair.where(~gone)])


def _layer(
    atoms: Atoms, dopant: str, p: Dichalcogenide, rng: np.random.Generator, reach: int
) -> Layer:
    seen = project(atoms)
    scale = p.spacing / float(np.hypot(*seen.a))
    origin = rng.uniform(0, 1, 2)
    parts = []
    for species, strength in enumerate(seen.strength / seen.strength[METAL]):
        points = tile(seen, species, reach, scale, origin)
        y, x, local = place(points, p.size, np.radians(p.angle), np.radians(p.bend))
        none, kind = np.zeros(len(y), int), np.full(len(y), species)
        parts.append(Columns(y, x, local, none, kind, np.full(len(y), strength)))
    metal, pair = parts
    doped = rng.uniform(size=len(metal)) < p.dopants
    lot = rng.uniform(size=len(pair))
    lacks_one = (lot >= p.divacancies) & (lot < p.divacancies + p.vacancies)
    return Layer(
        metal=metal,
        pair=pair,
        doped=doped,
        dopant=p.dopant_strength or scattering(dopant) / scattering(seen.symbols[METAL]),
        missing=np.where(lot < p.divacancies, 2, lacks_one.astype(int)),
    )


def _beside(columns: Columns, gone: Columns, spacing: float) -> np.ndarray:
    """Which columns of the metal (site,) stand next to a pair that is gone."""
    if not len(gone):
        return np.zeros(len(columns), bool)
    tree = cKDTree(np.stack([gone.y, gone.x], axis=1))
    distance, _ = tree.query(np.stack([columns.y, columns.x], axis=1))
    # Neighbours are 1/√3 of the lattice parameter away, the next ones twice as far.
    return distance < 0.85 * spacing
