"""One table of all that is known of every site, for spreadsheets and for napari's points.

Every column says its unit in its name, angles are in degrees, and a second table says what each
column means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import store
from vaescope.columns import with_edge
from vaescope.exchange.axes import Axis, axes_of, placed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from vaescope.results import Results

FIRST = ("amplitude", "width", "background", "fit_quality", "score", "near_edge")
"""What of ``sites.zarr`` comes first, after the places and their errors."""
OF_MODEL = ("latent", "angle", "offset", "strain", "class")
"""What of a model comes first."""
_PER_SITE = frozenset({"latent", "axis", "component", "class"})
"""Short axes of which each coordinate becomes a column."""
_SPREAD = "_spread"


@dataclass(frozen=True)
class Column:
    """One column: values (site,), their unit (empty: none), and what they are in words."""

    name: str
    values: Any
    unit: str
    meaning: str


def columns_of(results: Results, models: list[str]) -> list[Column]:
    """All columns about the sites of a finished dataset, one row for each site of ``sites.zarr``.

    Parameters
    ----------
    results : of the dataset.
    models : names of its models.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    image, sites = results.image["image"], results.sites
    if models:
        sites = with_edge(sites, results.latents(models[0]))
    found = [Column("site", sites["site"].values, "", "number of the site")]
    found += _places(sites, image)
    found += _of_sites(sites)
    if results.strain is not None:
        found += _of_strain(results.strain, sites)
    taken = set(sites.variables)
    for model in models:
        found += _of_model(results.latents(model), model, sites, taken)
    return _told_apart(found)


def as_frame(columns: list[Column]) -> pd.DataFrame:
    """The columns as a table."""
    import pandas as pd

    return pd.DataFrame({column.name: column.values for column in columns})


def write(columns: list[Column], path: str | Path, meanings: str | Path) -> None:
    """Write the table as CSV, and a table of what its columns mean; both atomically."""
    import pandas as pd

    with store.replace_atomically(path) as beside:
        as_frame(columns).to_csv(beside, index=False, float_format="%.7g")
    words = [(column.name, column.unit, column.meaning) for column in columns]
    with store.replace_atomically(meanings) as beside:
        pd.DataFrame(words, columns=["column", "unit", "meaning"]).to_csv(beside, index=False)


def _told_apart(columns: list[Column]) -> list[Column]:
    """The same columns, with a number where a name occurs again: models may be called anything."""
    seen: dict[str, int] = {}
    found = []
    for column in columns:
        seen[column.name] = count = seen.get(column.name, 0) + 1
        name = column.name if count == 1 else f"{column.name}_{count}"
        found.append(replace(column, name=name))
    return found


def _places(sites: xr.Dataset, image: xr.DataArray) -> list[Column]:
    """Frame and time, and the place in pixels and, where a pixel has a size, on the specimen."""
    axes = {axis.name: axis for axis in axes_of(image)}
    found = [Column("frame", sites["frame"].values, "", "frame, from 0")]
    if (time := axes["time"]).size > 1 and time.unit:
        values = placed(sites["frame"].values, time)
        found.append(Column(f"time_{time.unit}", values, time.unit, "time of the frame"))
    for name in ("track", "track_length"):
        if name in sites:
            found.append(_column(name, sites[name]))
    for ending in ("", "_error"):
        for unit in filter(None, ("px", axes["x"].unit)):
            for name in ("y", "x"):
                if name + ending in sites:
                    found.append(_place(name, ending, sites, axes[name], unit))
    return found


def _place(name: str, ending: str, sites: xr.Dataset, axis: Axis, unit: str) -> Column:
    """A coordinate or its standard error, in pixels or in the unit of the axis."""
    values = sites[name + ending].values
    if unit != "px":
        values = values * abs(axis.step) if ending else placed(values, axis)
    along = {"y": "place downwards", "x": "place to the right"}[name]
    meaning = f"standard error of {name}" if ending else along
    return Column(f"{name}{ending}_{unit}", values, unit, meaning)


def _of_sites(sites: xr.Dataset) -> list[Column]:
    said = {"site", "frame", "track", "track_length", "y_physical", "x_physical"}
    said |= {"y", "x", "y_error", "x_error"}
    names = [name for name in FIRST if name in sites]
    rest = [str(name) for name in sites.data_vars if name not in (*said, *names)]
    ordered = names + sorted(rest, key=lambda name: (name.startswith("truth_"), name))
    return [_column(name, sites[name]) for name in ordered if sites[name].dims == ("site",)]


def _of_strain(strain: xr.Dataset, sites: xr.Dataset) -> list[Column]:
    """Strain and rotation by each method."""
    found = []
    for k, method in enumerate(strain["method"].values if "method" in strain.dims else []):
        own = strain.isel(method=k)  # `sel` takes a name `method` for its own
        for name in ("strain", "rotation"):
            called = f"{name}_{str(method).lower()}"
            parts = _spread_out(own, name, own.get(f"{name}_error"), "_error", called)
            found += [replace(part, meaning=f"{part.meaning} by {method}") for part in parts]
    for name in ("neighbours", "misfit", "reference"):
        if name in strain and strain[name].dims == ("site",):
            found.append(_column(f"strain_{name}", strain[name]))
    return [_on(column, strain["site"].values, sites["site"].values) for column in found]


def _of_model(latents: xr.Dataset, model: str, sites: xr.Dataset, taken: set[Any]) -> list[Column]:
    """What the members of a model agree on, each quantity followed by its spread."""
    names = []
    for name, values in latents.data_vars.items():
        short = len(values.dims) == 2 and values.dims[0] == "site" and values.dims[1] in _PER_SITE
        spread = str(name).endswith(_SPREAD)
        if (values.dims == ("site",) or short) and not spread and name not in taken:
            names.append(str(name))
    rank = {name: k for k, name in enumerate(OF_MODEL)}
    names.sort(key=lambda name: (rank.get(_called(name), len(rank)), _called(name)))
    found = []
    for name in names:
        error = latents.get(f"{name.removeprefix('consensus_')}{_SPREAD}")
        called = f"{model}_{_called(name)}"
        parts = _spread_out(latents, name, error, _SPREAD, called)
        found += [replace(part, meaning=f"{part.meaning}, model {model}") for part in parts]
    return [_on(column, latents["site"].values, sites["site"].values) for column in found]


def _called(name: str) -> str:
    """What a variable of a model is called in the table."""
    base = name.removeprefix("consensus_")
    return "latent" if base == "content" else base


def _spread_out(
    dataset: xr.Dataset, name: str, error: xr.DataArray | None, ending: str, called: str
) -> list[Column]:
    """Columns of a variable over the sites and perhaps one short axis, each with its error."""
    values = dataset[name]
    if values.dims == ("site",):
        found = [_column(called, values)]
        return found + ([_column(f"{called}{ending}", error)] if error is not None else [])
    found = []
    for k, label in enumerate(dataset[values.dims[1]].values):
        found.append(_column(f"{called}_{label}", values[:, k]))
        if error is not None:
            found.append(_column(f"{called}_{label}{ending}", error[:, k]))
    return found


def _column(name: str, values: xr.DataArray) -> Column:
    """A variable over the sites as a column: angles in degrees, the unit in its name."""
    unit = str(values.attrs.get("units", ""))
    unit = "" if unit == "1" else unit
    meaning = str(values.attrs.get("long_name", name.replace("_", " ")))
    numbers = values.values
    if unit == "rad":
        numbers, unit = np.degrees(numbers), "deg"
    if modulo := values.attrs.get("modulo_degrees"):
        meaning += f", known modulo {float(modulo):g} degrees"
    suffix = f"_{unit}" if unit in ("deg", "px") else ""
    return Column(f"{name}{suffix}", numbers, unit, meaning)


def _on(column: Column, own: np.ndarray, every: np.ndarray) -> Column:
    """A column of some sites laid on all of them; the others stay empty."""
    import pandas as pd

    values = pd.Series(column.values, index=own)
    if values.dtype.kind in "iu":
        values = values.astype("Int64")
    elif values.dtype.kind == "b":
        values = values.astype("boolean")
    return replace(column, values=values.reindex(every).array)
