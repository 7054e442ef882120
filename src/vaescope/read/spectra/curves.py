"""What every reader hands over of spectra: signals of named axes, put into one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dask.array as da

from vaescope.errors import UserError
from vaescope.read import chosen, lazy
from vaescope.read.physical import Pixel
from vaescope.read.raw import show
from vaescope.read.signals import corner_of, pixel_of
from vaescope.read.spectra import axes as of_axes
from vaescope.read.spectra.axes import SpectralAxis

LEAST = 3  # channels; fewer are no spectrum


@dataclass(frozen=True)
class Curves:
    """One signal with a spectral axis, as stored in its file.

    Attributes
    ----------
    name : what `spectra: array` calls it.
    data : (time, y, x, energy), any dtype of real numbers, lazy.
    axis : the spectral axis.
    reader : which code read the file.
    quantity, unit : of the signal, "" where unknown.
    pixel : pitch of the grid in metres; None where the file does not say.
    corner : (y, x) of the first spectrum in metres, in the coordinates of the file; or None.
    parts : names of the array of the file that it is made of, of its axis, and of others that hold
        spectra, or numbers of signals: none of them is the image.
    time_step, time_unit : between frames; 1 and "frame" where the file does not say.
    metadata : what the vendor recorded.
    truth : what is known of every spectrum, ``truth_NAME`` (time, y, x) or (time, y, x, n).
    """

    name: str
    data: da.Array
    axis: SpectralAxis
    reader: str
    quantity: str = ""
    unit: str = ""
    pixel: Pixel | None = None
    corner: tuple[float, float] | None = None
    parts: tuple[str, ...] = ()
    time_step: float = 1.0
    time_unit: str = "frame"
    metadata: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, da.Array] = field(default_factory=dict)

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the grid in spectra."""
        return int(self.data.shape[1]), int(self.data.shape[2])


def of_signal(
    data: da.Array, axes: Sequence[dict[str, Any]], *, name: str, reader: str, **about: Any
) -> list[Curves]:
    """Put a signal of named axes into the order (time, y, x, energy).

    Parameters
    ----------
    data : the numbers; complex ones become two signals, their magnitude and their phase.
    axes : of every axis of ``data``, in its order, ``name``, ``size``, ``units``, ``scale``,
        ``offset`` or a table of values ``axis``, and ``navigate``: whether the file counts it
        among the places at which a signal was taken.
    about : further attributes of ``Curves``.

    Returns
    -------
    The signals, or none if it has no spectral axis, several, or more than two axes in space.
    """
    axes = [axis | {"size": n} for axis, n in zip(axes, data.shape, strict=True)]
    found = spectral_axis(axes)
    if found is None or data.dtype.kind not in "buifc" or data.shape[found] < LEAST:
        return []
    rest = [k for k in range(data.ndim) if k != found and data.shape[k] != 1]
    space, time = _places(axes, rest)
    if space is None:
        return []
    single = [k for k in range(data.ndim) if k not in (found, *space, *time)]
    plain = da.transpose(data, [*single, *time, *space, found])[(0,) * len(single)]
    shape = [data.shape[k] for k in (*time, *space)]
    missing = 3 - len(shape)
    # A line of spectra runs along x; a series without places runs in time.
    before = (1,) * missing if time or not space else (1, 1)[:missing]
    shape = shape + [1] * missing if time else [*before, *shape]
    plain = plain.reshape(*shape, data.shape[found])
    known: dict[str, Any] = {
        "pixel": _pixel([axes[k] for k in space]),
        "corner": corner_of(*(axes[k] for k in space)) if len(space) == 2 else None,
    }
    one = Curves(name, plain, of_axes.spectral(axes[found]), reader, **(known | about))
    if data.dtype.kind != "c":
        return [one]
    return [
        replace(one, name=f"{name} magnitude", data=abs(plain)),
        replace(one, name=f"{name} phase", data=da.angle(plain), unit="rad"),
    ]


def fields(data: da.Array) -> dict[str, da.Array]:
    """Part a compound array into its fields by name; one of plain numbers has the name ""."""
    names = data.dtype.names
    return {name: data[name] for name in names} if names else {"": data}


def spectral_axis(axes: list[dict[str, Any]]) -> int | None:
    """Find the one spectral axis: as stated, by name and unit, else the only axis of the signal."""
    long = [k for k, axis in enumerate(axes) if axis["size"] > 1]
    stated = [k for k in long if axes[k].get("spectral")]
    named = stated or [
        k for k in long if of_axes.is_spectral(axes[k].get("name"), axes[k].get("units"))
    ]
    if named:
        return named[0] if len(named) == 1 else None
    signal = [k for k in long if not axes[k].get("navigate", False)]
    if len(signal) == 1 and str(axes[signal[0]].get("name") or "").casefold() not in of_axes.SPACE:
        return signal[0]
    return None


def _places(axes: list[dict[str, Any]], rest: list[int]) -> tuple[list[int] | None, list[int]]:
    """Share the other axes among (y, x) and time; None where they cannot be."""
    time = [k for k in rest if of_axes.is_time(axes[k])]
    space = [k for k in rest if k not in time]
    if len(space) > 2:
        lengths = [k for k in space if of_axes.is_space(axes[k])]
        if len(lengths) == 2 and len(space) == 3 and not time:
            time = [k for k in space if k not in lengths]
            space = lengths
    if len(space) > 2 or len(time) > 1:
        return None, []
    names = [str(axes[k].get("name") or "").strip().casefold() for k in space]
    if len(space) == 2 and names[0] in ("x", "width", "column", "scan_x") and names[1] != names[0]:
        space.reverse()
    return space, time


def _pixel(space: list[dict[str, Any]]) -> Pixel | None:
    """The pitch of a grid; along a line of spectra it counts for both sides."""
    if not space:
        return None
    return pixel_of(space[0], space[-1])


def pick(found: list[Curves], wanted: Any, *, path: object, there: str) -> Curves:
    """Choose the signal that a recipe means: the one named, or the only one.

    Signals on a grid go before single spectra, and the magnitude of complex numbers before their
    phase.

    Raises
    ------
    UserError : none has one spectral axis, several have, or the one named is not there.
    """
    if not found:
        raise UserError(
            "there are no spectra in this file",
            file=path,
            found=there or "nothing",
            expected="a signal with one spectral axis and at most two axes in space",
            remedy="Name the file with the spectra in the column `spectra` of the sample sheet; if"
            " this one holds them, export them with named axes, or as npz with `spectra`"
            " (y, x, energy)",
        )
    if wanted is not None:
        called = [
            (one.name, *(part for part in one.parts[:1] if not part.isdigit())) for one in found
        ]
        numbers = chosen.numbers(wanted, called)
        if len(numbers) == 1:
            return found[numbers[0]]
        raise UserError(
            f"`spectra: array` names {wanted!r}, which is not exactly one signal of this file",
            file=path,
            found=listing(found),
            remedy="Set it to one of these names or numbers",
        )
    left = [one for one in found if one.data.size > one.data.shape[-1]] or found
    if len(left) == 2 and left[0].name.endswith(" magnitude") and left[1].unit == "rad":
        left = left[:1]
    if len(left) == 1:
        return left[0]
    raise UserError(
        "several signals of this file could be the spectra",
        file=path,
        found=listing(found),
        remedy="Say which by `spectra: array` in the recipe, by name or number",
    )


def listing(found: Sequence[Curves]) -> str:
    """List signals in words: number, name, shape and axis."""
    words = [
        f"{k}: {one.name} ({show(one.data.shape[1:])}; {one.axis.name})"
        for k, one in enumerate(found[:20])
    ]
    return "; ".join(words) + ("; …" if len(found) > 20 else "")


def in_chunks(data: da.Array) -> da.Array:
    """(time, y, x, energy) in chunks of whole spectra, at most 8 MiB of float32 each."""
    _, height, width, channels = data.shape
    room = max(1, lazy.WHOLE // channels)
    columns = min(width, room)
    rows = max(1, min(height, room // columns))
    frames = max(1, min(data.shape[0], room // (rows * columns)))
    return data.rechunk((frames, rows, columns, channels))
