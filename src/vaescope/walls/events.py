"""What becomes of walls: they appear and vanish, merge and split.

A wall appears, or vanishes, where no wall of the other frame goes on from it; what crosses the rim
of the frame or of what was measured is neither. Two walls merge where one wall of the next frame
goes on from both, at the place where they were nearest to each other; a wall splits the other way
round. Each event has the largest significance with which a place within it switched, see
`switched`: below 3 it may be a matter of the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.draw import polygon2mask

from vaescope.walls.follow import Followed, Link
from vaescope.walls.registration import Registration
from vaescope.walls.switched import CERTAIN, Switched
from vaescope.walls.wall import Wall

What = Literal["creation", "annihilation", "merging", "splitting"]
EVENTS: tuple[What, ...] = ("creation", "annihilation", "merging", "splitting")
_NEAR = 3.0  # px about a place at which something switched
_RIM = 4.0  # px from the rim or from what was not measured, within which walls come and go


@dataclass(frozen=True)
class Event:
    """Something that happened between frame ``frame`` and the next one.

    ``place`` : (2,) px (y, x) in ``frame``. ``before``, ``after`` : numbers of the walls concerned
    in the two frames. ``significance`` : standard errors; NaN where the frames cannot be compared.
    """

    what: What
    frame: int
    place: np.ndarray
    before: tuple[int, ...]
    after: tuple[int, ...]
    significance: float

    @property
    def happened(self) -> bool:
        """Whether it is beyond doubt."""
        return self.significance > CERTAIN


def events_of(
    frames: Sequence[Sequence[Wall]],
    followed: Followed,
    registration: Registration,
    switched: Sequence[Switched],
) -> list[Event]:
    """All events of a movie, in the order of time.

    Parameters
    ----------
    switched : what switched from each frame to the next.
    """
    found = []
    for frame, links in enumerate(followed.links):
        pair = frames[frame], frames[frame + 1]
        numbers = followed.number[frame], followed.number[frame + 1]
        step, change = registration.step[frame], switched[frame]
        for what, place, area, before, after in _changes(pair, links, step, change):
            found.append(
                Event(
                    what,
                    frame,
                    place,
                    tuple(int(numbers[0][k]) for k in before),
                    tuple(int(numbers[1][k]) for k in after),
                    _largest(change.significance, area),
                )
            )
    return found


_Change = tuple[What, np.ndarray, np.ndarray, tuple[int, ...], tuple[int, ...]]


def _changes(
    pair: tuple[Sequence[Wall], Sequence[Wall]],
    links: Sequence[Link],
    step: np.ndarray,
    change: Switched,
) -> list[_Change]:
    """What happened, where, in which pixels (y, x), and the walls concerned in the two frames."""
    shape = change.significance.shape
    inner = ndimage.distance_transform_edt(np.pad(change.compared, 1))[1:-1, 1:-1] > _RIM
    found: list[_Change] = []
    alone: tuple[What, What] = ("annihilation", "creation")
    several: tuple[What, What] = ("merging", "splitting")
    for side in (0, 1):
        off = side * step  # of places in the second frame to those in the first
        linked = {link.before if side == 0 else link.after for link in links}
        for k, wall in enumerate(pair[side]):
            place = wall.place - off
            if k not in linked and _inside(place, inner):
                who: tuple[int, ...] = (k,)
                none: tuple[int, ...] = ()
                area = _area(place, wall.closed, shape)
                own = (who, none) if side == 0 else (none, who)
                found.append((alone[side], place.mean(axis=0), area, *own))
        partners: dict[int, list[int]] = {}
        for link in links:
            one, other = (link.after, link.before) if side == 0 else (link.before, link.after)
            partners.setdefault(one, []).append(other)
        for one, others in partners.items():
            others.sort()
            for k, first in enumerate(others):
                for second in others[k + 1 :]:
                    place = _between(pair[side][first].place, pair[side][second].place) - off
                    if _inside(place[None], inner):
                        area = _disc(place, shape)
                        many: tuple[int, ...] = (first, second)
                        single: tuple[int, ...] = (one,)
                        own = (many, single) if side == 0 else (single, many)
                        found.append((several[side], place, area, *own))
    return found


def _inside(place: np.ndarray, inner: np.ndarray) -> bool:
    """Whether all places (point, 2) lie where walls do not come and go by themselves."""
    at = np.rint(place).astype(int)
    within = ((at >= 0) & (at < inner.shape)).all(axis=1)
    return bool(within.all() and inner[tuple(at.T)].all())


def _area(place: np.ndarray, closed: bool, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels (y, x) within a closed wall, or about an open one."""
    mask = np.zeros(shape, bool)
    if closed and len(place) > 2:
        mask |= polygon2mask(shape, place)
    at = np.clip(np.rint(place).astype(int), 0, np.array(shape) - 1)
    mask[tuple(at.T)] = True
    return mask


def _disc(place: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - place[0]) ** 2 + (x - place[1]) ** 2 <= _NEAR**2


def _between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The middle of the shortest line between two curves."""
    away, nearest = cKDTree(other).query(one)
    k = int(np.argmin(away))
    return (one[k] + other[nearest[k]]) / 2


def _largest(significance: np.ndarray, area: np.ndarray) -> float:
    values = np.abs(significance[area])
    values = values[np.isfinite(values)]
    return float(values.max()) if values.size else float("nan")
