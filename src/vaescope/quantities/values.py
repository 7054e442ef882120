"""What the values of a variable are: their order, unit and categories.

A variable tells it by its attributes; of one of an older store that does not, its name, type and
axes do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.quantities.cf_attributes import SCALES, Scale

if TYPE_CHECKING:
    import xarray as xr

AGREED = "consensus_"
"""Begins the names of what the members of an ensemble agree on."""
TRUE = "truth_"
"""Begins the names of what is known to be true."""
_MOST = 16  # whole numbers that are taken for categories; more are a scale


def base_name(name: str) -> str:
    """Name of a variable without what says that members agree on it."""
    return name.removeprefix(AGREED)


def is_strain(name: str) -> bool:
    """Whether a variable of this name is a strain, or the true one."""
    bare = base_name(name).removeprefix(TRUE)
    return bare == "strain" or bare.startswith("strain_")


def coded(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Words as numbers from 0, and the words; numbers as they are."""
    if values.dtype.kind in "iufb":
        return values, ()
    words, codes = np.unique(values.astype(str), return_inverse=True)
    return codes.reshape(values.shape), tuple(map(str, words))


def scale_of(array: xr.DataArray, name: str, values: np.ndarray, words: tuple[str, ...]) -> Scale:
    """Order of the values of a variable: as it was born, else by what they are.

    words : what its numbers stand for; empty: the store has numbers.
    """
    told = array.attrs.get("scale")
    if told in SCALES:
        return next(scale for scale in SCALES if scale == told)
    if words or values.dtype.kind == "b" or "flag_values" in array.attrs:
        return "categorical"
    if values.dtype.kind in "iu":
        return "categorical" if len(np.unique(values)) <= _MOST else "sequential"
    if base_name(name).removeprefix(TRUE) in ("angle", "rotation"):
        return "cyclic"
    signed = array.attrs.get("units") == "rad" or "axis" in array.dims or is_strain(name)
    return "diverging" if signed else "sequential"


def unit_of(array: xr.DataArray, name: str, scale: Scale) -> str:
    """Unit in which a store has the values of a variable; 1 for those of categories."""
    if scale == "categorical":
        return "1"
    return str(array.attrs.get("units") or ("rad" if base_name(name).startswith("angle") else "1"))


def as_shown(values: np.ndarray, unit: str, name: str) -> tuple[np.ndarray, str, float]:
    """Convert values to the unit that people read: these, that unit, and the factor to it."""
    factor = {"rad": float(np.degrees(1)), "1": 100.0 if is_strain(name) else 1.0}.get(unit, 1.0)
    if factor == 1.0:
        return values, "" if unit == "1" else unit, factor
    return factor * values.astype(float), "°" if unit == "rad" else "%", factor
