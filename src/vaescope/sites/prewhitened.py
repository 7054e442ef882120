"""A matched filter for single atoms on a support, whose image is noise of a colour of its own.

The Laplacian of Gaussian is right where the background is smooth. An amorphous support is as fine
as the probe and has power at every wavelength; counts add white noise. The filter that finds a
known shape in such noise divides by its power spectrum, which the image itself shows: atoms without
order are few, and change it little.

Source: G. L. Turin, IRE Transactions on Information Theory 6 (1960) 311 (matched filters in
coloured noise).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft, ndimage, signal

from vaescope.sites.detect import Filter

_REACH = 10.0  # widths of an atom to which the filter reaches
_SMOOTH = 2.0  # rings over which the logarithm of the spectrum is smoothed


def prewhitened(parts: Sequence[np.ndarray], width: float) -> Filter:
    """Build the filter for atoms of a width from the spectrum of parts of an image.

    Parameters
    ----------
    parts : (height, width) each, finite, hot pixels replaced.
    width : px, standard deviation of the image of an atom.

    Returns
    -------
    Filter, blind to a constant; white noise of standard deviation 1 keeps it.
    """
    frequency, power = spectrum(parts)
    reach = int(_REACH * width + 0.5)
    side = fft.next_fast_len(4 * reach + 1)
    line = fft.fftfreq(side)
    k = np.hypot(line[:, None], line)
    shape = np.exp(-2 * (np.pi * width * k) ** 2)
    kernel = fft.ifft2(shape / np.exp(np.interp(k, frequency, np.log(power)))).real
    near = np.arange(-reach, reach + 1)
    kernel = kernel[np.ix_(near, near)]
    # What is cut off tapers out, and the kernel takes nothing from a constant.
    taper = np.cos(np.pi / 2 * np.minimum(np.hypot(near[:, None], near) / (reach + 1), 1)) ** 2
    kernel = kernel * taper
    kernel -= taper * (kernel.sum() / taper.sum())
    kernel /= np.sqrt((kernel**2).sum())

    def apply(image: np.ndarray) -> np.ndarray:
        return np.asarray(
            signal.oaconvolve(np.pad(image, reach, mode="symmetric"), kernel, mode="valid")
        )

    return Filter(apply, reach, 2 * max(int(width), 1) + 1, width)


def spectrum(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Measure the power spectrum of parts (height, width) of an image, averaged over directions.

    Medians over rings leave out the sharp peaks of scan lines and crystals; that of the exponential
    distribution of a ring's power is ln 2 of its mean.

    Source: P. D. Welch, IEEE Transactions on Audio and Electroacoustics 15 (1967) 70.

    Returns
    -------
    frequency : (ring,) cycles per px. power : (ring,) variance of a pixel, positive.
    """
    side = min(min(part.shape) for part in parts)
    logs = []
    for part in parts:
        window = np.outer(*(np.hanning(length + 2)[1:-1] for length in part.shape))
        window /= np.sqrt((window**2).mean())
        power = np.abs(fft.fft2((part - part.mean()) * window)) ** 2 / part.size
        k = np.hypot(*np.meshgrid(*map(fft.fftfreq, part.shape), indexing="ij"))
        ring = np.rint(k * side).astype(int)
        rings = np.arange(int(side / 2**0.5) + 1)
        middle = np.asarray(ndimage.median(power, ring, rings)) / np.log(2)
        logs.append(np.log(np.maximum(middle, 1e-12 * max(float(middle.max()), 1e-300))))
    smooth = ndimage.gaussian_filter1d(np.mean(logs, axis=0), _SMOOTH, mode="nearest")
    return rings / side, np.exp(smooth)
