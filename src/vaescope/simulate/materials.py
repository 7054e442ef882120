"""Oxides: domains of BiFeO3, and NiO beside La0.7Sr0.3MnO3, seen along [001]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from vaescope.simulate.arguments import Parameters, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.lattice import Columns, interface, join, place, thin
from vaescope.simulate.structure import Projection, project, tile

# Å and units of the cell; R3c, hexagonal axes, 298 K. Source: doi:10.1107/S0108768107023956.
_BFO_A, _BFO_C, _BFO_FE = 5.57882, 13.86932, 0.22021
_BFO_O = (0.4469, 0.0181, 0.95183)
# Å, round values of the cubic NiO and of the pseudocubic La0.7Sr0.3MnO3.
_NIO, _LSMO = 4.18, 3.88
_CLOSEST = 0.45  # lattice parameters: nearer columns at an interface are not both kept

# The four directions in projection, (right, up) along the axes of the cell.
_VARIANTS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
BIFEO3_TRUTHS = {
    f"polar_{axis}": truth(f"true displacement of Fe against Bi along {axis}", "px", "diverging")
    for axis in ("y", "x")
}
BIFEO3_NAMES = {"phase": ("+a +b", "-a +b", "-a -b", "+a -b"), "species": ("Bi", "Fe")}
NIO_LSMO_NAMES = {"phase": ("LSMO", "NiO"), "species": ("La/Sr", "Mn", "Ni")}


@dataclass(frozen=True)
class BiFeO3(Parameters):
    """What can be asked of `bifeo3`."""

    CELL: ClassVar[float] = 0.3965  # nm, pseudocubic

    domains: int = within(4, 1, 64)  # stripes from left to right; a jagged wall crosses them


@dataclass(frozen=True)
class NioLsmo(Parameters):
    """What can be asked of `nio-lsmo`."""

    CELL: ClassVar[float] = _LSMO / 10  # nm, of the perovskite


def bifeo3(p: BiFeO3, rng: np.random.Generator) -> Columns:
    """Domains of BiFeO3: Fe stands off the centre of its four Bi along a diagonal of the cell.

    Stripes side by side differ by 90° in projection, with walls along b (71° or 109° walls). A
    180° wall crosses them, along the diagonal of each stripe: no wall is charged. The cells of all
    domains are drawn as squares: the 0.6° by which the rhombohedral angle differs from 90°, and
    oxygen, are left out. ``polar_y``, ``polar_x`` tell, at Bi too, how Fe is displaced there.
    """
    seen, shift = _bifeo3()
    scale = p.spacing / seen.a[0]
    edges = _stripes(p, rng)
    height = rng.uniform(-0.1, 0.1) * p.size
    angle, bend = np.radians(p.angle), np.radians(p.bend)
    origin = rng.uniform(0, 1, 2)
    parts = []
    for species, strength in enumerate(seen.strength / seen.strength.max()):
        points = tile(seen, species, p.size, scale, origin)
        phase = _domain(points, edges, height)
        moved = points + scale * shift * _VARIANTS[phase]
        y, x, local = place(points, p.size, angle, bend)
        moved_y, moved_x, _ = place(moved, p.size, angle, bend)
        polar = {"polar_y": moved_y - y, "polar_x": moved_x - x}
        if seen.symbols[species] == "Fe":
            y, x = moved_y, moved_x
        kind = np.full(len(y), BIFEO3_NAMES["species"].index(seen.symbols[species]))
        parts.append(Columns(y, x, local, phase, kind, np.full(len(y), strength), polar))
    return join(parts)


@cache
def _bifeo3() -> tuple[Projection, float]:
    """Columns of the pseudocubic cell, and how far Fe is displaced along each of its axes, Å."""
    from ase.spacegroup import crystal

    atoms = crystal(
        ["Bi", "Fe", "O"],
        [(0, 0, 0), (0, 0, _BFO_FE), _BFO_O],
        spacegroup=161,
        cellpar=[_BFO_A, _BFO_A, _BFO_C, 90, 90, 120],
    )
    a, b, c = atoms.cell.array
    # Halves of the sums of rhombohedral vectors are the pseudocubic ones; c is twice their sum.
    r1, r2, r3 = (2 * a + b + c) / 3, (-a + b + c) / 3, (-a - 2 * b + c) / 3
    axis = (r1 + r2 - r3) / 2
    cell = float(np.linalg.norm(axis))
    # In the middle of its eight Bi, Fe would stand at a quarter of c.
    shift = abs(_BFO_FE - 0.25) * float(c @ axis) / cell
    ideal = crystal(
        ["Bi", "Fe", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
        spacegroup=221,
        cellpar=[cell, cell, cell, 90, 90, 90],
    )
    return project(ideal), shift


def _stripes(p: BiFeO3, rng: np.random.Generator) -> np.ndarray:
    """Where one stripe ends and the next begins, (domains - 1,) px right of the centre."""
    widths = rng.uniform(0.6, 1.4, p.domains)
    return p.size * (np.cumsum(widths / widths.sum())[:-1] - 0.5)


def _domain(points: np.ndarray, edges: np.ndarray, height: float) -> np.ndarray:
    """Which of the four variants (site,) points of the crystal belong to."""
    right, up = points.T
    even = np.searchsorted(edges, right) % 2 == 0
    # The jagged wall climbs in even stripes and falls in odd ones, from beyond one side of the
    # image to beyond the other.
    far = 2 * np.abs(points).max()
    corners = np.concatenate([[-far], edges, [far]])
    slope = np.where(np.arange(len(edges) + 1) % 2 == 0, 1.0, -1.0)
    level = np.concatenate([[0.0], np.cumsum(slope * np.diff(corners))])
    level += height - np.interp(0.0, corners, level)
    above = up > np.interp(right, corners, level)
    return np.where(even, np.where(above, 0, 2), np.where(above, 1, 3))


def nio_lsmo(p: NioLsmo, rng: np.random.Generator) -> Columns:
    """La0.7Sr0.3MnO3 above a gently waving interface, NiO below, cube on cube.

    Along [001] every column of NiO holds Ni and O by turns, so all are alike, half a cell apart.
    The lattices keep their own parameters up to the interface.
    """
    angle, bend = np.radians(p.angle), np.radians(p.bend)
    perovskite, rock_salt = _nio_lsmo()
    scale = p.spacing / perovskite.a[0]
    strongest = perovskite.strength.max()
    kinds = {"La": 0, "Mn": 1, "Ni": 2}
    parts = []
    for phase, seen in enumerate((perovskite, rock_salt)):
        origin = rng.uniform(0, 1, 2)
        for column, symbol in enumerate(seen.symbols):
            points = tile(seen, column, p.size, scale, origin)
            y, x, local = place(points, p.size, angle, bend)
            which = np.full(len(y), phase)
            strength = np.full(len(y), seen.strength[column] / strongest)
            columns = Columns(y, x, local, which, np.full(len(y), kinds[symbol]), strength)
            parts.append(columns.where(interface(y, x, p.size) == phase))
    return thin(join(parts), _CLOSEST * p.spacing)


@cache
def _nio_lsmo() -> tuple[Projection, Projection]:
    from ase.spacegroup import crystal

    perovskite = crystal(
        ["La", "Mn", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
        spacegroup=221,
        cellpar=[_LSMO] * 3 + [90] * 3,
    )
    rock_salt = crystal(
        ["Ni", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.5)],
        spacegroup=225,
        cellpar=[_NIO] * 3 + [90] * 3,
    )
    mixed = {"La": {"La": 0.7, "Sr": 0.3}}
    return project(perovskite, mixed), project(rock_salt)
