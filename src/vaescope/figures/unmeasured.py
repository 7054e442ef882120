"""Hatch what was not measured, in tones that neither an image nor a map has: in one place for all.

The hatch is made of pixels like the image whose gaps it fills, so that its outline is exactly that
of the gaps, however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUND, STRIPE = "#e4e7ee", "#9aa3b5"
WORDS = "not measured"
BELOW, ABOVE = 0.5, 1.5
"""Where the hatch lies: below marks of sites, or above cells, which end at the gap."""
_PITCH = 0.075  # inches from stripe to stripe
_DOTS = 170  # pixels per inch of the hatch


def hatch(
    axes: Axes, image: np.ndarray, extent: tuple[float, float, float, float], level: float
) -> None:
    """Hatch the places where an image is NaN; nothing where it has no gaps.

    Parameters
    ----------
    axes : in which the image, or a map of it, is drawn.
    image : (height, width).
    extent : left, right, bottom and top of the image in the axes.
    level : ``BELOW`` or ``ABOVE``.
    """
    gaps = np.isnan(image)
    if not gaps.any():
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    inches = axes.get_position().width * figure.get_figwidth()
    times = max(1, round(_DOTS * inches / gaps.shape[1]))
    fine = gaps.repeat(times, 0).repeat(times, 1)
    dots = fine.shape[1] / inches
    drawn = np.zeros((*fine.shape, 4), np.uint8)
    drawn[..., :3] = striped(fine.shape, _PITCH * dots)
    drawn[..., 3] = 255 * fine
    axes.imshow(drawn, extent=extent, interpolation="nearest", zorder=level, gid=WORDS)


def striped(shape: tuple[int, ...], pitch: float) -> np.ndarray:
    """Stripes from the lower left to the upper right, (height, width, 3) of bytes.

    pitch : pixels along a row from stripe to stripe.
    """
    from matplotlib.colors import to_rgb

    y, x = np.indices(shape, sparse=True)
    stripe = (x + y) % max(pitch, 3.0) < max(0.3 * pitch, 1.0)
    tones = np.array([to_rgb(GROUND), to_rgb(STRIPE)]) * 255
    return tones.round().astype(np.uint8)[stripe.astype(int)]


def hatched(figure: Figure) -> bool:
    """Whether anything in a figure is hatched."""
    return any(image.get_gid() == WORDS for axes in figure.axes for image in axes.images)


def key(figure: Figure, right: float, y: float) -> None:
    """Explain the hatch by a swatch and its words.

    right, y : inches of the right end of the words and of their base line, from the lower left
        corner of the figure.
    """
    width, height = figure.get_size_inches()
    figure.text(right / width, y / height, WORDS, size=8.5, color=INK, ha="right")
    side, long = 0.13, 0.24
    left = right - 0.068 * len(WORDS) - 0.1 - long
    axes = figure.add_axes((left / width, (y - 0.015) / height, long / width, side / height))
    gap = np.full((1, 1), np.nan)
    hatch(axes, gap, (0, long, 0, side), BELOW)
    axes.set(xticks=[], yticks=[], xlim=(0, long), ylim=(0, side), aspect="auto")
    axes.spines[:].set(linewidth=0.5, edgecolor=STRIPE)
