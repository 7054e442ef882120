"""Figures of the sites of an image before any model: where they are, how accurate that is."""

from __future__ import annotations

import numpy as np

from vaescope import quantities
from vaescope.figures.colours import Coloured, length_scale, one_of
from vaescope.figures.panels import (
    enlarge_marks,
    grid,
    image_panel,
    mark_size,
    micrograph,
    polygons,
    scale_bar,
)
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, INK, category_colours
from vaescope.figures.unmeasured import ABOVE, hatch
from vaescope.quantities import TRUTH, header, robust_limits, with_errors
from vaescope.results import ModelResults
from vaescope.samples import gaps
from vaescope.sites import detectors
from vaescope.text import percent


def sites(scene: Scene) -> FinishedFigure | None:
    """Draw the positions of sites: the image, and the image with every site marked; of sites that
    are all pixels of a grid there is nothing to be seen."""
    if scene.pixelwise:
        return None
    where = grid(scene, 2, largest=4.4)
    count = len(scene.on_frame)
    sheet = Sheet(
        scene,
        {"windows": "Windows", "curves": "Sites along the walls"}.get(
            scene.cell_kind, "Detected sites"
        ),
        where.height + 0.22,
        width=where.width,
        sites=count,
        notes=(
            scene.frame_words,
            f"{_stated_spacing(scene)} apart"
            if scene.windows
            else f"spacing {_stated_spacing(scene)}",
        ),
    )
    image_panel(sheet, where, 0)
    x, y, width, height = where.place(1)
    axes = sheet.axes(x, y, width, height)
    axes.set_title("middles of the windows" if scene.windows else "sites on the image")
    micrograph(axes, scene, faint=True)
    edge = scene.sites["near_edge"].values[scene.on_frame].astype(bool)
    size = max(0.16 * mark_size(scene, width), 1.0)  # small: the atom is to be seen around it
    partly = _partly_seen(scene) & ~edge
    groups = [(~edge & ~partly, CATEGORIES[1], "mapped")]
    if partly.any():
        groups.append((partly, CATEGORIES[2], "mapped in part"))
    groups.append((edge, CATEGORIES[4], "too near the edge"))
    for chosen, colour, label in groups:
        axes.scatter(
            scene.positions[chosen, 1],
            scene.positions[chosen, 0],
            s=size,
            color=colour,
            linewidths=0,
            rasterized=count > 3000,
            label=f"{label}: {chosen.sum()}",
        )
    scale_bar(axes, scene, width)
    legend = sheet.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=(x / sheet.width, 0.4 / sheet.total),
        ncols=len(groups),
        borderaxespad=0,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    enlarge_marks(legend)
    for quantity in with_errors(quantities.of(scene.sites, scene.on_frame)):
        if quantity.group != TRUTH:
            sheet.figure_data.of_scene(scene, quantity.column, quantity.written)
    sheet.figure_data.store("sites.zarr", "y", "x", "near_edge")
    if scene.windows:
        side = float(scene.patches.attrs["size"])
        what = "atoms" if scene.traits.lattice else "walls"
        caption = f"The middles of {count} windows of {side:.3g} px, wherever the {what} may be."
        return sheet.drawn("sites", caption)
    if scene.curved:
        caption = (
            f"{count} sites at equal distances along the walls, whose places were fitted to a"
            " fraction of a pixel. Sites whose patch would extend beyond the image stay in the"
            " table, but models do not use them."
        )
        return sheet.drawn("sites", caption + _choice(scene))
    method = scene.sites.attrs.get("method", "")
    caption = (
        f"All {count} sites found"
        + (f" by the method “{method}”" if method else "")
        + " and refined to a fraction of a pixel. "
        + (
            "Models learn from whole patches; sites near the edge are mapped from the part of"
            " their patch that was seen, with larger errors."
            if partly.any()
            else "Sites whose patch would extend beyond the image stay in the table, but models do"
            " not use them."
        )
    )
    return sheet.drawn("sites", caption + _choice(scene))


def _choice(scene: Scene) -> str:
    """Sentences about the detector that found the sites, and about why this method was chosen;
    empty where there was neither."""
    words = detectors.words(scene.sites.attrs)
    reason = scene.sites.attrs.get("method_reason", "")
    return (f" They were found by {words}." if words else "") + (
        f" The method was chosen by what the image shows: {reason}" if reason else ""
    )


def _partly_seen(scene: Scene) -> np.ndarray:
    """The sites (site,) of the frame of whose patches only a part was seen."""
    patches = scene.patches
    partial = patches["site"].values[~gaps.whole(patches)]
    return np.isin(scene.sites["site"].values[scene.on_frame], partial)


def _stated_spacing(scene: Scene) -> str:
    """The spacing that the later stages work with, in pixels and in physical units if known."""
    pixels = float(scene.sites.attrs.get("spacing") or scene.spacing)
    text = f"{pixels:.3g} px"
    if scene.calibrated:
        factor, unit = length_scale(scene, pixels, smallest=0.1)
        text += f" ({pixels * factor:.3g} {unit})"
    return text


def position_error(scene: Scene) -> FinishedFigure | None:
    """Draw measured against true positions, and check the stated errors."""
    found = scene.sites
    if "truth_y" not in found.variables:
        return None
    error = np.stack(
        [found["y"].values - found["truth_y"].values, found["x"].values - found["truth_x"].values]
    )
    matched = np.isfinite(error).all(axis=0)
    if matched.sum() < 3:
        return None
    error = error[:, matched]
    scores = scene.results.facts.of("sites")
    bound = scores["bound"].value if "bound" in scores else np.nan
    sheet = Sheet(
        scene,
        "Found against true positions",
        3.2,
        sites=int(matched.sum()),
        notes=tuple(
            f"{key} {percent(scores[key].value)}"
            for key in ("precision", "recall")
            if key in scores
        ),
    )
    left = sheet.axes(0.75, 0.3, 3.7, 2.35)
    reach = max(robust_limits(np.abs(error), 1)[1], 3 * bound if np.isfinite(bound) else 0) * 1.15
    bins = np.linspace(-reach, reach, 46)
    for values, label, colour in zip(error, "yx", CATEGORIES, strict=False):
        rms = np.sqrt(np.mean(values**2))
        left.hist(
            np.clip(values, -reach, reach),
            bins.tolist(),
            histtype="step",
            color=colour,
            lw=1.6,
            label=f"{label}: rms {rms:.3g} px",
        )
    if np.isfinite(bound) and bound > 0:
        _normal(left, bound, bins, error.shape[1], f"Cramér–Rao bound {bound:.3g} px")
    left.set(xlabel="found − true position (px)", ylabel="sites", title="error of the position")
    left.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    if {"y_error", "x_error"} <= set(found.variables):
        stated = np.stack([found["y_error"].values, found["x_error"].values])[:, matched]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = error / stated
        right = sheet.axes(7.3, 0.3, 2.9, 2.35)
        bins = np.linspace(-5, 5, 41)
        right.hist(
            np.clip(ratio[np.isfinite(ratio)], -5, 5),
            bins.tolist(),
            color=CATEGORIES[4],
            alpha=0.75,
        )
        _normal(right, 1.0, bins, int(np.isfinite(ratio).sum()), "expected")
        right.set(xlabel="error ÷ stated standard error", title="are the stated errors honest?")
        right.legend(loc="upper right")
    caption = (
        "Left: differences between found and true positions of the simulated sites; the line is"
        " what the counts in the image allow at best. Right: the same differences divided by the"
        " standard error that the fit states; honest errors follow the line."
    )
    sheet.figure_data.rows(
        {
            "site": found["site"].values[matched],
            "y_found_minus_true_px": error[0],
            "x_found_minus_true_px": error[1],
            **{
                header(k, "px"): found[k].values[matched]
                for k in ("y_error", "x_error")
                if k in found.variables
            },
        }
    )
    sheet.figure_data.store("sites.zarr", "y", "x", "truth_y", "truth_x", "y_error", "x_error")
    return sheet.drawn("position-error", caption)


def _normal(axes, deviation: float, bins: np.ndarray, count: int, label: str) -> None:
    x = np.linspace(bins[0], bins[-1], 300)
    density = np.exp(-((x / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    axes.plot(x, density * count * (bins[1] - bins[0]), color=INK, lw=1.2, ls="--", label=label)


def thumbnail(scene: Scene) -> FinishedFigure:
    """The image, turning into the most telling map: for the index of all datasets."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    height, width = scene.shape
    figure = Figure(figsize=(4.8, 3.0), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    micrograph(axes, scene)
    telling = _telling(scene)
    if telling is not None:
        view, quantity = telling
        marks = polygons(axes, scene.cells_of(view), quantity)
        marks.set_alpha(0.85)
        hatch(axes, scene.image, scene.extent, ABOVE)
        half = Polygon([(0.6, 0), (1, 0), (1, 1), (0.4, 1)], closed=True, transform=axes.transAxes)
        for collection in axes.collections:
            collection.set_clip_path(half)
        axes.plot([0.6, 0.4], [0, 1], color="white", lw=1.5, transform=axes.transAxes)
    # The middle of the image that has the shape of the card.
    ratio = 3.0 / 4.8
    shown = (width, width * ratio) if height >= width * ratio else (height / ratio, height)
    x, y = (width - shown[0]) / 2 - 0.5, (height - shown[1]) / 2 - 0.5
    axes.set(xlim=(x, x + shown[0]), ylim=(y + shown[1], y))
    axes.set_axis_off()
    return FinishedFigure("thumbnail", "Thumbnail", "", figure)


def _telling(scene: Scene) -> tuple[ModelResults, Coloured] | None:
    """Choose the map for the thumbnail: classes, else angle, else the first latent."""
    for view in reversed(scene.views):
        if view.classes:
            from matplotlib.colors import ListedColormap

            labels = view.values("consensus_class").astype(float)
            colours = ListedColormap(category_colours(view.classes))
            return view, Coloured("class", labels, colours, -0.5, view.classes - 0.5)
    # The angle of a wall is the direction that everybody sees.
    for name in (
        ("consensus_content",) if scene.curved else ("consensus_angle", "consensus_content")
    ):
        for view in scene.views:
            if (quantity := one_of(scene, view, name)) is not None:
                return view, quantity
    return None
