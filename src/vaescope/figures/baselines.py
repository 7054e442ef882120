"""Compare classical methods with the models: maps, planes and pictures of all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vaescope.baselines.methods import METHODS
from vaescope.figures import planes
from vaescope.figures.accuracy import label_name
from vaescope.figures.colours import Coloured
from vaescope.figures.compared import (
    GAP,
    GROUP,
    HEAD,
    Compared,
    agreement,
    columns_of,
    finished,
    heading,
    legend,
    name_of,
)
from vaescope.figures.components import components as of_spectra
from vaescope.figures.panels import bare, micrograph, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import FAINT, category_colours
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.scores import comparison
from vaescope.scores.comparison import Entry
from vaescope.scores.ground_truth import angle_of, category_names, main_truth, truths
from vaescope.text import plain

_PICTURES = 8  # of a method; a map of units shows all
_SIDE = 0.56  # inches of a picture
_TALLEST = 5.0  # inches of a map
_NARROWEST = 1.5  # inches from one map to the next, for the names above them


def figures(scene: Scene) -> Iterator[FinishedFigure]:
    """All figures of the comparison."""
    assert scene.baselines is not None
    models = {view.name: view.latents for view in scene.views}
    found = comparison.entries(scene.baselines, models)
    kinds = truths(scene.patches)
    reference = comparison.reference(found, kinds)
    labels = [comparison.matched_labels(entry.label, reference) for entry in found]
    count = 1 + max(int(label.max()) for label in [reference, *labels])
    what = Compared(
        found,
        labels,
        reference,
        main_truth(kinds),
        angle_of(scene.patches, models),
        category_colours(max(count, 1)),
        _kind_names(scene),
    )
    if scene.stack:
        yield planes.by_label(scene, what)
    else:
        yield maps(scene, what)
    if what.kind is not None or not scene.stack:
        yield planes.by_kind(scene, what)
    if what.angle is not None:
        yield planes.by_angle(scene, what, what.angle)
    for drawn in (components(scene, what), of_spectra(scene)):
        if drawn is not None:
            yield drawn


def _kind_names(scene: Scene) -> list[str]:
    """Names of the kinds of the truth; labels by the names that the data give them."""
    names = category_names(scene.patches)
    if any(" · " in name or not name.startswith("label ") for name in names):
        return names
    return [label_name(scene, float(name.removeprefix("label "))) for name in names]


def maps(scene: Scene, what: Compared) -> FinishedFigure:
    """The labels of every method on the image, beside the truth."""
    assert scene.baselines is not None
    aspect = scene.shape[0] / scene.shape[1]
    shown = [k for k, entry in enumerate(what.entries) if not entry.failed]
    count = len(shown) + 1
    columns = columns_of(count, aspect)
    side = min((WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns, 3.4, _TALLEST / aspect)
    pitch = max(side + GAP, _NARROWEST)
    high, step = side * aspect, side * aspect + HEAD + 0.06
    rows = -(-count // columns)
    of_sites = ModelResults(GROUP, scene.baselines, Path(), scene.frame)
    sheet = Sheet(
        scene,
        "Which method separates what",
        rows * step + 0.2,
        sites=len(of_sites.on_frame),
        notes=(scene.frame_words, "grey: in no cluster"),
    )
    cells = scene.cells_of(of_sites)
    legend(sheet, what)
    for place in range(count):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * pitch, row * step
        axes = sheet.axes(x, y + HEAD, side, high)
        if place == 0:
            if what.kind is None:
                heading(sheet, x, y, pitch - GAP, "image", "no truth is known")
                micrograph(axes, scene)
            else:
                heading(sheet, x, y, pitch - GAP, "the truth", "grey: not known")
                bare(axes, scene)
                _cells(axes, cells, what.kind[of_sites.on_frame], what.colours)
            continue
        entry, label = what.entries[shown[place - 1]], what.labels[shown[place - 1]]
        heading(sheet, x, y, pitch - GAP, name_of(entry), agreement(entry, what))
        bare(axes, scene)
        _cells(axes, cells, label[of_sites.on_frame], what.colours)
        if place == count - 1:
            scale_bar(axes, scene, side)
    caption = (
        "Every site in the colour of its label by each method; labels are coloured like those of "
        + ("the truth" if what.kind is not None else "the first panel with classes of its own")
        + " with which they share most sites. Models first: where one has no classes, and for"
        " methods that only lay sites out, labels are k-means on the latents or the embedding."
        + (
            " ARI: adjusted Rand index against the truth (1: the same, 0: by chance)."
            if what.kind is not None
            else ""
        )
    )
    for k in shown:
        entry, label = what.entries[k], what.labels[k][of_sites.on_frame]
        name = f"{entry.name}_matched_label" if entry.is_model else f"matched_label_{entry.name}"
        sheet.figure_data.of_view(of_sites, name, label)
    if what.kind is not None:
        sheet.figure_data.of_view(of_sites, "true_kind", what.kind[of_sites.on_frame])
    sheet.figure_data.store("baselines.zarr", "label")
    return finished(sheet, "baselines-maps", caption)


def _cells(axes, cells: list[np.ndarray | None], label: np.ndarray, colours: list[str]) -> None:
    from matplotlib.colors import ListedColormap

    values = np.where(label >= 0, label, np.nan).astype(float)
    quantity = Coloured("label", values, ListedColormap(colours), -0.5, len(colours) - 0.5)
    polygons(axes, cells, quantity)


def components(scene: Scene, what: Compared) -> FinishedFigure | None:
    """Components, centres, end members and units of every method as pictures."""
    assert scene.baselines is not None
    if "pictures" not in scene.baselines:
        return None
    rows = [(entry, _pictures(scene, entry)) for entry in what.entries if not entry.failed]
    rows = [(entry, pictures) for entry, pictures in rows if len(pictures)]
    if not rows:
        return None
    # The map of units is a square of its own, at the end.
    flat = [(e, p[:_PICTURES]) for e, p in rows if not e.on_grid]
    grids = [(entry, pictures) for entry, pictures in rows if entry.on_grid]
    step, block = _SIDE + 0.42, (WIDTH - 2 * MARGIN + 0.3) / 2
    body = -(-len(flat) // 2) * step
    across = round(np.sqrt(len(grids[0][1]))) if grids else 0
    sheet = Sheet(
        scene,
        "What every method draws",
        body + (0.3 + across * (_SIDE + 0.04) if grids else 0) + 0.05,
        notes=(f"{scene.patches.sizes['py']} × {scene.patches.sizes['px']} samples",),
    )
    for place, (entry, pictures) in enumerate(flat):
        row, column = divmod(place, 2)
        x, y = MARGIN + column * block, row * step
        sheet.text(x, y + 0.2, plain(name_of(entry), 34), size=9.5, weight="bold")
        words = _drawn_words(entry)
        sheet.text(x + block - 0.3, y + 0.2, words, size=8, color=FAINT, ha="right")
        _strip(sheet, x, y + 0.28, pictures, signed=entry.signed)
    for entry, pictures in grids:
        sheet.text(MARGIN, body + 0.2, name_of(entry), size=9.5, weight="bold")
        sheet.text(MARGIN + 1.75, body + 0.2, "its units, neighbours alike", size=8, color=FAINT)
        for row in range(across):
            line = pictures[row * across : (row + 1) * across]
            low, high = robust_limits(pictures, 0.2)
            y = body + 0.28 + row * (_SIDE + 0.04)
            _strip(sheet, MARGIN, y, line, limits=(low, high))
    caption = (
        "Components, centres or units of each method, at most eight pictures of each, on a grey"
        " scale of its own; principal components may be negative (blue) and positive (red)."
        " Pictures that differ only by a rotation show that a method treats a rotated structure as"
        " a different one."
    )
    sheet.figure_data.store("baselines.zarr", "pictures")
    return finished(sheet, "baselines-components", caption)


def _strip(
    sheet: Sheet,
    x: float,
    y: float,
    pictures: np.ndarray,
    *,
    signed: bool = False,
    limits: tuple[float, float] | None = None,
) -> None:
    """Pictures (count, py, px) side by side."""
    low, high = limits or robust_limits(pictures, 0.2)
    if signed:
        high = max(abs(low), abs(high))
        low = -high
    colours = "RdBu_r" if signed else "gray"
    for place, picture in enumerate(pictures):
        axes = sheet.axes(x + place * (_SIDE + 0.04), y, _SIDE, _SIDE)
        axes.set_axis_off()
        shown = np.ma.masked_invalid(picture)
        axes.imshow(shown, cmap=colours, vmin=low, vmax=high, aspect="auto")


def _pictures(scene: Scene, entry: Entry) -> np.ndarray:
    """(count, py, px) of the first channel; those that hold nothing are left out."""
    if entry.is_model:
        latents = next(v.latents for v in scene.views if v.name == entry.name)
        if "class_decoded" in latents and "py" in latents["class_decoded"].dims:
            pictures = latents["class_decoded"].isel(channel=0).values
        elif "decoded_grid" in latents and "py" in latents["decoded_grid"].dims:
            grid = latents["decoded_grid"].isel(channel=0)
            middle = grid.isel(grid_row=grid.sizes["grid_row"] // 2).values
            pictures = middle[np.linspace(0, len(middle) - 1, min(7, len(middle))).astype(int)]
        else:
            return np.zeros((0, 1, 1))
    else:
        assert scene.baselines is not None
        pictures = scene.baselines["pictures"].sel(baseline=entry.name).isel(channel=0).values
    return np.asarray(pictures[np.isfinite(pictures).any((1, 2))], dtype=float)


def _drawn_words(entry: Entry) -> str:
    """Describe the pictures of a method."""
    if entry.is_model:
        return "decoded classes" if entry.own_labels else "decoded along latent 1"
    return METHODS[entry.name].pictures
