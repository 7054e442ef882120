"""What walls are like within a window, and how near they are to each other, with errors.

Every number is an integral along the walls in a square window of side w: of length L in all, with
the curvature κ (positive where the centre of curvature lies in the positive domain).

* wall count: L / w. A straight wall through the middle, along an axis, counts 1.
* mean curvature: ∫κ ds / L, signed.
* rms curvature: √(∫κ² ds / L), the share of its errors taken out.
* convexity: share of L along which the positive domain is convex, ∫P(κ > 0) ds / L.

Standard errors follow from those of places and curvatures, which are correlated over
``error_length`` ℓ: the mean over a stretch of length s has the variance of a point times
min(1, ℓ / s), and stretches are independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtr

from vaescope.walls.pieces import Pieces

_STEEPEST = 3.0  # tangent of the angle at which a wall leaves a window, at most, for its error
_AGAIN = 2.0  # times as far along its own arc as across, a wall is another wall
_PAIRS = 2**21  # distances held at once


@dataclass(frozen=True)
class WindowsOfWalls:
    """Descriptors of windows (window,), each with its standard error; NaN where a window holds no
    wall. ``length`` px; ``count`` 1; curvatures 1/px; ``convexity`` 0 to 1."""

    length: np.ndarray
    count: np.ndarray
    count_error: np.ndarray
    mean_curvature: np.ndarray
    mean_curvature_error: np.ndarray
    rms_curvature: np.ndarray
    rms_curvature_error: np.ndarray
    convexity: np.ndarray
    convexity_error: np.ndarray
    area_error: np.ndarray  # px², of the positive domain in the window


def in_windows(pieces: Pieces, centre: np.ndarray, side: float) -> WindowsOfWalls:
    """Describe the walls of a frame in square windows.

    Parameters
    ----------
    centre : (window, 2) px (y, x).
    side : px.
    """
    found = {name: np.full(len(centre), np.nan) for name in WindowsOfWalls.__dataclass_fields__}
    for name in ("length", "count", "count_error", "area_error"):
        found[name][:] = 0
    if len(pieces) and len(centre):
        tree = cKDTree(pieces.place)
        for window, rows in enumerate(tree.query_ball_point(centre, side / 2, p=np.inf)):
            if rows:
                ordered = np.sort(np.asarray(rows))
                for name, value in _of_window(pieces, ordered, centre[window], side).items():
                    found[name][window] = value
    return WindowsOfWalls(**found)


def _of_window(
    pieces: Pieces, rows: np.ndarray, centre: np.ndarray, side: float
) -> dict[str, float]:
    """Descriptors of one window from the pieces ``rows`` (row,) in it, in order."""
    length, curvature = pieces.length[rows], pieces.curvature[rows]
    error, total = pieces.curvature_error[rows], float(pieces.length[rows].sum())
    share = length / total
    convex = ndtr(curvature / np.maximum(error, 1e-300))
    square = float(share @ (curvature**2 - error**2))
    spread = {"mean": 0.0, "square": 0.0, "convexity": 0.0, "length": 0.0, "area": 0.0}
    for run in _stretches(pieces, rows):
        own, part = share[run], float(share[run].sum())
        span = part * total
        few = min(1.0, float(own @ pieces.error_length[rows[run]]) / part / span)
        each, kappa = error[run], curvature[run]
        weight = part * few
        spread["mean"] += weight * float(own @ each**2)
        spread["square"] += weight * float(own @ (4 * kappa**2 * each**2 + 2 * each**4))
        spread["convexity"] += weight * float(own @ (convex[run] * (1 - convex[run])))
        across = pieces.normal_error[rows[run]]
        spread["length"] += total**2 * weight * float(own @ (kappa * across) ** 2)
        spread["length"] += _at_ends(pieces, rows[run], centre, side)
        spread["area"] += total**2 * weight * float(own @ across**2)
    root = np.sqrt(max(square, 0.0))
    # The root has no finite slope at 0: there its error is the root of that of the square.
    uncertain = np.sqrt(spread["square"])
    return {
        "length": total,
        "count": total / side,
        "count_error": np.sqrt(spread["length"]) / side,
        "mean_curvature": float(share @ curvature),
        "mean_curvature_error": np.sqrt(spread["mean"]),
        "rms_curvature": root,
        "rms_curvature_error": min(uncertain / max(2 * root, 1e-300), np.sqrt(uncertain)),
        "convexity": float(share @ convex),
        "convexity_error": np.sqrt(spread["convexity"]),
        "area_error": np.sqrt(spread["area"]),
    }


def _stretches(pieces: Pieces, rows: np.ndarray) -> Iterator[slice]:
    """Runs of pieces, in order, that lie one behind the other on one wall."""
    cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(pieces.wall[rows]) != 0)) + 1
    edges = [0, *cuts, len(rows)]
    yield from (slice(a, b) for a, b in pairwise(edges))


def _at_ends(pieces: Pieces, run: np.ndarray, centre: np.ndarray, side: float) -> float:
    """Variance in px² of the length of a stretch by where its ends leave the window: a wall that
    leaves it aslant is longer or shorter there by its shift times the tangent of the angle."""
    total = 0.0
    for piece, step in ((run[0], -1), (run[-1], 1)):
        beyond = piece + step
        other = 0 <= beyond < len(pieces) and pieces.wall[beyond] == pieces.wall[piece]
        if not (other or pieces.closed[piece]):
            continue  # the wall itself ends here
        away = np.abs(pieces.place[piece] - centre)
        cos, sin = np.abs(np.cos(pieces.direction[piece])), np.abs(np.sin(pieces.direction[piece]))
        through, beside = (sin, cos) if away[0] > away[1] else (cos, sin)
        if max(away) > side / 2 - 1:
            tangent = min(beside / max(through, 1e-9), _STEEPEST)
            total += float(tangent * pieces.normal_error[piece]) ** 2
    return total


def nearest_other(
    pieces: Pieces, place: np.ndarray, wall: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance from points of walls to the nearest other wall of the frame.

    A wall that comes back is another wall where the way along it is more than twice the distance
    across, so that a circle is none to itself.

    Parameters
    ----------
    place : (point, 2) px; ``wall`` (point,) the curve of each, ``at`` (point,) px along it.

    Returns
    -------
    Distance (point,) px, NaN where there is no other wall, and the piece (point,) that is nearest.
    """
    distance, which = np.full(len(place), np.nan), np.zeros(len(place), int)
    if not len(pieces):
        return distance, which
    coarse = np.arange(0, len(pieces), 4)
    middle, curve = pieces.place[coarse], pieces.wall[coarse]
    whole, arc = pieces.whole[coarse], pieces.at[coarse]
    for rows in np.array_split(np.arange(len(place)), -(-len(place) * len(coarse) // _PAIRS) or 1):
        gap = np.linalg.norm(place[rows, None] - middle, axis=2)
        way = np.abs(at[rows, None] - arc)
        way = np.where(pieces.closed[coarse], np.minimum(way, whole - way), way)
        own = (curve == wall[rows, None]) & (way <= _AGAIN * gap)
        gap[own] = np.inf
        nearest = gap.argmin(1)
        found = gap[np.arange(len(rows)), nearest]
        distance[rows] = np.where(np.isfinite(found), found, np.nan)
        which[rows] = coarse[nearest]
    return distance, which


def junctions(pieces: Pieces, reach: float = 3.0) -> np.ndarray:
    """Places (junction, 2) px where walls meet: one ends on another, within ``reach`` px of it, or
    two come closer than ``reach`` px and three of their standard errors, so that it is unsure which
    of their parts are joined."""
    kept: list[np.ndarray] = []
    for place in [*_ends(pieces, reach), *_saddles(pieces, reach)]:
        if all(np.linalg.norm(place - other) > 2 * reach for other in kept):
            kept.append(place)
    return np.array(kept).reshape(-1, 2)


def _ends(pieces: Pieces, reach: float) -> list[np.ndarray]:
    found = []
    for number in np.unique(pieces.wall):
        own = np.flatnonzero(pieces.wall == number)
        others = np.flatnonzero(pieces.wall != number)
        if pieces.closed[own[0]] or not len(others):
            continue
        tree = cKDTree(pieces.place[others])
        for end in (own[0], own[-1]):
            gap, nearest = tree.query(pieces.place[end])
            if gap <= reach:
                found.append(pieces.place[others[nearest]])
    return found


def _saddles(pieces: Pieces, reach: float) -> list[np.ndarray]:
    """Middles (2,) px between walls where these come closest, those that are closest first."""
    chosen = np.arange(0, len(pieces), 4)
    gap, other = nearest_other(pieces, pieces.place[chosen], pieces.wall[chosen], pieces.at[chosen])
    error = np.hypot(pieces.normal_error[chosen], pieces.normal_error[other])
    near = np.flatnonzero(gap <= reach + 3 * error)
    near = near[np.argsort(gap[near])]
    return list((pieces.place[chosen[near]] + pieces.place[other[near]]) / 2)
