"""Make the table of sites, whatever method found them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.columns import carried
from vaescope.quantities import attributes

if TYPE_CHECKING:
    import xarray as xr

Column = tuple[np.ndarray, dict[str, Any]]  # values (site,), and what `quantities.attributes` says


def tabulate(
    image: xr.Dataset, columns: dict[str, Column], attrs: dict[str, Any], *, physical: bool = True
) -> xr.Dataset:
    """Make a Dataset over `site` of the sites of an image, as ``sites.zarr`` holds it.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    columns : name -> values, one per site, and their attributes; `frame`, `y`, `x` (px) among them.
    attrs : of the Dataset, beside those that the image brings; `spacing` (px) among them, and
        `window` (px) where a site stands for a window of that side.
    physical : whether `y_physical` and `x_physical` are added where the pixel size is known.
    """
    import xarray as xr

    columns = dict(columns)
    if physical and image.attrs.get("calibrated"):
        for axis in ("y", "x"):
            values = np.asarray(image[axis].values, float)
            place = np.interp(columns[axis][0], np.arange(len(values)), values)
            unit = image.attrs.get("pixel_unit", "px")
            columns[f"{axis}_physical"] = (place, attributes(axis, unit))
    return xr.Dataset(
        {name: ("site", values, about) for name, (values, about) in columns.items()},
        coords={"site": np.arange(len(columns["y"][0]))},
        attrs={
            **carried(image.attrs),
            **attrs,
            "height": image.sizes["y"],
            "width_px": image.sizes["x"],
        },
    )
