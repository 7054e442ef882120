"""The look of the figures: style sheet, colour maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STYLE_SHEET = Path(__file__).with_name("house.mplstyle")

# Okabe & Ito's colours for people with any kind of colour vision, best separated first.
CATEGORIES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#4d4d4d",
)
EMPTY = "#eef0f4"  # where no cell lies; white belongs to the diverging maps
MISSING = "#c3c8d1"  # neither in the colour maps nor in the categories
INK = "#1f2430"
FAINT = "#6b7280"
WARNING = "#D55E00"
OUTLINE = {"linewidths": 0.25, "edgecolors": "#8a90a0"}
"""Of marks in colours that are pale somewhere, on white."""


@contextmanager
def house() -> Iterator[None]:
    """Draw in the house style inside this block."""
    import matplotlib.style

    with matplotlib.style.context(["default", str(STYLE_SHEET)]):
        yield


def category_colours(count: int) -> list[str]:
    """``count`` colours for classes; beyond eight the same ones return, lightened."""
    from matplotlib.colors import to_hex, to_rgb

    colours = []
    for index in range(count):
        base = np.array(to_rgb(CATEGORIES[index % len(CATEGORIES)]))
        lightening = 1 - 0.55 ** (index // len(CATEGORIES))
        colours.append(to_hex(tuple(base + (1 - base) * lightening)))
    return colours
