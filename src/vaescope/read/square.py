"""Pixels that are higher than wide, or wider than high, are resampled to squares.

Lengths, angles and strains are then the same numbers along both axes everywhere after ingest. The
finer of the two pitches is kept, so that nothing of the image is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read.raw import in_chunks

if TYPE_CHECKING:
    import xarray as xr

SAME = 1e-3  # pitches that differ by less are equal: calibrations are no better
MOST = 16.0  # times as many pixels; more is a list of line scans rather than an image
_LINES = 256  # lines along the axis that are resampled at once
AXIS, FACTOR = "resampled_axis", "resampled_factor"
"""Attributes of an image that was resampled: the axis, and by how much its pitch was divided."""


def pixels(dataset: xr.Dataset, y: float, x: float) -> xr.Dataset:
    """Resample an image to square pixels, lazily, by cubic splines along its coarser axis.

    Parameters
    ----------
    dataset : image contract, with ``measured`` where something is missing.
    y, x : height and width of a pixel, in the same unit.

    Returns
    -------
    The dataset with square pixels, attributes ``pixel_size``, and where anything was done
    ``resampled_axis`` (`y` or `x`) and ``resampled_factor``. Noise of neighbouring pixels along
    that axis is then correlated: a region holds ``resampled_factor`` times fewer independent
    pixels than it has pixels.

    Raises
    ------
    UserError : a pixel more than 16 times as long as wide.
    """
    factor = max(factors(y, x))
    if factor == 1:
        return dataset
    axis = "y" if y > x else "x"
    if factor > MOST:
        raise UserError(
            "the pixels are too oblong for an image",
            found=f"{factor:.3g} times as {'high as wide' if axis == 'y' else 'wide as high'}",
            expected=f"at most {MOST:g} times",
            remedy="Check the pixel size of the file, or give `pixel_size` in the sample sheet if"
            " its pixels are square",
        )
    count = int((dataset.sizes[axis] - 1) * factor) + 1
    places = np.arange(count) / factor
    fine = min(y, x)
    about = dataset[axis].attrs
    done = dataset.drop_vars([axis, *_along(dataset, axis)])
    for name in _along(dataset, axis):
        variable = dataset[name].variable
        done[name] = (variable.dims, _resampled(variable, axis, places), variable.attrs)
    done = done.assign_coords({axis: (axis, np.arange(count) * fine, about)})
    done.attrs |= {"pixel_size": fine, AXIS: axis, FACTOR: float(factor)}
    if "frame_shift" in done:
        scale = np.where(done["axis"].values == axis, factor, 1.0)
        done["frame_shift"] = done["frame_shift"] * scale
        done["frame_shift"].attrs = dataset["frame_shift"].attrs
    return done


def factors(y: float, x: float) -> tuple[float, float]:
    """By how much ``pixels`` divides the pitches (y, x): one of them is 1, and 1 leaves an axis."""
    ratio = y / x
    if max(ratio, 1 / ratio) <= 1 + SAME:
        return 1.0, 1.0
    return (ratio, 1.0) if ratio > 1 else (1.0, 1 / ratio)


def _along(dataset: xr.Dataset, axis: str) -> list[str]:
    return [str(name) for name, variable in dataset.data_vars.items() if axis in variable.dims]


def _resampled(variable: xr.Variable, axis: str, places: np.ndarray) -> da.Array:
    """Values at fractional places along an axis; of a mask, whether all that is used was true."""
    data = da.asarray(variable.data)
    k = variable.get_axis_num(axis)
    other = data.ndim - 1 if k == data.ndim - 2 else data.ndim - 2
    chunks = dict.fromkeys(range(data.ndim), 1) | {k: -1, other: _LINES}
    whole = data.rechunk(chunks)
    sizes = tuple((len(places),) if n == k else size for n, size in enumerate(whole.chunks))
    done = whole.map_blocks(
        _mask_at if data.dtype == bool else _values_at,
        places=places,
        axis=k,
        chunks=sizes,
        dtype=data.dtype,
        meta=data._meta,
    )
    return in_chunks(done) if data.ndim == 4 else done


def _values_at(block: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(np.arange(block.shape[axis]), block, axis, bc_type="natural")
    return spline(places).astype(block.dtype)


def _mask_at(block: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    last = block.shape[axis] - 1
    low = np.floor(places).astype(int)
    return block.take(low, axis) & block.take(np.minimum(np.ceil(places).astype(int), last), axis)
