"""The CF attributes with which a variable is born, if it holds a quantity of a site.

``long_name`` and ``units``; ``scale``, how its values are ordered (``SCALES``); ``period``, in its
own unit, after which a cyclic one repeats; ``ancillary_variables``, the variable with its standard
error; ``flag_values`` and ``flag_meanings`` of categories; ``valid_min`` and ``valid_max``;
``group``, among what it is offered.

Source: CF Metadata Conventions 1.11, appendix A (https://cfconventions.org).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Scale = Literal["sequential", "diverging", "cyclic", "categorical"]
SCALES: tuple[Scale, ...] = ("sequential", "diverging", "cyclic", "categorical")

POSE, LATENTS, CLASSES, OTHER = "Pose", "Latents", "Classes and modes", "Other quantities"
SITE, STRAIN = "Site", "Strain of the lattice"
FIT, CRITICISM, TRUTH = "How it was found", "How well it is explained", "Truth"
GROUPS = (SITE, POSE, LATENTS, CLASSES, OTHER, STRAIN, FIT, CRITICISM, TRUTH)
"""What quantities are about, in the order in which they are offered."""
DIAGNOSTIC = (FIT, CRITICISM, TRUTH)
"""Groups that say how good something is, not what there is: on no map by themselves."""


def attributes(
    long_name: str,
    units: str,
    scale: Scale | None = None,
    *,
    error: str | None = None,
    period: float | None = None,
    meanings: Sequence[str] | None = None,
    group: str | None = None,
    valid: tuple[float, float] | None = None,
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
    group : one of ``GROUPS``; None: by its axes.
    valid : least and greatest value that it can have.

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
    if group is not None:
        made["group"] = group
    if valid is not None:
        made["valid_min"], made["valid_max"] = map(float, valid)
    return made
