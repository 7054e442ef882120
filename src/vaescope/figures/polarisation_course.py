"""The mean polarisation of a lattice in the course of the field: its loop, and its energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.figures.polarisation import Vectors, vectors_of
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.results import layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = {
    "landau": "of the sites alone",
    "coupling": "of neighbours",
    "field": "in the field",
    "defects": "of defects",
    "depolarisation": "of depolarisation",
}
_HIGH, _WIDE, _APART = 2.5, 2.55, 0.85  # inches of a panel


def course(scene: Scene) -> FinishedFigure | None:
    """Draw the mean polarisation against the field and in time, and the parts of the energy."""
    found = vectors_of(scene)
    if found is None or not scene.moving:
        return None
    energies = {
        words: np.asarray(found.image[f"truth_energy_{part}"].values, float)
        for part, words in _PARTS.items()
        if f"truth_energy_{part}" in found.image.variables
    }
    energies = {words: values for words, values in energies.items() if values.any()}
    mean = np.nanmean(found.values, axis=(2, 3))
    panels: list[Any] = [lambda axes: _in_time(axes, scene, mean)]
    driven = found.field is not None and bool(np.ptp(found.field, axis=0).any())
    if driven:
        panels.insert(0, lambda axes: _loop(axes, found, mean))
    if energies:
        panels.append(lambda axes: _energies(axes, scene, energies))
    sheet = Sheet(
        scene,
        "The polarisation in the course of the field" if driven else "The polarisation in time",
        0.3 + _HIGH + 0.5,
        width=max(MARGIN + 0.5 + len(panels) * (_WIDE + _APART) + 0.9, 6.4),
        notes=(f"{scene.frames} frames",),
    )
    for place, draw in enumerate(panels):
        draw(sheet.axes(MARGIN + 0.5 + place * (_WIDE + _APART), 0.3, _WIDE, _HIGH))
    columns = {"time": scene.times, "mean_x": mean[:, 0], "mean_y": mean[:, 1]}
    if found.field is not None:
        columns |= {"field_x_Ec": found.field[:, 0], "field_y_Ec": found.field[:, 1]}
    columns |= {f"energy_{words.replace(' ', '_')}": each for words, each in energies.items()}
    sheet.figure_data.rows(columns)
    known = [str(name) for name in found.image.variables if str(name).startswith("truth_energy")]
    sheet.figure_data.store(layout.IMAGE, "image", *known)
    caption = "The polarisation averaged over all sites,"
    if driven:
        caption += " along the axis of the field against the field, and both components in time"
    else:
        caption += " both components in time"
    if energies:
        caption += ". Right: the parts of the energy per site, which the simulation knows"
    return sheet.drawn("polarisation-course", caption + ".")


def _axis_of(field: np.ndarray) -> tuple[np.ndarray, str]:
    """Unit vector (2,) along which a field (time, 2) varies most, and its name."""
    _, _, ways = np.linalg.svd(field, full_matrices=False)
    way = ways[0] * (1 if ways[0][np.abs(ways[0]).argmax()] > 0 else -1)
    for name, unit in (("x", [1, 0]), ("y", [0, 1])):
        if np.allclose(way, unit, atol=1e-6):
            return way, f"along {name}"
    return way, f"at {np.degrees(np.arctan2(way[1], way[0])):.3g}° from x to y"


def _loop(axes: Axes, found: Vectors, mean: np.ndarray) -> None:
    assert found.field is not None
    way, name = _axis_of(found.field)
    axes.axhline(0, color=FAINT, lw=0.5)
    axes.axvline(0, color=FAINT, lw=0.5)
    field, along = found.field @ way, mean @ way
    axes.plot(field, along, "-", color=CATEGORIES[0], lw=1.2, marker="o", ms=2.5)
    axes.plot(field[:1], along[:1], "o", ms=6, mfc="white", mec=INK)
    axes.annotate("start", (field[0], along[0]), (5, 5), textcoords="offset points", size=8)
    axes.set(xlabel="field (Ec)", ylabel="mean polarisation", title=f"loop, {name}")


def _in_time(axes: Axes, scene: Scene, mean: np.ndarray) -> None:
    axes.axhline(0, color=FAINT, lw=0.5)
    for component, name in enumerate("xy"):
        axes.plot(scene.times, mean[:, component], color=CATEGORIES[component], label=name)
    axes.set(xlabel=scene.time_label, ylabel="mean polarisation", title="components in time")
    axes.legend(loc="best")


def _energies(axes: Axes, scene: Scene, energies: dict[str, np.ndarray]) -> None:
    for (words, values), colour in zip(energies.items(), CATEGORIES, strict=False):
        axes.plot(scene.times, values, color=colour, lw=1.0, label=words)
    axes.plot(scene.times, sum(energies.values()), color=INK, lw=1.6, label="sum")
    axes.set(xlabel=scene.time_label, ylabel="energy per site", title="parts of the energy")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
