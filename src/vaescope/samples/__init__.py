"""Cutting square patches around sites, on a grid of samples centred to a fraction of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError, refuse_unknown
from vaescope.samples.frames import extract_frames
from vaescope.samples.normalise import KINDS, normalise, per_site
from vaescope.samples.sampling import cut
from vaescope.sites.table import carried

if TYPE_CHECKING:
    import xarray as xr

DEFAULTS: dict[str, Any] = {
    "size": None,
    "pixels": None,
    "normalise": "image",
    "centre": "subpixel",
}
_PIXELS = 28


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
        pixels : samples per side; None: 28, or the side in px if that is less. Frames that are
            patches already keep their own, up to 64.
        normalise : `image` (the 1st and 99th percentile of the frame become 0 and 1), `unit` (its
            least and greatest value do), `patch` (mean 0, standard deviation 1) or `none`. For
            frames that are patches, the first two count over the whole stack.
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
    if sites.attrs.get("method") == "frames":
        return extract_frames(image, sites, settings)
    spacing = float(sites.attrs["spacing"])
    size = float(settings["size"] or sites.attrs["patch_size"])
    # Samples closer than the image's own pixels would cost time and tell nothing.
    pixels = int(settings["pixels"] or max(min(_PIXELS, int(size)), 4))
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
    patch = cut(image["image"], frame[chosen], position[chosen], size, pixels, threads)
    offset, scale = per_site(image["image"], frame[chosen], patch, settings["normalise"])
    normalise(patch, offset, scale)
    axis = (np.arange(pixels) + 0.5) * pitch - size / 2
    signal = image["image"].attrs.get("units", "1")
    result = xr.Dataset(
        {
            "patch": (
                ("site", "channel", "py", "px"),
                patch,
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
    result.attrs |= {"size": size, "method": str(sites.attrs.get("method", ""))}
    known = [str(name) for name in sites if str(name).startswith("truth_")]
    followed = [name for name in ("track", "track_length") if name in sites]
    for name in ("frame", "y", "x", *followed, *known):
        result[name] = ("site", sites[name].values[chosen], dict(sites[name].attrs))
    result.attrs |= carried(sites.attrs)
    return result


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Settings with their defaults; complaints about what is unknown or out of range."""
    refuse_unknown(given, DEFAULTS, "patches")
    settings = {**DEFAULTS, **given}
    for name, known in {
        "normalise": KINDS,
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
