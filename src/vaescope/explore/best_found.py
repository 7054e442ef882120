"""The best curves that a search found, and what the lattice does in their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.objective import course_of, number_of, polarisation_of
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.quantities.cf_attributes import attributes

if TYPE_CHECKING:
    import xarray as xr

COUNT = 4
"""Curves shown."""
APART = 0.05
"""Least distance between two of them, as a share of the range of the places."""
MOMENTS = 300
"""Times at which the lattice is kept."""


def best_apart(points: np.ndarray, values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Indices of the best candidates evaluated, best first, none close to a better one."""
    span = np.ptp(places, axis=0)
    scaled = places / np.where(span > 0, span, 1.0)
    chosen: list[int] = []
    for step in np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable"):
        point = int(points[step])
        if not np.isfinite(values[step]) or len(chosen) == COUNT:
            break
        if all(np.linalg.norm(scaled[point] - scaled[c]) >= APART for c in chosen):
            chosen.append(point)
    return np.array(chosen, int)


def of_curves(
    curves: np.ndarray,
    axis: np.ndarray,
    settings: ObjectiveSettings,
    axis_is: tuple[str, str] = ("axis of the curves", "1"),
) -> dict[str, xr.Variable]:
    """Variables ``best_NAME`` over `rank` of curves (rank, channel), the best first.

    ``history`` (rank, time) the curve, held at its last value while the lattice settles; and, where
    the objective is of a lattice: ``field`` (rank, time) along x in units of the coercive field,
    ``loop`` (rank, time) mean polarisation along x, ``curl`` (rank, time) the objective in the
    course of time, ``polarisation`` (rank, component, y, x) at the end; ``time`` (time,), which is
    the axis of the curves, with ``axis_is`` its name and unit, where the objective is of none.
    """
    if settings.quantity == "function":
        return {
            "best_history": _over(("rank", "time"), curves, "best curves", "1"),
            "time": _over(("time",), axis, *axis_is),
        }
    field, times = course_of(curves, settings)
    kept = np.unique(np.linspace(0, len(times) - 1, MOMENTS).astype(int))
    states = polarisation_of(curves, settings, keep=kept.tolist())
    along = field[:, kept, 0]
    made: dict[str, xr.Variable] = {
        "time": _over(("time",), times[kept], "time", "inverse mobility"),
        "best_history": _over(
            ("rank", "time"), along / settings.amplitude, "history of the field, relative", "1"
        ),
        "best_field": _over(("rank", "time"), along, "field along x", "coercive field"),
        "best_loop": _over(
            ("rank", "time"), states[:, :, 0].mean((-2, -1)), "mean polarisation along x", "1"
        ),
        "best_curl": _over(
            ("rank", "time"), number_of(states, settings), "objective in the course of time", "1"
        ),
        "best_polarisation": _over(
            ("rank", "component", "y", "x"), states[:, -1], "polarisation (x, y) at the end", "1"
        ),
    }
    return made


def _over(dims: tuple[str, ...], values: np.ndarray, words: str, unit: str) -> xr.Variable:
    import xarray as xr

    return xr.Variable(dims, np.asarray(values, np.float32), attributes(words, unit))
