"""Columns of atoms of a crystal structure, seen along a zone axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.simulate.lattice import crystal

if TYPE_CHECKING:
    from ase import Atoms

# The annular dark field grows by a power of the atomic number, which depends on the angles of the
# detector: 2 for Rutherford's bare nuclei, less where electrons screen them.
# Source: doi:10.1038/s41598-018-30941-5 (the power itself is a round number between the two).
Z_POWER = 1.7
_SAME = 0.1  # Å: atoms nearer to each other in projection stand in one column
_FAINT = 0.05  # columns that scatter less than this share of the strongest are left out


@dataclass(frozen=True)
class Projection:
    """The cell of a crystal as it is seen along its third axis."""

    a: np.ndarray  # (2,) Å, (right, up)
    b: np.ndarray  # (2,) Å
    place: np.ndarray  # (column, 2) in units of a and b
    strength: np.ndarray  # (column,) per Å of thickness; of a single layer, altogether
    symbols: list[str]  # the heaviest element of each column


def scattering(symbol: str) -> float:
    """What one atom adds to the strength of its column."""
    from ase.data import atomic_numbers

    return float(atomic_numbers[symbol]) ** Z_POWER


def project(atoms: Atoms, occupancy: dict[str, dict[str, float]] | None = None) -> Projection:
    """Columns of a structure whose third cell vector is the zone axis.

    Parameters
    ----------
    occupancy : symbol that stands for a mixed site -> share of each element on it.
    """
    shares = occupancy or {}
    cell = atoms.cell.array
    thickness = cell[2, 2] or 1.0
    plane = cell[:2, :2]
    where = atoms.positions[:, :2]
    found: list[tuple[np.ndarray, float, str]] = []
    taken = np.zeros(len(atoms), bool)
    for k in range(len(atoms)):
        if taken[k]:
            continue
        apart = (where - where[k]) @ np.linalg.inv(plane)
        apart = (apart - np.round(apart)) @ plane
        same = ~taken & (np.hypot(*apart.T) < _SAME)
        taken |= same
        weights = [
            sum(part * scattering(s) for s, part in shares.get(symbol, {symbol: 1.0}).items())
            for symbol in np.array(atoms.get_chemical_symbols())[same]
        ]
        heaviest = np.array(atoms.get_chemical_symbols())[same][int(np.argmax(weights))]
        found.append((where[k], sum(weights) / thickness, str(heaviest)))
    strength = np.array([each[1] for each in found])
    kept = np.flatnonzero(strength > _FAINT * strength.max())
    return Projection(
        a=plane[0],
        b=plane[1],
        place=np.stack([found[k][0] for k in kept]) @ np.linalg.inv(plane),
        strength=strength[kept],
        symbols=[found[k][2] for k in kept],
    )


def tile(seen: Projection, column: int, size: int, scale: float, origin: np.ndarray) -> np.ndarray:
    """Where one kind of column stands over an image of some size, (site, 2) px (right, up).

    Before bending, relative to the centre of the image, see `lattice.crystal`.

    Parameters
    ----------
    column : index into the columns of the cell.
    scale : px per Å.
    origin : (2,) shift of the lattice in units of its vectors.
    """
    a, b = scale * seen.a, scale * seen.b
    return crystal(size, a, b, 0.0, 0.0, origin + seen.place[column])[0]
