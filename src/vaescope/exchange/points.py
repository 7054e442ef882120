"""Sites as a points layer of napari, in the coordinates of the OME-Zarr image.

Source: napari's own CSV of points, https://napari.org: ``index``, ``axis-0``, …, and properties.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from vaescope import spreadsheet
from vaescope.exchange.axes import axes_of, placed, shown
from vaescope.exchange.table import as_frame
from vaescope.quantities import Quantity

if TYPE_CHECKING:
    import xarray as xr


def write(
    sites: xr.Dataset, image: xr.DataArray, columns: list[Quantity], path: str | os.PathLike
) -> None:
    """Write sites for napari, atomically.

    Parameters
    ----------
    sites : ``y``, ``x`` (px) and ``frame`` of each.
    image : where they were found; gives the coordinates, and time if it has several frames.
    columns : more of each site, as properties by which points can be coloured.
    path : the file to write, ``NAME.csv``.
    """
    import pandas as pd

    axes = {axis.name: axis for axis in axes_of(shown(image))}
    place = {"y": "y", "x": "x"}
    if "time" in axes:
        place = {"time": "frame", **place}
    table: dict[str, object] = {"index": np.arange(sites.sizes["site"])}
    for number, (axis, name) in enumerate(place.items()):
        table[f"axis-{number}"] = placed(sites[name].values, axes[axis])
    for name, values in as_frame(columns).items():
        # napari takes a column for numbers only if every value of it is one.
        numeric = values.dtype.kind in "biuf"
        table[name] = values.astype(float) if numeric else values.astype(str)
    spreadsheet.write(pd.DataFrame(table), path, digits=10, missing="nan")
