"""Shapes of ferroelectric domains: at random, stripes, circles."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vaescope.simulate.level_sets import Discs, Plane, Sampled

SHAPES = ("random", "stripes", "circles")

_MEANDER = 0.35  # widths of a stripe, standard deviation by which its walls bend
_WAVE = 2.0  # widths of a stripe over which they do
_GAP = 14.0  # px, least distance between two circles
_CROWDED = 0.3  # share of the area that circles cover at most
_TRIES = 400


def plane(
    shape: str, low: int, high: int, length: float, share: float, rng: np.random.Generator
) -> Plane:
    """Domains of a shape in a square of the plane.

    Parameters
    ----------
    shape : one of ``SHAPES``.
    low, high : px, first and last row and column of the square.
    length : px; of domains at random the standard deviation of the Gaussian that smooths the white
        noise of which they are made, of stripes the width of one, of circles their mean radius.
    share : of the area in the positive domain; circles cover at most 0.3 of it.
    """
    side = high - low + 1
    if not 0 < share < 1:
        return Sampled(np.full((side, side), 1.0 if share else -1.0), low)
    if shape == "circles":
        return _circles(low, high, length, min(share, _CROWDED), rng)
    values = smooth(side, length, rng) if shape == "random" else _stripes(side, length, rng)
    return Sampled(values - np.quantile(values, 1 - share), low)


def smooth(side: int, length: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian random field of mean 0 and standard deviation 1, (side, side): white noise smoothed
    by a Gaussian of standard deviation ``length`` px."""
    # The filter wraps round: the margin keeps the two ends of the field apart.
    margin = int(np.ceil(4 * length))
    noise = rng.normal(size=(side + margin, side + margin))
    field = ndimage.gaussian_filter(noise, length, mode="wrap", truncate=5.0)
    return field[:side, :side] * 2 * np.sqrt(np.pi) * length


def _stripes(side: int, length: float, rng: np.random.Generator) -> np.ndarray:
    angle, start = rng.uniform(0, 2 * np.pi, 2)
    y, x = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    across = np.cos(angle) * y + np.sin(angle) * x
    bent = _MEANDER * length * smooth(side, _WAVE * length, rng)
    return np.sin(np.pi * (across + bent) / length + start)


def _circles(low: int, high: int, length: float, share: float, rng: np.random.Generator) -> Discs:
    """Circles at random until they cover a share of the square, or there is no room for more."""
    centre, radius = np.zeros((0, 2)), np.zeros(0)
    for _ in range(_TRIES):
        size = length * rng.uniform(0.7, 1.3)
        place = rng.uniform(low, high, 2)
        gaps = np.linalg.norm(centre - place, axis=1) - radius - size
        if not (gaps < _GAP).any():
            centre, radius = np.vstack([centre, place]), np.append(radius, size)
        if np.pi * (radius**2).sum() > share * (high - low) ** 2:
            break
    return Discs(centre, radius)
