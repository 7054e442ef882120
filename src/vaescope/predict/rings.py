"""Ring spectra: what a window shows, whichever way it is turned or mirrored.

Around each site the image is sampled on circles; the magnitudes of the Fourier coefficients along
each circle change neither when the image is turned about the site nor when it is mirrored.
"""

from __future__ import annotations

import numpy as np

ANGLES = 32  # samples of a circle
HARMONICS = 5  # of each circle, the mean included


def ring_spectra(image: np.ndarray, y: np.ndarray, x: np.ndarray, reach: float) -> np.ndarray:
    """Magnitudes of the angular Fourier coefficients on circles around each site.

    Parameters
    ----------
    image : (channel, height, width); beyond its edges it is continued by its mirror image.
    y, x : (site,) centres of the circles in pixels, which may lie between pixels.
    reach : radius of the outermost circle in pixels; circles are one pixel apart, or wider where
        ``reach`` exceeds 12 pixels, and the image is smoothed to match.

    Returns
    -------
    (site, feature) : by channel, circle and harmonic. A circle has as many harmonics as it has
        pixels to show them: its centre one, the first two, and at most ``HARMONICS``. The mean,
        which has a sign, is kept with it.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    circles = max(1, min(12, round(reach)))
    radii = np.linspace(0, reach, circles + 1)
    turn = 2 * np.pi * np.arange(ANGLES) / ANGLES
    parts = []
    for plane in np.asarray(image, np.float64):
        smooth = gaussian_filter(plane, 0.5 * max(0.0, radii[1] - 1), mode="mirror")
        for radius in radii:
            at = y[:, None] + radius * np.sin(turn), x[:, None] + radius * np.cos(turn)
            count = min(HARMONICS, 1 + int(np.pi * radius / radii[1] / 2 + 0.5))
            if radius == 0:
                at, count = (y[:, None], x[:, None]), 1
            ring = map_coordinates(smooth, at, order=1, mode="mirror")
            found = np.fft.rfft(ring, axis=1)[:, :count] / ring.shape[1]
            parts.append(np.column_stack([found[:, 0].real, np.abs(found[:, 1:])]))
    return np.concatenate(parts, axis=1)
