"""The polarisation of a lattice as arrows on its curl, frame by frame, and as a movie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.animation import MOST_FRAMES, Clip, small_enough
from vaescope.figures.figure_data import FigureData
from vaescope.figures.panels import bare, grid, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure, Sheet
from vaescope.figures.style import FAINT, INK
from vaescope.quantities import robust_limits
from vaescope.results import layout
from vaescope.simulate import ferrosim
from vaescope.simulate.polarisation_movies import CHANNELS
from vaescope.text import plain

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from PIL.Image import Image

_PANELS = 6
_ARROWS = 18  # along the longer side of a panel, at most
_SECONDS = 8.0  # that the clip lasts at most
_SLOWEST, _FASTEST = 0.4, 0.1  # s per frame
_DPI = 100
_CURL = "curl (1/px)"


@dataclass(frozen=True)
class Vectors:
    """The polarisation (time, 2, y, x) of a dataset, x to the right and y downwards."""

    image: xr.Dataset
    values: np.ndarray

    @cached_property
    def curl(self) -> np.ndarray:
        """(time, y, x), positive clockwise; NaN beside what was not measured."""
        known = str(self.image.attrs.get("boundary", "open"))
        return ferrosim.curl(self.values, boundary=known)  # type: ignore[arg-type]

    @cached_property
    def largest(self) -> float:
        """Length of the longest vectors but for those of a few sites, such as defects."""
        return float(np.nanquantile(np.hypot(*self.values.swapaxes(0, 1)), 0.97)) or 1.0

    @cached_property
    def reach(self) -> float:
        """Limit of the colours of the curl."""
        return robust_limits(np.abs(self.curl), 0.2)[1] or 1.0

    @cached_property
    def field(self) -> np.ndarray | None:
        """Applied field (time, 2) in units of Ec, where it is known."""
        names = ("truth_field_x", "truth_field_y")
        if not set(names) <= set(self.image.variables):
            return None
        return np.stack([np.asarray(self.image[name].values, float) for name in names], axis=1)


def vectors_of(scene: Scene) -> Vectors | None:
    """The polarisation of a dataset; None where its image holds none."""
    image = scene.results.image
    names = [str(name) for name in np.atleast_1d(image["channel"].values)]
    if scene.stack or not set(CHANNELS) <= set(names):
        return None
    chosen = scene.pixels.sel(channel=list(CHANNELS)).transpose("time", "channel", "y", "x")
    return Vectors(image, np.asarray(chosen.values, dtype=float))


def quiver(
    axes: Axes,
    polarisation: np.ndarray,
    *,
    largest: float | None = None,
    most: int = _ARROWS,
    colour: str = INK,
) -> None:
    """Draw vectors on axes in pixels of the picture, row 0 on top.

    Parameters
    ----------
    polarisation : (2, y, x), x to the right and y downwards; NaN is left out.
    largest : length of the vector that is as long as arrows are apart; by default of the longest.
    most : arrows along the longer side; each is the mean of a square of sites.
    """
    side = -(-max(polarisation.shape[1:]) // most)
    height, width = (n - n % side for n in polarisation.shape[1:])
    squares = polarisation[:, :height, :width].reshape(2, height // side, side, width // side, side)
    x, y = squares.mean(axis=(2, 4))
    if largest is None:
        largest = float(np.nanmax(np.hypot(x, y), initial=0.0))
    at_y, at_x = (np.arange(n // side) * side + (side - 1) / 2 for n in (height, width))
    axes.quiver(
        at_x,
        at_y,
        x,
        y,
        angles="xy",
        scale_units="xy",
        scale=(largest or 1.0) / (0.9 * side),
        units="xy",
        width=0.1 * side,
        pivot="mid",
        color=colour,
        headwidth=3.4,
        headlength=3.2,
        headaxislength=2.9,
        minlength=0.5,
    )
    axes.set(xlim=(-0.5, polarisation.shape[2] - 0.5), ylim=(polarisation.shape[1] - 0.5, -0.5))
    axes.set_aspect("equal")


def maps(scene: Scene) -> FinishedFigure | None:
    """Draw the polarisation of some frames as arrows on its curl."""
    found = vectors_of(scene)
    if found is None:
        return None
    shown = np.unique(np.linspace(0, scene.frames - 1, _PANELS).round().astype(int))
    where = grid(scene, len(shown), largest=2.7)
    sheet = Sheet(
        scene,
        "Polarisation",
        where.height + 0.1,
        width=where.width,
        notes=(f"{len(shown)} of {scene.frames} frames",) if scene.moving else (),
    )
    for index, frame in enumerate(shown):
        x, y, width, height = where.place(index)
        axes = sheet.axes(x, y, width, height)
        marks = _draw(axes, scene, found, int(frame))
        axes.set_title(_when(scene, found, int(frame)))
        scale_bar(axes, scene, width)
        bar = sheet.axes(x + width + 0.08, y, 0.1, min(height, 2.6))
        colours = sheet.figure.colorbar(marks, cax=bar, extend="both", extendfrac=0.04)
        colours.outline.set_visible(False)
        bar.tick_params(length=2, pad=2, labelsize=7.5)
        if index == len(shown) - 1 or (index + 1) % where.columns == 0:
            colours.set_label(_CURL, size=8)
    side = -(-max(scene.shape) // _ARROWS)
    caption = (
        "Arrows are the polarisation"
        + (f", the mean of {side} × {side} sites each" if side > 1 else "")
        + "; all panels share one scale. Colours are its curl, ∂Py/∂x − ∂Px/∂y with x to the right"
        " and y downwards: positive where it turns clockwise."
    )
    sheet.figure_data.store(layout.IMAGE, "image")
    return sheet.drawn("polarisation", caption)


def polarisation_clip(scene: Scene) -> Clip | None:
    """The arrows on the curl as a movie; None of a single frame."""
    found = vectors_of(scene)
    if found is None or not scene.moving:
        return None
    shown = np.unique(np.linspace(0, scene.frames - 1, MOST_FRAMES).round().astype(int))
    pictures = [_picture(scene, found, int(frame)) for frame in shown]
    pause = float(np.clip(_SECONDS / len(shown), _FASTEST, _SLOWEST))
    data, left = small_enough(pictures, pause, finest=256)
    caption = (
        f"The polarisation as arrows on its curl, {left} of {scene.frames} frames; scale and"
        " colours are those of the figure."
    )
    figure_data = FigureData()
    figure_data.store(layout.IMAGE, "image")
    return Clip(
        "polarisation-movie", "The polarisation as a movie", caption, data, None, figure_data
    )


def _draw(axes: Axes, scene: Scene, found: Vectors, frame: int) -> AxesImage:
    bare(axes, scene.at(frame))
    curl = axes.imshow(
        found.curl[frame], cmap=scene.look.diverging, vmin=-found.reach, vmax=found.reach
    )
    quiver(axes, found.values[frame], largest=found.largest)
    return curl


def _when(scene: Scene, found: Vectors, frame: int) -> str:
    """A frame in words, with its field."""
    words = f"frame {frame + 1}" if scene.moving else ""
    if found.field is None:
        return words
    x, y = (f"{value:.3g}".replace("-", "−") for value in np.round(found.field[frame], 6) + 0.0)
    return f"{words} · field ({x}, {y}) Ec".removeprefix(" · ")


def _picture(scene: Scene, found: Vectors, frame: int) -> Image:
    """One frame of the clip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    aspect = scene.shape[0] / scene.shape[1]
    wide = min(4.4, 4.4 / aspect)
    head, rim = 0.34, 0.1
    width, total = max(wide, 2.4) + 2 * rim, head + wide * aspect + rim
    figure = Figure(figsize=(width, total), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((rim / width, rim / total, wide / width, wide * aspect / total))
    _draw(axes, scene, found, frame)
    top = 1 - 0.21 / total
    figure.text(rim / width, top, _when(scene, found, frame), size=9.5, color=INK)
    dataset = plain(scene.dataset, 20)
    figure.text(1 - rim / width, top, dataset, size=8.5, color=FAINT, ha="right")
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
