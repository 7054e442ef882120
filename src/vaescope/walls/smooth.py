"""Smoothing of pictures in which part was not measured, by as much as their noise asks for."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from vaescope.walls.signal import Signal, both_signs

RATIO = 0.1  # noise left after smoothing, over half the difference of the two states
LEAST, MOST = 1.0, 6.0  # px, of the smoothing
_WIDTHS = 10  # that are tried
_STEEP = 0.6  # of the steepest slope, from which on a place lies on a wall
_SEEN = 0.02  # weight below which a smoothed value rests on too little


def smooth(values: np.ndarray, measured: np.ndarray, width: float) -> np.ndarray:
    """Gaussian mean (y, x) with a standard deviation of ``width`` px over what was measured; where
    nothing near was, the mean of all."""
    weight = gaussian_filter(measured.astype(float), width, mode="constant")
    sums = gaussian_filter(np.where(measured, values, 0.0), width, mode="constant")
    mean = float(values[measured].mean()) if measured.any() else 0.0
    return np.where(weight > _SEEN, sums / np.maximum(weight, _SEEN), mean)


def states_of(values: np.ndarray, measured: np.ndarray, level: float) -> tuple[float, float]:
    """Medians of what lies below and above ``level``: the response of the two domain states."""
    part = values[measured]
    low, high = part[part < level], part[part >= level]
    below = float(np.median(low)) if low.size else level
    return below, float(np.median(high)) if high.size else level


def level_between(picture: np.ndarray, signal: Signal, width: float) -> float:
    """The value of a picture (y, x), smoothed by ``width`` px, that parts its two states: zero
    where it has both signs; else midway between them, whatever share of the picture each has: the
    mean over its steepest places, which lie on walls."""
    if both_signs(picture, signal.measured, signal.noise, width):
        return 0.0
    steep = np.hypot(*np.gradient(picture))
    steep[~signal.measured] = 0
    weight = np.where(steep >= _STEEP * steep.max(), steep**2, 0.0)
    return float((weight * picture).sum() / max(weight.sum(), 1e-300))


def smoothing_for(signal: Signal) -> float:
    """Width in px of the Gaussian that leaves white noise of a tenth of the response, or where none
    does, of the smallest share.

    A Gaussian of width s leaves 1 / (2 s sqrt(pi)) of white noise; the response is half the
    difference of the two states in the picture smoothed just so.
    """
    best, least = LEAST, np.inf
    for width in np.geomspace(LEAST, MOST, _WIDTHS):
        picture = smooth(signal.in_phase, signal.measured, width)
        level = level_between(picture, signal, width)
        low, high = states_of(picture, signal.measured, level)
        ratio = signal.noise / (np.sqrt(np.pi) * width * max(high - low, 1e-12))
        if ratio < least:
            best, least = float(width), ratio
        if ratio <= RATIO:
            break
    return best
