"""A quantity of a site as the page shows it: values, colours, name in the exported table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from vaescope.figures.scene import Scene
from vaescope.figures.style import category_colours
from vaescope.quantities import Quantity
from vaescope.text import plain

Kind = Literal["number", "angle", "category"]

LONGEST = 60  # letters of a name on the page
_LONGEST_UNIT = 12


@dataclass
class Column:
    """Values of all sites in the unit of the tables, NaN where there is none.

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
        """Metadata for the browser, without the values."""
        left_out = ("values", "members")
        return {name: value for name, value in vars(self).items() if name not in left_out}


def column_of(
    quantity: Quantity,
    scene: Scene,
    group: str = "",
    names: Sequence[str] | None = None,
    length: tuple[float, str] | None = None,
) -> Column:
    """Show a quantity in the colours of its scale.

    Parameters
    ----------
    quantity : of all sites.
    scene : whose look it has.
    group : among what it is offered; empty: its own group.
    names : of its categories, if they have better ones than in the store.
    length : factor to, and name of, the unit in which a length in pixels is shown.
    """
    look, limits = scene.look, quantity.limits
    factor, unit = length if length and quantity.unit == "px" else (1.0, quantity.unit)
    unit = plain(unit, _LONGEST_UNIT)
    way = " ".join(filter(None, (quantity.modulo, quantity.way)))
    label = plain(quantity.label, LONGEST) + (f" ({way})" if way else "")
    made = Column(
        f"{quantity.owner}/{quantity.key}" if quantity.owner else quantity.key,
        quantity.column,
        label,
        group or quantity.group,
        quantity.values,
        unit,
        cmap=look.spread if quantity.is_error else look.colormap,
        low=limits.low * factor,
        high=limits.high * factor,
        factor=factor,
    )
    if quantity.scale == "categorical":
        made.kind = "category"
        made.levels = [float(level) for level in quantity.levels]
        made.names = [plain(name, LONGEST) for name in names or quantity.meanings]
        made.colours = category_colours(len(made.levels))
        made.truth_value = quantity.values.dtype.kind == "b"
        made.words = list(quantity.meanings) if quantity.worded else []
    elif quantity.scale == "cyclic":
        made.kind, made.period, made.cmap = "angle", quantity.period or 360.0, look.cyclic
        if limits.centre is not None:
            made.centre, made.cmap = limits.centre, look.diverging
            made.low, made.high = limits.centre + limits.low, limits.centre + limits.high
    elif quantity.scale == "diverging":
        made.cmap = look.diverging
    return made


def columns_of(
    found: Sequence[Quantity], scene: Scene, errors: str = "", **more: Any
) -> list[Column]:
    """Every quantity and its error; ``errors`` is the group of these, ``more`` as of
    ``column_of``."""
    columns = []
    for quantity in found:
        made = column_of(quantity, scene, **more)
        columns.append(made)
        if quantity.error is not None:
            beside = column_of(quantity.error, scene, errors, length=more.get("length"))
            made.error = beside.key
            columns.append(beside)
    return columns


def narrow(values: np.ndarray) -> np.ndarray:
    """Convert values to the smallest type of browsers that preserves them: whole numbers
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
