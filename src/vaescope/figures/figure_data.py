"""The data behind a figure: tables of the values drawn, and the stores they come from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.spreadsheet import safe

if TYPE_CHECKING:
    from vaescope.figures.scene import Scene
    from vaescope.quantities import Quantity
    from vaescope.results import ModelResults

MOST_ROWS = 100_000
"""Of a table: beyond that the stores are named, and no table is written."""


@dataclass
class Table:
    """Columns of equal length, each under a name with its unit."""

    columns: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def csv(self) -> str:
        """The table as text: seven digits, empty where a number is not known."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        cells = [[_cell(value) for value in column.tolist()] for column in self.columns.values()]
        writer.writerows(zip(*cells, strict=True))
        return text.getvalue()


@dataclass
class FigureData:
    """The data from which a figure was drawn.

    ``tables`` : by what follows the figure's name in the name of the file, empty for the main one.
    ``stores`` : variables, by the name of their store in the dataset's folder.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    stores: dict[str, list[str]] = field(default_factory=dict)

    def of_view(
        self, view: ModelResults, name: str, values: np.ndarray, *, everywhere: bool = False
    ):
        """A column of values of a model's sites: those of the drawn frame, or of all frames.

        values : (site,). What comes from ``latents.zarr`` is named by ``store`` beside it.
        """
        index = slice(None) if everywhere else view.on_frame
        place = {
            key: np.asarray(view.latents[key].values)[index]
            for key in ("site", "frame", "y", "x")
            if key in view.latents.variables
        }
        self._of_sites(place, name, values)

    def quantities(
        self, view: ModelResults, found: Iterable[Quantity], *, everywhere: bool = False
    ):
        """Quantities of a model's sites, each under the header that it has in every table."""
        for one in found:
            self.of_view(view, one.column, one.written, everywhere=everywhere)

    def of_scene(self, scene: Scene, name: str, values: np.ndarray):
        """A column of values (site,) of all sites of the drawn frame."""
        place = {
            key: np.asarray(scene.sites[key].values)[scene.on_frame]
            for key in ("site", "frame", "y", "x")
        }
        self._of_sites(place, name, values)

    def _of_sites(self, place: Mapping[str, np.ndarray], name: str, values: np.ndarray):
        named = {{"y": "y_px", "x": "x_px"}.get(k, k): v for k, v in place.items()}
        table = self.tables.setdefault("", Table(dict(named)))
        if table.rows != len(values):
            raise ValueError(f"{len(values)} values of {name} for {table.rows} sites")
        table.columns[name] = np.asarray(values)

    def rows(self, columns: Mapping[str, Any], part: str = ""):
        """Rows under those that the table has; what only some rows have is empty in others.

        columns : each of equal length, or one value for all of these rows.
        """
        count = max((np.size(v) for v in columns.values() if np.ndim(v)), default=1)
        new = {k: np.broadcast_to(np.asarray(v), (count,)) for k, v in columns.items()}
        table = self.tables.setdefault(part, Table())
        old = table.rows
        for name in dict.fromkeys([*table.columns, *new]):
            above = table.columns.get(name, _empty(new.get(name), old))
            below = new.get(name, _empty(table.columns.get(name), count))
            if above.dtype.kind != below.dtype.kind:
                above, below = above.astype(object), below.astype(object)
            table.columns[name] = np.concatenate([above, below])

    def matrix(self, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], **names: str):
        """A matrix as one row for each of its rows; ``names`` may say what rows are (``row``)."""
        told: dict[str, Any] = {names.get("row", "row"): np.asarray(rows, dtype=object)}
        self.rows(told | {str(name): values[:, k] for k, name in enumerate(columns)})

    def store(self, name: str, *variables: str):
        """Variables of a store in the dataset's folder."""
        held = self.stores.setdefault(name, [])
        held += [variable for variable in variables if variable not in held]

    def view(self, view: ModelResults, *variables: str):
        """Variables of a model's ``latents.zarr``; those that it lacks are left out."""
        found = [variable for variable in variables if view.has(variable)]
        if found:
            self.store(f"{view.name}/latents.zarr", *found)

    def files(self, figure: str) -> dict[str, str]:
        """Name and text of every table of a figure that is not too long."""
        return {
            f"{figure}{'-' + part if part else ''}.csv": table.csv()
            for part, table in self.tables.items()
            if 0 < table.rows <= MOST_ROWS
        }


def _empty(like: np.ndarray | None, count: int) -> np.ndarray:
    if like is None or like.dtype.kind in "fiub":
        return np.full(count, np.nan)
    return np.full(count, "", dtype=object)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.7g}"
    return int(value) if isinstance(value, bool) else safe(value)
