"""Panels of a sheet: an image, a map as points or as cells, with scale bar and colour bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vaescope.figures import unmeasured
from vaescope.figures.colours import Coloured, length_scale
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, Sheet
from vaescope.figures.style import EMPTY, INK, MISSING
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

Way = Literal["points", "cells"]

WORDS = {
    "points": "Each mark is a site, drawn on the image.",
    "cells": (
        "Each cell is what lies nearer to its site than to any other, cut off at 1.25 spacings;"
        " pale grey has no site or no patch."
    ),
    "curves": "Each mark is the stretch of wall about its site, drawn on the image.",
    "pixels": "Each cell is a pixel, or a block of pixels, of the spectrum image.",
    "windows": "Each cell stands for the window about its middle; neighbouring windows overlap.",
}
"""What a mark of a map stands for, by ``Scene.cell_kind``."""
RASTER_FROM = 3000  # sites from which vector files hold a picture of the marks, to stay small
TITLE = 0.27  # inches above a panel
BAR = 0.3  # inches below a panel, for the scale bar
NARROWEST = 1.85  # inches that the title of a panel needs
_RIM = 0.07  # of the diameter of a mark: the line around it, in points
COLOUR = 0.72  # inches beside a panel, for the colour bar and its numbers


@dataclass
class Grid:
    """Panels of equal size for one image, in rows and columns, centred on nothing: flush left."""

    scene: Scene
    count: int
    columns: int
    panel_width: float
    panel_height: float
    pitch: float  # inches from one panel to the next in a row
    width: float

    @property
    def height(self) -> float:
        """Inches of all rows together."""
        rows = -(-self.count // self.columns)
        return rows * (TITLE + self.panel_height + BAR)

    def place(self, index: int) -> tuple[float, float, float, float]:
        """x, y, width and height in inches of a panel's image."""
        row, column = divmod(index, self.columns)
        x = MARGIN + column * self.pitch
        y = TITLE + row * (TITLE + self.panel_height + BAR)
        return x, y, self.panel_width, self.panel_height


def grid(scene: Scene, count: int, *, largest: float = 5.6) -> Grid:
    """Sizes of ``count`` map panels so that the sheet is at most ``WIDTH`` inches wide."""
    aspect = scene.shape[0] / scene.shape[1]
    columns = min(count, 1 if aspect < 0.22 else 2 if aspect < 0.45 else 3)
    if count == 4 and columns == 3:
        columns = 2
    panel_width = min((WIDTH - 2 * MARGIN) / columns - COLOUR, largest if aspect >= 0.45 else 99)
    # Neither taller than a page nor so flat that a colour bar has no room.
    tallest = 6.0 if columns == 1 else 4.6
    if panel_width * aspect > tallest:
        panel_width = tallest / aspect
    panel_width = max(panel_width, 0.3)
    pitch = max(panel_width + COLOUR, NARROWEST)
    columns = min(count, max(columns, int((WIDTH - 2 * MARGIN) / pitch)))
    width = max(2 * MARGIN + columns * pitch, 6.4)
    return Grid(scene, count, columns, panel_width, max(panel_width * aspect, 0.3), pitch, width)


def bare(axes: Axes, scene: Scene, *, gaps: float = unmeasured.ABOVE) -> None:
    """No ticks: the scale bar says what pixels would. What was not measured is hatched, above cells
    or at another level ``gaps``. Where sites lie on curves, the image shows between what."""
    axes.set_facecolor(EMPTY)
    if scene.curved and not axes.images:
        _picture(axes, scene, pale=True)
    height, width = scene.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.5, color="#b6bcc8")
    unmeasured.hatch(axes, scene.image, scene.extent, gaps)


def micrograph(axes: Axes, scene: Scene, *, faint: bool = False) -> None:
    """The image itself in grey, its contrast robust against single pixels, its gaps hatched."""
    _picture(axes, scene, faint=faint)
    bare(axes, scene, gaps=unmeasured.BELOW)


def _picture(axes: Axes, scene: Scene, *, faint: bool = False, pale: bool = False) -> None:
    from matplotlib.colors import Normalize

    low, high = robust_limits(scene.image, 0.5)
    reach = high - low
    if faint or pale:  # lift the blacks so that marks of any colour stand out
        low -= (2.5 if pale else 0.35) * reach
        high += 0.6 * reach if pale else 0.0
    axes.imshow(scene.image, cmap="gray", norm=Normalize(low, high), extent=scene.extent)


def panel(
    sheet: Sheet, where: Grid, index: int, view: ModelResults | None, quantity: Coloured, way: Way
) -> Axes:
    """Map one quantity on the sites of a model, or on all sites."""
    scene = sheet.scene
    x, y, width, height = where.place(index)
    axes = sheet.axes(x, y, width, height)
    axes.set_title(quantity.label)
    if way == "points":
        micrograph(axes, scene, faint=True)
        positions = scene.positions if view is None else view.positions
        marks = points(axes, scene, positions, quantity, width)
    else:
        bare(axes, scene)
        cells = scene.cells if view is None else scene.cells_of(view)
        marks = polygons(axes, cells, quantity)
    colour_bar(sheet, marks, quantity, x + width + 0.08, y, height)
    scale_bar(axes, scene, width)
    written = quantity.quantity
    assert written is not None
    if view is None:
        sheet.figure_data.of_scene(scene, written.column, written.written)
    else:
        sheet.figure_data.of_view(view, written.column, written.written)
    return axes


def image_panel(sheet: Sheet, where: Grid, index: int, title: str = "image") -> Axes:
    """The micrograph alone."""
    x, y, width, height = where.place(index)
    axes = sheet.axes(x, y, width, height)
    axes.set_title(title)
    micrograph(axes, sheet.scene)
    scale_bar(axes, sheet.scene, width)
    sheet.figure_data.store("image.zarr", "image")
    return axes


def mark_size(scene: Scene, panel_width: float) -> float:
    """Area (points²) of a mark that leaves a little air between neighbouring sites."""
    diameter = 0.8 * scene.spacing * panel_width * 72 / scene.shape[1]
    return float(np.clip(diameter, 1.0, 11.0) ** 2)


def points(axes: Axes, scene: Scene, positions: np.ndarray, quantity: Coloured, panel_width: float):
    """Sites as points coloured by a quantity; grey where it is not known.

    A dark rim sets pale colours apart from a bright image.
    """
    values, known = quantity.values, np.isfinite(quantity.values)
    many = len(values) > RASTER_FROM
    size = mark_size(scene, panel_width)
    rim = min(_RIM * float(np.sqrt(size)), 0.5)
    common: dict[str, Any] = {"s": size, "linewidths": rim, "rasterized": many}
    common["edgecolors"] = INK
    axes.scatter(positions[~known, 1], positions[~known, 0], c=MISSING, **common)
    return axes.scatter(
        positions[known, 1],
        positions[known, 0],
        c=values[known],
        cmap=quantity.cmap,
        norm=quantity.norm,
        **common,
    )


def polygons(
    axes: Axes, cells: list[np.ndarray | None], quantity: Coloured, edges: str | None = None
):
    """Voronoi cells coloured by a quantity; grey where it is not known."""
    from matplotlib.collections import PolyCollection

    drawn = [(k, cell) for k, cell in enumerate(cells) if cell is not None]
    known = [(k, cell) for k, cell in drawn if np.isfinite(quantity.values[k])]
    unknown = [cell for k, cell in drawn if not np.isfinite(quantity.values[k])]
    many = len(drawn) > RASTER_FROM
    # A hair line of the cell's own colour closes the gaps that antialiasing leaves.
    axes.add_collection(PolyCollection(unknown, color=MISSING, lw=0.3, rasterized=many))
    marks = PolyCollection(
        [cell for _, cell in known],
        array=quantity.values[[k for k, _ in known]],
        cmap=quantity.cmap,
        norm=quantity.norm,
        edgecolor="face" if edges is None else edges,
        linewidth=0.3,
        rasterized=many,
    )
    axes.add_collection(marks)
    return marks


def enlarge_marks(legend: Legend) -> None:
    """Marks of a legend large enough to tell their colours, however small they are drawn."""
    from matplotlib.collections import Collection

    for handle in legend.legend_handles:
        if isinstance(handle, Collection):
            handle.set_alpha(1)
            handle.set_sizes([27])  # type: ignore[attr-defined]


def colour_bar(sheet: Sheet, marks, quantity: Coloured, x: float, y: float, height: float) -> None:
    """A slim colour bar beside a panel; its unit stands in the panel's title."""
    tall = min(height, 2.6)
    bar = sheet.axes(x, y, 0.1, tall)
    colours = sheet.figure.colorbar(marks, cax=bar, extend=quantity.extend, extendfrac=0.04)
    if quantity.ticks is not None:
        labels = quantity.names or [f"{t:g}".replace("-", "−") for t in quantity.ticks]
        colours.set_ticks(quantity.ticks, labels=labels)
    else:
        from matplotlib.ticker import MaxNLocator

        colours.locator = MaxNLocator(nbins=int(np.clip(tall / 0.4, 2, 5)), steps=[1, 2, 5, 10])
        colours.update_ticks()
    colours.outline.set_visible(False)
    bar.tick_params(length=2, pad=2, labelsize=8)
    bar.yaxis.get_offset_text().set(size=7.5, ha="left")


def scale_bar(axes: Axes, scene: Scene, panel_width: float) -> None:
    """A bar of a round length below a panel, physical where the image is calibrated."""
    pixels, label = round_length(scene, scene.shape[1], panel_width)
    end = pixels / scene.shape[1]
    drop = -0.11 / (panel_width * scene.shape[0] / scene.shape[1])  # inches below, in axes units
    axes.plot(
        [0, end],
        [drop, drop],
        transform=axes.transAxes,
        color=INK,
        lw=2.2,
        clip_on=False,
        solid_capstyle="butt",
    )
    axes.text(
        end + 0.06 / panel_width,
        drop,
        label,
        transform=axes.transAxes,
        va="center",
        size=8,
        parse_math=False,
    )


def round_length(scene: Scene, width: float, panel_width: float) -> tuple[float, str]:
    """A round length of about a quarter of ``width`` pixels: its pixels and its label."""
    share = 0.25 if panel_width > 1.5 else 0.4
    factor, unit = length_scale(scene, width * share, smallest=0.2)
    target = width * share * factor
    step = 10.0 ** np.floor(np.log10(target))
    value = step * max(m for m in (1, 2, 5) if m * step <= target * 1.0001)
    if unit == "px" and value < 1:
        value = 1.0
    return value / factor, f"{value:g}\u202f{unit}"
