"""The form that sites take on, however they were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

CARRIED = ("pixel_size", "pixel_unit", "calibrated", "source_sha256")

TRUTH_FACTS = ("truth_symmetry", "truth_defect_names")
"""Attributes that go with the truth of an image, wherever it goes."""

Column = tuple[np.ndarray, str, str]  # values (site,), their name in words, their unit


def near_edge(y: np.ndarray, x: np.ndarray, height: int, width: int, half: float) -> np.ndarray:
    """Mask of the places nearer to the edge than ``half`` px."""
    near = (y < half) | (y > height - 1 - half)
    return near | (x < half) | (x > width - 1 - half)


def tabulate(
    image: xr.Dataset, columns: dict[str, Column], attrs: dict[str, Any], *, physical: bool = True
) -> xr.Dataset:
    """Sites of an image as a Dataset over `site`, in the form of a sites store.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    columns : name -> values with name and unit, `frame`, `y`, `x` and `near_edge` among them.
    attrs : of the Dataset, beside those that the image brings.
    physical : whether `y_physical` and `x_physical` are added where the pixel size is known.
    """
    import xarray as xr

    columns = dict(columns)
    if physical and image.attrs.get("calibrated"):
        for axis in ("y", "x"):
            values = np.asarray(image[axis].values, float)
            place = np.interp(columns[axis][0], np.arange(len(values)), values)
            columns[f"{axis}_physical"] = (place, axis, image.attrs.get("pixel_unit", "px"))
    result = xr.Dataset(
        {
            name: ("site", values, {"long_name": long, "units": unit})
            for name, (values, long, unit) in columns.items()
        },
        coords={"site": np.arange(len(columns["y"][0]))},
        attrs={**attrs, "height": image.sizes["y"], "width_px": image.sizes["x"]},
    )
    for name in CARRIED:
        if name in image.attrs:
            result.attrs[name] = image.attrs[name]
    return result
