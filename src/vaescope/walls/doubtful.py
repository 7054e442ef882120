"""Where the domains of two frames differ, but the response does not say that anything switched."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vaescope.walls.signal import Signal
from vaescope.walls.switched import switched

_CHANGED = 0.5  # of a pixel
_THIN = 2  # px: narrower areas are walls that moved, which have errors of their own


def doubtful(
    before: Signal,
    after: Signal,
    share_before: np.ndarray,
    share_after: np.ndarray,
    moved: np.ndarray,
    covariance: np.ndarray,
) -> np.ndarray:
    """Change of the positive share of each pixel of a frame that rests on a response of doubtful
    sign, such as that of a weak domain which is a domain in one frame only.

    A narrow area with a wall of either frame at its rim is what a wall has crossed. All others
    count in which no pixel is in one state beyond doubt before and in the other after
    (``switched``).

    Parameters
    ----------
    before, after : the frames, with the level between the two states.
    share_before, share_after : (y, x) positive share of each pixel.
    moved, covariance : (2,) or (y, x, 2) px and (2, 2) or (y, x, 2, 2) px², by which the specimen
        moves from one to the other.

    Returns
    -------
    (y, x), from 0 to 1.
    """
    shape = share_before.shape
    pixels = np.indices(shape, dtype=float)
    place = pixels + np.moveaxis(np.broadcast_to(moved, (*shape, 2)), -1, 0)
    later = ndimage.map_coordinates(share_after, place, order=1, mode="nearest")
    there = ndimage.map_coordinates(after.measured.astype(float), place, order=1) > 0.99
    change = np.where(before.measured & there, np.abs(later - share_before), 0.0)
    areas, count = ndimage.label(change > _CHANGED)
    disc = np.hypot(*np.mgrid[-_THIN : _THIN + 1, -_THIN : _THIN + 1]) <= _THIN
    wide = areas[ndimage.binary_opening(areas > 0, disc)]
    walls = _cut(share_before), ndimage.map_coordinates(_cut(share_after), place, order=1)
    beside = [areas[ndimage.binary_dilation(wall > 0)] for wall in walls]
    crossed = np.setdiff1d(np.intersect1d(*beside), wide)
    rest = np.setdiff1d(np.arange(1, count + 1), crossed)
    if not len(rest):
        return np.zeros(shape)
    sure = np.unique(areas[switched(before, after, moved, covariance).switched])
    return np.where(np.isin(areas, np.setdiff1d(rest, sure)), change, 0.0)


def _cut(share: np.ndarray) -> np.ndarray:
    """Pixels (y, x) through which a wall runs, as 1."""
    return ((share > 0) & (share < 1)).astype(float)
