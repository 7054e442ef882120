"""The best histories that a search found: their course, their loops, and what they leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.outcome import Outcome
from vaescope.figures.explored_maps import outcome_of
from vaescope.figures.polarisation import quiver
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.results import layout
from vaescope.simulate import ferrosim
from vaescope.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 4  # histories
_SIDE, _HIGH = 1.75, 1.5  # inches of a lattice and of a curve
_WIDE = 2.1
_ARROWS = 24  # along the lattice, at most
_MOST_SITES = 0.9  # share of the sites whose arrows are no longer than they are apart
_NEEDED = ("best_field", "best_loop", "best_curl", "best_polarisation")


def histories(scene: Scene) -> FinishedFigure | None:
    """Draw the best histories with their loops, the curl in their course, and the polarisation at
    the end."""
    found = outcome_of(scene)
    if found is None:
        return None
    if not all(found.has(name) for name in _NEEDED):
        return _alone(scene, found) if found.has("best_history") else None
    count = min(found.explored.sizes["rank"], _MOST)
    if not count:
        return None
    step = max(_SIDE, _HIGH) + 0.5
    left = MARGIN + 0.62
    sheet = Sheet(
        scene,
        "The best histories, and the polarisation that they leave behind",
        0.55 + count * step,
        width=left + 3 * (_WIDE + 0.72) + _SIDE + 0.9 + MARGIN,
        notes=(plain(found.label, 60), f"the best {count} of {len(found.points)} evaluated"),
    )
    time = _time(found)
    for row in range(count):
        own = {name: np.asarray(found.explored[name].isel(rank=row), float) for name in _NEEDED}
        y = 0.3 + row * step
        axes = [sheet.axes(left + k * (_WIDE + 0.72), y, _WIDE, _HIGH) for k in range(3)]
        last = row == count - 1
        _course(axes[0], time, own["best_field"], "field (Ec)", last=last)
        _loop(axes[1], own["best_field"], own["best_loop"], last=last)
        _course(axes[2], time, own["best_curl"], "", last=last, colour=CATEGORIES[1])
        axes[0].text(0, 1.03, _words(found, row), transform=axes[0].transAxes, size=8.5, color=INK)
        if row == 0:
            axes[1].set_title("loop: polarisation (x)")
            axes[2].set_title("the objective meanwhile")
        place = sheet.axes(left + 3 * (_WIDE + 0.72) - 0.1, y - 0.1, _SIDE, _SIDE)
        _lattice(place, scene, found, own["best_polarisation"])
        if row == 0:
            place.set_title("polarisation and curl")
        sheet.figure_data.rows(
            {
                "history": np.full(len(time), row + 1),
                "time": time,
                "field": own["best_field"],
                "polarisation_x": own["best_loop"],
                "curl": own["best_curl"],
            }
        )
    sheet.figure_data.store(layout.EXPLORED, *_NEEDED)
    return sheet.drawn("search-histories", _caption(count))


def _alone(scene: Scene, found: Outcome) -> FinishedFigure | None:
    """The best curves alone, where the objective is a function of them."""
    count = min(found.explored.sizes["rank"], 2 * _MOST)
    if not count:
        return None
    across = min(count, 2)
    wide, high = 2 * _WIDE, _HIGH
    rows = -(-count // across)
    left = MARGIN + 0.45
    sheet = Sheet(
        scene,
        "The best curves",
        0.3 + rows * (high + 0.6),
        width=left + across * (wide + 0.7) + MARGIN - 0.3,
        notes=(plain(found.label, 60), f"the best {count} of {len(found.points)} evaluated"),
    )
    axis = found.explored["time"]
    name, unit = str(axis.attrs.get("long_name") or ""), str(axis.attrs.get("units") or "1")
    label = plain(name if unit in ("1", "none", "") else f"{name} ({unit})", 40)
    at = np.asarray(axis.values, float)
    curves = np.asarray(found.explored["best_history"].values, float)[:count]
    for k, curve in enumerate(curves):
        row, column = divmod(k, across)
        axes = sheet.axes(left + column * (wide + 0.7), 0.3 + row * (high + 0.6), wide, high)
        last = k + across >= count
        _course(axes, at, curve, "", last=False)
        if last:
            axes.set_xlabel(label, parse_math=False)
        axes.text(0, 1.03, _words(found, k), transform=axes.transAxes, size=8.5, color=INK)
        sheet.figure_data.rows({"curve": np.full(len(at), k + 1), "axis": at, "value": curve})
    sheet.figure_data.store(layout.EXPLORED, "best_history", "best_candidate")
    caption = (
        f"What the model decodes at the {count} best places that were evaluated, none close to a"
        " better one: the value of each, and where it lies."
    )
    return sheet.drawn("search-histories", caption)


def _caption(count: int) -> str:
    return (
        f"One row for each of the {count} best candidates: the history of the field that the model"
        " decodes there, the mean polarisation along the field against it, from light to dark in"
        " time, the objective in the course of the history, whose last part is equilibration at"
        " constant field, and the polarisation of every site at the end as arrows on its curl (red:"
        " clockwise), in colours that have the same limits in every row."
    )


def _lattice(axes: Axes, scene: Scene, found: Outcome, polarisation: np.ndarray) -> None:
    """Arrows on the curl, which has the same limits in every row."""
    boundary = str(found.explored.attrs.get("boundary") or "open")
    every = ferrosim.curl(found.array("best_polarisation"), boundary=boundary)  # type: ignore[arg-type]
    reach = float(np.nanquantile(np.abs(every), 0.99)) or 1.0
    curl = ferrosim.curl(polarisation[None], boundary=boundary)[0]  # type: ignore[arg-type]
    axes.imshow(curl, cmap=scene.look.diverging, vmin=-reach, vmax=reach)
    # Defects hold a few sites that are far more polarised than all others.
    length = np.hypot(*found.array("best_polarisation").swapaxes(0, 1))
    quiver(axes, polarisation, most=_ARROWS, largest=float(np.quantile(length, _MOST_SITES)))
    axes.set(xticks=[], yticks=[])


def _words(found: Outcome, row: int) -> str:
    if not found.has("best_candidate"):
        return f"{row + 1}"
    candidate = int(found.array("best_candidate")[row])
    value = float(np.nanmax(found.values[found.points == candidate]))
    text = f"{row + 1}: {value:.4g}{found.unit and ' ' + found.unit}"
    if len(found.axes) <= 3:
        text += f" at ({', '.join(f'{x:.2f}' for x in found.places[candidate])})"
    return text.replace("-", "−")


def _time(found: Outcome) -> np.ndarray:
    explored = found.explored
    if "time" in explored.coords:
        return np.asarray(explored["time"].values, float)
    return np.arange(explored.sizes["time"], dtype=float)


def _course(
    axes: Axes,
    time: np.ndarray,
    values: np.ndarray,
    label: str,
    *,
    last: bool,
    colour: str = CATEGORIES[0],
) -> None:
    axes.plot(time, values, color=colour, lw=1.2)
    axes.locator_params(nbins=4)
    axes.set_ylabel(label)
    if last:
        axes.set_xlabel("time")


def _loop(axes: Axes, field: np.ndarray, polarisation: np.ndarray, *, last: bool) -> None:
    from matplotlib.collections import LineCollection

    path = np.stack([field, polarisation], axis=1)
    lines = LineCollection(
        list(np.stack([path[:-1], path[1:]], axis=1)),
        array=np.linspace(0.15, 1, len(path) - 1),
        cmap="Blues",
        clim=(0, 1),
        linewidths=1.2,
    )
    axes.add_collection(lines)
    axes.autoscale()
    axes.axhline(0, color=FAINT, lw=0.4)
    axes.axvline(0, color=FAINT, lw=0.4)
    axes.locator_params(nbins=4)
    if last:
        axes.set_xlabel("field (Ec)")
