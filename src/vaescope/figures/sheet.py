"""The sheet on which a figure is drawn: title, footer, and places measured in inches.

Places are computed, not negotiated by a layout engine: figures of the same kind line up, long
names cannot push anything around, and drawing is quick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vaescope.figures import unmeasured
from vaescope.figures.figure_data import FigureData
from vaescope.figures.scene import Scene
from vaescope.figures.style import FAINT, INK
from vaescope.results import ModelResults
from vaescope.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.5  # inches of a full sheet; shown about 1100 pixels wide in the report
MARGIN = 0.3
HEAD = 0.78
FOOT = 0.42
_CHARACTER = 0.078  # mean width in inches of a letter of 9 pt


@dataclass
class FinishedFigure:
    """A finished figure and what is said about it."""

    name: str
    title: str
    caption: str
    figure: Figure
    model: str | None = None
    figure_data: FigureData = field(default_factory=FigureData)


class Sheet:
    """A figure with its title above and its origin below.

    Parameters
    ----------
    scene : the dataset.
    title : in words.
    height : of the body in inches.
    width : of the whole sheet in inches.
    view : the model shown, if one.
    sites : number of sites shown.
    notes : further facts for the line under the title.
    """

    def __init__(
        self,
        scene: Scene,
        title: str,
        height: float,
        *,
        width: float = WIDTH,
        view: ModelResults | None = None,
        sites: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        from matplotlib.figure import Figure

        facts = []
        if view is not None:
            facts.append(f"{view.members} members" if view.members != 1 else "1 member")
        if sites is not None:
            word, many = scene.noun
            facts.append(f"{sites:,} {many}".replace(",", "\u202f") if sites != 1 else f"1 {word}")
        facts.extend(note for note in notes if note)
        letters = int((width - 2 * MARGIN) / _CHARACTER)
        lines = [" · ".join(facts)]
        if view is not None:
            together = f"{view.label} · {lines[0]}"
            lines = [together] if len(together) <= letters else [view.label, *lines]
        self.scene, self.title, self.width = scene, title, width
        self.figure_data = FigureData()
        self.head = HEAD + 0.2 * (len(lines) - 1)
        self.total = self.head + height + FOOT
        self.figure = Figure(figsize=(width, self.total))
        self._text(MARGIN, 0.3, plain(title, int(letters * 0.68)), size=13, weight="bold")
        for row, line in enumerate(lines):
            self._text(MARGIN, 0.55 + 0.2 * row, plain(line, letters), size=9, color=FAINT)
        origin = f"vaescope · version {scene.version}"
        room = int((width - 2 * MARGIN) / (_CHARACTER * 0.88)) - len(origin) - 4
        below = self.total - 0.16
        self._text(MARGIN, below, plain(scene.dataset, max(room, 12)), size=8, color=FAINT)
        self._text(width - MARGIN, below, origin, size=8, color=FAINT, ha="right")

    def _text(self, x: float, y: float, text: str, **look) -> None:
        look = {"color": INK, "ha": "left", "va": "baseline", **look}
        self.figure.text(x / self.width, 1 - y / self.total, text, parse_math=False, **look)

    def text(self, x: float, y: float, text: str, **look) -> None:
        """Write at (x, y) inches from the upper left corner of the body."""
        self._text(x, self.head + y, text, **look)

    def axes(self, x: float, y: float, width: float, height: float, **settings) -> Axes:
        """Axes whose upper left corner lies at (x, y) inches from that of the body."""
        place = (
            x / self.width,
            1 - (self.head + y + height) / self.total,
            width / self.width,
            height / self.total,
        )
        return self.figure.add_axes(place, **settings)

    def drawn(self, name: str, caption: str, view: ModelResults | None = None) -> FinishedFigure:
        """The finished figure under its stable name; a hatch in it is explained."""
        if unmeasured.hatched(self.figure):
            unmeasured.key(self.figure, self.width - MARGIN, self.total - 0.3)
            caption += f" Hatched: {unmeasured.WORDS}."
        full = f"{view.name}-{name}" if view is not None else name
        model = view.name if view else None
        return FinishedFigure(full, self.title, caption, self.figure, model, self.figure_data)


def angle_note(view: ModelResults) -> str:
    """Describe the period of angles, for the line under the title; empty over the full circle."""
    if view.symmetry == 1 or not view.has("consensus_angle"):
        return ""
    return f"angles modulo {view.period:g}°"
