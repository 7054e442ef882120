"""What every reader hands over, and how unlabelled arrays are understood as images."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, lazy
from vaescope.read.physical import Pixel

SMALLEST_SIDE = 16  # pixels; less cannot hold one patch
SMALL_CHUNK = 2**18  # pixels of a chunk of small frames: not one file for each
PLAIN = "intensity"  # the channel of an image that has only one and no name for it
_COLOURS = {3: ["red", "green", "blue"], 4: ["red", "green", "blue", "alpha"]}


class NoImageError(UserError):
    """A file holds no image; it may hold spectra."""


@dataclass(frozen=True)
class Raw:
    """An image as stored in its file.

    Attributes
    ----------
    data : (time, channel, y, x), any dtype of real numbers, lazy.
    channels : names of the channels.
    units : unit of the signal per channel, "" where unknown.
    pixel : sides of a pixel in metres, None where the file does not say.
    calibration : where the pixel size comes from, in words; "" for the file itself.
    corner : (y, x) of the first pixel in metres, in the coordinates of the file; None if unknown.
    marked : (top, left, bottom, right) in pixels of the area from which spectra were taken, where
        the file marks it in a survey.
    reciprocal : unit of the axes where these lie in reciprocal space (1/nm), else "".
    time_step, time_unit : between frames; 1 and "frame" where the file does not say.
    taken : seconds, on any clock, at which each frame was recorded; () where the file does not say.
    metadata : what the vendor recorded.
    reader : which code read the file.
    beside : further arrays of the file with one entry per frame, by name.
    pictures : every frame is a picture by itself, such as a patch about a particle.
    """

    data: da.Array
    channels: list[str]
    units: list[str]
    reader: str
    pixel: Pixel | None = None
    calibration: str = ""
    corner: tuple[float, float] | None = None
    marked: tuple[float, float, float, float] | None = None
    reciprocal: str = ""
    time_step: float = 1.0
    time_unit: str = "frame"
    taken: tuple[float, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, da.Array] = field(default_factory=dict)
    pictures: bool = False


def unlabelled(array: da.Array, reader: str, *, path: object, name: str = PLAIN) -> Raw:
    """Interpret an array without named axes as an image, by the lengths of its axes.

    (y, x); (time, y, x); (y, x, colour), known by a last axis too short for an image;
    (time, channel, y, x) or (time, y, x, colour).
    """
    array = without_fields(array)
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    while array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    if 0 in array.shape:
        raise UserError("the image is empty", file=path, found=f"shape {show(array.shape)}")
    last = array.ndim >= 3 and array.shape[-1] < SMALLEST_SIDE <= min(array.shape[-3:-1])
    if array.ndim not in (2, 3, 4) or (
        array.ndim == 4 and not last and array.shape[1] >= SMALLEST_SIDE
    ):
        raise UserError(
            "the array has dimensions that are not understood",
            file=path,
            found=f"shape {show(array.shape)}",
            expected="(y, x), (time, y, x), (y, x, colour) or (time, channel, y, x)",
            remedy="Save the image alone, or name another array by `ingest: array` in the recipe",
        )
    if last:
        count = array.shape[-1]
        names = named_colours(count, name)
        array = da.moveaxis(array, -1, -3)
        array = array[None] if array.ndim == 3 else array
    elif array.ndim == 4:
        names = [f"{name} {k}" for k in range(array.shape[1])]
    else:
        names = [name]
        array = array[None, None] if array.ndim == 2 else array[:, None]
    return real(Raw(array, names, [""] * len(names), reader))


def named_colours(count: int, name: str = PLAIN) -> list[str]:
    """Name the channels along an axis without names: colours if they are three or four."""
    return list(_COLOURS.get(count, [f"{name} {k}" for k in range(count)]))


def real(raw: Raw) -> Raw:
    """Split complex channels into magnitude and phase (rad); leave other channels unchanged."""
    if raw.data.dtype.kind != "c":
        return raw
    data = da.concatenate([abs(raw.data), da.angle(raw.data)], axis=1)
    return replace(
        raw,
        data=data,
        channels=[f"{name} magnitude" for name in raw.channels]
        + [f"{name} phase" for name in raw.channels],
        units=[*raw.units, *("rad" for _ in raw.units)],
    )


def without_fields(array: da.Array) -> da.Array:
    """Convert a record per pixel, as HyperSpy writes colours, to one more last axis."""
    names = array.dtype.names
    return da.stack([array[name] for name in names], axis=-1) if names else array


def tidy(raw: Raw) -> Raw:
    """Reduce grey stored as colour to one channel, and drop a constant alpha channel.

    Compared chunk by chunk, so that the picture is never held as a whole. JPEG rounds gray by
    a level or two on its way through luminance and chrominance: that still counts as gray.
    """
    if raw.channels[:3] != _COLOURS[3]:
        return raw
    data, names = raw.data, list(raw.channels)
    if len(names) == 4:
        alpha = data[:, 3]
        low, high = da.compute(alpha.min(), alpha.max())
        if low == high:
            data, names = data[:, :3], names[:3]
    allowed = 2 if raw.reader == "Pillow JPEG" else 0
    if len(names) == 3:
        wide = data.astype(np.float64)
        apart = da.maximum(abs(wide[:, 0] - wide[:, 1]), abs(wide[:, 0] - wide[:, 2]))
        if not apart.max().compute() > allowed:
            data, names = data[:, :1], [PLAIN]
    return replace(raw, data=data, channels=names, units=raw.units[: len(names)])


def stack(raws: list[Raw], paths: list[str]) -> Raw:
    """Join several files into one series in time, in the order given."""
    first = raws[0]
    for other, path in zip(raws[1:], paths[1:], strict=True):
        refuse_unlike(first, other, path, paths[0])
    if len(raws) == 1:
        return first
    return replace(
        first,
        data=da.concatenate([raw.data for raw in raws], axis=0),
        time_step=1.0,
        time_unit="frame",
        taken=tuple(moment for raw in raws for moment in raw.taken),
        metadata={"files": {p: raw.metadata for p, raw in zip(paths, raws, strict=True)}},
        beside={
            name: da.concatenate([raw.beside[name] for raw in raws])
            for name, array in first.beside.items()
            if all(name in raw.beside for raw in raws)
            and all(raw.beside[name].shape[1:] == array.shape[1:] for raw in raws)
        },
    )


def refuse_unlike(
    first: Raw, other: Raw, path: str, reference: str, *, channels: bool = True
) -> None:
    """Refuse to join two files of other shape, pixel size or, if these count, channels.

    Raises
    ------
    UserError : they differ; ``path`` and ``reference`` name the files.
    """
    named = channels and other.channels != first.channels
    sizes = slice(1, None) if channels else slice(2, None)
    if other.data.shape[sizes] != first.data.shape[sizes] or named:
        raise UserError(
            "the files of one dataset must have equal shapes and channels",
            file=path,
            found=f"{show(other.data.shape[1:])} with channels {', '.join(other.channels)}",
            expected=f"{show(first.data.shape[1:])} with channels "
            f"{', '.join(first.channels)}, as in `{reference}`",
            remedy="Narrow the pattern in the column `source`, or give each its own row",
        )
    known, new = first.pixel, other.pixel
    if (known is None) != (new is None) or (
        known and new and not np.allclose(known, new, rtol=1e-3, atol=0)
    ):
        raise UserError(
            "the files of one dataset must have one pixel size",
            file=path,
            found=describe_pixel(new),
            expected=f"{describe_pixel(known)}, as in `{reference}`",
            remedy="Give each magnification its own row, or fill in the column `pixel_size`",
        )


def describe_pixel(pixel: Pixel | None) -> str:
    """Say the size of a pixel in words."""
    return "no pixel size" if pixel is None else f"{pixel.y * 1e9:g} × {pixel.x * 1e9:g} nm"


def pick_channels(raw: Raw, wanted: Any, *, path: object) -> Raw:
    """Select the channels that the recipe names: a name, a number, or a list; None for all."""
    if wanted is None:
        return raw
    chosen = [_channel(raw, one, path) for one in (wanted if _is_list(wanted) else [wanted])]
    return replace(
        raw,
        data=raw.data[:, chosen],
        channels=[raw.channels[k] for k in chosen],
        units=[raw.units[k] for k in chosen],
    )


def _channel(raw: Raw, wanted: Any, path: object) -> int:
    hits = chosen.numbers(wanted, raw.channels)
    if not hits and isinstance(wanted, str):
        hits = [k for k, name in enumerate(raw.channels) if wanted.casefold() in name.casefold()]
    if len(hits) == 1:
        return hits[0]
    raise UserError(
        "the recipe names a channel that is not there, or is not the only one of that name",
        file=path,
        found=", ".join(f"{k}: {name}" for k, name in enumerate(raw.channels)),
        expected=repr(wanted),
        remedy="Set `ingest: channel` to one of these names or numbers, or to null for all",
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def natural(name: str) -> list[tuple[int, int, str]]:
    """Make the sort key by which ``frame2`` comes before ``frame10``."""
    return [
        (0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
    ]


def show(shape: tuple[int, ...]) -> str:
    """Write a shape as ``48 × 64``."""
    return " × ".join(str(int(n)) for n in shape) if shape else "a single number"


def in_chunks(data: da.Array) -> da.Array:
    """(time, channel, y, x) in the chunks of the image store: 1024 pixels a side and one frame, or
    as many as make a quarter of a megapixel."""
    frames = max(1, SMALL_CHUNK // (data.shape[2] * data.shape[3]))
    return data.rechunk((frames, 1, lazy.SIDE, lazy.SIDE))


def beside(arrays: dict[str, da.Array], name: str, frames: int) -> dict[str, da.Array]:
    """Select the arrays of a file that have one entry per frame of the stack ``name``.

    They tell what is known of each frame: a label, an angle, a clean twin.
    """
    if frames < 2:
        return {}
    short = {key.rsplit("/", 1)[-1]: array for key, array in arrays.items() if key != name}
    return {
        key: array
        for key, array in short.items()
        if 1 <= array.ndim <= 4
        and array.shape[0] == frames
        and array.dtype.kind in "buif"
        and 0 not in array.shape
        and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", key)
    }


def in_work_chunks(data: da.Array) -> da.Array:
    """Rechunk (time, channel, y, x) with many small frames together, to pass over all of it."""
    frames = lazy.chunks((data.shape[0], *data.shape[2:]))[0]
    return data.rechunk((frames, 1, lazy.SIDE, lazy.SIDE))
