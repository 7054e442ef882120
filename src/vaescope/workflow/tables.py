"""Write tables for spreadsheets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import quantities, spreadsheet, store

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def write_movie(movie: xr.Dataset, folder: str | os.PathLike, settings: dict[str, Any]) -> None:
    """Write the history of the atoms of a movie into a folder: ``movie.zarr`` and its tables.

    ``populations.csv`` has a row for each frame and class, ``transitions.csv`` for each class and
    next class, ``tracks.csv`` for each track. Of what is no movie there is the store alone, which
    says why it is empty.
    """

    with store.replace_atomically(folder) as beside:
        beside.mkdir()
        store.write(movie, beside / "movie.zarr", provenance={"settings": settings})
        tables: dict[str, pd.DataFrame] = {}
        if "population" in movie:
            parts = ["class_count", "population", "population_error", "population_spread"]
            frames = movie[parts].assign_coords(frame=("time", np.arange(movie.sizes["time"])))
            columns = ["time", "frame", "class", "class_name", *parts]
            frames = frames.assign_coords({"class": np.arange(movie.sizes["class"])})
            tables["populations"] = frames.to_dataframe().reset_index()[columns]
            parts = ["change_count", "transition", "transition_error"]
            numbers = {name: np.arange(movie.sizes[name]) for name in ("class", "next_class")}
            changes = movie[parts].assign_coords(numbers)
            tables["transitions"] = changes.to_dataframe().reset_index()
        if "track" in movie.dims:
            tables["tracks"] = _table(movie, "track")
        for name, table in tables.items():
            spreadsheet.write(table, beside / f"{name}.csv")


def write_table(dataset: xr.Dataset, path: str | os.PathLike, over: str = "site") -> None:
    """Write the quantities of each site, or along another dimension, as CSV with one row each.

    Every quantity of a site is a column, one with a short axis (``latent``, ``axis``, ``class``, …)
    a column for each place along it. Everything larger stays in the store.
    """
    spreadsheet.write(_table(dataset, over), path)


def _table(dataset: xr.Dataset, over: str) -> pd.DataFrame:
    """Quantities of every site, or of another axis, with their errors beside them."""
    import pandas as pd

    found = quantities.with_errors(quantities.of(dataset, over=over))
    return pd.DataFrame({over: dataset[over].values} | quantities.as_columns(found))


def write_rows(rows: list[dict], columns: list[str], path: str | os.PathLike) -> None:
    """Write rows with the same columns as CSV; what is not known stays empty."""
    import pandas as pd

    spreadsheet.write(pd.DataFrame(rows, columns=columns), path)
