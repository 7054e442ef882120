"""The unit cell of the lattice that an image shows, from its autocorrelation.

A vector of the lattice brings every column onto a like one, so the autocorrelation is nearly as
high there as at the centre; a vector from one sublattice to another does so for some of the columns
only. The two shortest vectors at which the autocorrelation is about as high as anywhere near span
the cell. Where an image holds several lattices of nearly the same cell, theirs is a mean one.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vaescope.sites import scale

_LEAST = 0.1  # share of the central peak (without noise) that a vector of a lattice has
_AS_HIGH = 0.8  # share of the highest peak nearby: from one sublattice to another there is less
_NEARBY = 2.2  # shortest vectors within which peaks are compared
_APART = 0.35  # sine of the angle between two vectors that span a cell
_LONGEST = 3.0  # how many times the shorter vector the longer one may be
_REPEATED = 0.4  # share of the lower of their peaks that stands at their sum and difference
_SMOOTH = 1.0  # px, standard deviation of the Gaussian that takes noise off the autocorrelation
_SHELLS = 3  # multiples of a vector from which its length is found


def unit_cell(parts: list[np.ndarray]) -> np.ndarray | None:
    """The two shortest vectors of the lattice of an image.

    Parameters
    ----------
    parts : (height, width) parts of the image, as ``scale.crops`` chooses them.

    Returns
    -------
    (vector, 2) as (y, x) in px, the shorter first, both with x ≥ 0; their angle is 60° to 120°. Of
    several parts, that of the part whose lattice is clearest. None: no part shows a lattice.
    """
    found = [one for part in parts if (one := _of_part(np.asarray(part, float))) is not None]
    return max(found, key=lambda one: one[1])[0] if found else None


def reduced(cell: np.ndarray) -> np.ndarray:
    """The shortest vectors (vector, 2) of the lattice that two vectors span (Gauss's reduction)."""
    one, other = (np.array(vector, float) for vector in cell)
    while True:
        if one @ one > other @ other:
            one, other = other, one
        times = np.rint(one @ other / (one @ one))
        if times == 0:
            return np.stack([one, other])
        other = other - times * one


def in_cells(shift: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Shifts (…, 2) as shares (…, 2) of the two vectors (vector, 2) of a cell."""
    return np.asarray(shift @ np.linalg.inv(cell))


def modulo(shift: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The shortest of the shifts (…, 2) that are equivalent modulo a reduced cell (vector, 2)."""
    steps = np.arange(-1, 2)
    near = (steps[:, None, None] * cell[0] + steps[None, :, None] * cell[1]).reshape(9, 2)
    within = shift - np.rint(in_cells(shift, cell)) @ cell
    options = within[..., None, :] + near
    best = (options**2).sum(-1).argmin(-1)
    return np.asarray(np.take_along_axis(options, best[..., None, None], -2)[..., 0, :])


def _of_part(part: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The cell of one part, and how high the lower of its two peaks is; None without a lattice."""
    if np.ptp(part) == 0 or min(part.shape) < 2 * scale.SMALLEST:
        return None
    correlation = ndimage.gaussian_filter(scale.autocorrelation(part), _SMOOTH)
    centre = np.array(correlation.shape) // 2
    peaks, heights = _peaks(correlation, centre)
    if len(peaks) < 2:
        return None
    length = np.hypot(*peaks.T)
    # Far peaks may be higher by chance, or by two lattices that meet there: compare nearby alone.
    nearby = length[None, :] < _NEARBY * length[:, None]
    highest = np.where(nearby, heights, 0.0).max(1)
    high = heights > np.maximum(_AS_HIGH * highest, _LEAST)
    order = np.flatnonzero(high)[np.argsort(length[high], kind="stable")]
    if len(order) < 2:
        return None
    one = peaks[order[0]]
    for index in order[1:]:
        other = peaks[index]
        sine = abs(one[0] * other[1] - one[1] * other[0]) / (np.hypot(*one) * np.hypot(*other))
        if sine > _APART:
            low = float(min(heights[order[0]], heights[index]))
            cell = _refined(np.stack([one, other]), correlation, centre)
            return (_named(reduced(cell)), low) if _repeats(cell, correlation, centre) else None
    return None


def _repeats(cell: np.ndarray, correlation: np.ndarray, centre: np.ndarray) -> bool:
    """Whether two vectors are those of a lattice: of about one length, and their sum and difference
    lead to peaks as well, about as high as theirs."""
    one, other = reduced(cell)
    if np.hypot(*other) > _LONGEST * np.hypot(*one):
        return False
    heights = []
    for vector in (one, other, one + other, one - other):
        top = _top(correlation, centre + vector)
        if top is None:
            return False
        heights.append(correlation[tuple(np.rint(top).astype(int))])
    return bool(min(heights[2:]) > _REPEATED * min(heights[:2]))


def _peaks(correlation: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Peaks (peak, 2) in px from the centre, of one half of the plane, and their heights as shares
    of the central peak without the noise of single pixels."""
    y, x = np.indices(correlation.shape)
    y, x = y - centre[0], x - centre[1]
    distance = np.hypot(y, x)
    low = _first_minimum(correlation, centre)
    top = ndimage.maximum_filter(correlation, 2 * max(int(low / 2), 1) + 1)
    half = (x > 0) | ((x == 0) & (y > 0))
    inside = (np.abs(y) < centre[0] - 2) & (np.abs(x) < centre[1] - 2)
    peak = (correlation == top) & half & inside & (distance > low)
    peak &= distance < 0.7 * min(centre)
    # Noise stands in the central peak alone; what is left one width away is the structure's.
    central = float(correlation[centre[0], centre[1] + 1])
    return np.stack([y[peak], x[peak]], 1).astype(float), correlation[peak] / max(central, 1e-12)


def _first_minimum(correlation: np.ndarray, centre: np.ndarray) -> float:
    """Radius (px) at which the mean of the autocorrelation over circles stops falling."""
    y, x = np.indices(correlation.shape)
    radius = np.rint(np.hypot(y - centre[0], x - centre[1])).astype(int).ravel()
    mean = np.bincount(radius, correlation.ravel()) / np.maximum(np.bincount(radius), 1)
    rising = np.flatnonzero(np.diff(mean[1 : min(centre)]) > 0)
    return float(rising[0] + 1) if len(rising) else 2.0


def _refined(cell: np.ndarray, correlation: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Vectors to fractions of a pixel, from the peaks at their multiples and sums."""
    for reach in range(1, _SHELLS + 1):
        steps = range(-reach, reach + 1)
        whole = np.array([[i, j] for i in steps for j in steps if (i, j) > (0, 0)], float)
        places, used = [], []
        for index in whole:
            found = _top(correlation, centre + index @ cell)
            if found is not None:
                places.append(found - centre)
                used.append(index)
        if len(used) > 2:
            cell = np.linalg.lstsq(np.array(used), np.array(places), rcond=None)[0]
    return cell


def _top(correlation: np.ndarray, near: np.ndarray) -> np.ndarray | None:
    """The top (2,) of a peak near a place, to fractions of a px; None: there is none."""
    reach = 2
    y, x = (round(float(one)) for one in near)
    inside = np.array([y, x]) - reach - 1
    if (inside < 0).any() or (np.array([y, x]) + reach + 2 > correlation.shape).any():
        return None
    block = correlation[y - reach : y + reach + 1, x - reach : x + reach + 1]
    dy, dx = np.unravel_index(block.argmax(), block.shape)
    y, x = y + int(dy) - reach, x + int(dx) - reach
    b = correlation[y - 1 : y + 2, x - 1 : x + 2]
    if b.max() > b[1, 1] or b[1, 1] <= 0:
        return None
    bend_y, bend_x = 2 * b[1, 1] - b[0, 1] - b[2, 1], 2 * b[1, 1] - b[1, 0] - b[1, 2]
    if min(bend_y, bend_x) <= 0:
        return None
    return np.array(
        [y + (b[2, 1] - b[0, 1]) / (2 * bend_y), x + (b[1, 2] - b[1, 0]) / (2 * bend_x)]
    )


def _named(cell: np.ndarray) -> np.ndarray:
    """The same vectors, each along x rather than against it."""
    against = (cell[:, 1] < 0) | ((cell[:, 1] == 0) & (cell[:, 0] < 0))
    return np.where(against[:, None], -cell, cell)
