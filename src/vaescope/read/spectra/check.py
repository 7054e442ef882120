"""Every spectrum looked at once: which were measured, and whether the values are counts."""

from __future__ import annotations

from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np

from vaescope import progress
from vaescope.errors import UserError
from vaescope.read.spectra import corrections
from vaescope.read.spectra.curves import Curves, in_chunks

ENOUGH = 0.9  # of the channels of a spectrum: with fewer finite ones it was not measured
_LINES, _LONGEST = 8, 128  # lines of the scan looked at for spikes, and spectra of each
_SPIKE = 10.0  # robust standard deviations above the neighbours along the axis
_OFTEN = 0.03  # of the spectra: where more stand out in one channel, it is a line or a hot channel
_CERTAIN = 30.0  # counts around a spectrum without any: chance gives that with exp(-30)


@dataclass(frozen=True)
class Survey:
    """Of all spectra.

    Attributes
    ----------
    measured : (time, y, x) bool.
    gaps : channels of measured spectra that are not finite.
    mean : (energy,) mean of the spectra without gaps.
    counts : whether the values are counts.
    low, high : the least and the greatest value.
    """

    measured: np.ndarray
    gaps: int
    mean: np.ndarray
    counts: bool
    low: float
    high: float


def facts(curves: Curves, *, counts: bool | None, path: object) -> Survey:
    """Pass over all spectra once, chunk by chunk.

    Parameters
    ----------
    curves : as the file has them.
    counts : what `spectra: counts` says; None: decided by the values.

    Raises
    ------
    UserError : hardly a spectrum was measured, all are constant, or counts are negative.
    """
    data = in_chunks(curves.data)
    whole = data.dtype.kind in "bui"
    tasks = [[dask.delayed(_of_block)(block, whole)] for block in data.to_delayed().ravel()]
    with progress.chunks("checking every spectrum"):
        parts = [one for (one,) in dask.compute(*tasks)]
    finite, total, low, high = (
        np.block(_nested([part[k] for part in parts], data.numblocks[:3])) for k in range(4)
    )
    number = sum(part[5] for part in parts)
    mean = sum(part[4] for part in parts) / max(number, 1)
    channels = data.shape[-1]
    lost = dead(total, low, high, finite == channels)
    measured = (finite >= ENOUGH * channels) & ~lost
    _refuse(curves, measured, finite, low, high, path)
    least, most = float(low[measured].min()), float(high[measured].max())
    negative = least < 0
    if counts and negative:
        raise UserError(
            "counts cannot be negative",
            file=path,
            found=f"values down to {least:g} in {(low[measured] < 0).mean():.1%} of the spectra",
            remedy="Set `spectra: counts: false` in the recipe, and a Gaussian likelihood: a"
            " background or a dark spectrum was probably subtracted",
        )
    whole = all(part[6] for part in parts) and not negative and most > 1 and _can_count(curves.unit)
    return Survey(
        measured=measured,
        gaps=int((channels - finite)[measured].sum()),
        mean=mean,
        counts=whole if counts is None else counts,
        low=least,
        high=most,
    )


def _of_block(block: np.ndarray, whole: bool) -> tuple:
    """Of a chunk (time, y, x, energy): per spectrum how many channels are finite, their sum, least
    and greatest; the sum of the complete spectra that vary, and how many these are; whether all
    values are whole."""
    good = np.isfinite(block) if block.dtype.kind == "f" else np.ones(block.shape, bool)
    finite = good.sum(-1)
    if good.all():
        low, high = block.min(-1).astype(float), block.max(-1).astype(float)
        total = block.sum(-1, dtype=float)
        values = block
    else:
        low = np.where(good, block, np.inf).min(-1).astype(float)
        high = np.where(good, block, -np.inf).max(-1).astype(float)
        values = np.where(good, block, 0)
        total = values.sum(-1, dtype=float)
    use = (finite == block.shape[-1]) & (high > low)
    mean = values[use].sum(0, dtype=float)
    return (
        finite,
        total,
        low,
        high,
        mean,
        int(use.sum()),
        whole or bool((values == np.rint(values)).all()),
    )


def _nested(parts: list[np.ndarray], shape: tuple[int, ...]) -> list:
    """A flat list of blocks (time, y, x) as the nested one that ``np.block`` takes."""
    for n in shape[:0:-1]:
        parts = [parts[k : k + n] for k in range(0, len(parts), n)]  # type: ignore[misc]
    return parts


def dead(total: np.ndarray, low: np.ndarray, high: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """Find spectra of one value among others that vary, and those after the end of a stopped scan.

    An area without counts may be a vacuum: a spectrum without counts is dead only if most of its
    neighbours have so many that chance cannot explain it.
    """
    from scipy.ndimage import uniform_filter

    flat = complete & (high <= low)
    if not flat.any() or flat.all():
        return flat
    found = np.zeros_like(flat)
    rich = ~flat & ((total > _CERTAIN) | (low < 0) | (total % 1 != 0))
    for frame, (one, around) in enumerate(zip(flat, rich, strict=True)):
        near = uniform_filter(around.astype(float), 3, mode="constant")
        there = uniform_filter(np.ones(around.shape), 3, mode="constant") - 1 / 9
        found[frame] = one & (near > 0.6 * there)
        lines = one.all(axis=1)
        last = len(lines) - int(np.argmin(lines[::-1])) if not lines.all() else 0
        if last and last < len(lines) and not one[:last].any():
            found[frame, last:] = True
    return found


def _can_count(unit: str) -> bool:
    plain = unit.casefold().strip()
    return plain in ("", "1", "a.u.", "cps") or "count" in plain or plain in ("electrons", "e-")


def _refuse(
    curves: Curves,
    measured: np.ndarray,
    finite: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    path: object,
) -> None:
    if not measured.any():
        constant = bool((finite == curves.data.shape[-1]).any())
        raise UserError(
            "every spectrum is constant" if constant else "no spectrum was measured",
            file=path,
            found=f"{measured.size} spectra, of which "
            + (
                "each has one value throughout"
                if constant
                else f"none has {ENOUGH:.0%} of its {curves.data.shape[-1]} channels finite"
            ),
            expected="spectra with contrast",
            remedy="Check the file in the program that wrote it, or save the channels that were"
            " measured",
        )
    if max(-low[measured].min(), high[measured].max()) > np.finfo(np.float32).max:
        raise UserError(
            "the spectra hold values beyond float32",
            file=path,
            found=f"{low[measured].min():g} to {high[measured].max():g}",
            remedy="Save them in another unit",
        )


def filled(data: da.Array, facts: Survey) -> da.Array:
    """Fill gaps along the axis, and what was not measured with the mean spectrum, lazily.

    Returns (time, y, x, energy) float32 in store chunks.
    """
    data = in_chunks(data)
    if facts.measured.all() and not facts.gaps:
        return data.astype(np.float32)
    known = da.from_array(facts.measured[..., None], chunks=(*data.chunks[:3], (1,)))
    return da.map_blocks(
        _filled,
        data,
        known,
        facts.mean.astype(np.float32),
        dtype=np.float32,
        chunks=data.chunks,
        meta=np.empty((0, 0, 0, 0), np.float32),
    )


def _filled(block: np.ndarray, known: np.ndarray, mean: np.ndarray) -> np.ndarray:
    out = block.astype(np.float32)
    out[~known[..., 0]] = mean
    for place in zip(*np.nonzero(~np.isfinite(out).all(-1)), strict=True):
        good = np.isfinite(out[place])
        channels = np.arange(len(good))
        out[place] = np.interp(channels, channels[good], out[place][good])
    return out


def spiked(data: da.Array, counts: bool) -> float:
    """Share of the spectra with a spike, such as a cosmic ray leaves, in some lines of the scan.

    data : (time, y, x, energy).
    """
    times, height, width = data.shape[:3]
    chosen = np.unique(np.linspace(0, times * height - 1, _LINES).astype(int))
    step = -(-width // _LONGEST)
    lines = [data[k // height, k % height, ::step] for k in chosen]
    some = np.concatenate(dask.compute(*lines))[None, None]
    struck = corrections.without_spikes(some, _SPIKE, counts)[0, 0] != some[0, 0]
    struck &= struck.mean(0) <= max(_OFTEN, 1.5 / len(struck))
    return float(struck.any(1).mean())
