"""What a file knows of each frame: labels, angles, clean twins; kept apart from what models see."""

from __future__ import annotations

import dask.array as da
import numpy as np

from vaescope.read.raw import SMALLEST_SIDE, in_chunks

PREFIX = "truth_"
_ANGLES = ("angle", "shear")  # names whose numbers are angles, in radians or degrees
_PLURALS = {"labels": "label", "angles": "angle", "shears": "shear"}
_RADIANS = 2 * np.pi * 1.001  # larger numbers must be degrees

Variable = tuple[tuple[str, ...], da.Array | np.ndarray, dict[str, str]]


def per_frame(arrays: dict[str, da.Array]) -> dict[str, Variable]:
    """Make the variables ``truth_NAME`` of an image store: name -> (dims, values, attributes).

    Numbers (frame,) stay numbers; those called ``angle`` or ``shear`` become radians if they must
    be degrees. (frame, y, x[, colour]) become pictures (time, NAME_channel, NAME_y, NAME_x),
    anything else (frame, n) a curve.
    """
    out: dict[str, Variable] = {}
    for given, array in arrays.items():
        plain = given.removeprefix(PREFIX)
        name = _PLURALS.get(plain, plain)
        if name != plain and name in arrays:
            name = plain
        about = {"long_name": name.replace("_", " "), "units": "1"}
        if array.ndim == 1 or array.shape[1:] == (1,):
            values = np.asarray(array).reshape(len(array))
            if name in _ANGLES:
                values, about["units"] = _radians(values.astype(float)), "rad"
            out[PREFIX + name] = (("time",), values, about)
        elif array.ndim == 2:
            out[PREFIX + name] = (("time", f"{name}_point"), array.astype(np.float32), about)
        else:
            axes = ("time", f"{name}_channel", f"{name}_y", f"{name}_x")
            out[PREFIX + name] = (axes, _pictures(array), about)
    return out


def _radians(values: np.ndarray) -> np.ndarray:
    known = np.abs(values[np.isfinite(values)])
    return np.radians(values) if len(known) and known.max() > _RADIANS else values


def _pictures(array: da.Array) -> da.Array:
    """Convert (frame, y, x) or (frame, y, x, colour) to (frame, channel, y, x) float32."""
    if array.ndim == 4 and array.shape[-1] < SMALLEST_SIDE <= min(array.shape[1:3]):
        array = da.moveaxis(array, -1, 1)
    elif array.ndim == 3:
        array = array[:, None]
    return in_chunks(array.astype(np.float32))
