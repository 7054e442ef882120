"""Shifts of spectra along their axis: found, and taken out."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from vaescope import progress
from vaescope.errors import UserError
from vaescope.read.spectra.axes import SpectralAxis

_ROUNDS = 2  # the mean spectrum is sharper after the first


def align(
    data: da.Array, axis: SpectralAxis, kind: str, within: float | None, *, path: object
) -> tuple[da.Array, np.ndarray]:
    """Shift every spectrum to its place, and say by how much.

    Parameters
    ----------
    data : (time, y, x, energy) in chunks of whole spectra.
    kind : ``zero-loss``: the highest peak is set at zero; ``correlation``: the spectrum is set
        where it fits the mean of all best, and the mean of all shifts is zero.
    within : largest shift in units of the axis.

    Returns
    -------
    The shifted spectra, lazy, ends filled with their last value; and the shifts (time, y, x) in
    units of the axis: positive towards higher values.

    Raises
    ------
    UserError : the axis is not even, or zero does not lie on it.
    """
    step = axis.step
    if step is None:
        raise UserError(
            "spectra with unequal channels cannot be aligned",
            file=path,
            found=f"steps from {np.diff(axis.values).min():g} to {np.diff(axis.values).max():g}",
            remedy="Leave `spectra: preprocess: align` out of the recipe",
        )
    reach = abs(within / step) if within else len(axis.values) / 10
    reach = max(1, min(int(np.ceil(reach)), len(axis.values) // 2))
    if kind == "zero-loss":
        zero = (0.0 - axis.values[0]) / step
        if not 0 <= zero <= len(axis.values) - 1:
            raise UserError(
                "there is no zero-loss peak on this axis",
                file=path,
                found=f"{axis.values[0]:g} to {axis.values[-1]:g} {axis.unit}",
                remedy="Set `spectra: preprocess: align: correlation` in the recipe",
            )
        peaks = _per_spectrum(data, _peak, zero=zero, reach=reach)
        shifts = zero - peaks
    else:
        shifts = np.zeros(data.shape[:3])
        for _ in range(_ROUNDS):
            moved = shifted(data, shifts)
            with progress.chunks("mean spectrum"):
                mean = moved.mean(axis=(0, 1, 2)).compute()
            shifts = _per_spectrum(data, _lag, reference=mean, reach=reach)
            shifts -= shifts.mean()
    return shifted(data, shifts), (shifts * step).astype(np.float32)


def _per_spectrum(data: da.Array, function: Any, **options: Any) -> np.ndarray:
    found = da.map_blocks(
        function, data, drop_axis=3, dtype=np.float64, meta=np.empty((0, 0, 0)), **options
    )
    with progress.chunks("shifts of the spectra"):
        return found.compute()


def _peak(block: np.ndarray, zero: float, reach: int) -> np.ndarray:
    """Place of the highest channel near zero, refined by a parabola through three logarithms."""
    low = max(0, round(zero) - reach)
    part = block[..., low : round(zero) + reach + 1].astype(float)
    top = np.clip(part.argmax(-1), 1, part.shape[-1] - 2)
    three = np.take_along_axis(part, top[..., None] + np.arange(-1, 2), -1)
    three = np.log(np.maximum(three, 1e-3 * np.maximum(three.max(-1, keepdims=True), 1e-30)))
    return low + top + _vertex(three)


def _lag(block: np.ndarray, reference: np.ndarray, reach: int) -> np.ndarray:
    """Shift at which each spectrum fits the reference best, in channels, refined by a parabola."""
    count = block.shape[-1]
    size = 2 * count
    left = block - block.mean(-1, keepdims=True)
    right = reference - reference.mean()
    product = np.fft.rfft(right, size) * np.conj(np.fft.rfft(left, size, axis=-1))
    fit = np.fft.irfft(product, size, axis=-1)
    lags = np.arange(-reach - 1, reach + 2)
    # Fewer channels overlap at greater lags: without the weight these would lose always.
    near = fit[..., lags] * (count / (count - abs(lags)))
    top = np.clip(near.argmax(-1), 1, len(lags) - 2)
    three = np.take_along_axis(near, top[..., None] + np.arange(-1, 2), -1)
    return lags[top] + _vertex(three)


def _vertex(three: np.ndarray) -> np.ndarray:
    """Place of the top of the parabola through three values, from the middle one, within ± 0.5."""
    low, middle, high = np.moveaxis(three, -1, 0)
    bend = low - 2 * middle + high
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(bend < 0, 0.5 * (low - high) / bend, 0.0)
    return np.clip(found, -0.5, 0.5)


def shifted(data: da.Array, shifts: np.ndarray) -> da.Array:
    """Shift spectra by fractions of channels (time, y, x), by cubic convolution, lazily."""
    if not shifts.any():
        return data
    by = da.from_array(shifts[..., None], chunks=(*data.chunks[:3], (1,)))
    return da.map_blocks(
        _moved, data, by, dtype=np.float32, chunks=data.chunks, meta=np.empty((0, 0, 0, 0), "f4")
    )


def _moved(block: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Source: R. G. Keys, IEEE Trans. Acoust. Speech Signal Process. 29 (1981) 1153."""
    count = block.shape[-1]
    place = np.arange(count) - by
    base = np.floor(place).astype(int)
    t = (place - base).astype(np.float32)
    weights = (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    out = np.zeros(block.shape, np.float32)
    for k, weight in enumerate(weights, -1):
        index = np.clip(base + k, 0, count - 1)
        out += weight * np.take_along_axis(block, index, -1)
    return out
