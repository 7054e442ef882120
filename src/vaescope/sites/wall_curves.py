"""The curves of walls in a store of sites, finely sampled, and back from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.quantities import attributes
from vaescope.walls.wall import Wall

if TYPE_CHECKING:
    import xarray as xr

POINT = "curve_point"
"""Dimension of the points of all walls of all frames, in the order in which they lie on each."""
_SCALARS = {
    "direction": ("direction of the wall", "rad"),
    "curvature": ("curvature of the wall", "1/px"),
    "normal_error": ("standard error across the wall", "px"),
    "curvature_error": ("standard error of the curvature", "1/px"),
    "error_length": ("length of wall over which errors are correlated", "px"),
    "width": ("half width of the wall", "px"),
    "width_error": ("standard error of the half width", "px"),
    "contrast": ("difference of the response between the two sides", "1"),
    "contrast_error": ("standard error of the contrast", "1"),
}


def variables(frames: Sequence[Sequence[Wall]]) -> dict[str, Any]:
    """Variables over ``curve_point`` of the walls of all frames: `curve_frame`, `curve_number` (of
    the wall in its frame), `curve_closed`, `curve_y`, `curve_x` (px) and all that a wall has."""
    walls = [(frame, k, wall) for frame, own in enumerate(frames) for k, wall in enumerate(own)]

    def joined(values: list[np.ndarray], kind: Any = np.float64) -> np.ndarray:
        return np.concatenate([np.zeros(0, kind), *values]).astype(kind)

    def each(value: Any, wall: Wall) -> np.ndarray:
        return np.full(len(wall.place), value)

    found: dict[str, Any] = {
        "curve_frame": (joined([each(f, w) for f, _, w in walls], np.int32), "frame", "1"),
        "curve_number": (
            joined([each(k, w) for _, k, w in walls], np.int32),
            "number of the wall in its frame",
            "1",
        ),
        "curve_closed": (
            joined([each(w.closed, w) for _, _, w in walls], np.int8),
            "whether the wall is closed",
            "1",
        ),
        "curve_y": (joined([w.place[:, 0] for _, _, w in walls]), "row", "px"),
        "curve_x": (joined([w.place[:, 1] for _, _, w in walls]), "column", "px"),
    }
    for name, (words, unit) in _SCALARS.items():
        found[f"curve_{name}"] = (joined([getattr(w, name) for _, _, w in walls]), words, unit)
    return {
        name: (POINT, values, attributes(words, unit))
        for name, (values, words, unit) in found.items()
    }


def walls_of(sites: xr.Dataset, frames: int) -> list[list[Wall]]:
    """The walls of each frame from a store of sites.

    Raises
    ------
    UserError : the store has no curves of walls.
    """
    if POINT not in sites.dims:
        raise UserError(
            "the sites have no curves of domain walls",
            expected="sites found by `sites: method: walls`",
            remedy="Run the workflow again: an earlier version of vaescope found these sites",
        )
    held = {
        str(name).removeprefix("curve_"): sites[name].values
        for name in sites.data_vars
        if sites[name].dims == (POINT,)
    }
    found: list[list[Wall]] = [[] for _ in range(frames)]
    label = np.stack([held["frame"], held["number"]], axis=1)
    cuts = np.flatnonzero((np.diff(label, axis=0) != 0).any(axis=1)) + 1
    for part in np.split(np.arange(len(label)), cuts):
        if len(part):
            found[label[part[0], 0]].append(
                Wall(
                    place=np.stack([held["y"][part], held["x"][part]], axis=1),
                    closed=bool(held["closed"][part[0]]),
                    **{name: held[name][part] for name in _SCALARS},
                )
            )
    return found
