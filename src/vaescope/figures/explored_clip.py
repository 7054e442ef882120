"""A search as a movie: what was evaluated, what was predicted and how surely, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.outcome import Outcome
from vaescope.figures.animation import MOST_FRAMES, Clip, small_enough
from vaescope.figures.explored_maps import Shown, crosses, draw, frame, marks, outcome_of
from vaescope.figures.explored_profiles import draw as draw_profile
from vaescope.figures.explored_profiles import value_limits
from vaescope.figures.figure_data import FigureData
from vaescope.figures.panels import micrograph
from vaescope.figures.scene import Scene
from vaescope.figures.style import EMPTY, FAINT, INK
from vaescope.quantities import robust_limits
from vaescope.results import layout
from vaescope.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_SECONDS = 9.0  # that the whole clip lasts at most
_SLOWEST, _FASTEST = 0.6, 0.1  # s per step
_DPI = 100
_SIDE = 2.6  # inches of the longer side of a panel
_PROFILES = 3  # latents at most, where there are not two
_MAPPED = (
    "The candidates evaluated until then, coloured by when, the prediction from them and its"
    " standard deviation, in colours that keep their scale"
)
_PROFILED = (
    "The evaluations until then, coloured by when; the largest prediction from them at each value"
    " of a latent, and two standard deviations of it"
)


def search_clip(scene: Scene) -> Clip | None:
    """Draw the kept steps of a search one after the other; None of fewer than three, or where
    candidates have no place."""
    found = outcome_of(scene)
    if found is None or not found.mapped or len(found.kept) < 3:
        return None
    shown = np.unique(np.linspace(0, len(found.kept) - 1, MOST_FRAMES).round().astype(int))
    mean = np.asarray(found.explored["mean"].isel(kept=shown).values, dtype=float)
    sd = np.asarray(found.explored["sd"].isel(kept=shown).values, dtype=float)
    known = [int(found.kept[step]) for step in shown]
    if found.planar:
        pictures, what = _of_maps(scene, found, known, mean, sd), _MAPPED
    else:
        pictures, what = _of_profiles(scene, found, known, mean, sd), _PROFILED
    pause = float(np.clip(_SECONDS / len(shown), _FASTEST, _SLOWEST))
    data, left = small_enough(pictures, pause, finest=256)
    caption = (
        f"{what}; {left} of {len(found.kept)} kept steps. The star is the largest value until then."
        f"{crosses(found)}"
    )
    figure_data = FigureData()
    figure_data.store(layout.EXPLORED, "point", "mean", "sd")
    return Clip("search-movie", "The search as a movie", caption, data, None, figure_data)


def _of_maps(
    scene: Scene, found: Outcome, known: list[int], mean: np.ndarray, sd: np.ndarray
) -> list[Image]:
    """Maps after so many evaluations, of what was believed then (step, candidate)."""
    low, high = robust_limits(mean[:, found.allowed].ravel(), 0.5)
    most = robust_limits(sd[:, found.allowed].ravel(), 0.5)[1] or 1.0
    return [
        _picture(
            scene,
            found,
            number,
            Shown("predicted", mean[k], scene.look.colormap, low, high),
            Shown("standard deviation", sd[k], scene.look.spread, 0.0, most),
        )
        for k, number in enumerate(known)
    ]


def _of_profiles(
    scene: Scene, found: Outcome, known: list[int], mean: np.ndarray, sd: np.ndarray
) -> list[Image]:
    """The same along each of the first latents."""
    from matplotlib.figure import Figure

    limits = value_limits(found, mean, sd)
    count = min(len(found.axes), _PROFILES)
    wide = 5.0 if count == 1 else _SIDE
    left, apart, head, foot = 0.55, 0.3, 0.45, 0.5
    pictures = []
    for step, number in enumerate(known):
        width, total = left + count * (wide + apart), head + _SIDE + foot
        figure = Figure(figsize=(width, total), dpi=_DPI)
        for k in range(count):
            x = (left + k * (wide + apart)) / width
            axes = figure.add_axes((x, foot / total, wide / width, _SIDE / total))
            draw_profile(axes, found, k, mean[step], sd[step], number)
            axes.set(ylim=limits, xlabel=found.axes[k])
            if k:
                axes.set_yticklabels([])
        pictures.append(_finished(figure, scene, number, left, 1 - 0.22 / total))
    return pictures


def _picture(scene: Scene, found: Outcome, known: int, *panels: Shown) -> Image:
    """One step of the clip."""
    from matplotlib.figure import Figure

    on_image = found.active and not scene.stack
    aspect = scene.shape[0] / scene.shape[1] if on_image else 1.0
    wide, high = (_SIDE, _SIDE * aspect) if aspect < 1 else (_SIDE / aspect, _SIDE)
    left, apart, head, foot = 0.12, 0.15, 0.55, 0.15
    width = left + (len(panels) + 1) * (wide + apart)
    total = head + high + foot
    figure = Figure(figsize=(max(width, 4.2), total), dpi=_DPI)
    for place in range(len(panels) + 1):
        x = left + place * (wide + apart)
        axes = figure.add_axes(
            (x / figure.get_figwidth(), foot / total, wide / figure.get_figwidth(), high / total)
        )
        if place:
            axes.set_title(panels[place - 1].title, size=8.5)
            draw(axes, found, panels[place - 1], wide)
            frame(axes, scene, found)
            marks(axes, found, known, s=5, facecolors="none", edgecolors=INK)
        else:
            axes.set_title("evaluated", size=8.5)
            if on_image:
                micrograph(axes, scene, faint=True)
            axes.set_facecolor(EMPTY)
            frame(axes, scene, found)
            marks(axes, found, known, c=np.arange(known), cmap="plasma", vmax=len(found.points))
        axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
    return _finished(figure, scene, known, left, 1 - 0.22 / total)


def _finished(figure: Figure, scene: Scene, known: int, left: float, top: float) -> Image:
    """The picture of a figure, with what it shows in a line at the top."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    edge = left / figure.get_figwidth()
    figure.text(edge, top, f"{known} evaluations", size=10, color=INK)
    figure.text(
        1 - 0.12 / figure.get_figwidth(),
        top,
        plain(scene.dataset, 30),
        size=8.5,
        color=FAINT,
        ha="right",
        parse_math=False,
    )
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
