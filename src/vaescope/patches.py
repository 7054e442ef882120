"""Cutting square patches around sites, on a grid of samples centred to a fraction of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import numpy as np
from scipy import ndimage

from vaescope.errors import UserError, refuse_unknown

if TYPE_CHECKING:
    import xarray as xr

DEFAULTS: dict[str, Any] = {
    "size": None,
    "pixels": None,
    "normalise": "image",
    "centre": "subpixel",
}
_PIXELS = 28
_TILE = 1024  # px, side of the area whose sites are cut together
_PERCENTILES = (1.0, 99.0)  # of the image, made about 0 and 1 by the normalisation `image`
_SAMPLES = 1024  # px a side, of the thinned frame from which percentiles are taken
# Smoothing before sampling at a pitch of several pixels: 0.4 pitches halve what lies at the
# highest frequency that the samples can hold.
_ANTI_ALIAS = 0.4
_TRUNCATE = 4.0


def extract(
    image: xr.Dataset,
    sites: xr.Dataset,
    settings: dict[str, Any] | None = None,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """Cut a patch around every site that is far enough from the edge.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    sites : Dataset as `sites.find` gives it.
    settings : the part `patches` of a recipe; what is missing has its default:

        size : px of the image, side of a patch; None: as the sites were found for, 3.2 spacings
            unless the image is very small.
        pixels : samples per side; None or 28: 28, or the side in px if that is less.
        normalise : `image` (the 1st and 99th percentile of the frame become 0 and 1), `patch`
            (mean 0, standard deviation 1) or `none`.
        centre : `subpixel` (interpolated) or `pixel` (centred on the nearest pixel).
    threads : tiles worked on at once; the result does not depend on it.

    Returns
    -------
    Dataset over `site` (the index of the site in ``sites``), in the form of a patches store. The
    raw values are ``patch * norm_scale + norm_offset``.

    Raises
    ------
    UserError : unknown setting, a setting out of range, a patch larger than the image, or no
        site far enough from the edge.
    """
    import xarray as xr

    settings = _checked(dict(settings or {}))
    spacing = float(sites.attrs["spacing"])
    size = float(settings["size"] or sites.attrs["patch_size"])
    pixels = int(settings["pixels"] or _PIXELS)
    if pixels == _PIXELS:
        # Samples closer than the image's own pixels would cost time and tell nothing.
        pixels = max(min(pixels, int(size)), 4)
    pitch = size / pixels
    height, width = image.sizes["y"], image.sizes["x"]
    position = np.stack([sites["y"].values, sites["x"].values], axis=1)
    if settings["centre"] == "pixel":
        position = np.rint(position)
    frame = sites["frame"].values.astype(int)
    # The outermost samples lie half a pitch inside the patch's side.
    reach = (size - pitch) / 2
    usable = (position >= reach).all(axis=1)
    usable &= (position <= np.array([height - 1, width - 1]) - reach).all(axis=1)
    usable &= ~sites["near_edge"].values.astype(bool)
    chosen = np.flatnonzero(usable)
    if not len(chosen):
        raise UserError(
            "no site can be cut out",
            found=f"{len(usable)} sites, all nearer to the edge than half a patch of "
            f"{size:.1f} px in an image of {height} × {width} px",
            expected="at least one site farther inside",
            remedy="Set a smaller `patches: size` in the recipe, or take a larger image",
        )
    raw = _cut(image["image"], frame[chosen], position[chosen], size, pixels, threads)
    offset, scale = _normalisation(image["image"], frame[chosen], raw, settings["normalise"])
    patch = (raw - offset[:, :, None, None]) / scale[:, :, None, None]
    axis = (np.arange(pixels) + 0.5) * pitch - size / 2
    signal = image["image"].attrs.get("units", "1")
    result = xr.Dataset(
        {
            "patch": (
                ("site", "channel", "py", "px"),
                patch.astype(np.float32),
                {"long_name": "normalised signal", "units": "1"},
            ),
            "norm_offset": (
                ("site", "channel"),
                offset,
                {"long_name": "raw signal at which a patch is 0", "units": signal},
            ),
            "norm_scale": (
                ("site", "channel"),
                scale,
                {"long_name": "raw signal per unit of a patch", "units": signal},
            ),
        },
        coords={
            "site": sites["site"].values[chosen],
            "channel": [str(name) for name in image["channel"].values],
            "py": ("py", axis, {"long_name": "y from the centre", "units": "px"}),
            "px": ("px", axis, {"long_name": "x from the centre", "units": "px"}),
        },
        attrs={"pitch": pitch, "size": size, "spacing": spacing, **settings, "pixels": pixels},
    )
    result.attrs = {k: v for k, v in result.attrs.items() if v is not None}
    result.attrs["size"] = size
    for name in ("frame", "y", "x", *(str(n) for n in sites if str(n).startswith("truth_"))):
        result[name] = ("site", sites[name].values[chosen], dict(sites[name].attrs))
    for name in ("pixel_size", "pixel_unit", "calibrated", "source_sha256", "truth_symmetry"):
        if name in sites.attrs:
            result.attrs[name] = sites.attrs[name]
    return result


def _cut(
    stack: xr.DataArray,
    frame: np.ndarray,
    position: np.ndarray,
    size: float,
    pixels: int,
    threads: int,
) -> np.ndarray:
    """Raw samples (site, channel, py, px), tile by tile, so that no whole frame is held."""
    pitch = size / pixels
    sigma = _ANTI_ALIAS * pitch if pitch > 1.0 else 0.0
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
            jobs.append(dask.delayed(_sample)(block, local, offsets, sigma))
            places.append((members, channel))
    how: dict[str, Any] = {"scheduler": "synchronous"}
    if threads > 1:
        how = {"scheduler": "threads", "num_workers": threads}
    for (members, channel), values in zip(places, dask.compute(*jobs, **how), strict=True):
        patches[members, channel] = values
    return patches


def _sample(
    block: np.ndarray, position: np.ndarray, offsets: np.ndarray, sigma: float
) -> np.ndarray:
    """Samples of one block around positions in it, (site, py, px)."""
    block = np.asarray(block, np.float64)
    if sigma:
        block = ndimage.gaussian_filter(block, sigma, truncate=_TRUNCATE)
    # Cubic splines: linear interpolation would blur a patch by how far it lies between pixels.
    block = ndimage.spline_filter(block, 3, mode="mirror")
    y = position[:, 0, None, None] + offsets[None, :, None] + 0 * offsets[None, None, :]
    x = position[:, 1, None, None] + offsets[None, None, :] + 0 * offsets[None, :, None]
    values = ndimage.map_coordinates(block, [y, x], order=3, mode="mirror", prefilter=False)
    return values.astype(np.float32)


def _normalisation(
    stack: xr.DataArray, frame: np.ndarray, raw: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale of every patch and channel, (site, channel) each."""
    offset, scale = np.zeros(raw.shape[:2]), np.ones(raw.shape[:2])
    if kind == "none":
        return offset, scale
    step = tuple(max(1, -(-stack.sizes[axis] // _SAMPLES)) for axis in ("y", "x"))
    for one in np.unique(frame):
        for channel in range(raw.shape[1]):
            here = frame == one
            thinned = np.asarray(stack[int(one), channel, :: step[0], :: step[1]], float)
            low, high = np.nanpercentile(thinned, _PERCENTILES)
            if kind == "image":
                offset[here, channel], scale[here, channel] = low, high - low
            else:
                offset[here, channel] = raw[here, channel].mean(axis=(1, 2), dtype=np.float64)
                scale[here, channel] = raw[here, channel].std(axis=(1, 2), dtype=np.float64)
            # What varies less than this is rounding of float32: a constant patch stays at zero.
            least = 1e-6 * np.nanmax(np.abs(thinned))
            scale[here, channel] = np.where(scale[here, channel] > least, scale[here, channel], 1.0)
    return offset, scale


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Settings with their defaults; complaints about what is unknown or out of range."""
    refuse_unknown(given, DEFAULTS, "patches")
    settings = {**DEFAULTS, **given}
    for name, known in {
        "normalise": ("image", "patch", "none"),
        "centre": ("subpixel", "pixel"),
    }.items():
        if settings[name] not in known:
            raise UserError(
                f"the setting `{name}` of `patches` is not known",
                found=repr(settings[name]),
                expected=" or ".join(known),
            )
    pixels, size = settings["pixels"], settings["size"]
    if pixels is not None and (
        isinstance(pixels, bool) or not isinstance(pixels, int) or not 4 <= pixels <= 1024
    ):
        raise UserError(
            "the setting `pixels` of `patches` is out of range",
            found=repr(pixels),
            expected="a whole number from 4 to 1024, or null",
        )
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, (int, float)) or not 3 <= size <= 1e5
    ):
        raise UserError(
            "the setting `size` of `patches` is out of range",
            found=repr(size),
            expected="a number of pixels from 3 to 100000, or null",
        )
    return settings
