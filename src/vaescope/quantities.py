"""Quantities of a site: their names, units, kinds of scale and errors, as CF attributes.

A variable carries what is known of it from its birth: ``long_name`` and ``units``; ``scale``, how its
values are ordered (``SCALES``); ``period``, in its own unit, after which a cyclic one repeats;
``ancillary_variables``, the variable with its standard error; ``flag_values`` and ``flag_meanings`` of
categories. Figures, explorer, tables and reports read them and have no lists of their own.

Source: CF Metadata Conventions 1.11, appendix A (https://cfconventions.org).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Scale = Literal["sequential", "diverging", "cyclic", "categorical"]
SCALES: tuple[Scale, ...] = ("sequential", "diverging", "cyclic", "categorical")


def attributes(
    long_name: str,
    units: str,
    scale: Scale | None = None,
    *,
    error: str | None = None,
    period: float | None = None,
    meanings: Sequence[str] | None = None,
) -> dict[str, Any]:
    """CF attributes of a variable.

    Parameters
    ----------
    long_name : what it is, in words, without its unit.
    units : as in UDUNITS: ``px``, ``rad``, ``1``, …
    scale : how its values are ordered; None: it is no quantity of a site that anybody would map
        (an error, a number of a member).
    error : name of the variable that holds its standard error.
    period : of a cyclic quantity, in its own unit.
    meanings : of a categorical quantity, what its values 0, 1, … stand for.

    Raises
    ------
    ValueError : a period without a cyclic scale, or a cyclic scale without a period.
    """
    if (scale == "cyclic") != (period is not None):
        raise ValueError(f"`{long_name}`: a cyclic scale, and no other, has a period")
    made: dict[str, Any] = {"long_name": long_name, "units": units}
    if scale is not None:
        made["scale"] = scale
    if error is not None:
        made["ancillary_variables"] = error
    if period is not None:
        made["period"] = float(period)
    if meanings is not None:
        made["flag_values"] = list(range(len(meanings)))
        made["flag_meanings"] = " ".join(str(meaning).replace(" ", "_") for meaning in meanings)
    return made
