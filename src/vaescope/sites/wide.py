"""Smoothing over many pixels, from means over squares of them: smooth values need no more."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_TWICED = 1.25  # times as wide, a Gaussian that is applied by twicing lets as much noise through


def smooth(values: np.ndarray, sigma: float, coarse: int, truncate: float = 4.0) -> np.ndarray:
    """Values (height, width) under a Gaussian of ``sigma`` pixels, one for every square of
    ``coarse`` × ``coarse`` pixels."""
    height, width = values.shape
    rows, columns = -(-height // coarse), -(-width // coarse)
    missing = ((0, rows * coarse - height), (0, columns * coarse - width))
    whole = np.pad(values, missing, mode="symmetric")
    means = whole.reshape(rows, coarse, columns, coarse).mean((1, 3))
    return ndimage.gaussian_filter(means, sigma / coarse, truncate=truncate)


def at(smoothed: np.ndarray, places: np.ndarray, coarse: int) -> np.ndarray:
    """Interpolate the values of ``smooth`` at places (2, place), (y, x) in pixels: (place,)."""
    middle = (places + 0.5) / coarse - 0.5
    return ndimage.map_coordinates(smoothed, middle, order=1, mode="nearest")


def slopes(values: np.ndarray, places: np.ndarray, sigma: float, border: int = 0) -> np.ndarray:
    """Slopes (2, place) along y and x, per pixel, of smoothed values about places (2, place).

    A ``border`` of so many pixels is left out. Beyond, values go on by point reflection, so that a
    steady slope stays one. What smoothing takes off where the slope changes is added again (J. W.
    Tukey, Exploratory Data Analysis, 1977, ch. 16: twicing).
    """
    if min(values.shape) <= 2 * border + 2:
        border = 0
    inner = values[border : values.shape[0] - border, border : values.shape[1] - border]
    coarse = max(min(int(sigma / 4), min(inner.shape) // 2), 1)
    height, width = (side // coarse * coarse for side in inner.shape)
    means = inner[:height, :width].reshape(height // coarse, coarse, width // coarse, coarse)
    means = means.mean((1, 3))
    wider = _TWICED * sigma / coarse
    margin = max(min(int(np.ceil(4 * wider)) + border // coarse + 1, min(means.shape) - 1), 0)
    whole = np.pad(means, margin, mode="reflect", reflect_type="odd")
    once = ndimage.gaussian_filter(whole, wider)
    gradients = np.gradient(2 * once - ndimage.gaussian_filter(once, wider), coarse)
    return np.stack([at(each, places - border + margin * coarse, coarse) for each in gradients])
