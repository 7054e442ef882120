"""Figures of a model against ground truth."""

from __future__ import annotations

import math

import numpy as np

from vaescope import circular
from vaescope.figures.colours import signed
from vaescope.figures.panels import RASTER_FROM, enlarge_marks
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK, category_colours
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.text import percent, plain

_WORDS = {
    "truth_phase": "phase",
    "truth_species": "species",
    "truth_defect": "defect",
    "truth_label": "label",
    "truth_kind": "kind",
}


def angle_truth(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Encoded against true angle, modulo the symmetry, after one constant offset."""
    if not (view.has("consensus_angle") and view.has("truth_angle")):
        return None
    truth = np.rad2deg(view.values("truth_angle", everywhere=True))
    encoded = np.rad2deg(view.values("consensus_angle", everywhere=True))
    known = np.isfinite(truth) & np.isfinite(encoded)
    if known.sum() < 3:
        return None
    truth, encoded = truth[known], encoded[known]
    order = math.lcm(view.symmetry, int(view.latents.attrs.get("truth_symmetry", 1)))
    period = 360 / order
    constant = float(circular.mean(encoded - truth, period))
    # The mean is drawn by outliers, the median about it is not.
    constant += float(np.median(circular.wrap(encoded - truth - constant, period)))
    middle = float(circular.mean(truth, period))
    true = circular.wrap(truth - middle, period) + middle
    found = true + circular.wrap(encoded - truth - constant, period)
    error = found - true
    sheet = Sheet(
        scene,
        "Encoded against true angle",
        3.75,
        view=view,
        sites=len(true),
        notes=(
            f"angles modulo {period:g}°" if order > 1 else "",
            f"constant {signed(constant)}°",
        ),
    )
    axes = sheet.axes(0.95, 0.3, 3.0, 3.0)
    groups = _groups(view, known)
    for label, colour, chosen in groups:
        axes.scatter(
            true[chosen],
            found[chosen],
            s=float(np.clip(6000 / len(true), 1, 12)),
            color=colour,
            linewidths=0,
            alpha=0.7,
            label=label,
            rasterized=len(true) > RASTER_FROM,
        )
    low, high = robust_limits(np.concatenate([true, found]), 0.2)
    pad = max(0.08 * (high - low), 0.05)
    low, high = low - pad, high + pad
    axes.plot([low, high], [low, high], color=INK, lw=0.8, ls="--")
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="true angle (°)")
    axes.set(ylabel="encoded angle − constant (°)", title="each site")
    if len(groups) > 1:
        legend = axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            handletextpad=0.0,
            title="true phase",
            title_fontsize=8.5,
            alignment="left",
        )
        enlarge_marks(legend)
    right = sheet.axes(6.3, 0.3, 3.7, 3.0)
    reach = max(robust_limits(np.abs(error), 1)[1] * 1.3, 1e-3)
    right.hist(
        np.clip(error, -reach, reach), np.linspace(-reach, reach, 51).tolist(), color=CATEGORIES[0]
    )
    median = float(np.median(np.abs(error)))
    right.set(xlabel="encoded − true angle (°)", ylabel="sites")
    near = percent(float(np.mean(np.abs(error) < 10)))
    right.set_title(f"error: median {median:.2g}°, within 10° {near}")
    caption = (
        "Angle by the model against the simulation's, after one constant offset common to all"
        " sites, since no model knows the absolute orientation of its unit."
        + (f" Both are known modulo {period:g}°." if order > 1 else "")
        + f" Median error {median:.2g}°."
    )
    sheet.figure_data.rows(
        {
            "site": view.latents["site"].values[known],
            "true_angle_deg": true,
            "encoded_angle_less_constant_deg": found,
            "error_deg": error,
        }
    )
    sheet.figure_data.view(view, "consensus_angle", "truth_angle")
    return sheet.drawn("angle-truth", caption, view)


def _groups(view: ModelResults, known: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Label, colour and mask of every true phase; one group where there are none."""
    if view.has("truth_phase"):
        phase = view.values("truth_phase", everywhere=True)[known]
        levels = np.unique(phase[phase >= 0]).astype(int)
        if 1 < len(levels) <= 8:
            colours = category_colours(int(levels.max()) + 1)
            return [(str(k), colours[k], phase == k) for k in levels]
    return [("", CATEGORIES[0], np.ones(int(known.sum()), dtype=bool))]


def confusion(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Classes of the model against the true phase and species."""
    if not view.classes:
        return None
    labels = view.values("consensus_class", everywhere=True).astype(int)
    word, kinds, names = true_kinds(scene, view)
    if len(names) < 2:
        return None
    table = contingency(labels, kinds, view.classes, len(names))
    cell = float(np.clip(3.6 / max(view.classes, 1), 0.42, 0.72))
    high, wide = len(names) * cell, view.classes * cell
    left = MARGIN + 0.5 + 0.085 * max(map(len, names))
    sheet = Sheet(
        scene,
        "Classes against the truth",
        high + 0.95,
        width=max(left + MARGIN + wide + 0.5, 7.2),
        view=view,
        sites=int(table.sum()),
    )
    order, accuracy = matched(table)
    axes = sheet.axes(left, 0.3, wide, high)
    share = table[:, order] / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table[:, order]):
        axes.text(
            column,
            row,
            str(value),
            ha="center",
            va="center",
            size=8.5,
            color="white" if share[row, column] > 0.6 else (INK if value else FAINT),
        )
    axes.set_xticks(range(view.classes), [str(k) for k in order])
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="class", ylabel=word, title=f"accuracy {percent(accuracy)}")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    caption = (
        f"Number of sites of each {word} in each class; shades are shares of the row. Classes are"
        " ordered to match the truth best; with each true category matched to one class at most,"
        f" {percent(accuracy)} of the sites are right."
    )
    sheet.figure_data.matrix(
        table, names, [f"class_{k}" for k in range(view.classes)], row="true_kind"
    )
    sheet.figure_data.view(view, "consensus_class")
    return sheet.drawn("confusion", caption, view)


def label_name(scene: Scene, label: float) -> str:
    """Name a label, where the data give it a name."""
    known = [str(name) for name in scene.attrs.get("truth_classes") or []]
    index = int(label)
    return plain(known[index], 14) if 0 <= index < len(known) else f"{label:g}"


def contingency(labels: np.ndarray, kinds: np.ndarray, classes: int, names: int) -> np.ndarray:
    """Number of sites of each true category in each class, (category, class)."""
    table = np.zeros((names, classes), int)
    known = (kinds >= 0) & (labels >= 0)
    np.add.at(table, (kinds[known], labels[known]), 1)
    return table


def true_kinds(scene: Scene, view: ModelResults) -> tuple[str, np.ndarray, list[str]]:
    """Read the true category of every site (−1 unknown), what it is in words, and all names.

    Phase and species together make a kind where both vary; where defects are known, they do.
    """
    known = {name: word for name, word in _WORDS.items() if view.has(name)}
    if "truth_defect" in known:
        known = {"truth_defect": known["truth_defect"]}
    columns = {name: view.values(name, everywhere=True).astype(int) for name in known}
    varying = [name for name, values in columns.items() if len(np.unique(values[values >= 0])) > 1]
    if not varying:
        return "", np.full(view.latents.sizes["site"], -1), []
    stacked = np.stack([columns[name] for name in varying], axis=1)
    good = (stacked >= 0).all(axis=1)
    levels, index = np.unique(stacked[good], axis=0, return_inverse=True)
    kinds = np.full(len(stacked), -1)
    kinds[good] = np.ravel(index)
    word = "true " + " · ".join(known[name] for name in varying)
    names = []
    for level in levels:
        words = [level_name(scene, name, int(k)) for name, k in zip(varying, level, strict=True)]
        names.append(" · ".join(words))
    return word, kinds, names


def level_name(scene: Scene, name: str, level: float) -> str:
    """Name a level of the truth ``name``, where the data give it a name."""
    if name == "truth_label":
        return label_name(scene, level)
    key = f"{name}_names"
    known = scene.attrs.get(key) or scene.patches.attrs.get(key) or []
    if 0 <= level < len(known):
        return plain(str(known[int(level)]), 40)
    return f"{name.removeprefix('truth_')} {level:g}"


def matched(table: np.ndarray) -> tuple[np.ndarray, float]:
    """Order of the columns that puts most sites on the diagonal, and the share of these sites.

    Source: H. W. Kuhn, Naval Research Logistics Quarterly 2 (1955) 83.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-table)
    rest = [k for k in range(table.shape[1]) if k not in set(columns)]
    order = np.concatenate([columns[np.argsort(rows)], rest]).astype(int)
    return order, float(table[rows, columns].sum() / max(table.sum(), 1))
