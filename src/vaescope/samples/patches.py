"""Cut square patches around sites, on a grid of samples centred to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope import columns
from vaescope.columns import carried
from vaescope.errors import UserError
from vaescope.quantities import FIT
from vaescope.quantities.cf_attributes import attributes
from vaescope.samples.gaps import MEASURED, PARTIAL, in_image, measured_samples
from vaescope.samples.moments import Delayed, delayed
from vaescope.samples.normalise import normalise, per_site
from vaescope.samples.sampling import cut
from vaescope.samples.settings import COMPLETE
from vaescope.samples.size import inside, shown, size_of

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.samples.settings import Patches

_PIXELS = 28
PARTLY = attributes(
    "use of the patch", "1", "categorical", meanings=["trained", "mapped only"], group=FIT
)
"""Attributes of ``PARTIAL``."""


def around(image: xr.Dataset, sites: xr.Dataset, asked: Patches, threads: int) -> xr.Dataset:
    """Cut a patch around every site of an image that is far enough from the edge; parameters,
    result and errors as of ``samples.extract``."""
    import xarray as xr

    size = size_of(image, sites, asked.size)
    pixels = pixels_of(size, asked)
    pitch = size / pixels
    moments = [delayed(sites, image.sizes["time"], delay) for delay in asked.delay or [0]]
    chosen, without = _chosen(image, sites, moments, size, pitch, asked.complete)
    if not len(chosen) and sites.sizes["site"]:
        raise _none(image, sites, size, without)
    cuts = [_cut(image, moment, chosen, asked, size, pixels, threads) for moment in moments]
    signal = image["image"].attrs.get("units", "1")
    axis = (np.arange(pixels) + 0.5) * pitch - size / 2
    names = [str(name) for name in image["channel"].values]
    if asked.delay is not None:
        names = [moment.name(name) for name in names for moment in moments]
    result = xr.Dataset(
        {
            "patch": (
                ("site", "channel", "py", "px"),
                _joined([each.patch for each in cuts]),
                {"long_name": "normalised signal", "units": "1"},
            ),
            "norm_offset": (
                ("site", "channel"),
                _joined([each.offset for each in cuts]),
                {"long_name": "raw signal at which a patch is 0", "units": signal},
            ),
            "norm_scale": (
                ("site", "channel"),
                _joined([each.scale for each in cuts]),
                {"long_name": "raw signal per unit of a patch", "units": signal},
            ),
        },
        coords={
            "site": sites["site"].values[chosen],
            "channel": names,
            "py": ("py", axis, {"long_name": "y from the centre", "units": "px"}),
            "px": ("px", axis, {"long_name": "x from the centre", "units": "px"}),
        },
        attrs={
            **carried(sites.attrs),
            **{name: value for name, value in asked.as_dict().items() if value is not None},
            "pitch": pitch,
            "size": size,
            "pixels": pixels,
        },
    )
    if asked.delay is not None:
        result.attrs["without_delay"] = without
    seen = [each.seen for each in cuts if each.seen is not None]
    if seen:
        about = {"long_name": "measured", "units": "1"}
        result[MEASURED] = (("site", "py", "px"), np.logical_and.reduce(seen), about)
        partial = result[MEASURED].values.mean((1, 2)) < COMPLETE
        if asked.complete < COMPLETE and partial.any():
            result[PARTIAL] = ("site", partial, PARTLY)
    return result.assign(columns.of(sites, result["site"].values))


def pixels_of(size: float, wanted: Patches) -> int:
    """Samples a side of a patch of ``size`` px: samples closer than the image's own pixels would
    cost time and show nothing more."""
    return wanted.pixels or max(min(_PIXELS, int(size)), 4)


@dataclass
class _Cut:
    """Patches of one moment: ``patch`` (site, channel, py, px), ``offset`` and ``scale`` (site,
    channel), ``seen`` (site, py, px) or None where all was measured."""

    patch: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    seen: np.ndarray | None


def _cut(
    image: xr.Dataset,
    moment: Delayed,
    chosen: np.ndarray,
    asked: Patches,
    size: float,
    pixels: int,
    threads: int,
) -> _Cut:
    """Cut the patches of one moment around the chosen sites (site,)."""
    there = moment.sites.isel(site=np.searchsorted(moment.rows, chosen))
    position = np.stack([there["y"].values, there["x"].values], axis=1)
    if asked.centre == "pixel":
        position = np.rint(position)
    frame = there["frame"].values.astype(int)
    seen = None
    if "measured" in image:
        seen = measured_samples(image["measured"], frame, position, size, pixels)
    within = None
    if asked.complete < COMPLETE:
        sides = image.sizes["y"], image.sizes["x"]
        within = in_image(sides, position, size, pixels)
    if within is not None:
        seen = within if seen is None else seen & within
    patch = cut(image["image"], frame, position, size, pixels, threads)
    offset, scale = per_site(image, frame, patch, asked.normalise)
    normalise(patch, offset, scale)
    return _Cut(patch, offset, scale, seen)


def _chosen(
    image: xr.Dataset,
    sites: xr.Dataset,
    moments: list[Delayed],
    size: float,
    pitch: float,
    complete: float,
) -> tuple[np.ndarray, int]:
    """Rows of the sites of whose patches enough was measured at every moment, and how many lack
    another moment alone: their own frame shows enough of the patch."""

    def enough(there: xr.Dataset) -> np.ndarray:
        within = inside(image, there, size, pitch)
        if complete >= COMPLETE or "window" in there.attrs:  # windows are laid inside
            return within
        return within | (shown(image, there, size) >= complete)

    within = np.ones(sites.sizes["site"], bool)
    for moment in moments:
        there = np.zeros(len(within), bool)
        there[moment.rows] = enough(moment.sites)
        within &= there
    own = enough(sites)
    return np.flatnonzero(within), int((own & ~within).sum())


def _none(image: xr.Dataset, sites: xr.Dataset, size: float, without: int) -> UserError:
    """What is said where no site has a patch."""
    count, frames = sites.sizes["site"], image.sizes["time"]
    if without:
        return UserError(
            "no site has a patch at every delay",
            found=f"{count} sites in {frames} frame{'s' * (frames != 1)}",
            expected="frames before and after, as `patches: delay` asks for",
            remedy="Give the frames of the movie as one source, or take `patches: delay` out of"
            " the recipe",
        )
    shape = f"{image.sizes['y']} × {image.sizes['x']} px"
    return UserError(
        "no site can be cut out",
        found=f"{count} sites, all nearer to the edge of what was measured than "
        f"half a patch of {size:.1f} px, in an image of {shape}",
        expected="at least one site farther inside",
        remedy="Set a smaller `patches: size` in the recipe, or take a larger image",
    )


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays (site, channel, …) of several moments as one, moments of a channel together."""
    if len(parts) == 1:
        return parts[0]
    stacked = np.stack(parts, axis=2)
    return stacked.reshape(len(stacked), -1, *stacked.shape[3:])
