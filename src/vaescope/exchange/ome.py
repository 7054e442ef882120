"""OME-Zarr 0.5 images: multi-scale, with physical scales, for napari, Fiji, QuPath and others.

Written with zarr itself: the metadata are a few lines, and the mean over 2 × 2 pixels moves the
middle of a pixel, which is written as a translation. ngff-zarr (0.50) refuses an axis of energy and
brings 117 MB with it; ome-zarr (0.18) is about to drop translations; the range of colours at which
a viewer starts would be left to us by both.
Source: Next-generation file formats (NGFF), version 0.5, https://ngff.openmicroscopy.org/0.5/
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import progress, store
from vaescope.errors import UserError
from vaescope.exchange.axes import Axis, axes_of, shown

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr
    import zarr

SMALLEST = 256
"""Pixels: no level of the pyramid is made of one whose longer side is not greater."""
TILE = 1024  # pixels, longest side of a chunk
CHUNK_VALUES = 2**20  # in a chunk, about: 4 MB
CONTRAST = (1.0, 99.8)  # percentiles between which a viewer shows the image at first
UNITS = {
    "m": "meter",
    "mm": "millimeter",
    "um": "micrometer",
    "nm": "nanometer",
    "pm": "picometer",
    "s": "second",
    "eV": "electron_volt",
}
_NAMES = {"time": "t", "channel": "c"}
_KINDS = {"time": "time", "channel": "channel", "y": "space", "x": "space"}
_COLOURS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
_GREY = "FFFFFF"


def write(image: xr.DataArray, path: str | os.PathLike, *, name: str) -> None:
    """Write an image as an OME-Zarr group, atomically, one chunk in memory at a time.

    Parameters
    ----------
    image : (y, x), with ``time``, and with ``channel`` or one other axis (such as ``energy``), in
        any order; coordinates with units give scales. Frames and channels of length one are left
        out. NaN stays, and is left out of the means in the coarser levels of the pyramid.
    path : the folder to write, by custom ``NAME.ome.zarr``.
    name : of the image, shown by viewers.

    Raises
    ------
    UserError : the image has axes that OME-Zarr cannot hold, or uneven ones.
    """
    import dask.array as da
    import zarr

    image = _ordered(image)
    axes = axes_of(image)
    with store.replace_atomically(path) as beside:
        group = zarr.create_group(str(beside), zarr_format=3)
        chunks = _chunks(image.shape)
        level = da.asarray(image.data).astype(image.dtype)
        factors: list[int] = []
        while True:
            array: Any = group.create_array(
                str(len(factors)),
                shape=level.shape,
                chunks=chunks,
                dtype=level.dtype,
                dimension_names=[_NAMES.get(axis.name, axis.name) for axis in axes],
            )
            with progress.chunks(f"writing level {len(factors)}"):
                da.store(level.rechunk(chunks), array, lock=False)
            factors.append(2 ** len(factors))
            if max(level.shape[-2:]) <= SMALLEST or min(level.shape[-2:]) < 2:
                break
            # Read back what was written: the source is gone through once, however deep the pyramid.
            halved = {level.ndim - 2: 2, level.ndim - 1: 2}
            level = da.coarsen(_mean, da.from_zarr(array), halved, trim_excess=True)
            level = level.astype(image.dtype)
        group.attrs["ome"] = {
            "version": "0.5",
            "multiscales": [_multiscale(axes, factors, name)],
            "omero": {"channels": _channels(image, group, len(factors), name)},
        }


def _mean(blocks: np.ndarray, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """The mean of pixels that are numbers; NaN where none is."""
    known = np.isfinite(blocks)
    if known.all():
        return np.asarray(blocks.mean(axis=axis))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, blocks, 0).sum(axis=axis) / known.sum(axis=axis))


def _ordered(image: xr.DataArray) -> xr.DataArray:
    """Axes in the order that the specification asks for: time, channel or another one, y, x."""
    image = shown(image)
    others = [str(dim) for dim in image.dims if dim not in ("time", "y", "x")]
    if not {"y", "x"} <= set(image.dims) or len(others) > 1:
        raise UserError(
            "this array cannot be an OME-Zarr image",
            found="axes " + ", ".join(str(dim) for dim in image.dims),
            expected="y and x, and at most time and one axis more",
        )
    first = ["time"] if "time" in image.dims else []
    image = image.transpose(*first, *others, "y", "x")
    uneven = [axis.name for axis in axes_of(image) if not axis.even]
    if uneven:
        raise UserError(
            "this array cannot be an OME-Zarr image",
            found=f"uneven steps along {', '.join(uneven)}",
            expected="even steps along every axis",
        )
    return image


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Tiles of y and x; where these are small, as many frames or energies as fill a chunk."""
    tile = [min(side, TILE) for side in shape[-2:]]
    room = max(1, CHUNK_VALUES // math.prod(tile))
    leading = [1] * (len(shape) - 2)
    if leading:
        leading[-1] = min(shape[-3], room)
    return (*leading, *tile)


def _multiscale(axes: list[Axis], factors: list[int], name: str) -> dict[str, Any]:
    described: list[dict[str, str]] = []
    for axis in axes:
        one = {"name": _NAMES.get(axis.name, axis.name)}
        if axis.name in _KINDS:
            one["type"] = _KINDS[axis.name]
        if axis.unit:
            one["unit"] = UNITS.get(axis.unit, axis.unit)
        described.append(one)
    datasets = []
    for number, factor in enumerate(factors):
        grown = [factor if axis.name in ("y", "x") else 1 for axis in axes]
        scale = [axis.step * by for axis, by in zip(axes, grown, strict=True)]
        # A mean over pixels lies in their middle, and a coordinate is that of a pixel's middle.
        shift = [
            axis.start + axis.step * (by - 1) / 2 for axis, by in zip(axes, grown, strict=True)
        ]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(shift):
            transforms.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    return {"name": name, "axes": described, "datasets": datasets, "type": "mean"}


def _channels(image: xr.DataArray, group: zarr.Group, levels: int, name: str) -> list[dict]:
    """Initial display settings of each channel in viewers."""
    import dask.array as da

    names = [name]
    least, most = _range(da.from_zarr(group["0"]))
    small = np.asarray(group[str(levels - 1)])
    if "channel" in image.dims:
        names = [str(label) for label in image["channel"].values]
        where = image.dims.index("channel")
        parts = list(np.moveaxis(small, where, 0))
    else:
        if "channel" in image.coords:
            names = [str(image["channel"].item())]
        parts = [small]
    found = []
    for label, part in zip(names, parts, strict=True):
        finite = part[np.isfinite(part)]
        low, high = np.percentile(finite, CONTRAST) if finite.size else (0.0, 1.0)
        if not high > low:
            low, high = float(low), float(low) + 1.0
        window = {"min": least, "max": max(most, least), "start": float(low), "end": float(high)}
        colour = _COLOURS.get(label, _GREY)
        found.append({"label": label, "color": colour, "active": True, "window": window})
    return found


def _range(values: da.Array) -> tuple[float, float]:
    """Least and greatest finite value of an array, chunk by chunk."""
    import dask
    import dask.array as da

    least, most = dask.compute(da.nanmin(values), da.nanmax(values))
    return (float(least), float(most)) if np.isfinite([least, most]).all() else (0.0, 1.0)
