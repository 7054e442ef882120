"""A movie of the classes or modes as an animated GIF, small enough for a report."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.figure_data import FigureData
from vaescope.figures.movie_maps import CategoryColours, kinds_of
from vaescope.figures.panels import bare, micrograph, polygons
from vaescope.figures.scene import Scene
from vaescope.figures.style import FAINT, INK
from vaescope.figures.unmeasured import WORDS
from vaescope.results import ModelResults
from vaescope.text import plain

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_FRAMES = 60
MOST_BYTES = 5_000_000
_SECONDS = 8.0  # that the whole clip lasts at most
_SLOWEST, _FASTEST = 0.5, 0.08  # s per frame
_DPI = 100
_WIDTH = 7.6  # inches
# Tried in this order until the file is small enough: share of the full size, number of colours.
_SMALLER = ((1.0, 64), (1.0, 32), (0.75, 32), (0.5, 32), (0.35, 16))


@dataclass
class Clip:
    """A finished animation and what is said about it."""

    name: str
    title: str
    caption: str
    data: bytes
    model: str | None
    figure_data: FigureData


def class_clip(scene: Scene, view: ModelResults) -> Clip | None:
    """The image beside the kinds of its sites, frame by frame; None without kinds or time."""
    kinds = kinds_of(view)
    if not scene.moving or kinds is None:
        return None
    shown = np.unique(np.linspace(0, scene.frames - 1, MOST_FRAMES).round().astype(int))
    pictures = [_picture(scene, view, kinds, int(frame)) for frame in shown]
    pause = float(np.clip(_SECONDS / len(shown), _FASTEST, _SLOWEST))
    data, left = small_enough(pictures, pause)
    caption = (
        f"The image and the {kinds.what} of every site, {left} of {scene.frames} frames."
        " Cells without colour have no patch. The colours are those of the other figures."
        + (f" Hatched: {WORDS}." if "measured" in scene.results.image else "")
        + (f" Grey are all other {kinds.plural}." if kinds.shown < len(kinds.names) else "")
    )
    title = f"The {kinds.plural} as a movie"
    figure_data = FigureData()
    figure_data.store("image.zarr", "image")
    if view.movie is not None and "kind" in view.movie:
        figure_data.store(f"{view.name}/movie/movie.zarr", "kind")
    else:
        figure_data.view(view, "consensus_class")
    return Clip(f"{view.name}-movie", title, caption, data, view.name, figure_data)


def small_enough(
    pictures: list[Image], pause: float, *, finest: int | None = None
) -> tuple[bytes, int]:
    """A GIF of at most ``MOST_BYTES`` and how many of the pictures are left in it.

    pause : s from picture to picture. finest : number of colours that is tried first, where colour
    maps run smoothly.
    """
    data = b""
    for share, colours in ((1.0, finest), *_SMALLER) if finest else _SMALLER:
        data = _gif(pictures, share, colours, pause)
        if len(data) <= MOST_BYTES:
            return data, len(pictures)
    while len(data) > MOST_BYTES and len(pictures) > 2:  # noise that no palette makes small
        pictures, pause = pictures[::2], 2 * pause
        data = _gif(pictures, *_SMALLER[-1], pause)
    return data, len(pictures)


def _picture(scene: Scene, view: ModelResults, kinds: CategoryColours, frame: int) -> Image:
    """One frame of the clip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    then, now = scene.at(frame), replace(view, frame=frame)
    aspect = scene.shape[0] / scene.shape[1]
    wide = min((_WIDTH - 0.3) / 2, 4.6 / aspect)
    high = wide * aspect
    head, foot = 0.34, 0.3
    total, width = head + high + foot, 2 * wide + 0.3
    figure = Figure(figsize=(width, total), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    for place in range(2):
        left = (0.1 + place * (wide + 0.1)) / width
        axes = figure.add_axes((left, foot / total, wide / width, high / total))
        if place == 0:
            micrograph(axes, then)
        else:
            bare(axes, then)
            polygons(axes, then.cells_of(now), kinds.quantity(now), edges="white")
    top = 1 - 0.21 / total
    figure.text(0.1 / width, top, scene.when(frame), size=10, color=INK)
    bottom = 0.1 / total
    figure.text(0.1 / width, bottom, kinds.what, size=8.5, color=INK)
    pitch = min(0.4, (width - 0.75) / kinds.shown)
    for index, (name, colour) in enumerate(zip(kinds.names, kinds.colours, strict=False)):
        x = (0.6 + pitch * index) / width
        figure.text(x, bottom, "■", size=10, color=colour)
        figure.text(x + 0.14 / width, bottom, name.split()[-1], size=8.5, color=INK)
    dataset = plain(scene.dataset, 30)
    figure.text(1 - 0.1 / width, top, dataset, size=8.5, color=FAINT, ha="right")
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _gif(pictures: list[Image], share: float, colours: int, pause: float) -> bytes:
    """An endless GIF without dates or names, so that equal clips are equal files."""
    from PIL import Image

    small = pictures
    if share < 1:
        size = tuple(max(int(side * share), 1) for side in pictures[0].size)
        small = [
            picture.resize((size[0], size[1]), Image.Resampling.LANCZOS) for picture in pictures
        ]
    # One palette, from the middle frame, in which greys and all classes occur: colours keep still.
    palette = small[len(small) // 2].quantize(colours, method=Image.Quantize.MAXCOVERAGE)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=drawn[1:],
        duration=int(1000 * pause),
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()
