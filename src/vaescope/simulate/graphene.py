"""Graphene with a grain boundary, turned bonds, holes and silicon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from vaescope.simulate.arguments import GRAINS, Parameters, within
from vaescope.simulate.lattice import Columns, crystal, first_grain, place
from vaescope.simulate.rings import bonds_between, relax, settle, turn
from vaescope.simulate.structure import scattering

# Lattice parameters: nearer centres of rings are not both kept. Larger, and the boundary is thin:
# its bonds are then longer than 1.42 Å on average.
_TOO_CLOSE = 0.45

# What `defect` tells of an atom, and `species`.
PRISTINE, RING, EDGE, SILICON3, SILICON4 = range(5)
NAMES = {
    "defect": ("pristine", "pentagon or heptagon", "edge", "silicon", "silicon with 4 neighbours"),
    "species": ("C", "Si"),
}


@dataclass(frozen=True)
class Graphene(Parameters):
    """What can be asked of `graphene`; its dose is that of one carbon atom."""

    CELL: ClassVar[float] = 0.246  # nm, the value of ASE

    grain: float = within(
        22.0, -180.0, 180.0, GRAINS
    )  # degrees to the second grain (0: one crystal)
    stone_wales: float = within(0.002, 0.0, 0.05)  # turned bonds per bond
    holes: int = within(1, 0, 50)
    hole: float = within(2.5, 0.5, 20.0)  # lattice parameters, radius of a hole
    silicon: float = within(0.008, 0.0, 0.1)  # atoms of silicon per atom
    fourfold: float = within(0.33, 0.0, 1.0)  # share of the silicon in place of two atoms


@dataclass
class GrapheneSheet:
    """Places of atoms and the bonds between them."""

    place: np.ndarray  # (atom, 2) px (right, up) before bending, relative to the image's centre
    bonds: np.ndarray  # (bond, 2) indices of atoms
    grain: np.ndarray  # (atom,) 0 or 1
    ring: np.ndarray  # (atom,) whether it belongs to a ring of other than six
    silicon: np.ndarray  # (atom,)
    here: np.ndarray  # (atom,) whether there is an atom

    def degree(self) -> np.ndarray:
        """Number of neighbours, (atom,)."""
        return np.bincount(self.alive().ravel(), minlength=len(self.place))

    def alive(self) -> np.ndarray:
        """Bonds between atoms that are there."""
        return self.bonds[self.here[self.bonds].all(axis=1)]

    def neighbours(self, atom: int) -> np.ndarray:
        """Atoms bonded to one atom."""
        bonds = self.alive()
        return np.concatenate([bonds[bonds[:, 0] == atom, 1], bonds[bonds[:, 1] == atom, 0]])

    def prune(self) -> None:
        """Atoms with fewer than two neighbours go, until there are none."""
        while (loose := self.here & (self.degree() < 2)).any():
            self.here[loose] = False

    def defect(self) -> np.ndarray:
        """Kind of each atom, (atom,)."""
        degree = self.degree()
        kind = np.where(self.ring, RING, PRISTINE)
        kind[degree < 3] = EDGE
        return np.where(self.silicon, np.where(degree > 3, SILICON4, SILICON3), kind)


def graphene(p: Graphene, rng: np.random.Generator) -> Columns:
    """Graphene in two grains with all its defects; atoms around holes and silicon do not give way.

    ``phase`` is the grain; ``defect`` tells the kind of each atom.
    """
    return columns(sheet(p, rng, p.size), p)


def columns(made: GrapheneSheet, p: Graphene) -> Columns:
    """The atoms of a sheet as they lie on the image."""
    y, x, local = place(made.place, p.size, np.radians(p.angle), np.radians(p.bend))
    local = local + made.grain * np.radians(p.grain)
    strength = np.where(made.silicon, scattering("Si") / scattering("C"), 1.0)
    found = Columns(
        y, x, local, made.grain, made.silicon.astype(int), strength, {"defect": made.defect()}
    )
    return found.where(made.here)


def sheet(p: Graphene, rng: np.random.Generator, reach: int) -> GrapheneSheet:
    """Graphene that covers an image of ``reach`` px, with its defects."""
    centres = _ring_centres(p, rng, reach)
    triangles = Delaunay(centres).simplices
    corners = centres[triangles]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    triangles = triangles[sides.max(axis=1) < 2.5 * p.spacing]
    bonds = bonds_between(triangles)
    turned = _turned(centres, triangles, bonds, p, rng)
    for first, second in turned:
        turn(triangles, first, second)
    bonds = bonds_between(triangles) if len(turned) else bonds
    position = centres[triangles].mean(axis=1)
    size_of_ring = np.bincount(triangles.ravel(), minlength=len(centres))
    degree = np.bincount(bonds.ravel(), minlength=len(triangles))
    # Rings at the rim, far outside the image, are open and not counted.
    open_rings = np.zeros(len(centres), bool)
    open_rings[triangles[degree < 3]] = True
    ring = ((size_of_ring != 6) & ~open_rings)[triangles].any(axis=1)
    position = relax(position, bonds, ring, p.spacing)
    y, x = _on_image(position, p)
    made = GrapheneSheet(
        place=position,
        bonds=bonds,
        grain=np.where(first_grain(y, x, p.size), 0, 1) if p.grain else np.zeros(len(y), int),
        ring=ring,
        silicon=np.zeros(len(y), bool),
        here=np.ones(len(y), bool),
    )
    _pierce(made, p, rng)
    _dope(made, p, rng)
    return made


def _on_image(position: np.ndarray, p: Graphene) -> tuple[np.ndarray, np.ndarray]:
    y, x, _ = place(position, p.size, np.radians(p.angle), np.radians(p.bend))
    return y, x


def _inside(position: np.ndarray, p: Graphene) -> np.ndarray:
    """Which atoms lie on the image."""
    y, x = _on_image(position, p)
    return (y > 0) & (y < p.size - 1) & (x > 0) & (x < p.size - 1)


def _ring_centres(p: Graphene, rng: np.random.Generator, reach: int) -> np.ndarray:
    """Centres of the rings of both grains, (ring, 2) px."""
    a = np.array([p.spacing, 0.0])
    b = p.spacing * np.array([0.5, np.sqrt(0.75)])
    grains = []
    for grain in range(2 if p.grain else 1):
        points, _ = crystal(reach, a, b, 0.0, 0.0, rng.uniform(0, 1, 2))
        turn = np.radians(grain * p.grain)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        grains.append(points @ rotation)
    if not p.grain:
        return grains[0]
    first, second = (
        points[first_grain(*_on_image(points, p), p.size) != bool(grain)]
        for grain, points in enumerate(grains)
    )
    distance, _ = cKDTree(first).query(second)
    second = second[distance > _TOO_CLOSE * p.spacing]
    return settle(np.concatenate([first, second]), len(first), p.spacing)


def _turned(
    centres: np.ndarray,
    triangles: np.ndarray,
    bonds: np.ndarray,
    p: Graphene,
    rng: np.random.Generator,
) -> np.ndarray:
    """Bonds of the image that are turned by 90° (Stone–Wales defects), apart from each other."""
    middle = centres[triangles].mean(axis=1)[bonds].mean(axis=1)
    inside = np.flatnonzero(_inside(middle, p))
    wanted = rng.binomial(len(inside), p.stone_wales)
    return bonds[_apart(middle, inside, wanted, 3 * p.spacing, rng)]


def _apart(
    points: np.ndarray,
    candidates: np.ndarray,
    wanted: int,
    distance: float,
    rng: np.random.Generator,
) -> list[int]:
    """Some candidates at random, none nearer to another than a distance; fewer if crowded."""
    chosen: list[int] = []
    for k in rng.permutation(candidates):
        if len(chosen) == wanted:
            break
        gaps = np.linalg.norm(points[chosen] - points[k], axis=1)
        if not len(gaps) or gaps.min() > distance:
            chosen.append(int(k))
    return chosen


def _pierce(made: GrapheneSheet, p: Graphene, rng: np.random.Generator) -> None:
    """Round holes around atoms of the image."""
    inside = np.flatnonzero(_inside(made.place, p))
    apart = 3 * p.hole * p.spacing
    for k in _apart(made.place, inside, p.holes, apart, rng):
        distance = np.linalg.norm(made.place - made.place[k], axis=1)
        made.here[distance < p.hole * p.spacing] = False
    made.prune()


def _dope(made: GrapheneSheet, p: Graphene, rng: np.random.Generator) -> None:
    """Silicon in place of one atom, or in the middle of two that are gone.

    Both kinds are found in graphene. Source: Inani et al., arXiv:1902.02611.
    """
    inside = made.here & _inside(made.place, p)
    whole = np.flatnonzero(inside & (made.defect() == PRISTINE))
    wanted = rng.binomial(int(inside.sum()), p.silicon)
    for k in _apart(made.place, whole, wanted, 1.6 * p.spacing, rng):
        made.silicon[k] = True
        if rng.uniform() >= p.fourfold:
            continue
        partner = int(rng.choice(made.neighbours(k)))
        made.place[k] = (made.place[k] + made.place[partner]) / 2
        made.here[partner] = False
        moved = (made.bonds == partner).any(axis=1) & ~(made.bonds == k).any(axis=1)
        made.bonds[moved] = np.where(made.bonds[moved] == partner, k, made.bonds[moved])
