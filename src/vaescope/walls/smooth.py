"""Smoothing of pictures in which part was not measured, by as much as their noise asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from vaescope.walls.signal import Signal, both_signs

RATIO = 0.1  # noise left after smoothing, over half the difference of the two states
LEAST, MOST = 1.0, 6.0  # px, of the smoothing
_WIDTHS = 10  # that are tried
_STEEP = 0.6  # of the steepest slope, from which on a place lies on a wall
_WIDE = 3.0  # widths over which what changes slowly is taken off as no noise
_TO_SD = 1.4826  # from the median absolute deviation of normal values
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


def levelled(signal: Signal) -> Signal:
    """The signal with the level by which its walls are found."""
    if not signal.noise > 0:
        return signal
    width = smoothings_for(signal)[0]
    picture = smooth(signal.in_phase, signal.measured, width)
    return replace(signal, level=level_between(picture, signal, width))


def smoothings_for(signal: Signal) -> tuple[float, ...]:
    """Widths in px of the Gaussian in whose picture walls may be sought: what is enough for white
    noise, and where it is another, for noise that is correlated.

    Enough is what leaves noise of a tenth of the response, or where nothing does, of the smallest
    share; the response is half the difference of the two states in the picture smoothed just so.
    """
    best, least = [LEAST, LEAST], [np.inf, np.inf]
    for width in np.geomspace(LEAST, MOST, _WIDTHS):
        picture = smooth(signal.in_phase, signal.measured, width)
        low, high = states_of(picture, signal.measured, level_between(picture, signal, width))
        for number, left in enumerate(_left(signal, width)):
            ratio = 2 * left / max(high - low, 1e-12)
            if least[number] > max(ratio, RATIO):
                best[number], least[number] = float(width), max(ratio, RATIO)
        if max(least) <= RATIO:
            break
    return tuple(dict.fromkeys(best))


def _left(signal: Signal, width: float) -> tuple[float, float]:
    """Standard deviations of the noise after smoothing by ``width`` px, if it is white, 1 / (2
    width sqrt(pi)) of what it was, and as it is in the out-of-phase response."""
    white = float(signal.noise / (2 * np.sqrt(np.pi) * width))
    if signal.out_of_phase is None or not signal.measured.any():
        return white, white
    across = smooth(signal.out_of_phase, signal.measured, width)
    across = across - smooth(across, signal.measured, _WIDE * width)
    part = across[signal.measured]
    return white, max(white, _TO_SD * float(np.median(np.abs(part - np.median(part)))))
