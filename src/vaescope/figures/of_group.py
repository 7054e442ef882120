"""Figures of a group of images: shares of the kinds, maps in one colour scale, latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.cohort.populations import Counts, Interval, of_image
from vaescope.figures.style import FAINT, INK, MISSING, category_colours, house

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

WIDTH = 11.0  # inches
MOST_MAPS = 24
MOST_KINDS = 12
_COLUMNS = 4
_MARKS = 6000.0  # points² of all marks of a map: half as wide as they are apart
_PAD, _SPACE = 0.1, 0.04  # inches around panels, and shares of their sizes between them
_BANDS = ((5, 95, 1.2), (25, 75, 4.0))  # percentiles, and width of the line between them
_RARE = 0.05  # share of the sites of a kind that is drawn larger


@dataclass(frozen=True)
class Level:
    """Images, by their places in the order of the figure, that have one level of a covariate, and
    what holds of them on average, for every kind."""

    name: str
    images: tuple[int, ...]
    means: tuple[Interval, ...]


def shares(names: Sequence[str], table: Counts, levels: Sequence[Level]) -> Figure:
    """Share of every kind in every image, each kind in a panel of its own scale.

    ``names`` : of the images, in the order in which they are drawn. ``levels`` : of the covariate
    by which they are ordered; none where there is no covariate.
    """
    with house():
        import matplotlib.pyplot as plt

        shown = np.flatnonzero(table.count.sum(0) > 0)[:MOST_KINDS]
        columns = min(_COLUMNS, max(len(shown), 1))
        rows = -(-max(len(shown), 1) // columns)
        figure, grid = plt.subplots(
            rows, columns, figsize=(WIDTH, 0.5 + 2.1 * rows), squeeze=False, layout=_layout()
        )
        colours = category_colours(len(table.names))
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, kind in zip(grid.flat, shown, strict=False):
            _levels(axes, levels, int(kind))
            for place in range(len(names)):
                own = of_image(int(table.count[place, kind]), int(table.sites[place]))
                percent = 100 * np.array([own.share, own.low, own.high])
                axes.plot([place, place], percent[1:], color=colours[kind], lw=1.4)
                axes.plot(place, percent[0], "o", color=colours[kind], ms=4.5)
            axes.set_ylim(bottom=0)
            axes.set_xlim(-0.6, len(names) - 0.4)
            axes.set_title(table.names[kind])
            axes.set_ylabel("share of the sites (%)")
            _named(axes, names)
    return figure


def _levels(axes: Axes, levels: Sequence[Level], kind: int) -> None:
    """The mean of the images of each level, with its interval, as a band behind them."""
    for level in levels:
        mean = level.means[kind]
        if not np.isfinite(mean.share) or not level.images:
            continue
        ends = [min(level.images) - 0.4, max(level.images) + 0.4]
        if np.isfinite(mean.low):
            axes.fill_between(ends, 100 * mean.low, 100 * mean.high, color="#e3e7ef", lw=0)
        axes.plot(ends, [100 * mean.share] * 2, color=FAINT, lw=0.9)


def _layout() -> ConstrainedLayoutEngine:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(h_pad=_PAD, w_pad=_PAD, hspace=_SPACE, wspace=_SPACE)


def _named(axes: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // 16)
    places = range(0, len(names), step)
    words = [_short(names[k]) for k in places]
    axes.set_xticks(list(places), words)
    if max(map(len, words), default=0) > 3:
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right")


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"


def maps(names: Sequence[str], latents: Sequence[xr.Dataset | None], table: Counts) -> Figure:
    """Where the sites of every kind lie in every image, in one scale of colours."""
    with house():
        import matplotlib.pyplot as plt
        from matplotlib.lines import Line2D

        count = min(len(names), MOST_MAPS)
        columns = min(_COLUMNS, max(count, 1))
        rows = -(-count // columns)
        figure, grid = plt.subplots(
            rows, columns, figsize=(WIDTH, 0.7 + 2.6 * rows), squeeze=False, layout=_layout()
        )
        colours = np.array(category_colours(len(table.names)))
        variable = "mode" if table.names[0].startswith("mode") else "consensus_class"
        rare = table.count.sum(0) < _RARE * table.count.sum()
        for axes in grid.flat[count:]:
            axes.set_axis_off()
        for axes, name, own in zip(grid.flat, names, latents, strict=False):
            axes.set_title(_short(name))
            axes.set(xticks=[], yticks=[], aspect="equal")
            for spine in axes.spines.values():
                spine.set(visible=True, color=MISSING)
            if own is None or variable not in own:
                axes.text(0.5, 0.5, "no sites", ha="center", va="center", transform=axes.transAxes)
                continue
            label = own[variable].values.astype(int)
            size = np.clip(_MARKS / max(len(label), 1), 0.8, 40.0)
            order = np.argsort(rare[label], kind="stable")  # what is rare lies on top
            axes.scatter(
                own["x"].values[order],
                own["y"].values[order],
                s=size * np.where(rare[label[order]], 2.2, 1.0),
                c=colours[label[order]],
                lw=0,
            )
            axes.invert_yaxis()
        there = np.flatnonzero(table.count.sum(0) > 0)
        marks = [
            Line2D([], [], marker="o", ls="", color=colours[k], label=table.names[k]) for k in there
        ]
        figure.legend(
            handles=marks, loc="outside lower center", ncols=min(len(marks), 8) or 1, frameon=False
        )
    return figure


def latents_of_images(
    names: Sequence[str], queries: Sequence[bool], contents: Sequence[np.ndarray | None]
) -> Figure:
    """Distribution of every latent in every image: median, and the middle 50 and 90 % of the sites.

    ``contents`` : (site, latent) of each image, in one frame. ``queries`` : which images the models
    were not trained on.
    """
    with house():
        import matplotlib.pyplot as plt

        known = [each for each in contents if each is not None]
        count = known[0].shape[1] if known else 1
        columns = min(_COLUMNS, count)
        rows = -(-count // columns)
        figure, grid = plt.subplots(
            rows, columns, figsize=(WIDTH, 0.5 + 2.1 * rows), squeeze=False, layout=_layout()
        )
        for axes in grid.flat[count:]:
            axes.set_axis_off()
        for latent, axes in enumerate(grid.flat[:count]):
            for place, (query, own) in enumerate(zip(queries, contents, strict=True)):
                if own is None:
                    continue
                colour = "#D55E00" if query else INK
                for low, high, width in _BANDS:
                    ends = np.percentile(own[:, latent], [low, high])
                    axes.plot([place] * 2, ends, color=colour, lw=width, solid_capstyle="butt")
                axes.plot(place, np.median(own[:, latent]), "o", color="white", mec=colour, ms=3.5)
            axes.set_title(f"latent {latent + 1}")
            axes.set_xlim(-0.6, len(names) - 0.4)
            _named(axes, names)
    return figure
