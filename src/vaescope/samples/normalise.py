"""Normalise the signal of patches by an offset and a scale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

_PERCENTILES = (1.0, 99.0)  # of the image, made about 0 and 1 by the normalisation `image`
_SAMPLES = 1024  # px a side, of the thinned frame from which percentiles are taken
_ROWS = 1024  # patches normalised together
_SIGNED = re.compile(r"\b(?:in-phase|out-of-phase|amplitude)\b")
ROUNDING = 1e-6  # what varies less than this share of the signal is rounding of float32


def per_site(
    image: xr.Dataset, frame: np.ndarray, raw: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale of every patch and channel, (site, channel) each.

    ``image`` : Dataset with `image` (time, channel, y, x); where it has `measured` (time, y, x),
    percentiles are of measured pixels.
    """
    stack = image["image"]
    offset, scale = np.zeros(raw.shape[:2]), np.ones(raw.shape[:2])
    if kind == "none":
        return offset, scale
    signed = signs_of([str(name) for name in stack["channel"].values]) if kind == "signed" else []
    step = tuple(max(1, -(-stack.sizes[axis] // _SAMPLES)) for axis in ("y", "x"))
    for one in np.unique(frame):
        for channel in range(raw.shape[1]):
            here = frame == one
            thinned = np.asarray(stack[int(one), channel, :: step[0], :: step[1]], float)
            if "measured" in image:
                thinned[~image["measured"][int(one), :: step[0], :: step[1]].values] = np.nan
            if kind == "unit":
                low, high = _extremes(stack[int(one), channel])
            else:
                low, high = np.nanpercentile(thinned, _PERCENTILES)
            if kind == "signed":
                middle = np.nanmedian(thinned) if signed[channel] is None else 0.0
                low, high = middle, middle + max(high - middle, middle - low)
            if kind != "patch":
                offset[here, channel], scale[here, channel] = low, high - low
            else:
                offset[here, channel] = raw[here, channel].mean(axis=(1, 2), dtype=np.float64)
                scale[here, channel] = raw[here, channel].std(axis=(1, 2), dtype=np.float64)
            # What varies less than this is rounding of float32: a constant patch stays at zero.
            least = ROUNDING * np.nanmax(np.abs(thinned))
            scale[here, channel] = np.where(scale[here, channel] > least, scale[here, channel], 0.0)
    for pair in set(signed) - {None}:  # one complex signal has one scale
        own = [channel for channel, name in enumerate(signed) if name == pair]
        scale[:, own] = scale[:, own].max(axis=1, keepdims=True)
    return offset, np.where(scale > 0, scale, 1.0)


def signs_of(channels: Sequence[str]) -> list[str | None]:
    """The complex signal to which each channel belongs, by its name: `in-phase 2` and `amplitude 2`
    to ` 2`; None of channels whose zero means nothing, such as a height."""
    found = []
    for name in channels:
        rest, count = _SIGNED.subn("", name)
        found.append(rest.strip() if count else None)
    return found


def normalise(raw: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> None:
    """Turn raw samples (site, channel, py, px), float32, into normalised ones, in place.

    ``offset``, ``scale`` : (site, channel), as ``per_site`` gives them.
    """
    for start in range(0, len(raw), _ROWS):  # in double precision, some rows at a time
        rows = slice(start, start + _ROWS)
        raw[rows] = (raw[rows] - offset[rows, :, None, None]) / scale[rows, :, None, None]


def _extremes(frame: xr.DataArray) -> tuple[float, float]:
    """Least and greatest value of a frame, chunk by chunk."""
    import dask

    low, high = dask.compute(frame.data.min(), frame.data.max())
    return float(low), float(high)


def of_stack(values: np.ndarray, kind: str) -> tuple[float, float]:
    """Offset and scale of all frames of a channel together, for ``image`` and ``unit``."""
    low, high = np.nanpercentile(values, _PERCENTILES if kind == "image" else (0, 100))
    if high - low <= ROUNDING * np.nanmax(np.abs(values)):
        # So little ink that the percentiles do not see it.
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return float(low), float(high - low) if high > low else 1.0
