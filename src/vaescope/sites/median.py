"""The median of 3 × 3 pixels, by a network of comparisons on strips that stay in cache."""

from __future__ import annotations

import numpy as np

_STRIP = 32  # rows

# Pairs to be put in order, after which the fifth of nine is the median: 19 comparisons, the fewest
# (J. L. Smith, "Implementing median filters in XC4000E FPGAs", XCELL 23 (1996) 16).
_NETWORK = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def median_3x3(image: np.ndarray) -> np.ndarray:
    """Median of the 3 × 3 pixels around each pixel of an image (height, width), mirrored at its
    edges: what ``scipy.ndimage.median_filter(image, 3)`` gives, several times faster."""
    padded = np.pad(image, 1, mode="symmetric")
    height, width = image.shape
    out = np.empty_like(image)
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        near = [
            padded[top + y : top + y + rows, x : x + width].copy()
            for y in range(3)
            for x in range(3)
        ]
        spare = np.empty_like(near[0])
        for low, high in _NETWORK:
            np.minimum(near[low], near[high], out=spare)
            np.maximum(near[low], near[high], out=near[high])
            near[low], spare = spare, near[low]
        out[top : top + rows] = near[4]
    return out
