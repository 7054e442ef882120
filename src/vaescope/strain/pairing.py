"""Relate two bases of lattices: which vector of one is which of the other, and by what rotation.

A lattice has many bases; two of them differ by a matrix of whole numbers with determinant 1. Of all
these, the one that needs least strain is taken. Where several need about the same, because the
lattice has symmetries, they are the equivalent ways to turn one lattice into the other.
"""

from __future__ import annotations

import itertools

import numpy as np

from vaescope import deformation

_MOST = 2  # of a whole number in a change of basis; the bases compared have the shortest vectors
_TIE = 1e-3  # of their squares, by which vectors of about the same length differ
_EQUAL = 0.02  # strains that differ by less are about the same


def _changes() -> np.ndarray:
    numbers = range(-_MOST, _MOST + 1)
    every = np.array(list(itertools.product(numbers, repeat=4))).reshape(-1, 2, 2)
    return every[np.rint(np.linalg.det(every)) == 1]


CHANGES = _changes()
"""Changes of basis (change, 2, 2): each, times a basis, is another basis of the same lattice."""


def carrying(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Deformations (…, 2, 2) that carry the vectors of one basis (…, 2, 2) onto those of another
    (…, 2, 2)."""
    return np.asarray((np.linalg.inv(start) @ stop).swapaxes(-1, -2))


def size(strain: np.ndarray) -> np.ndarray:
    """Norm (…,) of strains (…, 3) as (xx, yy, xy)."""
    return np.asarray(np.sqrt(strain[..., 0] ** 2 + strain[..., 1] ** 2 + 2 * strain[..., 2] ** 2))


def relate(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Find the change (2, 2) of the basis ``other`` (2, 2) that makes it most like ``one``.

    Returns
    -------
    The change, the strain (3,) of ``other`` from ``one`` and its rotation in rad: of all pairings
    with about the least strain, those with the least rotation.
    """
    strain, turn = deformation.split(carrying(one, CHANGES @ other))
    much = size(strain)
    chosen = np.flatnonzero(much < np.nanmin(much) + _EQUAL)
    best = chosen[np.abs(turn[chosen]).argmin()]
    return CHANGES[best], strain[best], float(turn[best])


def reduced(basis: np.ndarray) -> np.ndarray:
    """The basis (2, 2) of the same lattice with the shortest vectors; of equals the given one."""
    squares = ((CHANGES @ basis) ** 2).sum((1, 2))
    if (basis**2).sum() <= squares.min() * (1 + _TIE):
        return basis
    return np.asarray(CHANGES[squares.argmin()] @ basis)


def fold(basis: np.ndarray, tolerance: float) -> int:
    """By how many rotations in a full turn a lattice returns to itself within a strain: 2, 4 or 6.

    ``tolerance`` : the largest norm of the strain that still counts as none.
    """
    strain, turn = deformation.split(carrying(basis, CHANGES @ basis))
    turns = np.abs(turn[size(strain) < tolerance])
    for order in (6, 4):
        if (np.abs(turns - 2 * np.pi / order) < np.pi / 12).any():
            return order
    return 2
