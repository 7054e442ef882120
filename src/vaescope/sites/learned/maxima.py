"""Find sites in a detector's map."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vaescope.sites.detect import parabola

HEAT = 1.3
"""px, standard deviation of the Gaussian that stands for a site."""
REACH = 8
"""px, beyond which a pixel of the map does not change what is found."""
_FAINTEST = 0.03  # of a certain site: lower maxima are not looked at
_SIDE = 5  # px, side of the square within which a maximum is the largest


def peaks(heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maxima of a map: positions (site, 2) in px and scores (site,), about 1 for a certain site.

    The score is the least-squares height of the Gaussian that stands for a site; unlike the height
    of the maximum it also sees a site whose place is less certain than its being there.
    """
    fit = matched(heat)
    largest = ndimage.maximum_filter(fit, _SIDE, mode="reflect") == fit
    y, x = np.nonzero(largest & (fit > _FAINTEST))
    shift = [parabola(fit, y, x, axis) for axis in (0, 1)]
    return np.stack([y + shift[0], x + shift[1]], axis=1), fit[y, x]


def matched(heat: np.ndarray) -> np.ndarray:
    """Least-squares height of a site's Gaussian at every pixel, (height, width)."""
    reach = int(2.5 * HEAT + 0.5)
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / HEAT) ** 2)
    kernel = gauss / (gauss**2).sum()
    rows = ndimage.correlate1d(heat, kernel, axis=0, mode="reflect")
    return ndimage.correlate1d(rows, kernel, axis=1, mode="reflect")
