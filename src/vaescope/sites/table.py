"""The form that sites take on, however they were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

CARRIED = ("pixel_size", "pixel_unit", "calibrated", "source_sha256")

OF_PATCHES = ("spacing", "pitch", "size")
"""What a store of patches says of itself beside, for all that is made of it."""

Column = tuple[np.ndarray, str, str]  # values (site,), their name in words, their unit


def carried(attrs: Mapping[Any, Any], names: Sequence[str] = CARRIED) -> dict[str, Any]:
    """The attributes that go wherever sites go: ``names``, and what is known of a truth, its
    symmetry and what the values of each ``truth_NAME`` mean."""
    kept = [str(name) for name in attrs if str(name) in names or _of_truth(str(name))]
    return {name: attrs[name] for name in kept}


def _of_truth(name: str) -> bool:
    return name == "truth_symmetry" or (name.startswith("truth_") and name.endswith("_names"))


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
    result.attrs |= carried(image.attrs)
    return result
