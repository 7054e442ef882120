"""What domain walls do as wholes: where the film switched, what became of walls, where they are
pinned, how rough they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.colours import Coloured
from vaescope.figures.panels import bare, colour_bar, grid, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.results import layout
from vaescope.text import plain

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_STEPS = 5  # maps of what switched
_REACH = 10.0  # standard errors on the scale of colours
_SURE = 3.0  # standard errors
_SIGNIFICANT = 0.05


def switching(scene: Scene) -> FinishedFigure | None:
    """Map what switched between frames, and draw the switched share over time."""
    walls = _movie(scene)
    if walls is None or "switching_significance" not in walls:
        return None
    share, error = walls["switched_share"].values, walls["switched_share_error"].values
    order = np.argsort(-np.nan_to_num(share), kind="stable")[:_STEPS]
    shown = np.sort(order)
    where = grid(scene, len(shown))
    below = 2.1
    sheet = Sheet(
        scene,
        "What switched between frames",
        where.height + 0.35 + below,
        width=max(where.width, 7.2),
        notes=(f"{len(share)} steps" if len(share) != 1 else "1 step",),
    )
    for place, step in enumerate(shown):
        _switched(sheet, where.place(place), walls.isel(step=int(step)), int(step), place)
    axes = sheet.axes(0.85, where.height + 0.45, sheet.width - 0.85 - MARGIN, below - 0.75)
    at = np.arange(1, len(share) + 1)
    axes.errorbar(at, 100 * share, 100 * error, color=CATEGORIES[0], marker="o", ms=3.5, capsize=2)
    axes.set(xlabel="after frame", ylabel="switched (%)", title="share of the compared area")
    axes.set_ylim(bottom=min(0.0, float(np.nanmin(100 * (share - error), initial=0))))
    _whole(axes, len(share))
    happened = int(walls["happened"].values.astype(bool).sum())
    caption = (
        "Above: significance with which a pixel changed its state from one frame to the next, drift"
        " taken out, in standard errors; red: to the positive domain. Outlined: areas that switched"
        f" beyond {_SURE:g} standard errors; grey: not compared, since one of the frames was not"
        " measured there or its response had turned out of phase. Below: their share, with its"
        f" standard error. In {happened} of {len(share)} steps something switched beyond doubt."
    )
    if len(share) > len(shown):
        caption += f" Maps are of the {len(shown)} steps in which most switched."
    columns = {"after_frame": at, "switched_share": share, "switched_share_error": error}
    sheet.figure_data.rows(columns)
    sheet.figure_data.store(layout.WALLS, "switching_significance", "switched", "switched_share")
    return sheet.drawn("switching", caption)


def _switched(
    sheet: Sheet,
    place: tuple[float, float, float, float],
    change: xr.Dataset,
    step: int,
    number: int,
) -> None:
    x, y, width, height = place
    scene = sheet.scene
    axes = sheet.axes(x, y, width, height)
    axes.set_title(f"frame {step + 1} to {step + 2}")
    bare(axes, scene)
    if scene.curved:  # then the image is shown between the marks
        axes.images[0].remove()
    values = change["switching_significance"].values
    look = Coloured("significance (σ)", values.ravel(), scene.look.diverging, -_REACH, _REACH)
    axes.set_facecolor("#b9bec9")
    marks = axes.imshow(values, cmap=look.cmap, norm=look.norm, extent=scene.extent)
    area = change["switched"].values > 0
    if area.any() and not area.all():
        axes.contour(area.astype(float), [0.5], colors=INK, linewidths=0.7)
    scale_bar(axes, scene, width)
    if number == 0:
        sheet.text(x + width + 0.04, y - 0.06, "σ", size=8.5)
    colour_bar(sheet, marks, look, x + width + 0.08, y, height)


def course(scene: Scene) -> FinishedFigure | None:
    """Draw how much wall there is in every frame, and what became of walls between frames."""
    walls = _movie(scene)
    if walls is None or "event" not in walls or scene.frames < 3:
        return None
    frames = np.arange(scene.frames)
    length = np.bincount(
        walls["wall_frame"].values.astype(int),
        walls["wall_length"].values,
        minlength=scene.frames,
    )
    count = np.bincount(walls["wall_frame"].values.astype(int), minlength=scene.frames)
    sheet = Sheet(scene, "What becomes of the walls", 3.3, notes=(f"{scene.frames} frames",))
    left = sheet.axes(0.95, 0.3, 3.9, 2.4)
    factor, unit = (scene.pixel_size, scene.unit) if scene.calibrated else (1.0, "px")
    if unit == "nm" and factor * length.max(initial=0) > 2000:
        factor, unit = factor / 1000, "µm"
    left.plot(scene.times, factor * length, color=CATEGORIES[0], marker="o", ms=3)
    left.set(xlabel=scene.time_label, ylabel=f"length ({unit})", title="length of all walls")
    left.set_ylim(bottom=0)
    right = sheet.axes(5.75, 0.3, 3.2, 2.4)
    kinds = str(walls["event"].attrs.get("flag_meanings", "")).split()
    happened = walls["event_significance"].values > _SURE
    bottom = np.zeros(scene.frames)
    broad = 0.8 * float(np.diff(scene.times).min())
    for kind, name in enumerate(kinds):
        own = happened & (walls["event"].values == kind)
        after = walls["event_frame"].values[own].astype(int)
        per = np.bincount(after, minlength=scene.frames).astype(float)
        right.bar(scene.times, per, bottom=bottom, color=CATEGORIES[kind], label=name, width=broad)
        bottom += per
    right.set(xlabel=scene.time_label, ylabel="events", title="events to the next frame")
    right.set_ylim(top=max(1.0, 1.1 * bottom.max()))
    from matplotlib.ticker import MaxNLocator

    right.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
    for axes in (left, right):
        if not scene.time_unit:
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    caption = (
        "Left: length of all walls of each frame. Right: walls that appeared, vanished, merged or"
        " split from a frame to the next; counted are those at which the film switched beyond"
        f" {_SURE:g} standard errors ({int(happened.sum())} of {len(happened)})."
    )
    table = {"frame": frames, "walls": count, "wall_length_px": length, "events": bottom}
    sheet.figure_data.rows(table)
    sheet.figure_data.store(layout.WALLS, "wall_length", "event", "event_significance")
    return sheet.drawn("wall-course", caption)


def pinning(scene: Scene) -> FinishedFigure | None:
    """Map the probability that a place pins walls, and how often walls have been there."""
    walls = _movie(scene)
    if walls is None or "pinning" not in walls or not np.isfinite(walls["pinning"]).any():
        return None
    where = grid(scene, 2, largest=4.2)
    about = walls["pinning"].attrs
    p_value = float(about.get("p_value", np.nan))
    sheet = Sheet(
        scene,
        "Where walls are pinned",
        where.height,
        width=max(where.width, 7.2),
        notes=(f"{scene.frames} frames", f"p = {p_value:.2g}, if nothing pinned"),
    )
    visits = walls["pinning_visits"].values
    top = max(float(np.nanpercentile(visits, 99.5)), 1.0)
    seen = np.where(visits > 0, visits, np.nan)
    for place, (title, values, high) in enumerate(
        (
            ("probability of pinning", walls["pinning"].values, 1.0),
            ("walls that were there", seen, top),
        )
    ):
        x, y, width, height = where.place(place)
        axes = sheet.axes(x, y, width, height)
        axes.set_title(title)
        bare(axes, scene)
        look = Coloured(title, values.ravel(), scene.look.colormap, 0.0, high)
        marks = axes.imshow(values, cmap=look.cmap, norm=look.norm, extent=scene.extent)
        scale_bar(axes, scene, width)
        colour_bar(sheet, marks, look, x + width + 0.08, y, height)
    sure = np.isfinite(p_value) and p_value < _SIGNIFICANT
    caption = (
        "Left: posterior probability that a place holds walls, from their steps in all frames,"
        " where a wall has been. Right: independent observations of a wall at each place. A movie"
        f" in which nothing pins has a place as strong with the probability p = {p_value:.2g}: "
        + ("walls are pinned." if sure else "whether walls are pinned at all is not sure.")
        + _associations(walls)
    )
    sheet.figure_data.store(layout.WALLS, "pinning", "pinning_visits", "association_p_value")
    return sheet.drawn("pinning", caption)


def _associations(walls: xr.Dataset) -> str:
    """How places that pin lie to each candidate, in words."""
    said = ""
    for name, ratio, p_value in zip(
        walls["candidate"].values,
        walls["association_ratio"].values,
        walls["association_p_value"].values,
        strict=True,
    ):
        if np.isfinite(ratio):
            said += (
                f" On {plain(str(name), 40)} the probability of pinning is {ratio:.2g} times the"
                f" mean (p = {p_value:.2g}, random shifts of the map)."
            )
    return said


def roughness(scene: Scene) -> FinishedFigure | None:
    """Draw the structure factor of walls, and the exponent that it gives."""
    walls = scene.results.walls if scene.curved else None
    if walls is None or not walls.sizes.get("wave", 0):
        return None
    exponent, error = walls["roughness"].values, walls["roughness_error"].values
    if not np.isfinite(exponent).any():
        return None
    best = int(np.nanargmin(np.where(np.isfinite(exponent), error, np.nan)))
    wave, factor = walls["structure_wave"].values, walls["structure_factor"].values
    floor = walls["structure_floor"].values
    sheet = Sheet(scene, "Roughness of the walls", 3.3, width=7.6)
    axes = sheet.axes(0.95, 0.3, 4.2, 2.4)
    shown = (wave > 0) & (factor > 0)
    axes.loglog(wave[shown], factor[shown], color=CATEGORIES[0], marker="o", ms=3, lw=0.8)
    axes.loglog(wave[shown], floor[shown], color=FAINT, lw=1, ls=":", label="noise of positions")
    zeta = exponent[best]
    line = wave[shown] ** -(1 + 2 * zeta)
    above = factor[shown] - floor[shown]
    known = above > 0.5 * factor[shown]
    fitted = known if known.any() else np.ones_like(known)
    ratio = np.log(np.maximum(above, 1e-300)[fitted]) - np.log(line[fitted])
    scale = float(np.exp(ratio.mean()))
    axes.loglog(
        wave[shown],
        scale * line + floor[shown],
        color=INK,
        lw=1.2,
        ls="--",
        label=f"ζ = {zeta:.2f} ± {error[best]:.2f}",
    )
    reach = factor[shown]
    axes.set_ylim(0.3 * reach.min(), 3 * reach.max())
    axes.set(xlabel="wave number (rad/px)", ylabel="structure factor (px²)")
    axes.set_title("mean over the walls")
    _plain(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
    caption = (
        "Structure factor of the displacements of walls from their mean line. A self-affine wall"
        " has S(q) ∝ q^−(1 + 2ζ); ζ is fitted with the noise of the positions as a floor, to all"
        f" walls that are long enough: {zeta:.2f} ± {error[best]:.2f} in frame {best + 1}."
    )
    sheet.figure_data.rows({"wave_per_px": wave, "factor_px2": factor, "floor_px2": floor})
    sheet.figure_data.store(layout.WALLS, "structure_factor", "roughness", "roughness_error")
    return sheet.drawn("wall-roughness", caption)


def _movie(scene: Scene) -> xr.Dataset | None:
    """What walls do between frames; None of a single image, or of sites that are no walls."""
    return scene.results.walls if scene.moving else None


def _whole(axes: Axes, steps: int) -> None:
    """Whole numbers of frames on an axis."""
    from matplotlib.ticker import MaxNLocator

    if steps > 10:
        axes.xaxis.set_major_locator(MaxNLocator(11, integer=True))
    else:
        axes.set_xticks(range(1, steps + 1))
    axes.set_xlim(0.5, steps + 0.5)


def _plain(axes: Axes) -> None:
    """Numbers as people write them on logarithmic axes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        narrow = high < 30 * low
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=9))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


OF_THE_DATA = (switching, course, pinning, roughness)
"""In the order of the report."""
