"""Map classes, and show their mean patches and populations."""

from __future__ import annotations

import numpy as np

from vaescope.figures.colours import Coloured, of_model
from vaescope.figures.montage import patch_bar, within_circle
from vaescope.figures.panels import NARROWEST, RASTER_FROM, bare, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import category_colours
from vaescope.quantities import robust_limits, with_errors
from vaescope.results import ModelResults


def class_map(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The sites coloured by class, beside the mean patch of every class."""
    if not view.classes:
        return None
    from matplotlib.colors import ListedColormap

    count = view.classes
    counts = class_counts(view)
    colours = category_colours(count)
    aspect = scene.shape[0] / scene.shape[1]
    wide = float(np.clip(5.0, 0, 5.6 / aspect))
    high = wide * aspect
    blocks = 2 if count <= 10 else 3
    side = 0.92 if count <= 6 else 0.72 if count <= 10 else 0.5
    block = max(wide + 0.4, NARROWEST)
    across, down = 2 * side + 0.42, side + 0.5
    rows = -(-count // blocks)
    body = max(high + 0.55, rows * down + 0.6)
    sheet = Sheet(
        scene,
        "Classes: where they are and what they look like",
        body,
        width=max(2 * MARGIN + block + blocks * across, 7.2),
        view=view,
        sites=len(view.on_frame),
        notes=(scene.frame_words,),
    )
    axes = sheet.axes(MARGIN, 0.27, wide, high)
    axes.set_title("class of every site")
    bare(axes, scene)
    labels = view.values("consensus_class").astype(float)
    quantity = Coloured("class", labels, ListedColormap(colours), -0.5, count - 0.5)
    few = len(labels) < RASTER_FROM
    polygons(axes, scene.cells_of(view), quantity, edges="white" if few else None)
    scale_bar(axes, scene, wide)
    left = MARGIN + block
    drawn = view.has("class_decoded")
    means = _pictures(view, "class_patch", count)
    models = _pictures(view, "class_decoded", count)
    limits = robust_limits(np.concatenate([means, models]), 0.5)
    sheet.text(left, 0.18, "mean patch" + (" and decoded patch" if drawn else ""), size=9.5)
    total = max(int(counts.sum()), 1)
    for index in range(count):
        row, column = divmod(index, blocks)
        x, y = left + column * across, 0.36 + row * down
        label = f"class {index}: {counts[index]} ({100 * counts[index] / total:.0f} %)"
        sheet.text(x + 0.17, y + 0.12, label, size=8.5)
        mark = sheet.axes(x, y + 0.015, 0.12, 0.12)
        mark.set_facecolor(colours[index])
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        for place, pictures in enumerate((means, models) if drawn else (means,)):
            picture = pictures[index]
            small = sheet.axes(x + place * (side + 0.06), y + 0.2, side, side)
            small.set_axis_off()
            if np.isfinite(picture).any():
                small.imshow(
                    np.ma.masked_invalid(picture), cmap="gray", vmin=limits[0], vmax=limits[1]
                )
            else:
                small.text(0.5, 0.5, "no site", ha="center", va="center", size=8)
    pitch = float(scene.patches.attrs.get("pitch", 1.0))
    patch_bar(sheet, left, 0.36 + rows * down + 0.02, means.shape[-1] * pitch, side)
    empty = int((counts == 0).sum())
    caption = (
        "Left: the class that the ensemble assigns to every site. Right: mean of the patches of"
        " each class, aligned"
        + (", and its decoded picture" if drawn else "")
        + "; the number and share of its sites."
        + (f" {empty} of {count} classes stayed empty." if empty else "")
    )
    found = (q for q in of_model(view) if q.name == "consensus_class")
    sheet.figure_data.quantities(view, with_errors(found))
    sheet.figure_data.view(view, "consensus_class", "class_patch", "class_decoded", "class_count")
    return sheet.drawn("classes", caption, view)


def class_counts(view: ModelResults) -> np.ndarray:
    """Number of sites of every class, over all frames."""
    labels = view.values("consensus_class", everywhere=True).astype(int)
    return np.bincount(labels[labels >= 0], minlength=view.classes)[: view.classes]


def _pictures(view: ModelResults, name: str, count: int) -> np.ndarray:
    """(class, py, px) pictures of the first channel; NaN where there are none."""
    if not view.has(name):
        return np.full((count, 1, 1), np.nan)
    pictures = view.latents[name].transpose("class", "channel", "py", "px").isel(channel=0)
    found = np.asarray(pictures.values, dtype=float)
    return within_circle(found) if view.has("consensus_angle") else found
