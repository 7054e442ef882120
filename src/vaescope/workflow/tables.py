"""Tables that people open elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vaescope import store

if TYPE_CHECKING:
    import xarray as xr


def write_table(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Write what a Dataset knows of each site as CSV, one row per site.

    Variables over ``site`` become columns; those over one short axis more (``latent``, ``axis``,
    ``class``, ...) become one column for each of its coordinates. Everything larger stays in the
    store.
    """
    columns = {}
    for name, values in dataset.variables.items():
        if values.dims == ("site",):
            columns[str(name)] = values.values
        elif len(values.dims) == 2 and values.dims[0] == "site" and "member" not in values.dims:
            for position, label in enumerate(dataset[values.dims[1]].values):
                columns[f"{name}_{label}"] = values.values[:, position]
    import pandas as pd

    table = pd.DataFrame(columns)
    if "site" in table:
        table = table.set_index("site")
    with store.replace_atomically(path) as beside:
        table.to_csv(beside, float_format="%.7g")


def write_rows(rows: list[dict], columns: list[str], path: str | os.PathLike) -> None:
    """Write rows with the same columns as CSV; what is not known stays empty."""
    import pandas as pd

    with store.replace_atomically(path) as beside:
        pd.DataFrame(rows, columns=columns).to_csv(beside, index=False, float_format="%.7g")
