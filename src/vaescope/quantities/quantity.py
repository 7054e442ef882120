"""One quantity of every site, in the unit in which people read it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vaescope import circular
from vaescope.quantities.cf_attributes import DIAGNOSTIC, OTHER, Scale

_SUFFIXES = {"°": "deg", "%": "percent"}
_NARROW = 0.1  # of the period: angles that spread less have no need of all its colours
_LEAST_OF_RANGE = 0.1  # of the possible range of an error, so that rounding is not shown as doubt


@dataclass(frozen=True)
class Limits:
    """Ends of a scale of colours; of a cyclic quantity, values are counted about ``centre`` where
    they fill too little of the period for cyclic colours."""

    low: float
    high: float
    centre: float | None = None


@dataclass(frozen=True)
class Quantity:
    """One value of every site, in the unit in which it is shown and written.

    Angles are in degrees, strains in per cent, all else is as in the store.

    Parameters
    ----------
    name : of the variable in its store.
    key : what it is called there, part of the variable included: ``latent_1``, ``offset_y``.
    dim, part : the variable's short axis and the place along it; empty: it has none.
    owner : the model that says it; empty: the image or the site itself.
    label : in words, without its unit; ``way`` is the direction in which it is positive.
    meaning : the same at length.
    declared : its variable was born with a scale, so it is to be mapped.
    period : of a cyclic quantity, in ``unit``.
    levels, meanings : of a categorical one, the values that it takes and what they stand for.
    worded : its store has the meanings themselves, not numbers.
    error : its standard error or spread, if that is known.
    """

    name: str
    key: str
    label: str
    meaning: str
    unit: str
    scale: Scale
    values: np.ndarray = field(repr=False)
    group: str = OTHER
    dim: str = ""
    part: str = ""
    owner: str = ""
    way: str = ""
    declared: bool = False
    is_error: bool = False
    period: float | None = None
    levels: tuple[int, ...] = ()
    worded: bool = False
    meanings: tuple[str, ...] = ()
    valid: tuple[float, float] | None = None
    error: Quantity | None = None

    @property
    def column(self) -> str:
        """Header of its column in every table, with its unit."""
        return header(self.key.removesuffix("_physical"), self.unit, self.owner)

    @property
    def written(self) -> np.ndarray:
        """Its values as tables have them: words where the store has words."""
        return np.asarray(self.meanings)[self.values] if self.worded else self.values

    @property
    def mapped(self) -> bool:
        """Whether it says what there is at a site, and is drawn and tested by itself."""
        return self.declared and self.group not in DIAGNOSTIC and self.dim != "class"

    @property
    def modulo(self) -> str:
        """The period of angles in words; empty if it is a whole turn, or there is none."""
        return f"mod {self.period:g}°" if self.period and self.period < 360 else ""

    @cached_property
    def limits(self) -> Limits:
        """Limits of its colours, robust against single sites."""
        values = np.asarray(self.values, float)
        if self.scale == "categorical":
            return Limits(-0.5, len(self.levels) - 0.5)
        if self.is_error:
            least = _LEAST_OF_RANGE * self.valid[1] if self.valid else 1e-12
            return Limits(0.0, max(robust_limits(values)[1], least))
        if self.valid:
            return Limits(*self.valid)
        if self.scale == "sequential":
            return Limits(*robust_limits(values))
        if self.scale == "cyclic":
            assert self.period is not None
            middle = float(circular.mean(values, self.period))
            about = np.abs(circular.wrap(values - middle, self.period))
            if not np.isfinite(values).any() or robust_limits(about, 2.0)[1] >= (
                _NARROW * self.period
            ):
                return Limits(-self.period / 2, self.period / 2)
            reach = robust_limits(about)[1] or 1.0
            return Limits(-reach, reach, middle)
        reach = robust_limits(np.abs(values))[1]
        reach = reach if reach > 0 else 1.0
        return Limits(-reach, reach)


def header(key: str, unit: str = "", owner: str = "") -> str:
    """Header of a column of a table: whose it is, what it is, and its unit in letters."""
    letters = re.sub(r"\W+", "_", _SUFFIXES.get(unit, unit))
    return "_".join(filter(None, (owner, key, letters)))


def with_errors(found: Iterable[Quantity]) -> list[Quantity]:
    """Every quantity, followed by its error where that is known."""
    return [one for quantity in found for one in (quantity, quantity.error) if one is not None]


def as_columns(found: Iterable[Quantity]) -> dict[str, np.ndarray]:
    """The columns of a table, by header; with a number where a header occurs again, since models
    may be called anything."""
    columns: dict[str, np.ndarray] = {}
    for quantity in found:
        header, count = quantity.column, 1
        while header in columns:
            count += 1
            header = f"{quantity.column}_{count}"
        columns[header] = quantity.written
    return columns


def median(values: np.ndarray) -> float:
    """Take the median of what is finite; NaN where nothing is."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(np.median(finite)) if finite.size else math.nan


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
