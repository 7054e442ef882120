"""How much higher noise rises than it falls: counts are skewed, and few of them stay so when
filtered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from vaescope.sites.detect import Filter

_DIFFERENCE = np.array([1.0, -2.0, 1.0])
_NORMAL = (np.pi / 2) ** 0.5  # standard deviation over mean magnitude, of a normal distribution


def of_noise(parts: Sequence[np.ndarray], filter_: Filter) -> float:
    """Estimate the third cumulant of the filtered white noise of an image, at least 0.

    That of pixels is seen in differences that are blind to planes and lines (J. Immerkær, Computer
    Vision and Image Understanding 64 (1996) 300), as cumulants of independent values add up.

    Parameters
    ----------
    parts : (height, width) each, finite, hot pixels replaced.

    Returns
    -------
    Third cumulant, in cubed units of the filtered image.
    """
    cubes = []
    for part in parts:
        once = ndimage.correlate1d(part, _DIFFERENCE, axis=0, mode="reflect")
        twice = ndimage.correlate1d(once, _DIFFERENCE, axis=1, mode="reflect")
        cubes.append(float((twice**3).mean()))
    of_pixels = float(np.mean(cubes)) / float((_DIFFERENCE**3).sum()) ** 2
    side = 2 * filter_.reach + 3
    pulse = np.zeros((side, side))
    pulse[side // 2, side // 2] = 1.0
    return max(of_pixels * float((filter_.apply(pulse) ** 3).sum()), 0.0)


def mirrored(depth: np.ndarray, spread: np.ndarray, cumulant: float) -> np.ndarray:
    """The heights of maxima that are as rare as minima of some depth, in skewed noise.

    Source: E. A. Cornish, R. A. Fisher, Revue de l'Institut International de Statistique 5 (1938)
    307; the first term.

    Parameters
    ----------
    depth : (minimum,) positive. spread : (minimum,) mean magnitude of the filtered image around.
    cumulant : the third one, as from ``of_noise``.

    Returns
    -------
    (minimum,) at least the depths.
    """
    deviation = np.maximum(_NORMAL * spread, np.finfo(float).tiny)
    level = depth / deviation
    skewness = cumulant / deviation**3
    # A quantile z becomes z + s (z² - 1) / 6 above and z - s (z² - 1) / 6 below.
    return np.asarray(depth + deviation * skewness / 3 * np.maximum(level**2 - 1, 0))
