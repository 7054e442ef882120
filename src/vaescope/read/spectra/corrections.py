"""Corrections of spectra, each a function of one chunk of whole spectra (time, y, x, energy)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read.spectra.axes import SpectralAxis

_NEIGHBOURS = 7  # channels of the median beside which a spike stands out: it is at most 3 wide
_FINE, _SHARP = (5, 11), 2.0  # channels of two medians, and how far a spike exceeds what they show
_STRETCH = 64  # channels over which the noise counts as even
_STEPS = 8  # of the fit of a power law, which converges in four


def each(data: da.Array, function: Any, channels: int | None = None, **options: Any) -> da.Array:
    """Map a function over chunks of whole spectra; ``channels`` is the new length of the axis."""
    sizes = data.chunks if channels is None else (*data.chunks[:3], (channels,))
    meta = np.empty((0, 0, 0, 0), np.float32)
    return data.map_blocks(function, dtype=np.float32, chunks=sizes, meta=meta, **options)


def without_spikes(block: np.ndarray, threshold: float, counts: bool) -> np.ndarray:
    """Set channels to the median of their neighbours along the axis where they stand out from it.

    The noise of a channel is the largest of three estimates, each robust: from its stretch of the
    spectrum, from the same channel of the other spectra of the chunk, and from the signal, for
    counts. A line is wider than a spike: medians over 5 and 11 channels differ at a line, not at a
    spike of one or two channels. With ``counts`` no noise is smaller than that of one count.

    Source: the fine structure of P. G. van Dokkum, Publ. Astron. Soc. Pac. 113 (2001) 1420.
    """
    from scipy.ndimage import median_filter

    middle = median_filter(block, size=(1, 1, 1, _NEIGHBOURS), mode="nearest")
    apart = abs(block - middle)
    along = _by_stretch(apart)
    across = np.median(apart, axis=(0, 1, 2)) if block[..., 0].size >= 8 else 0.0
    root = np.sqrt(abs(middle))
    ratio = apart[root > 0] / root[root > 0]
    poisson = float(np.median(ratio)) * root if ratio.size else 0.0
    spread = 1.4826 * np.maximum(np.maximum(along, across), poisson)
    spread = np.maximum(spread, apart.mean(axis=-1, keepdims=True))
    if counts:  # where they are sparse all medians are nought, and one count is no spike
        spread = np.maximum(spread, np.sqrt(1 + block.mean(axis=(0, 1, 2))))
    hits = apart > threshold * spread
    if not hits.any():
        return block
    narrow, wide = (median_filter(block, size=(1, 1, 1, n), mode="nearest") for n in _FINE)
    return np.where(hits & (apart > _SHARP * abs(narrow - wide)), middle, block)


def _by_stretch(apart: np.ndarray) -> np.ndarray:
    """Median over stretches of the axis, for every channel of each."""
    channels = apart.shape[-1]
    count = max(1, channels // _STRETCH)
    edges = np.linspace(0, channels, count + 1).astype(int)
    parts = [
        np.repeat(np.median(apart[..., a:b], axis=-1, keepdims=True), b - a, axis=-1)
        for a, b in pairwise(edges)
    ]
    return np.concatenate(parts, axis=-1)


def less_background(
    block: np.ndarray, values: np.ndarray, inside: np.ndarray, model: str
) -> np.ndarray:
    """Subtract from every spectrum the background fitted to the channels ``inside``."""
    if model == "constant":
        return block - block[..., inside].mean(-1, keepdims=True)
    if model == "linear":
        place = values - values[inside].mean()
        near = block[..., inside].astype(float)
        slope = near @ place[inside] / (place[inside] @ place[inside])
        line = near.mean(-1, keepdims=True) + slope[..., None] * place
        return (block - line).astype(np.float32)
    return (block - power_law(block[..., inside], values[inside], values)).astype(np.float32)


def power_law(near: np.ndarray, energy: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Fit A·E⁻ʳ to (…, channel) as counts (Poisson likelihood, Fisher scoring) and continue it.

    Parameters
    ----------
    near : (…, channel) values in the window, which may be negative by noise.
    energy : (channel,) above zero.
    wanted : (n,) energies at which the background is wanted.

    Returns
    -------
    (…, n) background; where the window holds no signal above zero, its mean.

    Source: R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 4.4.
    """
    near = near.astype(float)
    mean = near.mean(-1, keepdims=True)
    good = mean[..., 0] > 0
    log = np.log(energy)
    middle = log.mean()
    x = log - middle
    height = np.log(np.where(mean > 0, mean, 1.0))
    power = np.full_like(height, -3.0)
    for _ in range(_STEPS):
        model = np.exp(np.clip(height + power * x, -60, 60))
        apart = near - model
        a, b, c = ((model * x**n).sum(-1, keepdims=True) for n in range(3))
        u, v = apart.sum(-1, keepdims=True), (apart * x).sum(-1, keepdims=True)
        determinant = np.maximum(a * c - b * b, 1e-300)
        height = height + np.clip((c * u - b * v) / determinant, -1, 1)
        power = np.clip(power + np.clip((a * v - b * u) / determinant, -2, 2), -20, 20)
    shape = np.exp(np.clip(height + power * (np.log(wanted) - middle), -60, 60))
    return np.where(good[..., None], shape, mean)


def binned(block: np.ndarray, count: int, add: bool) -> np.ndarray:
    """Join ``count`` channels into one, by their sum or mean; a rest at the end is dropped."""
    last = block.shape[-1] // count * count
    parts = block[..., :last].reshape(*block.shape[:-1], -1, count)
    return parts.sum(-1) if add else parts.mean(-1)


def divisor(block: np.ndarray, kind: str) -> np.ndarray:
    """What a spectrum is divided by, (time, y, x, 1): its mean, or its greatest value; 1 where that
    is not above zero."""
    found = block.mean(-1, keepdims=True) if kind == "area" else block.max(-1, keepdims=True)
    return np.where(found > 0, found, 1).astype(np.float32)


def window(
    axis: SpectralAxis, limits: list[float], setting: str, *, least: int, path: object
) -> np.ndarray:
    """Mark the channels within [from, to], (energy,) bool.

    Raises
    ------
    UserError : fewer than ``least`` channels are.
    """
    low, high = limits
    inside = (axis.values >= low) & (axis.values <= high)
    if inside.sum() < least:
        unit = axis.unit if axis.calibrated else ""
        raise UserError(
            f"`spectra: {setting}` holds too few channels",
            file=path,
            found=f"{int(inside.sum())} between {low:g} and {high:g} {unit}".strip(),
            expected=f"at least {least} of the axis, {axis.values.min():g} to "
            f"{axis.values.max():g} {unit}".strip(),
            remedy="Give the window in units of the axis of this file",
        )
    return inside
