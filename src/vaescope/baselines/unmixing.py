"""Linear unmixing: the corners of a cloud of points, and every point as a mixture of them."""

from __future__ import annotations

import numpy as np

_STARTS = 5  # random first corners, of which the largest simplex counts
_ROUNDS = 50  # of exchanges; a few are enough
_SUM = 100.0  # weight of the demand that shares add up to 1, in units of the corners' size


def n_findr(points: np.ndarray, seed: int) -> np.ndarray:
    """Indices of the points that span the largest simplex: the purest ones.

    Parameters
    ----------
    points : (site, corners − 1) float, reduced to as many dimensions as a simplex has.
    seed : of the first guesses.

    Returns
    -------
    (corners,) int, distinct indices, ascending.

    Source: M. E. Winter, Proc. SPIE 3753 (1999) 266. The volume is linear in each corner, so a
    round looks at all points at once.
    """
    sites, dimensions = points.shape
    raised = np.concatenate([np.ones((sites, 1)), np.asarray(points, dtype=float)], axis=1)
    scale = np.abs(raised).max(0)
    raised = raised / np.where(scale > 0, scale, 1)
    rng = np.random.default_rng(seed)
    best, largest = np.arange(dimensions + 1), -1.0
    for _ in range(_STARTS):
        chosen = rng.choice(sites, dimensions + 1, replace=False)
        volume = abs(np.linalg.det(raised[chosen]))
        for _ in range(_ROUNDS):
            before = volume
            for corner in range(dimensions + 1):
                volumes = np.abs(raised @ _cofactors(raised[chosen], corner))
                place = int(volumes.argmax())
                if place not in chosen and volumes[place] > volume * (1 + 1e-9):
                    chosen[corner], volume = place, volumes[place]
            if volume <= before:
                break
        if volume > largest:
            best, largest = chosen.copy(), volume
    return np.sort(best)


def vca(scores: np.ndarray, seed: int) -> np.ndarray:
    """Indices of the purest points by vertex component analysis.

    Parameters
    ----------
    scores : (site, corner) float, on as many singular vectors of the data, not centred, as there
        are corners.
    seed : of the directions.

    Returns
    -------
    (corner,) int. An index may occur twice where fewer points are pure.

    Source: J. M. P. Nascimento and J. M. Bioucas-Dias, IEEE Trans. Geosci. Remote Sens. 43 (2005)
    898: points are projected onto a plane from the origin, and the farthest one along a direction
    at right angles to all corners so far is the next corner.
    """
    rng = np.random.default_rng(seed)
    mean = scores.mean(0)
    size = scores @ mean
    seen = np.where(size > 1e-6 * size.max(), size, np.inf)
    flat = scores / seen[:, None]
    corners = np.zeros((scores.shape[1], 0))
    found: list[int] = []
    for _ in range(scores.shape[1]):
        direction = np.asarray(rng.normal(size=scores.shape[1]))
        if found:
            direction -= corners @ np.linalg.lstsq(corners, direction, rcond=None)[0]
        place = int(np.abs(flat @ direction).argmax())
        found.append(place)
        corners = np.column_stack([corners, flat[place]])
    return np.array(found)


def _cofactors(matrix: np.ndarray, row: int) -> np.ndarray:
    """The vector whose product with a new ``row`` is the determinant of the matrix."""
    others = np.delete(matrix, row, axis=0)
    columns = np.arange(matrix.shape[1])
    minors = [np.linalg.det(others[:, columns != column]) for column in columns]
    return (-1.0) ** (row + columns) * np.array(minors)


def abundances(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Shares (site, corner) of every corner in every point: not negative, with a sum of 1.

    Parameters
    ----------
    points : (site, dimension).
    corners : (corner, dimension).

    Source: D. C. Heinz and C.-I Chang, IEEE Trans. Geosci. Remote Sens. 39 (2001) 529: least
    squares that are not negative, with the sum as one more, heavy equation.
    """
    from scipy.optimize import nnls

    centre = corners.mean(0)
    corners, points = corners - centre, points - centre
    # Only what lies in the span of the corners counts: a system as small as there are corners.
    span, small = np.linalg.qr(corners.T.astype(float))
    seen = points.astype(float) @ span
    size = np.abs(small).max()
    heavy = _SUM * (size if size > 0 else 1.0)
    system = np.vstack([small, np.full((1, len(corners)), heavy)])
    shares = np.stack([nnls(system, np.append(row, heavy))[0] for row in seen])
    total = shares.sum(1, keepdims=True)
    return np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / len(corners))
