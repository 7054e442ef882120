"""By how many whole pixels one picture is displaced in another, if anything says so.

The peak of the correlation has to stand out from the rest of it. Of pictures of few large features,
such as hills, the rest is nearly as high as the peak, and the shift is seen only where all
wavelengths count alike, as long as they are no noise; of pictures that are distorted against each
other, or noisy, only where the strong ones count more. Both are looked at.

Source: C. D. Kuglin and D. C. Hines, Proc. IEEE Conf. Cybernetics and Society (1975) 163
(correlation of phases).
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.signal.windows import tukey

_LARGEST = 0.2  # share of the picture by which it may have moved
_EDGE = 0.25  # share of the picture that fades out
_DISTINCT = 5.5  # a peak of the correlation stands out if so many sd above the rest
_PEAK = 10  # px about the peak that belong to it
_WEAK = 1e-2  # of the strongest wavelength's power, below which wavelengths count less


def whole_pixels(one: np.ndarray, two: np.ndarray) -> np.ndarray | None:
    """The shift (2,) in whole pixels (y, x) of one picture in another of the same shape, both
    without their background; None where no peak stands out."""
    window = np.outer(*(tukey(n, _EDGE) for n in one.shape))
    spectra = [fft.rfft2(window * each) for each in (one, two)]
    even = [each / _magnitude(each, one.shape) for each in spectra]
    found = [_peak(fft.irfft2(np.conj(left) * right, one.shape)) for left, right in (even, spectra)]
    height, at = max(found, key=lambda each: each[0])
    if height < _DISTINCT:
        return None
    size = np.array(one.shape)
    return np.where(at > size / 2, at - size, at).astype(float)


def _magnitude(spectrum: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Root of the mean power at each wavelength, with a floor."""
    ky, kx = fft.fftfreq(shape[0]), fft.rfftfreq(shape[1])
    ring = np.rint(np.hypot(ky[:, None], kx[None]) * max(shape)).astype(int)
    power = np.abs(spectrum) ** 2
    mean = np.bincount(ring.ravel(), power.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    return np.sqrt(mean + _WEAK * mean.max())[ring]


def _peak(correlation: np.ndarray) -> tuple[float, np.ndarray]:
    """Standard deviations by which the highest peak stands out, and its place (2,)."""
    shape = correlation.shape
    near = [np.minimum(np.arange(n), n - np.arange(n)) <= _LARGEST * n for n in shape]
    inside = near[0][:, None] & near[1][None]
    peak = np.unravel_index(np.argmax(np.where(inside, correlation, -np.inf)), shape)
    rest = np.where(inside, correlation, np.nan)
    around = np.arange(-_PEAK, _PEAK + 1)
    rest[np.ix_(*((at + around) % n for at, n in zip(peak, shape, strict=True)))] = np.nan
    spread = float(np.nanstd(rest))
    height = float(correlation[peak] - np.nanmean(rest))
    return height / max(spread, 1e-300), np.array(peak)
