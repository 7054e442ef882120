"""Movies: classes, angle and first latent of every site at chosen times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vaescope.figures import quantities
from vaescope.figures.panels import (
    COLOUR,
    RASTER_FROM,
    Grid,
    bare,
    colour_bar,
    grid,
    polygons,
    scale_bar,
)
from vaescope.figures.quantities import Quantity
from vaescope.figures.scene import Scene, View
from vaescope.figures.sheet import Drawn, Sheet, angle_note
from vaescope.figures.style import category_colours

_SHOWN = 5  # frames: first, quarter, half, three quarters, last


def class_quantity(view: View) -> Quantity:
    """The class of every site of the frame, or of all, as it is coloured."""
    from matplotlib.colors import ListedColormap

    labels = view.values("consensus_class").astype(float)
    colours = ListedColormap(category_colours(view.classes))
    return Quantity("class", labels, colours, -0.5, view.classes - 0.5)


def frames_classes(scene: Scene, view: View) -> Drawn | None:
    """The classes at chosen times."""
    if not view.classes:
        return None
    return _frames(
        scene,
        view,
        "frames-classes",
        "Classes over time",
        lambda _, v: class_quantity(v),
        "The class that the ensemble gives to every site, at five times of the movie.",
    )


def frames_angle(scene: Scene, view: View) -> Drawn | None:
    """The angle at chosen times."""
    if not view.has("consensus_angle"):
        return None
    return _frames(
        scene,
        view,
        "frames-angle",
        "Angle over time",
        quantities.angle,
        "The turn of every site's surroundings, counter-clockwise, at five times of the movie; all"
        " share one scale of colours.",
    )


def frames_latent(scene: Scene, view: View) -> Drawn | None:
    """The first latent at chosen times."""
    if not view.has("consensus_content"):
        return None
    return _frames(
        scene,
        view,
        "frames-latent-1",
        "Latent 1 over time",
        lambda s, v: quantities.content(s, v, 0),
        "Latent 1 of every site at five times of the movie; all share one scale of colours.",
    )


def _frames(
    scene: Scene,
    view: View,
    name: str,
    title: str,
    of: Callable[[Scene, View], Quantity],
    caption: str,
) -> Drawn | None:
    """Maps of one quantity at chosen times, their colours in the last place of the grid."""
    if not scene.moving:
        return None
    whole = of(scene, replace(view, frame=None))
    frame = view.latents["frame"].values
    shown = np.unique(np.linspace(0, scene.frames - 1, _SHOWN).round().astype(int))
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
        edges = "white" if name == "frames-classes" and len(now.on_frame) < RASTER_FROM else None
        drawn = polygons(axes, then.cells_of(now), quantity, edges=edges)
        marks = drawn if marks is None else marks
        scale_bar(axes, then, width)
    x, y, width, height = where.place(len(shown))
    if name == "frames-classes":
        _class_legend(sheet, view, x, y)
    elif marks is not None:
        sheet.text(x, y - 0.08, whole.label, size=9.5)
        colour_bar(sheet, marks, whole, x, y + 0.12, height)
    caption += (
        " Each cell is what lies nearer to its site than to any other; pale grey has no site or no"
        " patch."
    )
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


def _class_legend(sheet: Sheet, view: View, x: float, y: float) -> None:
    """A line for each class, with its share of all sites of the movie."""
    labels = replace(view, frame=None).values("consensus_class").astype(int)
    share = np.bincount(labels, minlength=view.classes) / max(len(labels), 1)
    sheet.text(x, y - 0.08, "share of all sites of the movie", size=9.5)
    for index, colour in enumerate(category_colours(view.classes)):
        mark = sheet.axes(x, y + 0.08 + 0.24 * index, 0.13, 0.13)
        mark.set_facecolor(colour)
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        text = f"class {index}: {100 * share[index]:.3g}\u202f%"
        sheet.text(x + 0.2, y + 0.19 + 0.24 * index, text, size=9)


OF_A_MODEL = (frames_classes, frames_angle, frames_latent)
"""In the order of the report."""
