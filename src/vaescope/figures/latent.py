"""Figures of the latent space: decoded pictures, and the distribution of sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures import decoded_pairs
from vaescope.figures.accuracy import label_name, level_name
from vaescope.figures.colours import of_model, one_of
from vaescope.figures.curve_tiles import axis_note
from vaescope.figures.montage import patch_bar, show, spaced, visible
from vaescope.figures.panels import RASTER_FROM, enlarge_marks
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet, angle_note
from vaescope.figures.style import INK, OUTLINE, category_colours
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.text import plain

if TYPE_CHECKING:
    import xarray as xr


def decoded_grid(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the canonical patch decoded at every place of the latent plane."""
    if not view.has("decoded_grid") or decoded_pairs.known(scene, view):
        return None
    pictures = view.latents["decoded_grid"]
    # Latent 2 grows upwards, as on the axes of the distribution.
    pictures = pictures.sortby("grid_row", ascending=False)
    rows = spaced(pictures["grid_row"].values)
    caption = (
        "The patch that the model draws, without turn and offset, at evenly spaced values of its"
        " first two latents. Read it as the legend of the latent maps."
    )
    what = "patches"
    if pictures.sizes.get("energy", 0):
        what = "spectra"
        aside = [n for n in ("shift", "gain", "background") if view.has(f"consensus_{n}")]
        without = f", without {' and '.join(aside)}," if aside else ""
        caption = (
            f"The spectrum that the model draws{without} at evenly spaced values of its first two"
            f" latents. Read it as the legend of the latent {'plane' if scene.stack else 'maps'}."
        )
    if "decoded_conditions" in view.latents:
        caption += " The model's conditions are held at their means."
    return _plane_of_pictures(
        scene,
        view,
        pictures.rename(grid_row="row"),
        f"What the latents mean: {what} decoded over the latent plane",
        ("latent 2", rows if len(rows) > 1 else []),
        caption,
        "decoded-grid",
    )


def decoded_conditions(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the pictures that a conditional model decodes for each value of its condition."""
    if not view.has("decoded_conditions"):
        return None
    pictures = view.latents["decoded_conditions"]
    about = pictures["told"].attrs
    name, values = str(about["long_name"]), pictures["told"].values
    if about.get("classes"):
        rows = [label_name(scene, v) if name == "label" else f"{v:g}" for v in values]
    else:
        rows = [_short(v) for v in values]
    caption = (
        f"One row for each value of the condition “{name}”, with the other latents at their"
        " medians: what stays the same down a column is what latent 1 encodes."
    )
    return _plane_of_pictures(
        scene,
        view,
        pictures.rename(told="row"),
        f"Decoded pictures, conditional on {name}",
        (name, rows),
        caption,
        "decoded-conditions",
    )


def _plane_of_pictures(
    scene: Scene,
    view: ModelResults,
    pictures: xr.DataArray,
    title: str,
    down: tuple[str, list[str]],
    caption: str,
    name: str,
) -> FinishedFigure:
    """Pictures (row, grid_column, channel, height, width), latent 1 growing to the right."""
    pictures = pictures.sortby("grid_column")
    picture = [dim for dim in pictures.dims if dim not in ("row", "grid_column")]
    images = pictures.transpose("row", "grid_column", *picture).values
    channels = images.shape[2]
    images = visible(scene, images)
    rows, columns, drawn, high, wide = images.shape
    curved = high == 1
    if curved:  # a tile is as high as it is wide
        high = wide
    side = min(0.75, 9.0 / columns)
    height = rows * side * high / wide
    notes = [f"{rows} × {columns} {'spectra' if curved else 'patches'}"]
    if channels > 1 and drawn != 3:
        notes.append(f"channel 1 of {channels}")
    label, ticks = down
    left = MARGIN + 0.4 + 0.075 * max((len(tick) for tick in ticks), default=2)
    sheet = Sheet(
        scene,
        title,
        height + 0.95,
        width=max(left + MARGIN + 0.15 + columns * side, 7.2),
        view=view,
        notes=tuple(notes),
    )
    axes = sheet.axes(left, 0.1, columns * side, height)
    show(axes, images.reshape(-1, *images.shape[2:]), columns)
    axes.set_axis_on()
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(
        np.arange(columns) * (wide + 1) + wide / 2 - 0.5,
        spaced(pictures["grid_column"].values),
    )
    axes.set_xlabel("latent 1")
    axes.set_yticks(np.arange(len(ticks)) * (high + 1) + high / 2 - 0.5, ticks)
    axes.set_ylabel(label if ticks else "")
    axes.tick_params(length=0)
    if curved:
        axis_note(sheet, view, left, height + 0.8)
    else:
        pitch = float(scene.patches.attrs.get("pitch", 1.0))
        patch_bar(sheet, left, height + 0.75, wide * pitch, side)
    sheet.figure_data.view(view, name.replace("-", "_"))
    return sheet.drawn(name, caption, view)


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def latent_distribution(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the sites of all frames in the latent plane, coloured by ground truth."""
    if not view.has("consensus_content"):
        return None
    content = view.values("consensus_content", everywhere=True)
    kinds = ["density"]
    if view.classes:
        kinds.append("class")
    if view.has("consensus_angle"):
        kinds.append("angle")
    kinds = (kinds + known_kinds(view))[: 6 if scene.stack else 4]
    across = min(len(kinds), 3) if len(kinds) != 4 else 2
    step_x, step_y, side = 3.6 + _beyond(scene, view, kinds), 3.15, 2.35
    rows = -(-len(kinds) // across)
    sheet = Sheet(
        scene,
        f"How the {scene.noun[1]} lie in the latent plane",
        rows * step_y,
        width=max(2 * MARGIN + across * step_x, 6.4),
        view=view,
        sites=len(content),
        notes=(angle_note(view) if "angle" in kinds else "",),
    )
    plane, limits = plane_of(view)
    for index, kind in enumerate(kinds):
        row, column = divmod(index, across)
        x, y = MARGIN + 0.5 + column * step_x, 0.3 + row * step_y
        axes = sheet.axes(x, y, side, side)
        if kind == "density":
            _density(sheet, axes, plane, limits, x + side + 0.07, y)
            _cross(axes, view, content)
        elif kind == "angle":
            _by_angle(sheet, axes, view, plane, x + side + 0.07, y)
        elif kind == "class" or _categorical(view, kind):
            _by_category(scene, axes, view, plane, kind)
        else:
            _by_number(sheet, axes, view, plane, kind, x + side + 0.07, y)
        axes.set(xlim=limits[0], ylim=limits[1], xlabel="latent 1")
        axes.locator_params(axis="x", nbins=5)
        axes.set_ylabel("latent 2" if content.shape[1] > 1 else second_axis(view))
    more = content.shape[1] - 2
    caption = (
        f"Every point is a {scene.noun[0]}, placed by its consensus latents"
        + (f" (the first two of {content.shape[1]})" if more > 0 else "")
        + ". The cross is the median spread between ensemble members: structure smaller than it"
        " is not sure. A few beyond the axes are left out."
    )
    called = {"class": "consensus_class", "angle": "consensus_angle"}
    drawn = ["consensus_content", *(called.get(kind, kind) for kind in kinds[1:])]
    found = (q for q in of_model(view, everywhere=True) if q.name in drawn)
    sheet.figure_data.quantities(view, found, everywhere=True)
    sheet.figure_data.view(view, "content_spread", *drawn)
    return sheet.drawn("latent-distribution", caption, view)


def _beyond(scene: Scene, view: ModelResults, kinds: list[str]) -> float:
    """Inches that the longest name of a category needs beyond its panel's share of the sheet."""
    named = [kind for kind in kinds if kind.startswith("truth_") and _categorical(view, kind)]
    longest = max(
        (len(level_name(scene, kind, k)) for kind in named for k in _levels(view, kind)), default=0
    )
    return float(np.clip(0.08 * longest - 0.6, 0, 2))


def _true(view: ModelResults, name: str) -> str:
    """What a truth is called above a panel."""
    word = str(view.latents[name].attrs.get("long_name") or name.removeprefix("truth_"))
    word = word.replace("_", " ")
    return plain(word if word.startswith("true ") else f"true {word}", 40)


def second_axis(view: ModelResults) -> str:
    return "angle (°)" if view.has("consensus_angle") else "spread"


def plane_of(view: ModelResults) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Coordinates (site, 2) of the plot and its limits; one latent is drawn against the angle."""
    content = view.values("consensus_content", everywhere=True)
    if content.shape[1] > 1:
        plane = content[:, :2]
    elif view.has("consensus_angle"):
        degrees = np.rad2deg(view.values("consensus_angle", everywhere=True))
        plane = np.stack([content[:, 0], degrees], axis=1)
    else:
        spread = (
            view.values("content_spread", everywhere=True).reshape(len(content), -1)[:, 0]
            if view.has("content_spread")
            else np.zeros(len(content))
        )
        plane = np.stack([content[:, 0], spread], axis=1)
    limits = []
    for values in plane.T:
        low, high = robust_limits(values, 0.2)
        limits.append((low - 0.08 * (high - low), high + 0.08 * (high - low)))
    return plane, limits


def _levels(view: ModelResults, name: str) -> np.ndarray:
    values = view.values(name, everywhere=True)
    return np.unique(values[values >= 0])


def mark_area(count: int) -> float:
    return float(np.clip(6000 / max(count, 1), 1.0, 14.0))


def _density(sheet: Sheet, axes, plane: np.ndarray, limits, x: float, y: float) -> None:
    good = plane[np.isfinite(plane).all(axis=1)]
    cells = int(np.clip(np.sqrt(len(good)), 12, 60))
    from matplotlib.colors import PowerNorm

    # A dense core must not hide what lies around it: colours go with the root of the count.
    drawn = axes.hexbin(
        good[:, 0],
        good[:, 1],
        gridsize=cells,
        extent=[*limits[0], *limits[1]],
        mincnt=1,
        norm=PowerNorm(0.5, vmin=0),
        cmap=sheet.scene.look.colormap,
        linewidths=0.1,
    )
    axes.set_title(f"{sheet.scene.noun[1]} per cell")
    bar = sheet.axes(x, y, 0.1, 2.35)
    from matplotlib.ticker import MaxNLocator

    colours = sheet.figure.colorbar(drawn, cax=bar)
    colours.locator = MaxNLocator(5, integer=True)
    colours.update_ticks()
    colours.outline.set_visible(False)


def _cross(axes, view: ModelResults, content: np.ndarray) -> None:
    """Median spread between members, in the corner of the plot."""
    if not view.has("content_spread") or content.shape[1] < 2:
        return
    spread = np.nanmedian(view.values("content_spread", everywhere=True)[:, :2], axis=0)
    place = [robust_limits(content[:, k], 0.2)[1] - spread[k] for k in (0, 1)]
    axes.errorbar(*place, xerr=spread[0], yerr=spread[1], color=INK, lw=1.4, capsize=2)


def _by_angle(
    sheet: Sheet, axes, view: ModelResults, plane: np.ndarray, x: float, y: float
) -> None:
    quantity = one_of(sheet.scene, view, "consensus_angle", everywhere=True)
    assert quantity is not None
    marks = axes.scatter(
        *plane.T,
        c=quantity.values,
        cmap=quantity.cmap,
        norm=quantity.norm,
        s=mark_area(len(plane)),
        **OUTLINE,
        rasterized=len(plane) > RASTER_FROM,
    )
    axes.set_title("by " + quantity.label)
    bar = sheet.axes(x, y, 0.1, 2.35)
    colours = sheet.figure.colorbar(marks, cax=bar, extend=quantity.extend, extendfrac=0.04)
    if quantity.ticks is not None:
        colours.set_ticks(quantity.ticks, labels=[_short3(t) for t in quantity.ticks])
    colours.outline.set_visible(False)


def _short3(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def known_kinds(view: ModelResults) -> list[str]:
    """List the ground-truth variables that vary between sites, the label first."""
    hidden = {"truth_held_out", "truth_known_label", "truth_y", "truth_x", "truth_bound"}
    found = [
        str(name)
        for name in view.latents.variables
        if str(name).startswith("truth_")
        and str(name) not in hidden
        and view.latents[name].dims == ("site",)
    ]
    varying = []
    for name in found:
        values = view.values(name, everywhere=True).astype(float)
        values = values[np.isfinite(values)]
        if _categorical(view, name):
            values = values[values >= 0]
        if len(values) and np.ptp(values) > 1e-9:
            varying.append(name)
    if "truth_label" not in varying:  # sites of an image: what they are, not where
        varying = [name for name in varying if _categorical(view, name)]
    first = ("truth_label", "truth_phase", "truth_species", "truth_shear", "truth_angle")
    return sorted(varying, key=lambda n: (first.index(n) if n in first else len(first), n))


def _categorical(view: ModelResults, name: str) -> bool:
    values = view.values(name, everywhere=True).astype(float)
    values = values[np.isfinite(values)]
    return len(np.unique(values)) <= 24 and bool((values == np.round(values)).all())


def _by_number(
    sheet: Sheet, axes, view: ModelResults, plane: np.ndarray, name: str, x: float, y: float
) -> None:
    values = view.values(name, everywhere=True).astype(float)
    word = name.removeprefix("truth_").replace("_", " ")
    turns = view.latents[name].attrs.get("units") == "rad"
    if turns:
        values, word = np.degrees(values), f"{word} (°)"
    low, high = robust_limits(values, 0.2)
    cyclic = name == "truth_angle"
    if cyclic and high - low > 200:
        low, high = -180.0, 180.0
    marks = axes.scatter(
        *plane.T,
        c=values,
        cmap=sheet.scene.look.cyclic if cyclic else sheet.scene.look.colormap,
        vmin=low,
        vmax=high,
        s=mark_area(len(plane)),
        **(OUTLINE if cyclic else {"linewidths": 0}),
        rasterized=len(plane) > RASTER_FROM,
    )
    axes.set_title(f"by true {word}")
    colours = sheet.figure.colorbar(marks, cax=sheet.axes(x, y, 0.1, 2.35))
    colours.outline.set_visible(False)


def _by_category(scene: Scene, axes, view: ModelResults, plane: np.ndarray, kind: str) -> None:
    name = {"class": "consensus_class"}.get(kind, kind)
    word = "class" if kind == "class" else _true(view, name)
    values = view.values(name, everywhere=True)
    levels = range(view.classes) if kind == "class" else _levels(view, name)
    colours = category_colours(max([int(v) for v in levels], default=0) + 1)
    for level in levels:
        chosen = values == level
        axes.scatter(
            *plane[chosen].T,
            color=colours[int(level)],
            s=mark_area(len(plane)),
            linewidths=0,
            rasterized=len(plane) > RASTER_FROM,
            label=f"{int(level)}" if kind == "class" else level_name(scene, kind, level),
        )
    axes.set_title(f"by {word}")
    if len(levels) <= 12:
        legend = axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            handletextpad=0.0,
            labelspacing=0.3,
            borderaxespad=0.2,
        )
        enlarge_marks(legend)
