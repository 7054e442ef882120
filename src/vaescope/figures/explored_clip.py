"""A search as a movie: what was evaluated, what was predicted and how surely, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.outcome import Outcome
from vaescope.figures.animation import MOST_FRAMES, Clip, small_enough
from vaescope.figures.explored_maps import Shown, draw, frame, marks, outcome_of
from vaescope.figures.figure_data import FigureData
from vaescope.figures.panels import micrograph
from vaescope.figures.scene import Scene
from vaescope.figures.style import EMPTY, FAINT, INK
from vaescope.quantities import robust_limits
from vaescope.results import layout
from vaescope.text import plain

if TYPE_CHECKING:
    from PIL.Image import Image

_SECONDS = 9.0  # that the whole clip lasts at most
_SLOWEST, _FASTEST = 0.6, 0.1  # s per step
_DPI = 100
_SIDE = 2.6  # inches of the longer side of a panel


def search_clip(scene: Scene) -> Clip | None:
    """Draw the kept steps of a search one after the other; None of fewer than three, or where
    candidates have no place."""
    found = outcome_of(scene)
    if found is None or not found.mapped or len(found.kept) < 3:
        return None
    shown = np.unique(np.linspace(0, len(found.kept) - 1, MOST_FRAMES).round().astype(int))
    mean = np.asarray(found.explored["mean"].isel(kept=shown).values, dtype=float)
    sd = np.asarray(found.explored["sd"].isel(kept=shown).values, dtype=float)
    low, high = robust_limits(mean[:, found.allowed].ravel(), 0.5)
    most = robust_limits(sd[:, found.allowed].ravel(), 0.5)[1] or 1.0
    pictures = [
        _picture(
            scene,
            found,
            int(found.kept[step]),
            Shown("predicted", mean[k], scene.look.colormap, low, high),
            Shown("standard deviation", sd[k], scene.look.spread, 0.0, most),
        )
        for k, step in enumerate(shown)
    ]
    pause = float(np.clip(_SECONDS / len(shown), _FASTEST, _SLOWEST))
    data, left = small_enough(pictures, pause, finest=256)
    caption = (
        "The candidates evaluated until then, coloured by when, the prediction from them and its"
        f" standard deviation, in colours that keep their scale; {left} of {len(found.kept)} kept"
        " steps. The star is the largest value until then."
    )
    figure_data = FigureData()
    figure_data.store(layout.EXPLORED, "point", "mean", "sd")
    return Clip("search-movie", "The search as a movie", caption, data, None, figure_data)


def _picture(scene: Scene, found: Outcome, known: int, *panels: Shown) -> Image:
    """One step of the clip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    on_image = found.active and not scene.stack
    aspect = scene.shape[0] / scene.shape[1] if on_image else 1.0
    wide, high = (_SIDE, _SIDE * aspect) if aspect < 1 else (_SIDE / aspect, _SIDE)
    left, apart, head, foot = 0.12, 0.15, 0.55, 0.15
    width = left + (len(panels) + 1) * (wide + apart)
    total = head + high + foot
    figure = Figure(figsize=(max(width, 4.2), total), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
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
    top = 1 - 0.22 / total
    figure.text(left / figure.get_figwidth(), top, f"{known} evaluations", size=10, color=INK)
    figure.text(
        1 - left / figure.get_figwidth(),
        top,
        plain(scene.dataset, 30),
        size=8.5,
        color=FAINT,
        ha="right",
    )
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
