"""What predictions say of every site or particle, against what was measured or is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.panels import RASTER_FROM, enlarge_marks
from vaescope.figures.prediction_quantities import (
    AXIS,
    SURE,
    PredictedQuantity,
    particles,
    quantities,
)
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import FAINT, INK
from vaescope.quantities import header, robust_limits
from vaescope.results import ModelResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRAINED, _HELD = "#9aa3b5", "#0072B2"
_SIDE = 2.35
_STEP_X, _STEP_Y = 3.35, 3.15
_MOST = 6


def summary(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw every quantity of the predictions against that of the measurement or the truth."""
    if not (view.has("predicted_spectrum") or view.has("predicted_patch")):
        return None
    owner = particles(view)
    shown = [one for one in quantities(scene, view, owner) if _telling(one)][:_MOST]
    if not shown:
        return None
    held = view.values("held_out") == 1 if view.has("held_out") else np.zeros(0, bool)
    if not held.any():
        held = np.zeros(len(view.on_frame), bool)
    what = "particle" if owner is not None or scene.stack else "site"
    if owner is not None:
        held = np.array([held[owner == k].mean() > 0.5 for k in np.unique(owner[owner >= 0])])
    across = min(len(shown), 3)
    sheet = Sheet(
        scene,
        f"Predicted against measured, {what} by {what}",
        -(-len(shown) // across) * _STEP_Y,
        width=max(2 * MARGIN + across * _STEP_X, 7.2),
        view=view,
        sites=None if owner is not None else len(held),
        notes=(
            f"{len(held)} particles" if owner is not None else "",
            f"{int(held.sum())} of them held out of training" if held.any() else "",
        ),
    )
    columns: dict[str, np.ndarray] = {}
    for index, one in enumerate(shown):
        row, column = divmod(index, across)
        axes = sheet.axes(MARGIN + 0.62 + column * _STEP_X, 0.42 + row * _STEP_Y, _SIDE, _SIDE)
        _scatter(axes, one, held, legend=index == 0)
        columns[header(f"{one.source} {one.name}".replace(" ", "_"), one.unit)] = one.expected
        columns[header(f"predicted {one.name}".replace(" ", "_"), one.unit)] = one.found
    named = "particle" if owner is not None else "site"
    numbers = np.unique(owner[owner >= 0]) if owner is not None else view.values("site")
    sheet.figure_data.rows({named: numbers, "held_out": held.astype(int), **columns})
    sheet.figure_data.view(view, "predicted_spectrum", "predicted_patch", "held_out")
    return sheet.drawn("prediction-summary", _caption(shown, held, owner is not None), view)


def _caption(shown: list[PredictedQuantity], held: np.ndarray, grouped: bool) -> str:
    words = (
        "Each point is a particle, the mean over its sites. " if grouped else ""
    ) + "Quantities of the predictions against the same ones of what was measured"
    if any(one.source == "true" for one in shown):
        words += " or is known"
    words += "; on the line both are equal."
    if held.any():
        words += " The numbers are of what was held out of training."
    if any(one.period for one in shown):
        words += (
            f" Angles are modulo {AXIS:g}°, after one constant for all, and only where they are"
            f" stated to ± {SURE:g}° or better."
        )
    if any(one.name.endswith("from the latents") for one in shown):
        words += (
            " What is read from the latents is found by ridge regression on the sites of the"
            " training, with the squares of the latents."
        )
    return words


def _telling(one: PredictedQuantity) -> bool:
    known = np.isfinite(one.expected) & np.isfinite(one.found)
    values = one.expected[known]
    return known.sum() >= 4 and float(np.ptp(values)) > 1e-9


def _scatter(axes: Axes, one: PredictedQuantity, held: np.ndarray, *, legend: bool) -> None:
    known = np.isfinite(one.expected) & np.isfinite(one.found)
    size = float(np.clip(5000 / max(known.sum(), 1), 2.0, 26.0))
    groups = [("training", _TRAINED, known & ~held), ("held out", _HELD, known & held)]
    for word, colour, chosen in groups:
        if chosen.any():
            axes.scatter(
                one.expected[chosen],
                one.found[chosen],
                s=size,
                color=colour if held.any() else _HELD,
                alpha=0.75,
                linewidths=0,
                label=word,
                rasterized=chosen.sum() > RASTER_FROM,
            )
    both = np.concatenate([one.expected[known], one.found[known]])
    low, high = robust_limits(both, 0.2)
    pad = 0.06 * (high - low)
    axes.plot([low - pad, high + pad], [low - pad, high + pad], color=INK, lw=0.7, ls="--")
    axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
    axes.set(xlabel=f"{one.source}", ylabel="predicted")
    axes.locator_params(nbins=5)
    judged = known & held if (known & held).sum() >= 3 else known
    miss = np.abs(one.found - one.expected)[judged]
    words = f"median |error| {np.median(miss):.2g}{one.unit and ' ' + one.unit}".replace(" °", "°")
    if one.period is None and np.std(one.found[judged]) > 0 and np.std(one.expected[judged]) > 0:
        r = float(np.corrcoef(one.expected[judged], one.found[judged])[0, 1])
        words += f", r = {r:.2f}".replace("-", "−")
    axes.set_title(f"{one.label}\n", size=9.5)
    axes.text(0, 1.03, words, transform=axes.transAxes, size=8, color=FAINT, parse_math=False)
    if legend and held.any():
        enlarge_marks(axes.legend(loc="upper left", handletextpad=0.0))
