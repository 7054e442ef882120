"""Describe the axes of an array in physical coordinates: step, start and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

NO_UNITS = frozenset({"", "1", "px", "frame"})
"""Unit where none is known."""


@dataclass(frozen=True)
class Axis:
    """One axis: place = ``start`` + ``step`` × index, in ``unit`` (empty where none is known)."""

    name: str
    size: int
    step: float
    start: float
    unit: str
    even: bool  # whether that holds for all of its places


def axes_of(array: xr.DataArray) -> list[Axis]:
    """The axes of an array, in order; an axis without numbers on it counts its indices."""
    found = []
    for name, size in array.sizes.items():
        place = array.coords.get(name)
        if place is None or place.dtype.kind not in "iuf":
            found.append(Axis(str(name), size, 1.0, 0.0, "", True))
            continue
        values = place.values.astype(float)
        step = float((values[-1] - values[0]) / (size - 1)) if size > 1 else 1.0
        # To a hundredth of a step: what no display tells apart.
        even = bool(np.allclose(np.diff(values), step, rtol=0, atol=0.01 * abs(step) / size))
        unit = str(place.attrs.get("units") or "")
        unit = "" if unit in NO_UNITS else unit
        found.append(Axis(str(name), size, step or 1.0, float(values[0]), unit, even))
    return found


def shown(image: xr.DataArray) -> xr.DataArray:
    """An image without the axes of length one that say nothing: a single frame or channel."""
    idle = [name for name in ("time", "channel") if image.sizes.get(name) == 1]
    return image.isel(dict.fromkeys(idle, 0), drop=False)


def placed(values: np.ndarray, axis: Axis) -> np.ndarray:
    """Physical coordinates of places that are counted in pixels, fractions included."""
    return axis.start + axis.step * np.asarray(values, dtype=float)
