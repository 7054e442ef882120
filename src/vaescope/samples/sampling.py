"""Sample an image around positions, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.parallel import results

if TYPE_CHECKING:
    import xarray as xr

_TILE = 1024  # px, side of the area whose sites are cut together
# Smoothing before sampling at a pitch of several pixels: 0.4 pitches halve what lies at the
# highest frequency that the samples can hold.
ANTI_ALIAS = 0.4
_TRUNCATE = 4.0


def cut(
    stack: xr.DataArray,
    frame: np.ndarray,
    position: np.ndarray,
    size: float,
    pixels: int,
    threads: int,
) -> np.ndarray:
    """Sample all patches (site, channel, py, px), tile by tile.

    Neither a whole frame nor a second copy of the samples is in memory. ``threads`` tiles are
    sampled at once; the samples do not depend on their number.
    """
    pitch = size / pixels
    sigma = ANTI_ALIAS * pitch if pitch > 1.0 else 0.0
    margin = int(np.ceil(size / 2 + _TRUNCATE * sigma)) + 12  # 12 px: reach of the spline's filter
    offsets = (np.arange(pixels) + 0.5) * pitch - size / 2
    patches = np.empty((len(frame), stack.sizes["channel"], pixels, pixels), np.float32)
    tile = np.floor_divide(position, _TILE).astype(int)
    places, jobs = [], []
    keys = np.column_stack([frame, tile])
    for key in np.unique(keys, axis=0):
        members = np.flatnonzero((keys == key).all(axis=1))
        low = np.maximum(key[1:] * _TILE - margin, 0)
        high = (key[1:] + 1) * _TILE + margin
        for channel in range(stack.sizes["channel"]):
            block = stack[int(key[0]), channel, low[0] : high[0], low[1] : high[1]].data
            local = position[members] - low
            jobs.append((block, local, offsets, sigma))
            places.append((members, channel))
    found = results("cutting patches tile by tile", _sample, jobs, threads)
    for (members, channel), values in zip(places, found, strict=True):
        patches[members, channel] = values
    return patches


def _sample(
    block: np.ndarray, position: np.ndarray, offsets: np.ndarray, sigma: float
) -> np.ndarray:
    """Samples of one block around positions in it, (site, py, px)."""
    from scipy import ndimage

    block = np.asarray(block, np.float64)
    if sigma:
        block = ndimage.gaussian_filter(block, sigma, truncate=_TRUNCATE)
    # Cubic splines: linear interpolation would blur a patch by how far it lies between pixels.
    block = ndimage.spline_filter(block, 3, mode="mirror")
    y = position[:, 0, None, None] + offsets[None, :, None] + 0 * offsets[None, None, :]
    x = position[:, 1, None, None] + offsets[None, None, :] + 0 * offsets[None, :, None]
    values = ndimage.map_coordinates(block, [y, x], order=3, mode="mirror", prefilter=False)
    return values.astype(np.float32)
