"""Whether walls are pinned where something else is: steps of the surface, other walls, defects.

The statistic is the mean log odds of pinning on a candidate's pixels less that on all pixels that
walls have visited, times the root of their number. It is compared with all the values that it takes
when the candidate is shifted over the map, round its rim: shifts leave the map and the candidate as
they are, with whatever is alike over distances in either of them, and break their relation alone.

Source: H. W. Lotwick and B. W. Silverman, J. R. Stat. Soc. B 44 (1982) 406 (toroidal shifts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from vaescope.walls.pinning import PinningMap
from vaescope.walls.wall import Wall

_REACH = 2.0  # px about a candidate that belong to it
_ENOUGH = 0.5  # of the visited pixels on the candidate, that a shift must have as well
_LEAST = 5  # visited pixels on a candidate, without which it is not tested
_SMOOTH = 2.0  # px, of the height whose slope is taken
_STEEP = 4.0  # robust standard deviations above the median, beyond which a slope is a step
_TO_SD = 1.4826  # from the median absolute deviation of normal values


@dataclass(frozen=True)
class Association:
    """How pinning is associated with one candidate.

    ``ratio`` : mean posterior probability of pinning on the candidate's visited pixels over that on
    all visited ones. ``p_value`` : of a relation as strong as this or stronger by chance, NaN where
    walls hardly visit it. ``pixels`` : of the candidate that walls visited.
    """

    candidate: str
    ratio: float
    p_value: float
    pixels: int


def association(pinning: PinningMap, candidate: np.ndarray, name: str) -> Association:
    """Test the relation of pinning with a candidate.

    Parameters
    ----------
    candidate : (y, x) bool, its pixels in the first frame.
    name : of the candidate, in words.
    """
    visited = pinning.visited
    near = ndimage.distance_transform_edt(~candidate) <= _REACH if candidate.any() else candidate
    on = visited & near
    pixels = int(on.sum())
    if pixels < _LEAST or pixels == visited.sum():
        return Association(name, float("nan"), float("nan"), pixels)
    probability = np.where(visited, pinning.probability, 0.0)
    ratio = float(probability[on].mean() / max(probability[visited].mean(), 1e-300))
    odds = np.where(visited, pinning.log_odds - pinning.log_odds[visited].mean(), 0.0)
    mask = np.conj(fft.rfft2(near.astype(float)))
    sums, counts = (
        fft.irfft2(fft.rfft2(values) * mask, near.shape) for values in (odds, visited.astype(float))
    )
    known = counts > _ENOUGH * pixels
    statistic = sums[known] / np.sqrt(counts[known])
    observed = sums[0, 0] / np.sqrt(counts[0, 0])
    p_value = float((statistic >= observed - 1e-9 * np.abs(observed)).mean())
    return Association(name, ratio, p_value, pixels)


def steps_of(height: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Pixels (y, x) of the surface that are much steeper than usual: steps, boundaries of grains,
    rims of particles."""
    smooth = ndimage.gaussian_filter(np.where(measured, height, height[measured].mean()), _SMOOTH)
    slope = np.hypot(*np.gradient(smooth))
    part = slope[measured]
    usual = float(np.median(part))
    spread = _TO_SD * float(np.median(np.abs(part - usual)))
    return measured & (slope > usual + _STEEP * spread) & (spread > 0)


def pixels_of(places: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels (y, x) in which some places (point, 2) px lie."""
    found = np.zeros(shape, bool)
    for place in places:
        at = np.rint(np.reshape(place, (-1, 2))).astype(int)
        inside = ((at >= 0) & (at < shape)).all(axis=1)
        found[tuple(at[inside].T)] = True
    return found


def pixels_of_walls(walls: Sequence[Wall], shape: tuple[int, int]) -> np.ndarray:
    """Pixels (y, x) through which some walls run."""
    return pixels_of([wall.place for wall in walls], shape)
