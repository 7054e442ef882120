"""Smoothing over many pixels, from means over squares of them: smooth values need no more."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


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


def slopes(values: np.ndarray, places: np.ndarray, sigma: float) -> np.ndarray:
    """Slopes (2, place) along y and x, per pixel, of smoothed values about places (2, place)."""
    coarse = max(min(int(sigma / 4), min(values.shape) // 2), 1)
    gradients = np.gradient(smooth(values, sigma, coarse), coarse)
    return np.stack([at(gradient, places, coarse) for gradient in gradients])
