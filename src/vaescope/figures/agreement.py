"""Encoded angle and shear of each patch against their true values, label by label."""

from __future__ import annotations

import numpy as np

from vaescope.figures.accuracy import label_name
from vaescope.figures.panels import RASTER_FROM
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import INK, category_colours
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.text import percent

_MOST = 12  # panels
_STEP_X, _STEP_Y, _SIDE = 2.55, 2.75, 1.85


def labels_of(view: ModelResults) -> tuple[np.ndarray, np.ndarray]:
    """Label of every patch, and the labels there are; one label for all where none are known."""
    if not view.has("truth_label"):
        return np.zeros(view.latents.sizes["site"]), np.zeros(1)
    label = view.values("truth_label").astype(float)
    return label, np.unique(label[np.isfinite(label)])


def angle_by_label(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Encoded against true angle, each label with a constant of its own."""
    if not (view.has("angle_error") and view.has("truth_angle")):
        return None
    label, levels = labels_of(view)
    truth = view.values("truth_angle")
    halved = [float(k) for k in np.atleast_1d(view.latents.attrs.get("half_turn_labels", []))]
    error = np.degrees(view.values("angle_error"))
    true = np.degrees(truth)
    panels = []
    for k in levels[:_MOST]:
        here = label == k
        good = np.abs(error[here])
        words = f"median {np.median(good):.2g}°, within 10° {percent(float(np.mean(good < 10)))}"
        panels.append((_name(scene, view, k), words, true[here], (true + error)[here]))
    half = ", ".join(label_name(scene, k) for k in halved)
    caption = (
        "Angle by the model against the true one, after one constant for each label: no model knows"
        " the absolute orientation of a structure."
        + (f" Modulo 180°, since they look the same after a half-turn: {half}." if half else "")
        + " The line is equality."
    )
    return _panels(scene, view, "angle", panels, caption)


def shear_by_label(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Encoded against true shear."""
    if not (view.has("consensus_shear") and view.has("truth_shear")):
        return None
    label, levels = labels_of(view)
    true = np.degrees(view.values("truth_shear"))
    found = np.degrees(view.values("consensus_shear"))
    # A canonical picture turned by a right angle shears the other way.
    panels = []
    for k in levels[:_MOST]:
        here = label == k
        r = float(np.corrcoef(true[here], found[here])[0, 1])
        sign = -1.0 if r < 0 else 1.0
        words = f"|r| = {abs(r):.4f}"
        panels.append((_name(scene, view, k), words, true[here], sign * found[here]))
    caption = (
        "Shear by the model against the true one, as the angle by which a right angle closes. The"
        " sign is free for each label; the line is equality."
    )
    return _panels(scene, view, "shear", panels, caption)


def _name(scene: Scene, view: ModelResults, label: float) -> str:
    return label_name(scene, label) if view.has("truth_label") else "all patches"


def _panels(
    scene: Scene,
    view: ModelResults,
    what: str,
    panels: list[tuple[str, str, np.ndarray, np.ndarray]],
    caption: str,
) -> FinishedFigure:
    """One square panel per label with equal axes."""
    across = min(len(panels), 4)
    rows = -(-len(panels) // across)
    sheet = Sheet(
        scene,
        f"Encoded against true {what}",
        rows * _STEP_Y + 0.1,
        width=max(2 * MARGIN + 0.3 + across * _STEP_X, 7.2),
        view=view,
        sites=sum(len(true) for _, _, true, _ in panels),
    )
    low, high = robust_limits(np.concatenate([np.r_[t, f] for _, _, t, f in panels]), 0.2)
    pad = 0.06 * (high - low) + 1e-6
    low, high = low - pad, high + pad
    colours = category_colours(len(panels))
    for index, (label, numbers, true, found) in enumerate(panels):
        row, column = divmod(index, across)
        axes = sheet.axes(MARGIN + 0.5 + column * _STEP_X, 0.42 + row * _STEP_Y, _SIDE, _SIDE)
        axes.plot([low, high], [low, high], color=INK, lw=0.8, ls="--", zorder=0)
        axes.scatter(
            true,
            found,
            s=float(np.clip(4000 / max(len(true), 1), 1, 10)),
            color=colours[index],
            linewidths=0,
            alpha=0.6,
            rasterized=len(true) > RASTER_FROM,
        )
        axes.set(xlim=(low, high), ylim=(low, high), xlabel=f"true {what} (°)")
        if column == 0:
            axes.set_ylabel(f"encoded {what} (°)")
        x, y = MARGIN + 0.5 + column * _STEP_X, row * _STEP_Y
        sheet.text(x, y + 0.18, label, size=9.5)
        sheet.text(x, y + 0.35, numbers, size=8)
    for label, _, true, found in panels:
        columns = {f"true_{what}_deg": true, f"encoded_{what}_deg": found}
        sheet.figure_data.rows({"label": label} | columns)
    sheet.figure_data.view(view, "consensus_angle", "consensus_shear", "truth_angle", "truth_shear")
    return sheet.drawn(f"{what}-truth", caption, view)
