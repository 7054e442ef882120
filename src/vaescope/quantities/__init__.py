"""Quantities of a site: their names, units, kinds of scale and errors.

A variable is born with them (``attributes``); whoever draws, writes or tests quantities loops over
``of(dataset)`` and has no list of its own.
"""

from vaescope.quantities.cf_attributes import (
    CLASSES,
    CRITICISM,
    DIAGNOSTIC,
    FIT,
    GROUPS,
    LATENTS,
    OTHER,
    POSE,
    SITE,
    STRAIN,
    TRUTH,
    Scale,
    attributes,
)
from vaescope.quantities.quantity import (
    Limits,
    Quantity,
    as_columns,
    header,
    median,
    robust_limits,
    with_errors,
)
from vaescope.quantities.reading import of

__all__ = [
    "CLASSES",
    "CRITICISM",
    "DIAGNOSTIC",
    "FIT",
    "GROUPS",
    "LATENTS",
    "OTHER",
    "POSE",
    "SITE",
    "STRAIN",
    "TRUTH",
    "Limits",
    "Quantity",
    "Scale",
    "as_columns",
    "attributes",
    "header",
    "median",
    "of",
    "robust_limits",
    "with_errors",
]
