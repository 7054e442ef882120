"""One quantity of the explorer: its values, and how they are shown, coloured and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from vaescope import circular
from vaescope.figures.scene import Scene
from vaescope.figures.style import category_colours
from vaescope.quantities import robust_limits
from vaescope.text import plain

Kind = Literal["number", "angle", "category"]

MOST_CATEGORIES = 16  # of whole numbers; more are a scale
LONGEST = 60  # letters of a name on the page


@dataclass
class Column:
    """Values of all sites in the unit of their store, NaN where there is none.

    What is shown is ``values * factor``, in ``unit``; of an angle modulo ``period``, about
    ``centre``. Where the values differ between the members of an ensemble, ``members`` holds those
    of each, and ``member_header`` what the table calls them.
    """

    key: str
    header: str  # in the exported table
    label: str
    group: str
    values: np.ndarray  # (site,)
    unit: str = ""
    kind: Kind = "number"
    cmap: str = "viridis"
    low: float = 0.0
    high: float = 1.0
    factor: float = 1.0
    period: float = 0.0
    centre: float = 0.0
    levels: list[float] = field(default_factory=list)  # of a category, the values it takes
    names: list[str] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    truth_value: bool = False  # True and False in the table
    words: list[str] = field(default_factory=list)  # of each level, in the table in its place
    error: str = ""  # key of the column with its standard error or spread
    members: list[np.ndarray] = field(default_factory=list)  # each (site,)
    member_header: str = ""

    def facts(self) -> dict[str, Any]:
        """What the browser is told of it, but for its numbers."""
        left_out = ("values", "members")
        return {name: value for name, value in vars(self).items() if name not in left_out}


def number(key: str, label: str, group: str, values: np.ndarray, **more: Any) -> Column:
    """A quantity on a scale from low to high, its limits robust; ``more`` as of ``Column``."""
    made = Column(key, more.pop("header", key), label, group, np.asarray(values), **more)
    made.low, made.high = robust_limits(made.values.astype(float) * made.factor)
    return made


def signed(key: str, label: str, group: str, values: np.ndarray, **more: Any) -> Column:
    """A quantity with a zero, which lies in the middle of the colours."""
    made = number(key, label, group, values, **more)
    reach = robust_limits(np.abs(made.values.astype(float) * made.factor))[1]
    made.low, made.high = -(reach or 1.0), reach or 1.0
    return made


def spread(key: str, label: str, group: str, values: np.ndarray, **more: Any) -> Column:
    """An uncertainty: its colours begin at zero."""
    made = number(key, label, group, values, **more)
    made.low, made.high = 0.0, max(made.high, 1e-12)
    return made


def angle(
    key: str, label: str, group: str, values: np.ndarray, scene: Scene, period: float, **more: Any
) -> Column:
    """An angle in rad, shown in degrees modulo ``period``: in cyclic colours where angles fill the
    period, else about their mean, or nothing would be seen."""
    made = Column(key, more.pop("header", key), label, group, np.asarray(values), **more)
    made.kind, made.unit, made.factor, made.period = "angle", "°", float(np.degrees(1)), period
    degrees = np.degrees(made.values.astype(float))
    middle = float(circular.mean(degrees, period))
    reach = robust_limits(np.abs(circular.wrap(degrees - middle, period)), 2.0)[1]
    if np.isfinite(degrees).any() and reach < period / 10:
        made.centre, made.cmap = middle, scene.look.diverging
        made.low, made.high = middle - reach, middle + reach
    else:
        made.cmap, made.low, made.high = scene.look.cyclic, -period / 2, period / 2
    return made


def category(
    key: str,
    label: str,
    group: str,
    values: np.ndarray,
    levels: Sequence[float],
    names: Sequence[str],
    **more: Any,
) -> Column:
    """One of several kinds; values that are none of the ``levels`` have no colour."""
    made = Column(key, more.pop("header", key), label, group, np.asarray(values), **more)
    made.kind = "category"
    made.levels = [float(level) for level in levels]
    made.names = [plain(name, LONGEST) for name in names]
    made.colours = category_colours(len(made.levels))
    return made


def flag(key: str, label: str, group: str, values: np.ndarray, **more: Any) -> Column:
    """Yes or no."""
    return category(key, label, group, values, [1, 0], ["yes", "no"], truth_value=True, **more)


def guessed(
    key: str,
    label: str,
    group: str,
    values: np.ndarray,
    scene: Scene,
    names: Sequence[str] | None = None,
    **more: Any,
) -> Column:
    """A quantity of which only its numbers are known: few whole numbers are kinds, with ``names``
    from 0 if there are any; words are kinds by themselves; everything else is a scale."""
    values = np.asarray(values)
    if values.dtype.kind == "b":
        return flag(key, label, group, values, **more)
    if values.dtype.kind not in "iuf":
        words, codes = np.unique(values.astype(str), return_inverse=True)
        given = [str(word) for word in words]
        return category(key, label, group, codes, range(len(given)), given, words=given, **more)
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    levels = np.unique(known)
    whole = levels.size > 0 and bool((levels == np.round(levels)).all())
    if whole and len(levels) <= MOST_CATEGORIES and values.dtype.kind != "f":
        given = list(names or [])
        said = [str(given[int(v)]) if 0 <= v < len(given) else f"{label} {int(v)}" for v in levels]
        return category(key, label, group, values, levels.tolist(), said, **more)
    return number(key, label, group, values, cmap=scene.look.colormap, **more)


def narrow(values: np.ndarray) -> np.ndarray:
    """The same values in the smallest type that browsers have and that keeps them: whole numbers
    exactly, others to seven digits, as the tables beside the stores."""
    values = np.asarray(values)
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind in "iu":
        for kind in (np.uint8, np.int8, np.int16, np.int32):
            limits = np.iinfo(kind)
            if values.size == 0 or (values.min() >= limits.min and values.max() <= limits.max):
                return values.astype(kind)
        return values.astype(np.float64)
    return values.astype(np.float32)


def aligned(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Values of some sites at their ``rows`` among ``count``; NaN, or rather no number at all, at
    the others."""
    values = np.asarray(values)
    if len(rows) == count and (rows == np.arange(count)).all():
        return values
    out = np.full(count, np.nan)
    out[rows] = values
    return out
