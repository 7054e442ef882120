"""Walls from frame to frame: displacement along the normal with its error, and who is who.

Displacements are those of ``meeting``, from each frame to the next; walls that both frames pair
along a good part of their length are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vaescope.walls.meeting import REACH, meeting
from vaescope.walls.pinned import pinned_of
from vaescope.walls.registration import Registration
from vaescope.walls.wall import Wall

_LINK = 0.2  # share of the shorter of two walls along which they are paired, to be one wall
_SHORTEST = 3.0  # px of it


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
        by = [drift.displaced(index, wall.place) for wall in before]
        ahead = [
            meeting(wall, after, moved, reach) for wall, (moved, _) in zip(before, by, strict=True)
        ]
        back = [
            meeting(wall, before, drift.displaced_back(index, wall.place)[0], reach).met
            for wall in after
        ]
        errors = [met.error(own) for met, (_, own) in zip(ahead, by, strict=True)]
        shared, apart = drift.shared(index), ahead
        if shared is None:
            shared = np.zeros((2, 2))
            apart = [
                replace(met, variance=error**2) for met, error in zip(ahead, errors, strict=True)
            ]
        pinned = pinned_of(before, apart, shared)
        steps.append(
            [
                WallStep(met.moved, error, own, met.met)
                for met, error, own in zip(ahead, errors, pinned, strict=True)
            ]
        )
        links.append(_links(before, after, [met.met for met in ahead], back))
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
    drift, covariance : px and px², of the specimen from the frame of the wall to the other; (2,)
        and (2, 2), or of each point of the wall (point, 2) and (point, 2, 2).

    Returns
    -------
    Displacement (point,) px and its standard error, NaN where no wall is met; and which of the
    others is met, −1 for none.
    """
    met = meeting(wall, others, drift, reach)
    return met.moved, met.error(covariance), met.met


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
