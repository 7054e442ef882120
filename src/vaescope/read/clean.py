"""From the numbers of a file to float32 without gaps, checked chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dask.array as da
import numpy as np

from vaescope import progress
from vaescope.errors import UserError
from vaescope.read import measured
from vaescope.read.raw import SMALLEST_SIDE, Raw, in_chunks, in_work_chunks, show
from vaescope.results.coverage import CONSTANT, NAN

REACH = 8  # pixels over which gaps are filled from their neighbours; wider ones get the mean
MOST_MISSING = 0.99  # of a channel; more, and no image is left
# float32 has 24 bits. A signal that rides on an offset larger than its range by this factor would
# be left with fewer than 8 of them, so its offset is taken off first.
_RIDES = 2.0**16
_FACTS = 4  # numbers of a chunk and channel


@dataclass(frozen=True)
class Statistics:
    """Per channel: how many pixels, how many of them finite, and the range and sum of these."""

    count: int
    finite: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray


def finish(
    raw: Raw, *, path: object, chosen: bool, constant: bool, least: int = SMALLEST_SIDE
) -> tuple[Raw, da.Array | None, dict[str, object]]:
    """Check an image and convert it to float32 without gaps, lazily.

    Parameters
    ----------
    raw : as its files have it.
    chosen : whether the recipe names its channels; a constant one is then an error, otherwise it
        is left out if there are others.
    constant : whether lines and areas of one value count as gaps (see ``measured``).
    least : pixels that a side must have; an image of spectra may have one, and then no contrast.

    Returns
    -------
    The image in store chunks, what of it was measured, (time, y, x) bool, or None if nothing is
    missing, and attributes that say what was done to it.

    Raises
    ------
    UserError : too small, empty, all NaN, mostly missing, or constant.
    """
    height, width = raw.data.shape[2:]
    if 0 in raw.data.shape:
        raise UserError("the image is empty", file=path, found=f"shape {show(raw.data.shape)}")
    if min(height, width) < least:
        raise UserError(
            "the image is too small",
            file=path,
            found=f"{height} × {width} pixels",
            expected=f"at least {least} pixels a side",
        )
    raw = replace(raw, data=in_work_chunks(raw.data))
    facts = statistics(raw.data)
    kept, dropped = _varying(raw, facts, path, chosen, contrast=least > 1)
    offsets = _offsets(facts)
    gaps = measured.gaps(raw.data[:, kept], constant=constant)
    missing = gaps.sum(axis=(1, 2)).compute()
    measured.check(missing, height * width, path=path, least=least)
    layers = []
    for k in kept:
        layer = raw.data[:, k]
        if missing.any():
            layer = da.where(gaps, np.nan, layer)
            layer = _fill(layer, float(da.nanmean(layer).compute()))
        if offsets[k]:
            layer = layer.astype(np.float64) - offsets[k]
        layers.append(layer.astype(np.float32))
    attributes: dict[str, object] = {"source_dtype": str(raw.data.dtype)}
    if missing.any():
        nan = max(1 - float(facts.finite[k]) / facts.count for k in kept)
        attributes |= {NAN: nan, CONSTANT: max(float(missing.sum()) / facts.count - nan, 0.0)}
    if dropped:
        attributes["constant_channels_left_out"] = dropped
    if any(offsets[k] for k in kept):
        attributes["subtracted_offset"] = [float(offsets[k]) for k in kept]
    done = replace(
        raw,
        data=in_chunks(da.stack(layers, axis=1)),
        channels=[raw.channels[k] for k in kept],
        units=[raw.units[k] for k in kept],
    )
    return done, ~gaps if missing.any() else None, attributes


def statistics(data: da.Array) -> Statistics:
    """Compute statistics per channel of (time, channel, y, x), reading each chunk once."""
    ones = [tuple(1 for _ in sizes) for sizes in data.chunks]
    parts = da.map_blocks(
        _facts,
        data,
        dtype=np.float64,
        chunks=(ones[0], data.chunks[1], ones[2], tuple(_FACTS for _ in ones[3])),
        meta=np.empty((0, 0, 0, 0)),
    )
    with progress.chunks("checking every pixel"):
        parts = parts.compute()
    # (chunk in time, channel, chunk in y, chunk in x, number)
    parts = parts.reshape(*parts.shape[:3], -1, _FACTS)
    finite, low, high, total = np.moveaxis(parts, -1, 0)
    axes = (0, 2, 3)
    return Statistics(
        data.size // data.shape[1],
        finite.sum(axes).astype(np.int64),
        low.min(axes),
        high.max(axes),
        total.sum(axes),
    )


def _facts(block: np.ndarray) -> np.ndarray:
    """Of a chunk (time, channel, y, x): how many pixels are finite, the least, the greatest, and
    the sum of these, (1, channel, 1, 4)."""
    axes = (0, 2, 3)
    total = block.sum(axes, dtype=np.float64)
    if np.isfinite(total).all():
        count = np.full(len(total), block.size // len(total))
        facts = [count, block.min(axes), block.max(axes), total]
    else:
        good = np.isfinite(block)
        wide = block.astype(np.float64)
        facts = [
            good.sum(axes),
            np.where(good, wide, np.inf).min(axes),
            np.where(good, wide, -np.inf).max(axes),
            np.where(good, wide, 0.0).sum(axes),
        ]
    return np.stack([np.asarray(fact, np.float64) for fact in facts], -1)[None, :, None]


def _varying(
    raw: Raw, facts: Statistics, path: object, chosen: bool, *, contrast: bool
) -> tuple[list[int], list[str]]:
    """Find the channels with contrast, and the names of those without."""
    problems = {}
    for k, name in enumerate(raw.channels):
        if facts.finite[k] == 0:
            problems[k] = f"channel {name}: every pixel is NaN or infinite"
        elif facts.finite[k] < (1 - MOST_MISSING) * facts.count:
            share = 1 - facts.finite[k] / facts.count
            problems[k] = f"channel {name}: {share:.0%} of the pixels are NaN or infinite"
        elif contrast and facts.low[k] == facts.high[k]:
            problems[k] = f"channel {name}: every pixel is {facts.low[k]:g}"
        elif max(abs(facts.low[k]), abs(facts.high[k])) > np.finfo(np.float32).max:
            problems[k] = f"channel {name}: values up to {facts.high[k]:g}, beyond float32"
    kept = [k for k in range(len(raw.channels)) if k not in problems]
    if not kept or (chosen and problems):
        constant = all(facts.low[k] == facts.high[k] for k in problems)
        raise UserError(
            "the image is constant" if constant else "the image holds too few usable numbers",
            file=path,
            found="; ".join(list(problems.values())[:8]),
            expected="an image with contrast",
            remedy="Check the file in the program that wrote it, or take the row out of the sheet",
        )
    return kept, [raw.channels[k] for k in problems]


def _offsets(facts: Statistics) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        span = facts.high - facts.low
        rides = np.maximum(abs(facts.low), abs(facts.high)) > _RIDES * span
    return np.where(rides & (span > 0), facts.low, 0.0)


def _fill(layer: da.Array, mean: float) -> da.Array:
    """Fill what is not finite in (time, y, x) from its neighbours, independently of the chunks."""
    kind = np.float64 if layer.dtype == np.float64 else np.float32
    depth = (0, *(min(REACH, n - 1) for n in layer.shape[1:]))
    return da.map_overlap(
        fill_gaps,
        layer.astype(kind),
        depth=dict(enumerate(depth)),
        boundary="none",
        dtype=kind,
        meta=np.empty((0, 0, 0), kind),
        mean=mean,
    )


def fill_gaps(block: np.ndarray, mean: float) -> np.ndarray:
    """Fill gaps in (frame, y, x) with the mean of their 3 × 3 neighbours, from the rim inwards."""
    from scipy.ndimage import uniform_filter

    block = np.where(np.isfinite(block), block, np.nan)
    for frame in block:
        for _ in range(REACH):
            gaps = np.isnan(frame)
            if not gaps.any():
                break
            if gaps.all():
                break
            known = uniform_filter((~gaps).astype(np.float64), 3, mode="constant")
            # The mean is taken off before and added after, so that heights of 1e-9 keep digits.
            near = uniform_filter(np.where(gaps, 0, frame - mean), 3, mode="constant")
            reached = gaps & (known > 1e-6)
            frame[reached] = (near[reached] / known[reached] + mean).astype(frame.dtype)
        frame[np.isnan(frame)] = mean
    return block
