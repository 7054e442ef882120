"""Arrays of any layout as the patches that models are trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

_CHANNEL = ("channel", "channels", "c")  # names of that axis in a DataArray


def as_patches(
    images: np.ndarray,
    known: dict[str, np.ndarray],
    channel_axis: int | None = None,
    shapes: Iterable[tuple[int, ...]] = (),
) -> xr.Dataset:
    """Arrays as a Dataset of patches.

    Parameters
    ----------
    images : see ``as_pictures``, as are ``channel_axis`` and ``shapes``.
    known : arrays of length n by name.

    Raises
    ------
    UserError : images of another number of axes or with NaN, or something known of another length.
    """
    import xarray as xr

    pictures = as_pictures(images, channel_axis, shapes)
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
            array = as_pictures(values, channel_axis, shapes)
        axes = [f"{name}_{k}" for k in range(array.ndim - 1)]
        # Where a patch lies is what neighbours are told by; the rest may be named by settings.
        full = name if name in ("frame", "y", "x") else f"truth_{name}"
        dataset[full] = (("site", *axes), array)
    return dataset


def as_pictures(
    images: np.ndarray,
    channel_axis: int | None = None,
    shapes: Iterable[tuple[int, ...]] = (),
) -> np.ndarray:
    """Pictures as (n, channel, height, width) float32; curves have height 1.

    Parameters
    ----------
    images : (n, length), (n, height, width) or (n, height, width, channel); an axis of a DataArray
        that is called `channel` is that wherever it is.
    channel_axis : of arrays with four axes, 1 or -1; None: -1.
    shapes : (channel, height, width) of a trained model: an array that has one of them with its
        channels first, and none with its channels last, has its channels first.

    Raises
    ------
    UserError : an array of fewer than two or more than four axes, or without numbers; one that
        seems to have its channels first, if nothing tells whether it has.
    """
    try:
        array = np.asarray(images)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise UserError(
            "these are no pictures",
            found=f"shape {array.shape} of {array.dtype}",
            expected="numbers as (n, height, width), (n, height, width, channel) or (n, length)",
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(
            "some pixels are not numbers",
            found=f"{int((~np.isfinite(array)).sum())} NaN or infinite values",
            remedy="Fill them in, or leave these pictures out",
        )
    named = [k for k, name in enumerate(getattr(images, "dims", ())) if name in _CHANNEL]
    if named and array.ndim > 2:
        array = np.moveaxis(array, named[0], 1)
        array = array[:, :, None] if array.ndim == 3 else array
    elif array.ndim == 4:
        array = np.moveaxis(array, _channel_axis(array.shape, channel_axis, list(shapes)), 1)
    else:
        array = array[:, None, None] if array.ndim == 2 else array[:, None]
    return np.ascontiguousarray(array)


def _channel_axis(
    shape: tuple[int, ...], axis: int | None, shapes: Sequence[tuple[int, ...]]
) -> int:
    if axis is not None:
        if axis not in (1, 3, -1):
            raise UserError("`channel_axis` is not known", found=repr(axis), expected="1 or -1")
        return axis
    _, first, second, last = shape
    if (last, first, second) in shapes:
        return -1
    if (first, second, last) in shapes:
        return 1
    # Read with channels last, these would be odd pictures; a guess would go wrong unseen.
    if not shapes and (last > first or second == last != first):
        raise UserError(
            "which axis of the pictures holds the channels is not clear",
            found=f"shape {shape}",
            expected="(n, height, width, channel)",
            remedy="Give the model `channel_axis=1` if it is the second, or `channel_axis=-1` if "
            "it is the last",
        )
    return -1


def as_columns(
    conditions: dict[str, Any], names: Sequence[str], length: int
) -> dict[str, np.ndarray]:
    """Conditions to decode, by name as (length,) numbers; one number stands for all.

    Raises
    ------
    UserError : one of ``names`` is missing, another one is given, or its values do not suit.
    """
    for name in conditions:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            raise UserError(
                f"the model was not trained with `{name}`",
                expected=", ".join(names) if names else "no conditions",
                remedy=f"Did you mean `{close[0]}`" if close else None,
            )
    columns = {}
    for name in names:
        if name not in conditions:
            raise UserError(
                f"decoding needs `{name}`, a condition of the model",
                remedy=f"Give `{name}` as one number, or as an array of length n",
            )
        values = as_numbers(conditions[name], name)
        if values.shape not in ((), (1,), (length,)):
            raise UserError(
                f"`{name}` is not known for every picture",
                found=f"shape {values.shape}",
                expected=f"one number, or length {length}",
            )
        columns[name] = np.broadcast_to(values, length)
    return columns


def as_numbers(values: Any, name: str) -> np.ndarray:
    """Finite numbers as float64, of any shape.

    Raises
    ------
    UserError : text, rows of different lengths, or NaN.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise UserError(f"`{name}` holds something else than numbers", found=repr(values)[:80])
    return array.astype(float)


def refuse_uncounted(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise a UserError unless a value is a whole number from ``low`` to ``high``."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        raise UserError(
            f"`{name}` is out of range" if whole else f"`{name}` is no whole number",
            found=repr(value),
            expected=f"{low} or more" if high is None else f"a whole number from {low} to {high}",
        )
