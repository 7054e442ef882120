"""Walls from frame to frame: displacement along the normal with its error, and who is who.

A place of a wall at p, with normal n, has moved by d where the line p + d n, with the drift of the
specimen taken out, meets the nearest wall of the next frame that has its positive domain on the
same side. Positive d: into the positive domain. Its variance adds those of both walls across, of
the drift across the wall met, and, where the two are not parallel, of the direction of n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vaescope.walls.pinned import pinned_of
from vaescope.walls.registration import Registration
from vaescope.walls.wall import Wall

REACH = 15.0
"""px, largest displacement from one frame to the next."""
_ALIKE = np.cos(np.radians(60))  # walls that differ more in direction are no pair
_LINK = 0.2  # share of the shorter of two walls along which they are paired, to be one wall
_SHORTEST = 3.0  # px of it
_GRAIN = 2.5  # px over which the texture under a wall changes
_MOST = 400  # pieces of wall that are looked at for one place, at most


@dataclass(frozen=True)
class WallStep:
    """One wall on its way to the next frame; arrays over its points.

    ``displacement``, ``error`` : (point,) px along the normal, NaN where no wall is met.
    ``pinned`` : (point,) probability that the place moved less than its error while others moved,
    NaN without displacement. ``met`` : (point,) which wall of the next frame, −1 for none.
    """

    displacement: np.ndarray
    error: np.ndarray
    pinned: np.ndarray
    met: np.ndarray


@dataclass(frozen=True)
class Link:
    """Wall ``before`` of a frame and wall ``after`` of the next one are the same along ``length``
    px, by their positions in the lists of the two frames."""

    before: int
    after: int
    length: float


@dataclass(frozen=True)
class Followed:
    """Walls of all frames as one history.

    ``number`` : for each frame (wall,) int, the identity of its walls: the same wall has the same
    number in all frames. ``steps`` : for each frame but the last, a `WallStep` for each wall.
    ``links`` : for each frame but the last, all pairs with walls of the next.
    """

    number: list[np.ndarray]
    steps: list[list[WallStep]]
    links: list[list[Link]]


def follow(frames: Sequence[Sequence[Wall]], drift: Registration, reach: float = REACH) -> Followed:
    """Follow walls through frames.

    Parameters
    ----------
    frames : the walls of each frame.
    drift : of the specimen between them, see `registration.register`.
    reach : px, largest displacement from one frame to the next.
    """
    steps, links = [], []
    for index in range(len(frames) - 1):
        before, after = frames[index], frames[index + 1]
        ahead = [
            displacement(wall, after, *drift.displaced(index, wall.place), reach) for wall in before
        ]
        back = [
            displacement(wall, before, *drift.displaced_back(index, wall.place), reach)
            for wall in after
        ]
        pinned = pinned_of(before, [a[0] for a in ahead], [a[1] for a in ahead])
        steps.append([WallStep(d, e, p, m) for (d, e, m), p in zip(ahead, pinned, strict=True)])
        links.append(_links(before, after, [a[2] for a in ahead], [b[2] for b in back]))
    return Followed(_numbers(frames, links), steps, links)


def displacement(
    wall: Wall,
    others: Sequence[Wall],
    drift: np.ndarray,
    covariance: np.ndarray,
    reach: float = REACH,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far a wall lies from those of another frame, along its normal.

    Parameters
    ----------
    others : the walls of the other frame.
    drift, covariance : (2,) or (point, 2) px and (2, 2) or (point, 2, 2) px², of the specimen from
        the frame of the wall to the other.

    Returns
    -------
    Displacement (point,) px and its standard error, NaN where no wall is met; and which of the
    others is met, −1 for none.
    """
    points = len(wall.place)
    nothing = np.full(points, np.nan)
    start, end, whose, along, error = _pieces(others)
    if not points or not len(start):
        return nothing, nothing.copy(), np.full(points, -1)
    place = wall.place + drift
    normal = np.stack([np.cos(wall.direction), -np.sin(wall.direction)], axis=1)
    tangent = np.stack([np.sin(wall.direction), np.cos(wall.direction)], axis=1)
    tree = cKDTree((start + end) / 2)
    radius = reach + 1.0
    most = int(np.max(tree.query_ball_point(place, radius, return_length=True)))
    if not most:
        return nothing, nothing.copy(), np.full(points, -1)
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
    cosine = parallel[rows, nearest]
    across = np.stack([np.cos(along[chosen]), -np.sin(along[chosen])], axis=1)
    uncertain = np.broadcast_to(covariance, (points, 2, 2))
    drifted = np.einsum("pi,pij,pj->p", across, uncertain, across)
    turned = np.sqrt(2) * wall.noise_error / np.maximum(wall.error_length, 1e-9)
    slant = moved * np.sqrt(np.maximum(1 - cosine**2, 0)) / np.maximum(cosine, _ALIKE)
    variance = (
        wall.noise_error**2
        + _of_texture(wall, moved)
        + (error[chosen] ** 2 + drifted) / np.maximum(cosine, _ALIKE) ** 2
        + (slant * turned) ** 2
    )
    return moved, np.where(met, np.sqrt(variance), np.nan), np.where(met, whose[chosen], -1)


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


def lengths(wall: Wall) -> np.ndarray:
    """Length (point,) px of wall that each point stands for."""
    steps = wall.steps
    if not len(steps):
        return np.zeros(len(wall.place))
    if wall.closed:
        return (steps + np.roll(steps, 1)) / 2
    return (np.append(steps, 0.0) + np.append(0.0, steps)) / 2


def _links(
    before: Sequence[Wall],
    after: Sequence[Wall],
    ahead: list[np.ndarray],
    back: list[np.ndarray],
) -> list[Link]:
    """Which walls are the same, along which length, the longest first; pairs that only one of the
    two frames finds are left out."""
    forth, to_fro = np.zeros((2, len(before), len(after)))
    for i, (wall, met) in enumerate(zip(before, ahead, strict=True)):
        np.add.at(forth[i], met[met >= 0], lengths(wall)[met >= 0])
    for j, (wall, met) in enumerate(zip(after, back, strict=True)):
        np.add.at(to_fro[:, j], met[met >= 0], lengths(wall)[met >= 0])
    paired = np.minimum(forth, to_fro)
    found = []
    for i, j in np.argwhere(paired > 0):
        shorter = min(before[i].length, after[j].length)
        if paired[i, j] >= max(_LINK * shorter, min(_SHORTEST, shorter / 2)):
            found.append(Link(int(i), int(j), float(paired[i, j])))
    return sorted(found, key=lambda link: -link.length)


def _numbers(frames: Sequence[Sequence[Wall]], links: list[list[Link]]) -> list[np.ndarray]:
    """Identity of the walls of each frame; what becomes of a wall in its largest part keeps its
    number."""
    numbers = [np.arange(len(frames[0]))] if len(frames) else []
    newest = len(numbers[0]) if numbers else 0
    for walls, found in zip(frames[1:], links, strict=True):
        number = np.full(len(walls), -1)
        used: set[int] = set()
        for link in found:
            if number[link.after] < 0 and link.before not in used:
                number[link.after] = numbers[-1][link.before]
                used.add(link.before)
        fresh = np.flatnonzero(number < 0)
        number[fresh] = newest + np.arange(len(fresh))
        newest += len(fresh)
        numbers.append(number)
    return numbers
