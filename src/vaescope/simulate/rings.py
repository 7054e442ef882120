"""Networks in which every atom has three neighbours, built from the centres of their rings.

Atoms stand in the middles of the triangles between these centres. However the centres lie, every
atom has three neighbours, so grain boundaries come out as rows of pentagons and heptagons, and a
turned bond is an edge between two triangles that is laid the other way.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay, cKDTree

_BOND = 1 / np.sqrt(3)  # lattice parameters between neighbouring atoms (1.42 Å of 2.46 Å)
_SOFT = 4.0  # lattice parameters around a boundary or defect within which positions give way
_ROUNDS = 25  # in which the centres of the rings along a boundary find their places
_BENDING = 0.2  # stiffness between second neighbours beside that of a bond


def settle(centres: np.ndarray, first: int, spacing: float) -> np.ndarray:
    """Let the centres along the boundary of two grains find places one lattice parameter apart.

    Parameters
    ----------
    centres : (ring, 2) px.
    first : so many of them, from the start, are of the first grain.
    spacing : lattice parameter in px.
    """
    one, two = cKDTree(centres[:first]), cKDTree(centres[first:])
    depth = np.concatenate([two.query(centres[:first])[0], one.query(centres[first:])[0]])
    near = np.flatnonzero(depth < 2 * _SOFT * spacing)
    centres, points, free = centres.copy(), centres[near], depth[near] < _SOFT * spacing
    for _ in range(_ROUNDS):
        pairs = _edges(Delaunay(points).simplices)
        apart = points[pairs[:, 1]] - points[pairs[:, 0]]
        length = np.linalg.norm(apart, axis=1)
        close = length < 1.6 * spacing
        pull = 0.15 * (apart * (1 - spacing / length)[:, None])[close]
        force = np.zeros_like(points)
        np.add.at(force, pairs[close, 0], pull)
        np.add.at(force, pairs[close, 1], -pull)
        points = points + force * free[:, None]
    centres[near] = points
    return centres


def _edges(triangles: np.ndarray) -> np.ndarray:
    """Each edge of some triangles once, (edge, 2)."""
    every = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(every, axis=0)


def bonds_between(triangles: np.ndarray) -> np.ndarray:
    """Pairs of triangles that share an edge, (bond, 2)."""
    every = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    order = np.lexsort((every[:, 1], every[:, 0]))
    same = (every[order[1:]] == every[order[:-1]]).all(axis=1)
    return np.sort(np.stack([order[:-1][same], order[1:][same]], axis=1) // 3, axis=1)


def turn(triangles: np.ndarray, first: int, second: int) -> None:
    """Lay the edge between two triangles the other way."""
    shared = np.intersect1d(triangles[first], triangles[second])
    tips = [np.setdiff1d(triangles[k], shared)[0] for k in (first, second)]
    triangles[first], triangles[second] = [*tips, shared[0]], [*tips, shared[1]]


def relax(position: np.ndarray, bonds: np.ndarray, ring: np.ndarray, spacing: float) -> np.ndarray:
    """Positions around defects where springs between first and second neighbours are at rest."""
    if not ring.any():
        return position
    from scipy.optimize import minimize

    depth, _ = cKDTree(position[ring]).query(position, distance_upper_bound=_SOFT * spacing)
    free = np.isfinite(depth)
    second = _second_neighbours(bonds, len(position))
    springs = np.concatenate([bonds, second])
    rest = np.concatenate([np.full(len(bonds), _BOND), np.ones(len(second))]) * spacing
    stiff = np.concatenate([np.ones(len(bonds)), np.full(len(second), _BENDING)])
    used = free[springs].any(axis=1)
    springs, rest, stiff = springs[used], rest[used], stiff[used]

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        current = position.copy()
        current[free] = flat.reshape(-1, 2)
        apart = current[springs[:, 1]] - current[springs[:, 0]]
        length = np.linalg.norm(apart, axis=1)
        stretch = length - rest
        pull = (stiff * stretch / length)[:, None] * apart
        slope = np.zeros_like(current)
        for axis in range(2):
            slope[:, axis] += np.bincount(springs[:, 1], pull[:, axis], len(current))
            slope[:, axis] -= np.bincount(springs[:, 0], pull[:, axis], len(current))
        return float(0.5 * np.sum(stiff * stretch**2)), slope[free].ravel()

    found = minimize(
        energy, position[free].ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200}
    )
    relaxed = position.copy()
    relaxed[free] = found.x.reshape(-1, 2)
    return relaxed


def _second_neighbours(bonds: np.ndarray, count: int) -> np.ndarray:
    """Pairs of atoms with a common neighbour, (pair, 2)."""
    from scipy.sparse import coo_matrix, triu

    one = np.ones(len(bonds), int)
    half = coo_matrix((one, (bonds[:, 0], bonds[:, 1])), shape=(count, count)).tocsr()
    table = half + half.T
    pairs = triu(table @ table, k=1).tocoo()
    return np.stack([pairs.row, pairs.col], axis=1)
