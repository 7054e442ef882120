"""Arrays of any layout as the patches that models are trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

_COLOURS = 16  # a last axis shorter than this holds channels, not pixels


def as_patches(images: np.ndarray, known: dict[str, np.ndarray]) -> xr.Dataset:
    """Arrays as a Dataset of patches.

    Raises
    ------
    UserError : images of another number of axes or with NaN, or something known of another length.
    """
    import xarray as xr

    pictures = as_pictures(images)
    dataset = xr.Dataset({"patch": (("site", "channel", "py", "px"), pictures)})
    for name, values in known.items():
        array = np.asarray(values)
        if array.shape[:1] != pictures.shape[:1]:
            raise UserError(
                f"`{name}` is not known for every picture",
                found=f"shape {array.shape}",
                expected=f"length {len(pictures)}",
            )
        if array.ndim > 2:
            array = as_pictures(array)
        axes = [f"{name}_{k}" for k in range(array.ndim - 1)]
        # Where a patch lies is what neighbours are told by; the rest may be named by settings.
        full = name if name in ("frame", "y", "x") else f"truth_{name}"
        dataset[full] = (("site", *axes), array)
    return dataset


def as_pictures(images: np.ndarray) -> np.ndarray:
    """Pictures of any layout as (n, channel, height, width) float32; curves have height 1.

    Raises
    ------
    UserError : an array of fewer than two or more than four axes, or without numbers.
    """
    array = np.asarray(images)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise UserError(
            "these are no pictures",
            found=f"shape {array.shape} of {array.dtype}",
            expected="numbers as (n, height, width), with channels first or last, or (n, length)",
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(
            "some pixels are not numbers",
            found=f"{int((~np.isfinite(array)).sum())} NaN or infinite values",
            remedy="Fill them in, or leave these pictures out",
        )
    if array.ndim == 2:
        return np.ascontiguousarray(array[:, None, None])
    if array.ndim == 3:
        return np.ascontiguousarray(array[:, None])
    if array.shape[-1] < _COLOURS <= min(array.shape[1:3]):
        array = np.moveaxis(array, -1, 1)
    return np.ascontiguousarray(array)
