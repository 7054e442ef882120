"""Where the normals of a wall meet the walls of another frame.

A place of a wall at p, with normal n, has moved by d where the line p + d n, with the drift of the
specimen taken out, meets the nearest wall of the other frame that has its positive domain on the
same side. Positive d: into the positive domain. Its variance adds those of both walls across, of
what fits make of sharp bends and, where the two walls are not parallel, of the direction of n; that
of the drift counts across the wall met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.walls.wall import Wall

REACH = 15.0
"""px, largest displacement from one frame to the next."""
_ALIKE = np.cos(np.radians(60))  # walls that differ more in direction are no pair
_GRAIN = 2.5  # px over which the texture under a wall changes
_SMOOTHED = 0.3  # of a bend's curvature squared times the cube of the length that is averaged over
_BESIDE = 0.8  # correlation lengths of errors, within which a bend is near
_MOST = 400  # pieces of wall that are looked at for one place, at most


@dataclass(frozen=True)
class Meeting:
    """How far a wall lies from those of another frame; arrays over its points.

    ``moved`` : (point,) px along the normal. ``variance`` : (point,) px² of it, without that of the
    drift. ``lever`` : (point, 2) px by which ``moved`` grows per px (y, x) of drift. All are NaN
    where no wall is met, the lever apart. ``met`` : (point,) which of the walls, −1 for none.
    """

    moved: np.ndarray
    variance: np.ndarray
    lever: np.ndarray
    met: np.ndarray

    @classmethod
    def none(cls, points: int) -> Meeting:
        """Of a wall that meets no other."""
        nothing = np.full(points, np.nan)
        return cls(nothing, nothing.copy(), np.zeros((points, 2)), np.full(points, -1))

    def by_drift(self, covariance: np.ndarray) -> np.ndarray:
        """Variance (point,) px² by that of the drift, (2, 2) or (point, 2, 2)."""
        of_place = np.broadcast_to(covariance, (len(self.moved), 2, 2))
        return np.asarray(np.einsum("pi,pij,pj->p", self.lever, of_place, self.lever))

    def error(self, covariance: np.ndarray) -> np.ndarray:
        """Standard error (point,) px of ``moved``, that of the drift included."""
        return np.sqrt(self.variance + self.by_drift(covariance))


def meeting(wall: Wall, others: Sequence[Wall], drift: np.ndarray, reach: float = REACH) -> Meeting:
    """Where a wall meets those of another frame, along its normals.

    Parameters
    ----------
    others : the walls of the other frame.
    drift : (2,) or (point, 2) px, of the specimen from the frame of the wall to the other.
    reach : px, largest displacement.
    """
    points = len(wall.place)
    start, end, whose, along, error = _pieces(others)
    if not points or not len(start):
        return Meeting.none(points)
    place = wall.place + drift
    normal = np.stack([np.cos(wall.direction), -np.sin(wall.direction)], axis=1)
    tangent = np.stack([np.sin(wall.direction), np.cos(wall.direction)], axis=1)
    tree = cKDTree((start + end) / 2)
    radius = reach + 1.0
    most = int(np.max(tree.query_ball_point(place, radius, return_length=True)))
    if not most:
        return Meeting.none(points)
    count = min(most, _MOST)
    which = tree.query(place, k=range(1, count + 1), distance_upper_bound=radius)[1]
    there = which < len(start)
    which = np.where(there, which, 0)

    def coordinate(at: np.ndarray, axis: np.ndarray) -> np.ndarray:
        return np.einsum("pkc,pc->pk", at[which] - place[:, None], axis)

    low, high = coordinate(start, tangent), coordinate(end, tangent)
    parallel = np.cos(along[which] - wall.direction[:, None])
    # Walls run with the positive domain on one side, so that a pair runs the same way.
    crossed = there & (low <= 0) & (high > 0) & (parallel > _ALIKE)
    share = np.where(crossed, -low / np.where(crossed, high - low, 1.0), 0.0)
    above = coordinate(start, normal)
    far = above + share * (coordinate(end, normal) - above)
    size = np.where(crossed & (np.abs(far) <= reach), np.abs(far), np.inf)
    rows, nearest = np.arange(points), size.argmin(axis=1)
    met = np.isfinite(size[rows, nearest])
    chosen = which[rows, nearest]
    moved = np.where(met, far[rows, nearest], np.nan)
    cosine = np.maximum(parallel[rows, nearest], _ALIKE)
    across = np.stack([np.cos(along[chosen]), -np.sin(along[chosen])], axis=1)
    turned = np.sqrt(2) * wall.noise_error / np.maximum(wall.error_length, 1e-9)
    slant = moved * np.sqrt(1 - np.minimum(cosine, 1.0) ** 2) / cosine
    variance = (
        wall.noise_error**2
        + _of_texture(wall, moved)
        + (error[chosen] / cosine) ** 2
        + (slant * turned) ** 2
        + 2 * _of_bends(wall)
    )
    return Meeting(
        moved,
        np.where(met, variance, np.nan),
        -across / cosine[:, None],
        np.where(met, whose[chosen], -1),
    )


def _of_bends(wall: Wall) -> np.ndarray:
    """Variance (point,) px² of a fit near bends that are sharp beside the length over which it
    averages: by how much they are smoothed differs from frame to frame."""
    steps = wall.steps
    if not len(steps):
        return np.zeros(len(wall.place))
    size = 1 + 2 * int(_BESIDE * np.median(wall.error_length) / max(float(np.median(steps)), 1e-6))
    mode = "wrap" if wall.closed else "nearest"
    bend = ndimage.maximum_filter1d(np.abs(wall.curvature), size, mode=mode)
    over = wall.error_length / (2 * np.sqrt(np.pi))
    return np.asarray((_SMOOTHED * bend**2 * over**3) ** 2)


def _of_texture(wall: Wall, moved: np.ndarray) -> np.ndarray:
    """Variance (point,) px² of a displacement from the texture of the domains: the same in both
    frames where a wall stays, another where it has left the grains it was on."""
    if wall.texture_error is None:
        return np.zeros(len(wall.place))
    return 2 * wall.texture_error**2 * -np.expm1(-0.5 * (moved / _GRAIN) ** 2)


def _pieces(walls: Sequence[Wall]) -> tuple[np.ndarray, ...]:
    """All walls as pieces from point to point: start and end (piece, 2), whose they are, their
    direction and their error across."""
    starts, ends, whose, along, errors = [], [], [], [], []
    for index, wall in enumerate(walls):
        if len(wall.place) < 2:
            continue
        follows = np.roll(wall.place, -1, axis=0) if wall.closed else wall.place[1:]
        own = wall.place[: len(follows)]
        starts.append(own)
        ends.append(follows)
        whose.append(np.full(len(own), index))
        chord = follows - own
        along.append(np.arctan2(chord[:, 0], chord[:, 1]))
        errors.append(wall.noise_error[: len(own)])
    if not starts:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), np.zeros(0)
    return (
        np.concatenate(starts),
        np.concatenate(ends),
        np.concatenate(whose),
        np.concatenate(along),
        np.concatenate(errors),
    )
