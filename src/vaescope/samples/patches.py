"""Cut square patches around sites, on a grid of samples centred to a fraction of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope import columns
from vaescope.columns import carried
from vaescope.errors import UserError
from vaescope.samples.gaps import MEASURED, measured_samples
from vaescope.samples.normalise import normalise, per_site
from vaescope.samples.sampling import cut
from vaescope.samples.size import inside, size_of

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.samples.settings import Patches

_PIXELS = 28


def around(image: xr.Dataset, sites: xr.Dataset, asked: Patches, threads: int) -> xr.Dataset:
    """Cut a patch around every site of an image that is far enough from the edge; parameters,
    result and errors as of ``samples.extract``."""
    import xarray as xr

    shape = (image.sizes["y"], image.sizes["x"])
    size = size_of(image, sites, asked.size)
    # Samples closer than the image's own pixels would cost time and tell nothing.
    pixels = asked.pixels or max(min(_PIXELS, int(size)), 4)
    pitch = size / pixels
    position = np.stack([sites["y"].values, sites["x"].values], axis=1)
    if asked.centre == "pixel":
        position = np.rint(position)
    frame = sites["frame"].values.astype(int)
    chosen = np.flatnonzero(inside(image, sites, size, pitch))
    if not len(chosen):
        raise UserError(
            "no site can be cut out",
            found=f"{sites.sizes['site']} sites, all nearer to the edge of what was measured than "
            f"half a patch of {size:.1f} px, in an image of {shape[0]} × {shape[1]} px",
            expected="at least one site farther inside",
            remedy="Set a smaller `patches: size` in the recipe, or take a larger image",
        )
    seen = None
    if "measured" in image:
        seen = measured_samples(image["measured"], frame[chosen], position[chosen], size, pixels)
    patch = cut(image["image"], frame[chosen], position[chosen], size, pixels, threads)
    offset, scale = per_site(image, frame[chosen], patch, asked.normalise)
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
        attrs={
            **carried(sites.attrs),
            **{name: value for name, value in asked.as_dict().items() if value is not None},
            "pitch": pitch,
            "size": size,
            "pixels": pixels,
        },
    )
    if seen is not None:
        result[MEASURED] = (("site", "py", "px"), seen, {"long_name": "measured", "units": "1"})
    return result.assign(columns.of(sites, result["site"].values))
