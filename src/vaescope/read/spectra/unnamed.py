"""Arrays without named axes (npy, npz, plain HDF5): which is the cube, and which axis is which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import lazy
from vaescope.read.raw import show
from vaescope.read.spectra import axes as of_axes
from vaescope.read.spectra.axes import UNNAMED, SpectralAxis
from vaescope.read.spectra.curves import LEAST, Curves

CUBES = ("spectra", "spectrum")  # names of the spectra by which they are known
_PICTURES = ("image", "images", "patches")
_DELAYS = {"time", "delay", "delays", "t", "axis"}
_LONGEST_TABLE = 2**20  # values of an array that can be an axis
_SAY = (
    "Say which axis is the spectral one by `spectra: axis: first` or `last` in the recipe, or save"
    " an array `energy` of its values beside the spectra"
)


@dataclass(frozen=True)
class Array:
    """An array of a file: its shape and type, how to open it lazily (perhaps in given ``pieces``),
    and the chunks in which the file has it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    open: Callable[..., da.Array]
    inner: tuple[int, ...] | None = None


def curves(
    arrays: Mapping[str, Array], axis: str, *, path: object, reader: str, wanted: Any = None
) -> list[Curves]:
    """Find the spectra among the arrays of a file.

    An array called ``spectra`` is (y, x, energy), (n, energy), (time, y, x, energy) or one
    spectrum; without one, any array of three axes may be. Values of the axis are in an array
    called ``energy``, ``wavelength``, ``bias`` or the like, its unit in ``energy_units``.

    Raises
    ------
    UserError : it is not clear which axis is the spectral one.
    """
    short = {name: name.rsplit("/", 1)[-1].casefold() for name in arrays}
    tables = [
        name
        for name, one in arrays.items()
        if len(one.shape) == 1
        and one.dtype.kind in "iuf"
        and LEAST <= one.shape[0] <= _LONGEST_TABLE
        and of_axes.is_spectral(short[name].replace("_", " "), None)
    ]
    cubes = [name for name in arrays if short[name] in CUBES and arrays[name].shape]
    if wanted is not None or not cubes:
        cubes = [name for name in arrays if _can_be(arrays[name]) and short[name] not in _PICTURES]
        cubes = [name for name in cubes if not short[name].startswith("truth")]
        named = [name for name in arrays if wanted in (name, short[name])]
        cubes += [name for name in named if name not in cubes]
        if len(arrays) == 1:
            cubes = list(arrays)
    pictures = [arrays[name].shape for name in arrays if short[name] in _PICTURES]
    return [
        _cube(name, arrays, (tables, cubes), axis, pictures, path=path, reader=reader)
        for name in cubes
        if arrays[name].dtype.kind in "buifc"
    ]


def _can_be(array: Array) -> bool:
    return (
        array.dtype.kind in "buifc"
        and len(array.shape) in (3, 4)
        and max(array.shape) >= LEAST
        and 0 not in array.shape
    )


def _cube(
    name: str,
    arrays: Mapping[str, Array],
    among: tuple[list[str], list[str]],
    axis: str,
    pictures: list[tuple[int, ...]],
    *,
    path: object,
    reader: str,
) -> Curves:
    array = arrays[name]
    tables, cubes = among
    if len(array.shape) > 4 or 0 in array.shape:
        raise UserError(
            "the array of spectra has a shape that is not understood",
            file=path,
            found=f"{name}: {show(array.shape)}",
            expected="(y, x, energy), (n, energy), (time, y, x, energy) or (energy,)",
        )
    fitting = [table for table in tables if arrays[table].shape[0] in array.shape]
    fitting.sort(key=lambda table: not table.casefold().endswith("energy"))
    if not tables:  # delays of a decay, which may also be the times of frames
        sides = (array.shape[-1],) if len(array.shape) < 3 else (array.shape[0], array.shape[-1])
        fitting = [table for table in _times(arrays) if arrays[table].shape[0] in sides]
    if tables and not fitting:
        raise UserError(
            "the axis of the spectra does not have their length",
            file=path,
            found=f"{tables[0]} with {arrays[tables[0]].shape[0]} values, {name} of "
            f"{show(array.shape)}",
            remedy="Save the values of the axis, one for each channel of the spectra",
        )
    table = fitting[0] if fitting else None
    length = arrays[table].shape[0] if table else None
    place = spectral_place(array.shape, length, pictures, axis, name=name, path=path)
    if table is not None and length != array.shape[place]:
        table = None
    pieces = lazy.whole_along(place, array.shape, array.inner)
    data = da.moveaxis(array.open(pieces=pieces), place, -1)
    if data.ndim == 2:  # a series of spectra
        data = data[:, None, None]
    data = data.reshape(*((1,) * (4 - data.ndim)), *data.shape)
    values = np.arange(data.shape[-1], dtype=float)
    unit = _unit(table, arrays) if table else "1"
    if table:
        values = np.asarray(arrays[table].open().compute(), float)
    called = of_axes.name_of(table.rsplit("/", 1)[-1], unit) if table else UNNAMED
    return Curves(
        name.rsplit("/", 1)[-1],
        abs(data) if data.dtype.kind == "c" else data,
        SpectralAxis(called, unit, values),
        reader,
        quantity="magnitude" if data.dtype.kind == "c" else "",
        parts=(name, *(tables or fitting), *(one for one in cubes if one != name)),
        truth=_truths(arrays, array, data),
    )


def _truths(arrays: Mapping[str, Array], array: Array, data: da.Array) -> dict[str, da.Array]:
    """What is known of every spectrum (time, y, x, energy) of a cube (y, x, energy), or of spectra
    (n, energy) without a place: arrays ``truth_NAME`` that begin with the same axes."""
    if len(array.shape) not in (2, 3):
        return {}
    own = data.shape[1:3] if len(array.shape) == 3 else data.shape[:1]
    found = {}
    for key, one in arrays.items():
        short, rest = key.rsplit("/", 1)[-1], one.shape[len(own) :]
        fits = one.shape[: len(own)] == own and len(rest) <= 1 and one.dtype.kind in "buif"
        if short.startswith("truth_") and fits:
            found[short] = one.open().reshape(*data.shape[:3], *rest)
    return found


def spectral_place(
    shape: tuple[int, ...],
    length: int | None,
    pictures: list[tuple[int, ...]],
    axis: str,
    *,
    name: str,
    path: object,
) -> int:
    """Determine which axis of an array without named axes is the spectral one.

    Parameters
    ----------
    shape : of the array.
    length : values in the table of the axis; None without one.
    pictures : shapes of images in the same file.
    axis : what `spectra: axis` says.

    Raises
    ------
    UserError : several axes may be.
    """
    last = len(shape) - 1
    first = len(shape) - 3 if len(shape) > 3 else 0
    if axis != "auto":
        return first if axis == "first" else last
    if last == 0:
        return 0
    fits = [k for k, n in enumerate(shape) if n == length]
    if len(fits) == 1:
        return fits[0]
    in_order = any(shape[:-1] == picture[-len(shape[:-1]) :] for picture in pictures)
    turned = len(shape) == 3 and any(shape[1:] == picture[-2:] for picture in pictures)
    if in_order or turned:
        return last if in_order else first
    if last == 1 and not fits:
        return last
    if not fits and not _looks_turned(shape[-3:]):
        return last
    if last in fits and (first not in fits or len(set(shape[-3:])) == 1):
        return last
    raise UserError(
        "it is not clear which axis of the spectra is the spectral one",
        file=path,
        found=f"{name} of {show(shape)}"
        + (f", {length} values of the axis" if length else ", without values of the axis"),
        remedy=_SAY,
    )


def _looks_turned(shape: tuple[int, ...]) -> bool:
    """Tell whether the shape of a cube speaks for another order than (y, x, energy)."""
    y, x, energy = shape
    return y != x and (x == energy or y > energy)


def _times(arrays: Mapping[str, Array]) -> list[str]:
    """Name the tables that are an axis of spectra only if no other is."""
    return [
        name
        for name, one in arrays.items()
        if len(one.shape) == 1
        and one.dtype.kind in "iuf"
        and name.rsplit("/", 1)[-1].casefold() in _DELAYS
    ]


def _unit(table: str, arrays: Mapping[str, Array]) -> str:
    """Read the unit of a table from the text beside it, ``energy_units``; "1" without one."""
    for ending in ("_units", "_unit"):
        text = arrays.get(table + ending)
        if text is not None and text.dtype.kind in "US" and int(np.prod(text.shape)) == 1:
            value = np.asarray(text.open().compute()).ravel()[0]
            return of_axes.unit_of(value.decode() if isinstance(value, bytes) else value)
    return "1"
