"""Draw category, angle and first latent of every site at chosen times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vaescope import quantities
from vaescope.figures.colours import Coloured, one_of
from vaescope.figures.panels import (
    COLOUR,
    RASTER_FROM,
    WORDS,
    Grid,
    bare,
    colour_bar,
    grid,
    polygons,
    scale_bar,
)
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure, Sheet, angle_note
from vaescope.figures.style import MISSING, category_colours
from vaescope.results import ModelResults

_SHOWN = 5  # frames: first, quarter, half, three quarters, last
_TIMES = ("", "one time", "two times", "three times", "four times", "five times")
_MOST = 12  # modes with a colour, as in the figure of the modes


@dataclass
class CategoryColours:
    """By what the sites of a movie are counted: classes of the model, or modes of its latents."""

    label: np.ndarray  # (site,) of all frames
    names: list[str]
    what: str  # `class` or `mode`

    @property
    def plural(self) -> str:
        """More than one of them, in words."""
        return "classes" if self.what == "class" else f"{self.what}s"

    @property
    def shown(self) -> int:
        """Number of categories with a colour of their own: of modes, largest first, a dozen."""
        named = sum(name.startswith(self.what) for name in self.names)
        return min(named, _MOST) if self.what == "mode" else named

    @property
    def colours(self) -> list[str]:
        """Those of the other figures of the model."""
        return category_colours(self.shown)

    def quantity(self, view: ModelResults) -> Coloured:
        """The kind of every site of the drawn frame, or of all; of what has no colour, NaN."""
        from matplotlib.colors import ListedColormap

        label = self.label[view.on_frame].astype(float)
        label[label >= self.shown] = np.nan
        return Coloured(self.what, label, ListedColormap(self.colours), -0.5, self.shown - 0.5)


def kinds_of(view: ModelResults) -> CategoryColours | None:
    """Choose the categories of a model's sites; None where it has none."""
    if view.movie is not None and "kind" in view.movie:
        names = [str(name) for name in view.movie["class_name"].values]
        kind = view.movie["kind"].values.astype(int)
        return CategoryColours(kind, names, str(view.movie.attrs["kinds"]))
    if not view.classes:
        return None
    label = view.values("consensus_class", everywhere=True).astype(int)
    return CategoryColours(label, [f"class {k}" for k in range(view.classes)], "class")


def frames_classes(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The classes, or modes, at chosen times."""
    kinds = kinds_of(view)
    if kinds is None:
        return None
    said = {
        "class": "The class that the ensemble gives to every site",
        "mode": "The mode of the latents to which every site belongs",
    }[kinds.what]
    return _frames(
        scene,
        view,
        "frames-classes",
        f"{kinds.plural.capitalize()} over time",
        lambda _, v: kinds.quantity(v),
        said + ", at {times} of the movie.",
        kinds,
    )


def frames_angle(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The angle at chosen times."""
    if not view.has("consensus_angle"):
        return None
    return _frames(
        scene,
        view,
        "frames-angle",
        "Angle over time",
        lambda s, v: one_of(s, v, "consensus_angle"),
        "The turn of every site's surroundings, counter-clockwise, at {times} of the movie; all"
        " share one scale of colours.",
    )


def frames_latent(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The first latent at chosen times."""
    if not view.has("consensus_content"):
        return None
    return _frames(
        scene,
        view,
        "frames-latent-1",
        "Latent 1 over time",
        lambda s, v: one_of(s, v, "consensus_content"),
        "Latent 1 of every site at {times} of the movie; all share one scale of colours.",
    )


def _frames(
    scene: Scene,
    view: ModelResults,
    name: str,
    title: str,
    of: Callable[[Scene, ModelResults], Coloured | None],
    caption: str,
    kinds: CategoryColours | None = None,
) -> FinishedFigure | None:
    """Maps of one quantity at chosen times, their colours in the last place of the grid."""
    if not scene.moving:
        return None
    whole = of(scene, replace(view, frame=None))
    assert whole is not None
    frame = view.latents["frame"].values
    # With delays, the first and the last frame have no patches.
    mapped = np.unique(frame)
    if not len(mapped):
        return None
    shown = mapped[np.unique(np.linspace(0, len(mapped) - 1, _SHOWN).round().astype(int))]
    where = _closer(grid(scene, len(shown) + 1))
    sheet = Sheet(
        scene,
        title,
        where.height,
        width=where.width,
        view=view,
        sites=int(np.isin(frame, shown).sum()),
        notes=(angle_note(view) if "angle" in name else "", f"{scene.frames} frames"),
    )
    marks = None
    for index, one in enumerate(shown):
        then = scene.at(int(one))
        now = replace(view, frame=int(one))
        x, y, width, height = where.place(index)
        axes = sheet.axes(x, y, width, height)
        axes.set_title(scene.when(int(one)))
        bare(axes, then)
        quantity = replace(whole, values=whole.values[frame == one])
        edges = "white" if kinds is not None and len(now.on_frame) < RASTER_FROM else None
        drawn = polygons(axes, then.cells_of(now), quantity, edges=edges)
        marks = drawn if marks is None else marks
        scale_bar(axes, then, width)
    x, y, width, height = where.place(len(shown))
    if kinds is not None:
        _legend(sheet, kinds, x, y)
    elif marks is not None:
        sheet.text(x, y - 0.08, whole.label, size=9.5)
        colour_bar(sheet, marks, whole, x, y + 0.12, height)
    caption = f"{caption.format(times=_TIMES[len(shown)])} {WORDS[scene.cell_kind]}"
    every = replace(view, frame=None)
    written = whole.quantity
    column = written.column if written else quantities.header(whole.label, owner=view.name)
    values = written.values if written else whole.values
    sheet.figure_data.of_view(every, column, np.where(np.isin(frame, shown), values, np.nan))
    parts = {"frames-angle": "consensus_angle", "frames-latent-1": "consensus_content"}
    sheet.figure_data.view(view, parts.get(name, "consensus_class"))
    if kinds is not None and view.movie is not None and "kind" in view.movie:
        sheet.figure_data.store(f"{view.name}/movie/movie.zarr", "kind")
    return sheet.drawn(name, caption, view)


def _closer(where: Grid) -> Grid:
    """Panels that share one colour bar need no room for their own: they grow into it."""
    gain = COLOUR - 0.2
    factor = (where.panel_width + gain) / where.panel_width
    if where.columns == 1 or factor * where.panel_height > 4.6:
        return where
    return replace(
        where,
        panel_width=where.panel_width * factor,
        panel_height=where.panel_height * factor,
        pitch=max(where.pitch, where.panel_width * factor + 0.2),
    )


def _legend(sheet: Sheet, kinds: CategoryColours, x: float, y: float) -> None:
    """A line for each kind, with its share of all sites of the movie."""
    share = np.bincount(kinds.label, minlength=len(kinds.names)) / max(len(kinds.label), 1)
    sheet.text(x, y - 0.08, "share of all sites of the movie", size=9.5)
    rows = [*zip(kinds.names, kinds.colours, share, strict=False)]
    left = kinds.names[kinds.shown :]
    if left:
        name = left[0] if len(left) == 1 else "all others"
        rows.append((name, MISSING, float(share[kinds.shown :].sum())))
    for index, (name, colour, part) in enumerate(rows):
        mark = sheet.axes(x, y + 0.08 + 0.24 * index, 0.13, 0.13)
        mark.set_facecolor(colour)
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        text = f"{name}: {100 * part:.3g}\u202f%"
        sheet.text(x + 0.2, y + 0.19 + 0.24 * index, text, size=9)


OF_A_MODEL = (frames_classes, frames_angle, frames_latent)
"""In the order of the report."""
