"""Figures of a stack whose frames are patches: there is no image to map anything on."""

from __future__ import annotations

import numpy as np

from vaescope.figures import accuracy, agreement, criticism, ensembles, latent, modes, training
from vaescope.figures.dataset import show
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import FAINT, category_colours
from vaescope.results import ModelResults

_ACROSS = 14
_ROWS = 3  # of each label
_MOST_LABELS = 12


def examples(scene: Scene) -> FinishedFigure:
    """What the models see: patches, label by label where there are labels."""
    total = scene.patches.sizes["site"]
    groups = _by_label(scene)
    rows = 6 if len(groups) == 1 else _ROWS if len(groups) <= 6 else 2
    left = MARGIN + (0.95 if len(groups) > 1 else 0.0)
    side = (WIDTH - MARGIN - left) / _ACROSS
    gap = 0.08
    sheet = Sheet(
        scene,
        "Patches as the models see them",
        len(groups) * (rows * side + gap),
        sites=total,
        notes=(f"{scene.patches.sizes['py']} × {scene.patches.sizes['px']} samples",),
    )
    y = 0.05
    for name, members in groups:
        shown = _even(members, rows * _ACROSS)
        cut = _pictures(scene, shown)
        high = side * -(-len(shown) // _ACROSS)
        axes = sheet.axes(left, y, side * min(len(shown), _ACROSS), high)
        show(axes, cut, min(len(shown), _ACROSS))
        if name:
            sheet.text(MARGIN, y + 0.16, name, size=9.5)
            sheet.text(MARGIN, y + 0.34, f"{len(members)}", size=8, color=FAINT)
        y += rows * side + gap
    caption = f"Some of {total} patches, taken at even intervals" + (
        ", with their labels: these are for comparison only, no model sees them unless its recipe"
        " says so."
        if len(groups) > 1
        else "."
    )
    sheet.behind.store("patches.zarr", "patch")
    return sheet.drawn("patches", caption)


def restored(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """What was given, what the model made of it, and what it should have made."""
    name = f"truth_{view.latents.attrs.get('target') or ''}"
    if name not in scene.patches.variables or not view.has("reconstruction"):
        return None
    target = scene.patches[name]
    if target.ndim != 4:
        return None
    held = scene.patches.get("truth_held_out")
    rows = np.arange(scene.patches.sizes["site"])
    if held is not None and (held.values > 0).any():
        rows = rows[held.values > 0]
    shown = _even(rows, _ACROSS)
    made = view.latents["reconstruction"].isel(site=shown).values
    strips = (
        ("given", _pictures(scene, shown)),
        ("made", made),
        ("true", target.isel(site=shown).values),
    )
    left = MARGIN + 0.6
    side = (WIDTH - MARGIN - left) / len(shown)
    sheet = Sheet(scene, "Given, made and true", 3 * (side + 0.06), view=view, sites=len(rows))
    for row, (word, pictures) in enumerate(strips):
        y = 0.05 + row * (side + 0.06)
        sheet.text(MARGIN, y + side / 2, word, size=9.5)
        show(sheet.axes(left, y, side * len(shown), side), pictures, len(shown))
    caption = (
        "First row: patches that the model was given"
        + (", none of which it was trained on" if len(rows) < scene.patches.sizes["site"] else "")
        + ". Second: what it made of them. Third: what it should have made."
    )
    sheet.behind.store("patches.zarr", "patch", name)
    sheet.behind.view(view, "reconstruction")
    return sheet.drawn("restored", caption, view)


def thumbnail(scene: Scene) -> FinishedFigure:
    """A few patches, framed by class or label: for the index of all datasets."""
    from matplotlib.figure import Figure

    across, down = 8, 5
    shown = _even(np.arange(scene.patches.sizes["site"]), across * down)
    figure = Figure(figsize=(4.8, 3.0), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    pictures = _pictures(scene, shown)
    show(axes, pictures, across)
    classed = next((view for view in reversed(scene.views) if view.classes), None)
    if classed is not None:
        found = classed.values("consensus_class").astype(int)[shown]
        colours = category_colours(classed.classes)
        high, wide = pictures.shape[2] + 1, pictures.shape[3] + 1
        for index, k in enumerate(found):
            row, column = divmod(index, across)
            x, y = column * wide - 0.5, row * high - 0.5
            axes.plot(
                [x + 1, x + wide - 2, x + wide - 2, x + 1, x + 1],
                [y + 1, y + 1, y + high - 2, y + high - 2, y + 1],
                color=colours[k],
                lw=1.6,
            )
    return FinishedFigure("thumbnail", "Thumbnail", "", figure)


def class_pictures(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The classes: what the model draws for each, and some of their patches."""
    if not view.classes:
        return None
    labels = view.values("consensus_class").astype(int)
    colours = category_colours(view.classes)
    across = 12
    drawn = view.has("class_decoded") and "py" in view.latents["class_decoded"].dims
    left = MARGIN + 0.95
    side = (WIDTH - MARGIN - left) / (across + 1.3)
    sheet = Sheet(
        scene,
        "Classes: what the model draws, and some of their patches",
        view.classes * (side + 0.06) + 0.05,
        view=view,
        sites=len(labels),
    )
    named = view.latents.attrs.get("class_labels")
    for k in range(view.classes):
        y = 0.05 + k * (side + 0.06)
        members = np.flatnonzero(labels == k)
        mark = sheet.axes(MARGIN, y + 0.05, 0.1, side - 0.1)
        mark.set_facecolor(colours[k])
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        name = f"class {k}"
        if named is not None and k < len(named):
            name = accuracy.label_name(scene, float(named[k]))
        sheet.text(MARGIN + 0.18, y + side / 2 - 0.02, name, size=9)
        share = 100 * len(members) / max(len(labels), 1)
        sheet.text(MARGIN + 0.18, y + side / 2 + 0.15, f"{share:.0f} %", size=8, color=FAINT)
        if drawn:
            picture = view.latents["class_decoded"].isel({"class": [k]}).values
            if np.isfinite(picture).all():
                show(sheet.axes(left, y, side, side), picture, 1)
        shown = _even(members, across)
        if len(shown):
            axes = sheet.axes(left + 1.3 * side, y, side * len(shown), side)
            show(axes, _pictures(scene, shown), len(shown))
    caption = (
        "For every class its share of the patches"
        + (", what the model draws at the mean of its latents" if drawn else "")
        + ", and patches of it at even intervals, as they were given."
    )
    sheet.behind.of_view(view, "class", labels)
    sheet.behind.view(view, "consensus_class", "class_decoded")
    sheet.behind.store("patches.zarr", "patch")
    return sheet.drawn("classes", caption, view)


def _by_label(scene: Scene) -> list[tuple[str, np.ndarray]]:
    """Name and rows of every label; all rows without a name where there are no labels."""
    everything = [("", np.arange(scene.patches.sizes["site"]))]
    if "truth_label" not in scene.patches.variables:
        return everything
    label = scene.patches["truth_label"].values.astype(float)
    levels = np.unique(label[np.isfinite(label)])
    if not 1 < len(levels) <= _MOST_LABELS:
        return everything
    return [(accuracy.label_name(scene, k), np.flatnonzero(label == k)) for k in levels]


def _even(rows: np.ndarray, count: int) -> np.ndarray:
    """At most so many of the rows, at even intervals."""
    place = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return rows[np.unique(place)] if len(rows) else rows


def _pictures(scene: Scene, rows: np.ndarray) -> np.ndarray:
    patch = scene.patches["patch"].transpose("site", "channel", "py", "px")
    return np.asarray(patch.isel(site=rows).values, dtype=float)


OF_THE_DATA = (examples, ensembles.class_numbers)
OF_A_MODEL = (
    restored,
    latent.decoded_grid,
    latent.decoded_conditions,
    latent.latent_distribution,
    modes.modes,
    modes.paths,
    agreement.angle_by_label,
    agreement.shear_by_label,
    class_pictures,
    accuracy.confusion,
    ensembles.dispersion,
    ensembles.class_number,
    criticism.worst_patches,
    training.training,
)
"""In the order of the report."""
