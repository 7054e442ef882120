"""Shared parts of the figures of the comparison: entries, their colours, and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import FAINT
from vaescope.scores import comparison
from vaescope.scores.comparison import Entry
from vaescope.scores.ground_truth import Angle
from vaescope.text import plain

GROUP = "baselines"
"""Stands in the list of figures where others have the name of their model."""

GAP = 0.14  # inches between panels
HEAD = 0.46  # inches above a panel, for two lines
_LETTERS = 12.5  # of a name in an inch
_MOST_NAMED = 10  # kinds in a legend


@dataclass
class Compared:
    """Data and look that the figures of the comparison share.

    ``labels`` : of every entry, named like those of the reference; ``kind`` : the truth, or None.
    """

    entries: list[Entry]
    labels: list[np.ndarray]
    reference: np.ndarray
    kind: np.ndarray | None
    angle: Angle | None
    colours: list[str]
    names: list[str]  # of the kinds


def legend(sheet: Sheet, what: Compared) -> None:
    """The colours of the kinds of the truth, in the line under the title, from the right."""
    if not 0 < len(what.names) <= _MOST_NAMED:
        return
    x = sheet.width - MARGIN
    for name, colour in reversed(list(zip(what.names, what.colours, strict=False))):
        text = plain(name, 24)
        x -= 0.068 * len(text) + 0.3
        if x < 3.2:
            return
        mark = sheet.axes(x, -0.33, 0.11, 0.11)
        mark.set_facecolor(colour)
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        sheet.text(x + 0.16, -0.235, text, size=8)


def columns_of(count: int, aspect: float) -> int:
    """Panels in a row: more of tall ones, fewer of wide ones."""
    wished = 2 if aspect < 0.3 else 3 if aspect < 0.6 else 5
    rows = -(-count // wished)
    return min(count, max(2, -(-count // rows))) if rows > 1 else min(count, wished)


def name_of(entry: Entry) -> str:
    """A model under its name in the recipe, a method under its own."""
    return entry.name if entry.is_model else entry.title


def agreement(entry: Entry, what: Compared) -> str:
    """The second line of a panel: how its labels agree with the truth."""
    words = "model" if entry.is_model else ""
    if what.kind is not None:
        words = f"ARI {comparison.ari(entry, what.kind):.2f}"
    if not (entry.label >= 0).any():
        return "no cluster found"
    if entry.own_labels:
        count = len(np.unique(entry.label[entry.label >= 0]))
        return words or (f"{count} clusters" if count != 1 else "1 cluster")
    return f"{words}, k-means on it" if words else "k-means on it"


def heading(sheet: Sheet, x: float, y: float, side: float, name: str, line: str) -> None:
    """Two lines above a panel."""
    sheet.text(x, y + 0.22, plain(name, int(side * _LETTERS)), size=9.5, weight="bold")
    sheet.text(x, y + 0.39, plain(line, int(side * 16)), size=8, color=FAINT)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "–"


def finished(sheet: Sheet, name: str, caption: str) -> FinishedFigure:
    drawn = sheet.drawn(name, caption)
    drawn.model = GROUP
    return drawn
