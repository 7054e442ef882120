"""Prepare the input of a detector: one length scale, one contrast everywhere."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SPACING = 8.0
"""px of the picture between nearest sites; everything else here is measured in such pixels."""
_LOCAL = 14.0  # standard deviation of the window in which mean and contrast are measured
_TRUNCATE = 2.5
_FLAT = 0.02  # of an image's standard deviation
REACH = 2 * (int(_TRUNCATE * _LOCAL + 0.5) + 1)
"""px beyond which a pixel does not change the normalised picture."""


def rescaled(
    image: np.ndarray,
    factor: float,
    start: tuple[int, int],
    shape: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """Part of an image on the grid of a detector.

    Pixel (i, j) of the grid lies at ((i + 1/2) factor - 1/2, …) of the image, as if ``factor``
    pixels were joined to one. What lies beyond the image mirrors it.

    Parameters
    ----------
    image : (height, width) float.
    factor : image pixels in one pixel of the grid.
    start, shape : the part, in pixels of the grid.
    corner : place of ``image`` in the whole image, if it is a part of that.
    """
    if factor > 1:
        # The variance of a box of ``factor`` pixels, less that of linear interpolation.
        image = ndimage.gaussian_filter(image, 0.33 * np.sqrt(factor**2 - 1), truncate=4.0)
    axes = [
        (np.arange(first, first + count) + 0.5) * factor - 0.5 - place
        for first, count, place in zip(start, shape, corner, strict=True)
    ]
    rows = [_between(at, side) for at, side in zip(axes, image.shape, strict=True)]
    for axis, (low, high, share) in enumerate(rows):
        share = share[:, None] if axis == 0 else share[None, :]
        image = (1 - share) * image.take(low, axis) + share * image.take(high, axis)
    return image


def _between(at: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels to both sides of places on an axis, and how far the place lies towards the second."""
    low = np.floor(at).astype(int)
    return _mirrored(low, side), _mirrored(low + 1, side), at - low


def _mirrored(index: np.ndarray, side: int) -> np.ndarray:
    index = np.mod(index, 2 * side)
    return np.where(index < side, index, 2 * side - 1 - index)


def normalised(picture: np.ndarray, spread: float) -> np.ndarray:
    """Mean 0 and standard deviation 1 in the surroundings of every pixel, (height, width).

    ``spread`` is the standard deviation of the whole image: where the picture varies by less than
    a few per cent of it, there is nothing to be seen, and it is not raised.
    """

    def around(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, _LOCAL, truncate=_TRUNCATE)

    flat = picture - around(picture)
    return flat / np.sqrt(around(flat**2) + (_FLAT * spread) ** 2 + np.finfo(float).tiny)


def heights(picture: np.ndarray) -> np.ndarray:
    """Compute the contrast of every pixel with its surroundings, at the scale of a site."""
    return ndimage.gaussian_filter(picture, SPACING / 5) - ndimage.gaussian_filter(
        picture, SPACING / 2
    )
