"""Figures of classes between members: where members differ, and how many classes there are."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaescope.figures.accuracy import label_name
from vaescope.figures.agreement import labels_of
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, INK
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.structure.class_numbers import ClassNumber

_FEWEST_MODELS = 3


def dispersion(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the spread of the members' predictions, label by label and class by class."""
    if not view.classes or view.members < 2:
        return None
    label, levels = labels_of(view)
    probability = view.latents["consensus_class_probability"].values
    entropy = view.values("class_entropy")
    found = view.values("consensus_class").astype(int)
    labelled = len(levels) > 1
    rows = [float(k) for k in (levels if labelled else range(view.classes))]
    group = label if labelled else found
    names = [label_name(scene, k) for k in rows] if labelled else [f"class {k:g}" for k in rows]
    matrix = np.stack([probability[group == k].mean(0) for k in rows])
    order = np.argsort([matrix[:, k].argmax() for k in range(view.classes)], kind="stable")
    cell = float(np.clip(4.2 / max(view.classes, len(rows)), 0.28, 0.6))
    high, wide = cell * len(rows), cell * view.classes
    tall = max(high, 2.4)
    right = MARGIN + 1.0 + wide + 1.2
    sheet = Sheet(
        scene,
        "How far the members agree on the classes",
        tall + 1.0,
        width=max(right + 4.0, 9.0),
        view=view,
        sites=len(found),
        notes=(f"mean entropy {entropy.mean():.2f} nats",),
    )
    axes = sheet.axes(MARGIN + 1.0, 0.3, wide, high)
    drawn = axes.imshow(matrix[:, order], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(view.classes), [str(k) for k in order])
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlabel="class", title="mean of the members' predictions")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = sheet.axes(MARGIN + 1.0 + wide + 0.1, 0.3, 0.1, min(high, 2.4))
    colours = sheet.figure.colorbar(drawn, cax=bar)
    colours.outline.set_visible(False)
    box = sheet.axes(right + 0.2, 0.3, 3.3, high)
    data = [entropy[group == k] for k in rows]
    parts = box.boxplot(
        data, vert=False, widths=0.6, sym="", patch_artist=True, positions=range(len(rows))
    )
    for patch in parts["boxes"]:
        patch.set(facecolor="#cfe1ee", edgecolor=CATEGORIES[0], linewidth=0.8)
    for line in [*parts["medians"], *parts["whiskers"], *parts["caps"]]:
        line.set(color=CATEGORIES[0], linewidth=0.8)
    box.set(ylim=(len(rows) - 0.5, -0.5), xlabel="entropy of the prediction (nats)")
    box.set_yticks([])
    box.set_title("dispersion of the predictions")
    box.axvline(np.log(view.classes), color=INK, lw=0.8, ls=":")
    word = "label" if labelled else "class"
    caption = (
        f"Left: the members' class probabilities, averaged over members and over the patches of"
        f" each {word}. Right: entropy of each patch's averaged prediction (box: quartiles,"
        " whiskers: 1.5 times their distance); 0 where all members are sure and agree, the dotted"
        " line where the class is entirely unknown."
    )
    sheet.figure_data.matrix(
        matrix, names, [f"class_{k}_probability" for k in range(view.classes)], row=word
    )
    sheet.figure_data.view(view, "consensus_class_probability", "class_entropy")
    return sheet.drawn("dispersion", caption, view)


def class_numbers(scene: Scene) -> FinishedFigure | None:
    """Compare models with different numbers of classes."""
    views = [v for v in scene.views if v.has("class_probability") and v.members > 1]
    # Not of models that count their classes.
    views = [v for v in views if v.latents.attrs.get("classes_asked") not in (None, 0, "auto")]
    views.sort(key=lambda v: int(v.latents.attrs["classes_asked"]))
    asked = [int(v.latents.attrs["classes_asked"]) for v in views]
    if len(set(asked)) < _FEWEST_MODELS:
        return None
    agreement = [np.atleast_1d(v.latents.attrs["class_agreement"]).astype(float) for v in views]
    elbo = [v.latents["elbo"].values.mean(1) for v in views]
    sheet = Sheet(
        scene,
        "How many classes there are",
        2.9,
        width=WIDTH_OF_THREE,
        notes=(f"{views[0].members} members each",),
    )
    panels = (
        ("agreement of two members (AMI)", agreement),
        ("ELBO of a patch (nats)", elbo),
        ("stable classes", [np.array([v.classes], float) for v in views]),
    )
    for column, (word, values) in enumerate(panels):
        axes = sheet.axes(MARGIN + 0.65 + column * 3.4, 0.3, 2.5, 2.0)
        middle = np.array([v.mean() for v in values])
        for k, some in zip(asked, values, strict=True):
            axes.plot([k] * len(some), some, ".", color=CATEGORIES[0], alpha=0.35, ms=5)
        axes.plot(asked, middle, "o-", color=CATEGORIES[1], ms=4, lw=1.2)
        low, high = robust_limits(np.concatenate(values), 0)
        pad = 0.1 * max(high - low, 1e-3)
        axes.set(ylim=(low - pad, high + pad), xlabel="requested classes", title=word)
        axes.set_xticks(asked)
        if column == 2:
            axes.plot(asked, asked, color=INK, lw=0.8, ls="--")
            axes.set_ylim(0, max(asked) + 1)
    for word, values in panels:
        for k, some in zip(asked, values, strict=True):
            sheet.figure_data.rows({"measure": word, "classes_asked": k, "value": some})
    for view in views:
        sheet.figure_data.view(view, "elbo", "class_probability")
    caption = (
        "Models that differ in the number of classes they may use. Left: adjusted mutual"
        " information between the classes of every two members; a number of classes that the data"
        " do not have is found differently each time. Middle: mean evidence lower bound of every"
        " member. Right: classes that are stable between members; the others are removed. The line"
        " is equality."
    )
    return sheet.drawn("class-numbers", caption)


def class_number(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw how many classes one model's content supports, and why no more and no fewer."""
    answer = ClassNumber.of(view.latents)
    if answer is None:
        return None
    number = view.latents["class_number"].values
    apart = view.latents["class_number_separation"]
    again = view.latents["class_number_found_again"]
    sheet = Sheet(
        scene,
        "How many classes the data support",
        3.0,
        width=8.2,
        view=view,
        notes=(answer.says.removesuffix("."),),
    )
    panels = (
        ("gap between the two classes least apart (sd)", apart),
        ("members that find the least stable class", again),
    )
    for column, (word, values) in enumerate(panels):
        axes = sheet.axes(MARGIN + 0.6 + column * 3.9, 0.3, 3.0, 1.85)
        whole: dict[str, Any] = {"clip_on": False, "zorder": 3}  # dots on the edge are not cut
        (tried,) = axes.plot(
            number, values.values, "o-", color=CATEGORIES[0], ms=4, lw=1.2, **whole
        )
        needed = axes.axhline(float(values.attrs["needed"]), color=INK, lw=0.8, ls="--")
        marks = [(tried, "tried"), (needed, "needed")]
        chosen = float(values.values[list(number).index(answer.supported)])
        if np.isfinite(chosen):
            face = "white" if answer.at_least else CATEGORIES[1]
            (mark,) = axes.plot(
                answer.supported, chosen, "o", color=CATEGORIES[1], mfc=face, mew=1.6, ms=8, **whole
            )
            most = f"≥ {answer.supported}" if answer.at_least else str(answer.supported)
            marks.append((mark, f"supported: {most}"))
        if answer.shown != answer.supported:
            shown = axes.axvline(answer.shown, color=INK, lw=0.8, ls=":")
            marks.append((shown, f"shown: {answer.shown}"))
        axes.set(xlabel="number of classes", title=word, xlim=(0.7, max(number[-1], 2) + 0.3))
        axes.set_xticks(number)
        top = np.nanmax([*values.values, 1.0])
        axes.set_ylim(0, 1.05 * top)
        if column == 0:
            place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.24)}
            axes.legend(*zip(*marks, strict=True), fontsize=8, frameon=False, ncols=4, **place)
    caption = (
        f"{answer.says} {answer.reason} Sites start in small groups, and the two that are least"
        " apart become one until all hold. Left: along the line that separates two classes best,"
        " how much lower the density of sites is between them than at the lower peak, in standard"
        " deviations of chance; the median of the members. Right: share of the members in whose"
        f" latents each class is found again (Jaccard similarity from"
        f" {again.attrs['jaccard_from']:g}). A larger number is taken only if both hold; a hollow"
        " mark is the end of the range."
    )
    sheet.figure_data.rows(
        {
            "number_of_classes": number,
            "gap_sd": apart.values,
            "found_again_share": again.values,
        }
    )
    names = ("class_number", "class_number_separation", "class_number_found_again")
    sheet.figure_data.view(view, *names)
    return sheet.drawn("class-number", caption, view)


WIDTH_OF_THREE = 2 * MARGIN + 3 * 3.4
