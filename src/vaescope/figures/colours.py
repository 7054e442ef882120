"""Colour a quantity of a site: values, unit and limits as they are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vaescope import circular, quantities
from vaescope.figures.scene import Scene
from vaescope.figures.style import category_colours
from vaescope.quantities import Quantity, robust_limits
from vaescope.results import ModelResults
from vaescope.text import readable_unit

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

SAME_CATEGORY = 0.5
"""Jaccard similarity of their sites above which a mode is a class, and has its colour."""


@dataclass
class Coloured:
    """One value per site, ready to be drawn.

    ``label`` has the unit in it; ``quantity`` is what is written beside the figure, if that is one;
    ``names`` stand at the ``ticks`` in place of numbers.
    """

    label: str
    values: np.ndarray  # (site,)
    cmap: str | Colormap
    low: float
    high: float
    ticks: list[float] | None = None
    quantity: Quantity | None = None
    names: tuple[str, ...] = ()

    @property
    def norm(self) -> Normalize:
        """Colour limits as matplotlib takes them."""
        from matplotlib.colors import Normalize

        return Normalize(self.low, self.high)

    @property
    def extend(self) -> str:
        """Which ends of the colour bar stand for values beyond it."""
        finite = self.values[np.isfinite(self.values)]
        if finite.size == 0:
            return "neither"
        slack = 1e-6 * (self.high - self.low)
        below = bool(finite.min() < self.low - slack)
        above = bool(finite.max() > self.high + slack)
        return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]


def of_model(view: ModelResults, *, everywhere: bool = False) -> list[Quantity]:
    """List the quantities of a model at the sites of the drawn frame, or of all frames."""
    return quantities.of(view.latents, None if everywhere else view.on_frame)


def one_of(
    scene: Scene, view: ModelResults, name: str, part: str = "", *, everywhere: bool = False
) -> Coloured | None:
    """A variable of a model in colours, or the part of it that is named; None if it lacks that."""
    found = [q for q in of_model(view, everywhere=everywhere) if q.name == name]
    chosen = [c for c in coloured(scene, found) if c.quantity and part in ("", c.quantity.part)]
    return chosen[0] if chosen else None


def coloured(scene: Scene, found: Iterable[Quantity]) -> list[Coloured]:
    """Quantities in the colours of a look; all parts of a length in one readable unit."""
    listed = list(found)
    reach = {q.name: [other for other in listed if other.name == q.name] for q in listed}
    return [_coloured(scene, _in_length(scene, q, reach[q.name]), q) for q in listed]


def _coloured(scene: Scene, shown: Quantity, written: Quantity) -> Coloured:
    look, limits = scene.look, shown.limits
    label, values = title(shown), np.asarray(shown.values, float)
    cmap: str | Colormap = look.colormap
    ticks = None
    if shown.is_error:
        cmap = look.spread
    elif shown.scale == "categorical":
        return category(shown, written)
    elif shown.scale == "diverging":
        cmap = look.diverging
    elif shown.scale == "cyclic" and limits.centre is None:
        cmap, ticks = look.cyclic, [k * limits.high / 2 for k in (-2, -1, 0, 1, 2)]
        assert shown.period is not None
        values = circular.wrap(values, shown.period)
    elif shown.scale == "cyclic":
        assert shown.period is not None and limits.centre is not None
        cmap = look.diverging
        label = title(replace(shown, label=f"{shown.label} from {signed(limits.centre)}°"))
        values = circular.wrap(values - limits.centre, shown.period)
    return Coloured(label, values, cmap, limits.low, limits.high, ticks, written)


def category(shown: Quantity, written: Quantity | None = None) -> Coloured:
    """Sites in the colours of their categories; of what is none of them, no colour."""
    from matplotlib.colors import ListedColormap

    place = np.full(len(shown.values), np.nan)
    for index, level in enumerate(shown.levels):
        place[shown.values == level] = index
    cmap = ListedColormap(category_colours(len(shown.levels)))
    high = len(shown.levels) - 0.5
    names = tuple(shown.meanings) if len(shown.meanings) == len(shown.levels) else ()
    ticks = [float(k) for k in range(len(names))] if names else None
    return Coloured(shown.label, place, cmap, -0.5, high, ticks, written or shown, names)


def mode_colours(scene: Scene, view: ModelResults) -> list[str]:
    """Colours of the modes of a model: that of the class that has most of the same sites, in the
    model itself or else in another one of the dataset; new colours for modes that are no class."""
    mode = view.values("mode", everywhere=True).astype(int)
    count = max(int(mode.max(initial=0)) + 1, view.latents.sizes.get("mode_number", 1))
    classed = [v for v in (view, *reversed(scene.views)) if v.classes > 1]
    classed = [v for v in classed if np.array_equal(v.latents["site"], view.latents["site"])]
    if not classed:
        return category_colours(count)
    from scipy.optimize import linear_sum_assignment

    found = classed[0].values("consensus_class", everywhere=True).astype(int)
    classes = classed[0].classes
    both = np.zeros((count, classes))
    np.add.at(both, (mode[mode >= 0], found[mode >= 0]), 1)
    either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    similar = both / np.maximum(either, 1)
    place = np.full(count, -1)
    rows, columns = linear_sum_assignment(-similar)
    same = similar[rows, columns] > SAME_CATEGORY
    place[rows[same]] = columns[same]
    place[place < 0] = classes + np.arange((place < 0).sum())
    palette = category_colours(int(place.max()) + 1)
    return [palette[k] for k in place]


def title(quantity: Quantity) -> str:
    """Title of a quantity above a map, with its unit and positive direction."""
    unit = ", ".join(filter(None, (quantity.unit, quantity.modulo, quantity.way)))
    return f"{quantity.label} ({unit})" if unit else quantity.label


def signed(value: float) -> str:
    """A number with one decimal and a true minus sign."""
    return f"{value:.1f}".replace("-", "−")


def length_scale(scene: Scene, pixels: float, smallest: float = 1.0) -> tuple[float, str]:
    """Factor and unit in which a length of so many pixels is a number of ``smallest`` or more."""
    if not scene.calibrated:
        return 1.0, "px"
    return readable_unit(pixels, scene.pixel_size, scene.unit, smallest)


def _in_length(scene: Scene, quantity: Quantity, parts: list[Quantity]) -> Quantity:
    """A length in the unit that suits the size of all its parts; anything else as it is."""
    if quantity.unit != "px":
        return quantity
    every = np.concatenate([np.abs(q.values) for q in parts])
    factor, unit = length_scale(scene, robust_limits(every)[1])
    return replace(quantity, values=quantity.values * factor, unit=unit)
