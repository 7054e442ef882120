"""Movies: populations of classes or modes over time, changes between them, trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import quantities
from vaescope.figures.colours import of_model
from vaescope.figures.movie_maps import CategoryColours, kinds_of
from vaescope.figures.panels import RASTER_FROM
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet, angle_note
from vaescope.figures.style import FAINT, INK, category_colours
from vaescope.quantities import as_columns, with_errors
from vaescope.results import ModelResults

if TYPE_CHECKING:
    import xarray as xr

_LOG_FROM = 8  # times as large as the rarest class: from there on shares are drawn on a log scale


def populations(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Share of every class over time, with its error."""
    kinds = kinds_of(view)
    if view.movie is None or kinds is None or "population" not in view.movie:
        return None
    movie, times = view.movie, scene.times
    share = 100 * movie["population"].values
    error = 100 * np.hypot(movie["population_error"].values, movie["population_spread"].values)
    count = movie["class_count"].values
    sheet = Sheet(
        scene,
        f"Populations of the {kinds.plural} over time",
        3.7,
        view=view,
        sites=int(count.sum()),
        notes=(f"{scene.frames} frames", f"{movie.sizes['track']} tracks"),
    )
    axes = sheet.axes(0.85, 0.3, 7.4, 2.85)
    there = share[share > 0]
    medians = np.array([np.median(one[one > 0]) for one in share.T if (one > 0).any()])
    wide = len(medians) > 1 and medians.max() > _LOG_FROM * medians.min()
    least = there.min() / 2 if there.size else 1e-3
    faint = 0.22 if kinds.shown <= 6 else 0.1
    for index, colour in enumerate(kinds.colours):
        values, spread = share[:, index], error[:, index]
        if not np.nansum(values):
            continue
        if wide:
            values = np.where(values > 0, values, np.nan)
        low = np.maximum(values - spread, least if wide else 0)
        axes.fill_between(times, low, values + spread, color=colour, alpha=faint, lw=0)
        few: dict[str, Any] = {"marker": "o", "ms": 3.0} if scene.frames <= 40 else {}
        axes.plot(times, values, color=colour, lw=1.5, label=kinds.names[index], **few)
    if wide:
        axes.set_yscale("log")
        _plain_ticks(axes)
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel=scene.time_label, ylabel="share of the sites (%)")
    axes.set_title(f"share of every {kinds.what}" + (" (logarithmic)" if wide else ""))
    axes.margins(x=0.01)
    _whole_frames(axes, scene)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
    caption = (
        f"Share of the sites of each frame that every {kinds.what} has. Bands are standard errors:"
        " of drawing other atoms (a bootstrap over whole tracks, since an atom is much the same"
        " from frame to frame) and of asking other members of the ensemble."
        + (f" A {kinds.what} without a site in a frame has a gap there." if wide else "")
        + _left_out(kinds)
    )
    for index in range(kinds.shown):
        sheet.figure_data.rows(
            {
                "frame": np.arange(scene.frames),
                _time_header(scene): times,
                kinds.what: kinds.names[index],
                "share_percent": share[:, index],
                "share_error_percent": error[:, index],
            }
        )
    sheet.figure_data.store(
        f"{view.name}/movie/movie.zarr", "population", "population_error", "population_spread"
    )
    return sheet.drawn("populations", caption, view)


def _left_out(kinds: CategoryColours) -> str:
    """Describe the categories that a figure leaves out."""
    more = len(kinds.names) - kinds.shown
    return f" The {more} smallest {kinds.plural} are not shown." if more else ""


def _plain_ticks(axes) -> None:
    """Numbers as people write them on a logarithmic axis, whatever its span."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _whole_frames(axes, scene: Scene) -> None:
    """No ticks between frames where frames are counted."""
    from matplotlib.ticker import MaxNLocator

    if not scene.time_unit:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def transitions(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw transitions between classes from frame to frame, and dwell times."""
    kinds = kinds_of(view)
    if view.movie is None or kinds is None or not view.movie.attrs["links"]:
        return None
    own = {"class": slice(kinds.shown), "next_class": slice(kinds.shown)}
    movie = view.movie.isel({dim: own[dim] for dim in own if dim in view.movie.dims})
    if "transition" not in movie:
        return None
    probability, error = movie["transition"].values, movie["transition_error"].values
    count = movie["change_count"].values
    classes = len(probability)
    cell = float(np.clip(4.8 / classes, 0.56, 0.9))
    side = cell * classes
    left, right = MARGIN + 0.75, MARGIN + 0.75 + side + 1.35
    sheet = Sheet(
        scene,
        f"From {kinds.what} to {kinds.what}",
        max(side, 1.6) + 0.9,
        width=max(right + 3.6, 9.0),
        view=view,
        sites=len(view.latents["site"]),
        notes=(f"{movie.attrs['links']} links between successive frames",),
    )
    axes = sheet.axes(left, 0.3, side, side)
    change = np.where(np.eye(classes, dtype=bool), np.nan, probability)
    top = float(np.nanmax(change)) if np.isfinite(change).any() else 0.0
    top = top if top > 0 else 1.0
    axes.imshow(np.ma.masked_invalid(change), cmap="Blues", vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(probability):
        if not np.isfinite(value):
            continue
        seen = count[row, column] > 0
        dark = row != column and value > 0.6 * top
        colour = "white" if dark else (INK if seen else FAINT)
        text = f"{_short(value)}\n±\u202f{_short(float(error[row, column]))}"
        size = 8.0 if cell > 0.7 else 7.0
        axes.text(column, row, text, ha="center", va="center", size=size, color=colour)
    numbers = [_number(name) for name in kinds.names[:classes]]
    axes.set_xticks(range(classes), numbers)
    axes.set_yticks(range(classes), numbers)
    axes.set(xlabel=f"{kinds.what} in the next frame", ylabel=kinds.what)
    axes.set_title("probability per frame")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _dwell(sheet, scene, movie, kinds, right, side)
    caption = (
        f"Left: probability that a site of a {kinds.what} (row) is of another (column) in the next"
        " frame; ± is the standard error by a bootstrap over tracks, but no less than the counts"
        " allow; changes in grey were never observed. The diagonal is not shaded. A site that is"
        f" ambiguous between two {kinds.plural} appears to switch back and forth. Right: mean dwell"
        f" time of a site in its {kinds.what}, from the diagonal." + _left_out(kinds)
    )
    names = kinds.names[:classes]
    for row, column in np.ndindex(classes, classes):
        sheet.figure_data.rows(
            {
                "from": names[row],
                "to": names[column],
                "probability_per_frame": float(probability[row, column]),
                "probability_per_frame_error": float(error[row, column]),
                "seen_count": int(count[row, column]),
            }
        )
    stay = {"mean_stay_frames": "dwell", "mean_stay_error_frames": "dwell_error"}
    columns = {header: movie[name].values for header, name in stay.items()}
    sheet.figure_data.rows({kinds.what: np.asarray(names, dtype=object), **columns}, "stay")
    sheet.figure_data.store(
        f"{view.name}/movie/movie.zarr", "transition", "transition_error", "dwell"
    )
    return sheet.drawn("transitions", caption, view)


def _short(value: float) -> str:
    """A probability in as many letters as a cell holds."""
    if value == 0:
        return "0"
    if value < 0.0005:
        return "<\u202f0.001"
    return f"{value:.3f}" if value < 0.9995 else "1"


def _number(name: str) -> str:
    """Shorten `class 3` or `mode 3` to its number, for an axis that names the rest."""
    return name.split()[-1] if name.split()[-1].isdigit() else "alone"


def _dwell(
    sheet: Sheet, scene: Scene, movie: xr.Dataset, kinds: CategoryColours, x: float, side: float
) -> None:
    """Mean stay in every class, in the unit of time where frames are evenly spaced."""
    stay, error = movie["dwell"].values, movie["dwell_error"].values
    step = 1.0
    if scene.time_unit and scene.frames > 1:
        step = float(np.median(np.diff(scene.times)))
    unit = scene.time_unit if scene.time_unit else "frames"
    classes = len(stay)
    axes = sheet.axes(x, 0.3, 2.9, side)
    finite = np.isfinite(stay)
    rows = np.arange(classes)
    colours = kinds.colours
    axes.barh(
        rows[finite],
        step * stay[finite],
        xerr=step * error[finite],
        color=[colours[k] for k in rows[finite]],
        height=0.5,
        error_kw={"ecolor": INK, "elinewidth": 0.9, "capsize": 2.5},
    )
    visited = movie["change_count"].values.sum(1) > 0
    for row in rows[~finite]:
        words = "never left" if visited[row] else "not followed"
        axes.text(0.01, row, words, transform=axes.get_yaxis_transform(), va="center", size=8.5)
    axes.set(ylim=(classes - 0.5, -0.5), xlim=(0, None), xlabel=f"mean stay ({unit})")
    axes.set_yticks(rows, [_number(name) for name in kinds.names[:classes]])
    axes.set_title(f"how long a {kinds.what} lasts")
    axes.tick_params(axis="y", length=0)


def trajectories(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Latents and angles of some long tracks."""
    if view.movie is None or not scene.moving or view.movie.attrs["links"] == 0:
        return None
    chosen = long_tracks(view)
    if not len(chosen):
        return None
    track, frame = view.latents["track"].values, view.latents["frame"].values
    content = view.latents["consensus_content"].values
    spread = view.latents["content_spread"].values
    panels = [
        (f"latent {k + 1}", content[:, k], spread[:, k]) for k in range(min(2, content.shape[1]))
    ]
    if "followed_angle" in view.movie and view.has("angle_spread"):
        angle = np.rad2deg(view.movie["followed_angle"].values)
        panels.append(("angle (°)", angle, np.rad2deg(view.latents["angle_spread"].values)))
    high, gap = 1.25, 0.42
    body = max(len(panels) * (high + gap) + 0.35, 3.9)
    sheet = Sheet(
        scene,
        "Trajectories of atoms",
        body,
        view=view,
        notes=(f"{len(chosen)} of {view.movie.sizes['track']} tracks", angle_note(view)),
    )
    rows = []
    for one in chosen:
        mine = np.flatnonzero(track == one)
        rows.append(mine[np.argsort(frame[mine], kind="stable")])
    if content.shape[1] > 1:
        plane = sheet.axes(0.75, 0.3, 3.6, min(3.6, body - 0.85))
        many = len(content) > RASTER_FROM
        plane.scatter(
            content[:, 0], content[:, 1], s=3, color="#d5d9e0", linewidths=0, rasterized=many
        )
        for mine, colour in zip(rows, category_colours(len(rows)), strict=True):
            plane.plot(content[mine, 0], content[mine, 1], color=colour, lw=1.0, alpha=0.85)
            (x, y), (x_end, y_end) = content[mine[0], :2], content[mine[-1], :2]
            plane.scatter(x, y, s=22, color=colour, zorder=3, linewidths=0)
            plane.scatter(
                x_end,
                y_end,
                s=24,
                marker="s",
                facecolor="white",
                edgecolor=colour,
                zorder=3,
            )
        plane.set(xlabel="latent 1", ylabel="latent 2", title="in the latent plane")
    for place, (label, values, error) in enumerate(panels):
        axes = sheet.axes(5.35, 0.3 + place * (high + gap), 3.9, high)
        for number, (mine, colour) in enumerate(
            zip(rows, category_colours(len(rows)), strict=True)
        ):
            when = scene.times[frame[mine]]
            axes.fill_between(
                when,
                values[mine] - error[mine],
                values[mine] + error[mine],
                color=colour,
                alpha=0.2,
                lw=0,
            )
            axes.plot(when, values[mine], color=colour, lw=1.1, label=f"track {chosen[number]}")
        axes.set(ylabel=label)
        axes.margins(x=0.01)
        _whole_frames(axes, scene)
        if place == 0:
            axes.set_title("over time")
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), handlelength=1.0)
        if place == len(panels) - 1:
            axes.set_xlabel(scene.time_label)
        else:
            axes.tick_params(labelbottom=False)
    caption = (
        "Of the tracks that last at least half as long as the longest: those whose latents wander"
        " most, and one that wanders as most do. Left: their ways through the latent plane, from"
        " the dot to the square; grey are all sites. Right: the same over time, with the spread of"
        " the ensemble"
        + (
            f"; angles are known modulo {view.period:g}° and drawn without jumps."
            if len(panels) > 2
            else "."
        )
    )
    columns = _of_tracks(view, angle=len(panels) > min(2, content.shape[1]))
    for mine, number in zip(rows, chosen, strict=True):
        own = {"track": int(number), "frame": frame[mine]}
        own[_time_header(scene)] = scene.times[frame[mine]]
        sheet.figure_data.rows(own | {header: values[mine] for header, values in columns.items()})
    sheet.figure_data.view(view, "consensus_content", "content_spread")
    sheet.figure_data.store(f"{view.name}/movie/movie.zarr", "followed_angle")
    return sheet.drawn("trajectories", caption, view)


def _of_tracks(view: ModelResults, *, angle: bool) -> dict[str, np.ndarray]:
    """Latents drawn over time with their spreads and, where it is drawn, the angle, by header."""
    assert view.movie is not None
    of_sites = of_model(view, everywhere=True)
    columns = as_columns(with_errors([q for q in of_sites if q.name == "consensus_content"][:2]))
    if angle:
        followed = [q for q in quantities.of(view.movie) if q.name == "followed_angle"]
        error = [q.error for q in of_sites if q.name == "consensus_angle" and q.error is not None]
        columns |= as_columns([*followed, *error])
    return columns


def _time_header(scene: Scene) -> str:
    """Header of the column with the time of a frame, or its number from 1."""
    return quantities.header("time", scene.time_unit) if scene.time_unit else "frame_from_1"


def long_tracks(view: ModelResults, most: int = 5) -> np.ndarray:
    """Numbers of some long tracks: those whose latents wander most, and a usual one."""
    assert view.movie is not None
    length = view.movie["length"].values
    usable = np.flatnonzero(length >= max(length.max(initial=0) / 2, 2))
    if not len(usable):
        return np.zeros(0, int)
    scale = view.latents["consensus_content"].values.std(axis=0) + 1e-12
    wander = (view.movie["content_sd"].values[usable] / scale).max(axis=1)
    order = usable[np.argsort(-wander, kind="stable")]
    picked = [*order[:most], order[len(order) // 2]]
    return view.movie["track"].values[np.array(list(dict.fromkeys(picked)))]


OF_A_MODEL = (populations, transitions, trajectories)
"""In the order of the report."""
