"""Cutting the neighbourhood of every site: sub-pixel centred, normalised so it can be undone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from vaescope.errors import UserError

DEFAULT_REACH = 3.2  # side of a patch in lattice spacings: the neighbours and a little beyond
DEFAULT_PIXELS = 28
FEWEST_PIXELS = 8
SAMPLED = 1e6  # pixels from which an image's percentiles are taken
TILE = 1024  # side of the part of a frame held in memory at once
CARRIED = (
    "pixel_size",
    "pixel_unit",
    "calibrated",
    "source_sha256",
    "source_files",
    "spacing",
    "truth_symmetry",
)


def patch_size(spacing: float, settings: dict[str, Any]) -> float:
    """Side of a patch in image pixels: as the recipe says, or from the lattice spacing."""
    return float(settings.get("size") or DEFAULT_REACH * spacing)


def extract(image: xr.Dataset, sites: xr.Dataset, settings: dict[str, Any]) -> xr.Dataset:
    """Cut a square patch around every site that is not too near the edge.

    Parameters
    ----------
    image : the Dataset of ``image.zarr``; read tile by tile.
    sites : the Dataset of ``sites.zarr``.
    settings : the recipe's part ``patches``: ``size`` (image pixels; by default 3.2 lattice
        spacings), ``pixels`` (samples per side), ``normalise`` (image, patch or none), ``centre``
        (subpixel or pixel).

    Returns
    -------
    The Dataset of ``patches.zarr``; ``patch * norm_scale + norm_offset`` is the signal itself.

    Raises
    ------
    UserError : no site lies far enough from the edge, or a setting is not known.
    """
    size = patch_size(float(sites.attrs["spacing"]), settings)
    pixels = int(settings.get("pixels") or DEFAULT_PIXELS)
    # Never finer than the image: samples between pixels would add nothing but cost.
    pixels = max(min(pixels, round(size)), FEWEST_PIXELS)
    pitch = size / pixels
    steps = (np.arange(pixels) - (pixels - 1) / 2) * pitch
    height, width = image.sizes["y"], image.sizes["x"]
    y, x = sites["y"].values, sites["x"].values
    reach = steps[-1] + 1.0
    inside = (y >= reach) & (x >= reach) & (y <= height - 1 - reach) & (x <= width - 1 - reach)
    usable = np.flatnonzero(inside & ~sites["near_edge"].values)
    if not len(usable):
        raise UserError(
            "no site is far enough from the edge to cut a patch",
            found=f"{len(y)} sites in {height} × {width} pixels, patches of {size:.0f} pixels",
            remedy="Lower `patches.size` in the recipe, or use a larger image",
        )
    if settings.get("centre", "subpixel") == "pixel":
        y, x = np.round(y), np.round(x)
    channels = image.sizes["channel"]
    values = np.empty((len(usable), channels, pixels, pixels), np.float32)
    frames = sites["frame"].values[usable]
    for frame in np.unique(frames):
        for channel in range(channels):
            signal = image["image"].isel(time=int(frame), channel=channel)
            rows = np.flatnonzero(frames == frame)
            chosen = usable[rows]
            values[rows, channel] = _cut(signal, y[chosen], x[chosen], steps, pitch)
    offset, scale = _normalisation(values, image, settings.get("normalise", "image"))
    values = (values - offset[..., None, None]) / scale[..., None, None]
    return _dataset(values, offset, scale, steps, usable, image, sites, settings, pitch, size)


def _cut(
    signal: xr.DataArray, y: np.ndarray, x: np.ndarray, steps: np.ndarray, pitch: float
) -> np.ndarray:
    """Sample one frame around positions (site,): (site, pixels, pixels), tile by tile."""
    height, width = signal.shape
    # Half a sample of blur keeps what is finer than the samples from turning into false structure.
    blur = 0.4 * pitch if pitch > 1 else 0.0
    margin = int(np.ceil(steps[-1] + 4 * blur)) + 2
    out = np.empty((len(y), len(steps), len(steps)), np.float32)
    tile_of = (y // TILE).astype(int) * (width // TILE + 1) + (x // TILE).astype(int)
    for tile in np.unique(tile_of):
        rows = np.flatnonzero(tile_of == tile)
        top, left = (max(int(v[rows].min()) - margin, 0) for v in (y, x))
        bottom = min(int(y[rows].max()) + margin + 1, height)
        right = min(int(x[rows].max()) + margin + 1, width)
        part = np.asarray(signal[top:bottom, left:right].values, np.float32)
        if blur:
            part = ndimage.gaussian_filter(part, blur)
        places = np.broadcast_arrays(
            (y[rows] - top)[:, None, None] + steps[None, :, None],
            (x[rows] - left)[:, None, None] + steps[None, None, :],
        )
        # After a blur linear interpolation will do; without one, cubic keeps the atoms' tops.
        out[rows] = ndimage.map_coordinates(part, places, order=1 if blur else 3, mode="nearest")
    return out


def _normalisation(
    values: np.ndarray, image: xr.Dataset, how: str
) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale (site, channel) by which patches are normalised."""
    sites, channels = values.shape[:2]
    if how == "none":
        return np.zeros((sites, channels), np.float32), np.ones((sites, channels), np.float32)
    if how == "patch":
        return values.mean((2, 3)), np.maximum(values.std((2, 3)), 1e-12)
    if how != "image":
        raise UserError(
            "unknown way to normalise patches",
            found=f"patches.normalise: {how}",
            expected="image, patch or none",
        )
    offset = np.empty((sites, channels), np.float32)
    scale = np.empty((sites, channels), np.float32)
    step = max(int(np.sqrt(image.sizes["y"] * image.sizes["x"] / SAMPLED)), 1)
    for channel in range(channels):
        sample = image["image"].isel(channel=channel, time=0)[::step, ::step].values
        low, high = np.percentile(sample, [1, 99])
        offset[:, channel] = low
        scale[:, channel] = max(high - low, 1e-12)
    return offset, scale


def _dataset(
    values: np.ndarray,
    offset: np.ndarray,
    scale: np.ndarray,
    steps: np.ndarray,
    usable: np.ndarray,
    image: xr.Dataset,
    sites: xr.Dataset,
    settings: dict[str, Any],
    pitch: float,
    size: float,
) -> xr.Dataset:
    per_channel = ("site", "channel")
    normalise = settings.get("normalise", "image")
    out = xr.Dataset(
        {
            "patch": (
                ("site", "channel", "py", "px"),
                values,
                {"long_name": "normalised signal", "units": "1"},
            ),
            "norm_offset": (per_channel, offset, {"long_name": "signal at 0"}),
            "norm_scale": (per_channel, scale, {"long_name": "signal per 1"}),
        },
        coords={
            "site": sites["site"].values[usable],
            "channel": image["channel"].values,
            "py": ("py", steps, {"long_name": "row from the site", "units": "px"}),
            "px": ("px", steps, {"long_name": "column from the site", "units": "px"}),
        },
    )
    for key in ("frame", "y", "x"):
        out.coords[key] = ("site", sites[key].values[usable], sites[key].attrs)
    for name in sites.data_vars:
        if str(name).startswith("truth_"):
            out[name] = ("site", sites[name].values[usable], sites[name].attrs)
    out.attrs = {key: sites.attrs[key] for key in CARRIED if key in sites.attrs}
    out.attrs |= {
        "pitch": pitch,
        "size": size,
        "normalise": normalise,
        "centre": settings.get("centre", "subpixel"),
    }
    return out.chunk({"site": 4096})
