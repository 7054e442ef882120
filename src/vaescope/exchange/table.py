"""Make one table of all quantities of every site, for spreadsheets and for napari's points.

Every column says its unit in its name, and a second table says what each column means.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaescope import quantities, spreadsheet
from vaescope.columns import with_edge
from vaescope.exchange.axes import axes_of, placed
from vaescope.quantities import SITE, TRUTH, Quantity, as_columns, with_errors

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from vaescope.results import Results


def columns_of(results: Results, models: list[str]) -> list[Quantity]:
    """All columns about the sites of a finished dataset, one row for each site of ``sites.zarr``.

    Parameters
    ----------
    results : of the dataset.
    models : names of its models.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    sites, image = results.sites, results.image["image"]
    if models:
        sites = with_edge(sites, results.latents(models[0]))
    number = sites["site"].values
    found = [_of_site("site", number, "number of the site"), *_time(sites, image)]
    for quantity in quantities.of(sites):
        if quantity.name not in ("y_physical", "x_physical"):
            found += [*with_errors([quantity]), *_on_specimen(quantity, image)]
    if (strain := results.strain) is not None:
        new = [q for q in quantities.of(strain) if q.group not in (SITE, TRUTH)]
        found += _on(with_errors(new), strain["site"].values, number)
    for model in models:
        latents = results.latents(model)
        new = [q for q in quantities.of(latents) if q.name not in sites.variables]
        found += _on(with_errors(new), latents["site"].values, number)
    return found


def as_frame(columns: list[Quantity]) -> pd.DataFrame:
    """The columns as a table."""
    import pandas as pd

    return pd.DataFrame(as_columns(columns))


def write(columns: list[Quantity], path: str | Path, meanings: str | Path) -> None:
    """Write the table as CSV, and a table that explains its columns; both atomically."""
    import pandas as pd

    table = as_frame(columns)
    spreadsheet.write(table, path)
    words = [(one, q.unit, q.meaning) for one, q in zip(table.columns, columns, strict=True)]
    spreadsheet.write(pd.DataFrame(words, columns=["column", "unit", "meaning"]), meanings)


def _of_site(key: str, values: np.ndarray, meaning: str, unit: str = "") -> Quantity:
    return Quantity(key, key, meaning, meaning, unit, "sequential", values, SITE)


def _time(sites: xr.Dataset, image: xr.DataArray) -> list[Quantity]:
    """The time of the frame of every site, where frames have times."""
    time = next(axis for axis in axes_of(image) if axis.name == "time")
    if time.size < 2 or not time.unit:
        return []
    values = image["time"].values[sites["frame"].values.astype(int)]
    return [_of_site("time", values, "time of the frame", time.unit)]


def _on_specimen(quantity: Quantity, image: xr.DataArray) -> list[Quantity]:
    """A coordinate and its standard error in the unit of the axis, where a pixel has a size."""
    axis = next((axis for axis in axes_of(image) if axis.name == quantity.name), None)
    if quantity.name not in ("y", "x") or axis is None or not axis.unit:
        return []
    made = replace(quantity, values=placed(quantity.values, axis), unit=axis.unit)
    if (error := quantity.error) is None:
        return [made]
    step = abs(axis.step)
    return [made, replace(error, values=error.values * step, unit=axis.unit)]


def _on(columns: list[Quantity], own: np.ndarray, every: np.ndarray) -> list[Quantity]:
    """Columns of some sites laid on all of them; the others stay empty."""
    import pandas as pd

    found = []
    for column in columns:
        values = pd.Series(column.written, index=own)
        if values.dtype.kind in "iu":
            values = values.astype("Int64")
        elif values.dtype.kind == "b":
            values = values.astype("boolean")
        laid = values.reindex(every).array
        found.append(replace(column, values=laid, worded=False))
    return found
