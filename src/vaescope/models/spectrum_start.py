"""Shifts of spectra from which a training starts, where they are too large to follow gradients.

A decoder learns nothing of a sharp line from spectra in which it lies beside the canonical one. So
spectra that differ by more than the width of their features are first laid onto their own mean by
cross-correlation, again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 8
BLOCK = 1024  # spectra at once
LARGE = 0.5  # widths: smaller shifts are found by gradients


@dataclass(frozen=True)
class AlignedSpectra:
    """``shift`` (site,) in channels, the ``spectra`` (site, channel) without it, and whether the
    shifts are ``large`` against the width of the features."""

    shift: np.ndarray
    spectra: np.ndarray
    large: bool


def align_spectra(spectra: np.ndarray, most: float) -> AlignedSpectra:
    """Lay spectra (site, channel) onto their mean by shifts of up to ``most`` channels.

    Cross-correlation of the spectra less their means, its maximum refined by a parabola; the first
    reference is the spectrum that correlates best with all.
    """
    count, length = spectra.shape
    size = 2 * length
    lags = np.arange(-int(np.floor(most)), int(np.floor(most)) + 1)
    if len(lags) < 3:
        return AlignedSpectra(np.zeros(count), spectra, False)
    blocks = [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]
    transformed = np.empty((count, length + 1), np.complex64)
    norm = np.empty(count)
    for block in blocks:
        rows = np.asarray(spectra[block], float)
        rows = rows - rows.mean(1, keepdims=True)
        transformed[block] = np.fft.rfft(rows, size)
        norm[block] = np.sqrt((rows**2).sum(1)) + 1e-12
    step = -(-count // 64)
    some = transformed[::step].astype(complex)
    best = [_peaks(some, one, size, lags)[1] / norm[::step] for one in some]
    reference = some[int(np.argmax(np.sum(best, axis=1) / norm[::step]))]
    shift, frequency = np.zeros(count), np.fft.rfftfreq(size)
    for _ in range(ROUNDS):
        for block in blocks:
            shift[block] = _peaks(transformed[block], reference, size, lags)[0]
        shift -= np.median(shift)
        total = np.zeros(length + 1, complex)
        for block in blocks:
            back = np.exp(2j * np.pi * frequency * shift[block, None])
            total += (transformed[block] * back / norm[block, None]).sum(0)
        reference = total / count
    own = np.fft.irfft(np.abs(reference) ** 2, size)
    below = np.flatnonzero(own[:length] < 0.5 * own[0])
    width = float(below[0]) if len(below) else float(length)
    moved = np.empty(spectra.shape, spectra.dtype)
    channel = np.arange(length)
    for row in range(count):
        moved[row] = np.interp(channel + shift[row], channel, spectra[row])
    return AlignedSpectra(shift, moved, bool(shift.std() > LARGE * width))


def _peaks(
    transformed: np.ndarray, reference: np.ndarray, size: int, lags: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shift (site,) at which each spectrum correlates best with a reference, and how well."""
    product = np.fft.irfft(transformed * reference.conj(), size)[:, lags]
    best = product.argmax(1).clip(1, len(lags) - 2)
    row = np.arange(len(product))
    left, middle, right = (product[row, best + k] for k in (-1, 0, 1))
    bend = np.minimum(left - 2 * middle + right, -1e-12)
    return lags[best] + np.clip(0.5 * (left - right) / bend, -0.5, 0.5), middle
