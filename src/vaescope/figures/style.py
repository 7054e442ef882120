"""The look of the figures: style sheet, colour maps, robust colour limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vaescope.errors import UserError

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

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Look:
    """What a recipe may choose about its figures (its part ``figures``)."""

    colormap: str = "viridis"
    diverging: str = "RdBu_r"
    cyclic: str = "twilight"
    spread: str = "cividis"
    dpi: int = 150
    formats: tuple[str, ...] = ("png", "svg")

    @classmethod
    def from_recipe(cls, recipe: dict[str, Any]) -> Look:
        """Take the look from a resolved recipe.

        Raises
        ------
        UserError : matplotlib has no such colour map, or an unknown file format is asked for.
        """
        import matplotlib

        chosen = {k: v for k, v in (recipe.get("figures") or {}).items() if v is not None}
        known = {k: v for k, v in chosen.items() if k in cls.__dataclass_fields__}
        if "formats" in known:
            wanted = known["formats"]
            known["formats"] = tuple([wanted] if isinstance(wanted, str) else wanted)
        look = cls(**known)
        for key in ("colormap", "diverging", "cyclic", "spread"):
            name = getattr(look, key)
            if name not in matplotlib.colormaps:
                raise UserError(
                    f"`figures: {key}` is no colour map of matplotlib",
                    found=f"`{name}`",
                    expected="for example viridis, cividis, RdBu_r, twilight",
                )
        unknown = [name for name in look.formats if name not in FORMATS]
        if unknown:
            raise UserError(
                "`figures: formats` has an unknown file format",
                found=", ".join(map(str, unknown)),
                expected="any of " + ", ".join(FORMATS),
            )
        # The report embeds the PNG, so it is always drawn.
        formats = tuple(dict.fromkeys(("png", *look.formats)))
        return cls(**{**known, "formats": formats, "dpi": int(look.dpi)})


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


def robust_limits(values: np.ndarray, percent: float = 1.0) -> tuple[float, float]:
    """Limits leaving out ``percent`` % of the values on each side; finite and never equal."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, [percent, 100 - percent]))
    smallest = max(abs(low), abs(high), 1e-12) * 1e-6
    if high - low < smallest:
        low, high = low - max(smallest, 1e-9), high + max(smallest, 1e-9)
    return low, high
