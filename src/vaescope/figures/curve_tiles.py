"""Curves side by side, each in a tile, and the axis that they share."""

from __future__ import annotations

import numpy as np

from vaescope.figures.sheet import Sheet
from vaescope.figures.style import CATEGORIES, FAINT
from vaescope.results import ModelResults

_RULE = "#dfe3ea"
_FILLED = 0.84  # of the side of a tile, so that neighbouring curves stand apart
_BEYOND = 0.04  # of its height, by which a curve may leave the scale that all tiles share


def show(axes, curves: np.ndarray, columns: int, limits: tuple[float, float]) -> None:
    """Draw curves (count, sample) as lines, in tiles that lie as those of pictures with as many
    samples along each side.

    All are on one scale: ``limits`` are the foot and the head of a tile, and a rule marks zero, or
    the foot where zero lies outside. Margins around every curve keep neighbours apart.
    """
    count, samples = curves.shape
    rows = -(-count // columns)
    pitch = samples + 1
    low = min(limits[0], 0.0) if limits[0] < 0.2 * limits[1] else limits[0]
    reach = max(limits[1] - low, 1e-12)
    margin = (1 - _FILLED) / 2 * samples
    x = margin + _FILLED * np.arange(samples)
    rule = float(np.clip(-low / reach, 0, 1)) if low < 0 < limits[1] else 0.0
    for index, curve in enumerate(curves):
        row, column = divmod(index, columns)
        foot = (row + 1) * pitch - 1 - margin
        share = np.clip((curve - low) / reach, -_BEYOND, 1 + _BEYOND)
        level = foot - rule * _FILLED * samples
        axes.plot(column * pitch + x[[0, -1]], [level, level], color=_RULE, lw=0.6, zorder=1)
        axes.plot(column * pitch + x, foot - share * _FILLED * samples, color=CATEGORIES[0], lw=0.9)
    axes.set(xlim=(-0.5, columns * pitch - 1.5), ylim=(rows * pitch - 1.5, -0.5))


def axis_words(view: ModelResults) -> str:
    """What the axis of a model's curves is and from where to where it goes; "" without one."""
    if "energy" not in view.latents.coords:
        return ""
    energy = view.latents["energy"]
    unit = str(energy.attrs.get("units", "1"))
    values = energy.values.astype(float)
    there_and_back = np.ptp(np.sign(np.diff(values))) > 1
    ends = (values.min(), values.max()) if there_and_back else (values[0], values[-1])
    name = str(energy.attrs.get("long_name", "energy"))
    words = "swept between {:.4g} and {:.4g}" if there_and_back else "from {:.4g} to {:.4g}"
    return f"{name} {words.format(*ends)}" + (f" {unit}" if unit != "1" else "")


def axis_note(sheet: Sheet, view: ModelResults, x: float, y: float) -> None:
    """Write below tiles of curves what their axis is."""
    sheet.text(x, y, f"each curve: {axis_words(view)}", size=8, color=FAINT)
