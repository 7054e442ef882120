"""NumPy files: npy and npz, mapped into memory where they are stored plainly. Never a pickle."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import dask.array as da
import numpy as np
from numpy.lib import format as npy

from vaescope.errors import UserError
from vaescope.read import chosen, lazy, packed
from vaescope.read.raw import PLAIN, SMALLEST_SIDE, NoImageError, Raw, beside, show, unlabelled

Lazy = tuple[tuple[int, ...], np.dtype, Callable[..., da.Array]]
"""An array of a file: its shape, its dtype, and how to open it, perhaps in given `pieces`."""

LEAST_OF_PATCHES = 3  # pixels a side
_REMEDY = "Save it with `numpy.save` as a plain array of numbers"


@dataclass(frozen=True)
class Header:
    """The header of an npy file; ``start`` is the offset of the numbers in bytes."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype
    start: int


def read_npy(path: Path, extension: str, wanted: Any) -> Raw:
    """Read the array of an npy file."""
    chosen.refuse_other(wanted, path)
    _, _, opened = open_npy(path)
    return unlabelled(opened(), "numpy", path=path)


def open_npy(path: Path) -> Lazy:
    """Read the header of an npy file: shape and dtype of its array, and how to open it."""
    with path.open("rb") as file:
        header = _header(file, path)
    announced = header.start + header.dtype.itemsize * _count(header.shape)
    if path.stat().st_size < announced:
        raise UserError(
            f"the file ends after {path.stat().st_size:,} of the {announced:,} bytes that its "
            "header announces; the copy is probably incomplete",
            file=path,
            remedy="Copy the file again",
        )
    _refuse_odd({path.name: header}, path)
    source = lazy.Mapped(str(path), header.start, header.dtype, header.shape, header.order)
    return header.shape, header.dtype, partial(lazy.array, source)


def read_npz(
    path: Path,
    extension: str,
    wanted: Any,
    without: Collection[str] = (),
    *,
    together: bool = False,
) -> Raw:
    """Read one array of an npz file: that named, ``image``, ``images``, or the only candidate.

    ``without`` names arrays that are spectra and their axis: neither images nor facts of a frame.
    ``together``: all arrays of the commonest shape become channels.
    """
    found = {name: one for name, one in members(path).items() if name not in without}
    shapes = {name: (shape, dtype) for name, (shape, dtype, _) in found.items()}
    if together and (same := of_one_shape(shapes)):
        refuse_unlike_pair(shapes, same, path)
        _refuse_odd({name: Header(*found[name][:1], "C", found[name][1], 0) for name in same}, path)
        plain = {n: opened() for n, (_, dtype, opened) in found.items() if dtype.kind in "buif"}
        return joined({name: found[name][2]() for name in same}, "numpy", plain, path=path)
    name = choose(shapes, wanted, path=path)
    _refuse_odd({name: Header(*found[name][:1], "C", found[name][1], 0)}, path)
    opened = found[name][2]()
    if name.casefold() == "patches" and opened.ndim == 3:  # however narrow they are
        image = Raw(opened[:, None], [PLAIN], [""], "numpy", pictures=True)
    else:
        image = unlabelled(opened, "numpy", path=path)
    plain = {
        n: opened() for n, (_, dtype, opened) in found.items() if n != name and dtype.kind in "buif"
    }
    return replace(image, beside=beside(plain, name, image.data.shape[0]))


def members(path: Path) -> dict[str, Lazy]:
    """List the arrays of an npz file by name: shape, dtype, and how to open each."""
    found: dict[str, Lazy] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".npy"):
                with archive.open(entry) as file:
                    header = _header(file, path)
                name = entry.filename.removesuffix(".npy")
                found[name] = (
                    header.shape,
                    header.dtype,
                    partial(_member, path, name, entry, header),
                )
    return found


def _member(
    path: Path,
    name: str,
    entry: zipfile.ZipInfo,
    header: Header,
    pieces: tuple[int, ...] | None = None,
) -> da.Array:
    """Open one array of an archive: memory-mapped if uncompressed, else unpacked on demand."""
    if entry.compress_type == zipfile.ZIP_STORED:
        start = _start_of(path, entry) + header.start
        source = lazy.Mapped(str(path), start, header.dtype, header.shape, header.order)
        return lazy.array(source, pieces)
    if entry.file_size < header.start + header.dtype.itemsize * _count(header.shape):
        raise UserError(f"the array {name!r} ends early", file=path, remedy=_REMEDY)
    numbers = str(path), header.start, header.dtype, header.shape, header.order
    return lazy.array(packed.Packed(*numbers, member=entry.filename), pieces)


def choose(
    arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]], wanted: Any, *, path: object
) -> str:
    """Choose the array to read: the one named, else ``image``, ``images`` or ``patches``, else the
    only possible one.

    Parameters
    ----------
    arrays : shape and dtype by name.
    wanted : what `ingest: array` of the recipe says, a name or a number; or None.

    Raises
    ------
    UserError : none can be an image, several can, or the one named is not there; lists them.
    """
    found = listing(arrays) or "no array"
    if wanted is not None:
        called = [(name.strip("/"), f"{name}.npy", name.rsplit("/", 1)[-1]) for name in arrays]
        numbers = chosen.numbers(wanted, called)
        if len(numbers) == 1:
            return list(arrays)[numbers[0]]
        raise UserError(
            f"`ingest: array` names {wanted!r}, which is not exactly one array of this file",
            file=path,
            found=found,
            remedy="Set it to one of these names or numbers",
        )
    possible = [name for name, (shape, dtype) in arrays.items() if can_be_image(shape, dtype)]
    for word in ("image", "images", "patches"):
        # Patches are small, and so may be the image of few spectra.
        least = LEAST_OF_PATCHES if word == "patches" or not possible else SMALLEST_SIDE
        hits = [
            name
            for name, (shape, dtype) in arrays.items()
            if name.rsplit("/", 1)[-1].casefold() == word and can_be_image(shape, dtype, least)
        ]
        if len(hits) == 1:
            return hits[0]
    if len(possible) == 1:
        return possible[0]
    raise (UserError if possible else NoImageError)(
        "several arrays could be the image" if possible else "no array here can be an image",
        file=path,
        found=found,
        expected=f"one array of numbers, (y, x) or (time, y, x), at least {SMALLEST_SIDE} pixels "
        "a side",
        remedy="Say which by `ingest: array` in the recipe, by name or number"
        if possible
        else _REMEDY,
    )


def of_one_shape(shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> list[str]:
    """The names of the arrays that can be images and have the commonest shape of these."""
    possible = {
        name: shape for name, (shape, dtype) in shapes.items() if can_be_image(shape, dtype)
    }
    commonest = Counter(possible.values()).most_common(1)
    return [name for name, shape in possible.items() if shape == commonest[0][0]]


def refuse_unlike_pair(
    shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]], same: Sequence[str], path: object
) -> None:
    """Refuse an amplitude and a phase that cannot be channels of one image: ``same`` are those of
    the commonest shape.

    Raises
    ------
    UserError : one of them has another shape, or is no array of numbers.
    """
    pair = [n for n in shapes if n.rsplit("/", 1)[-1].casefold() in ("amplitude", "phase")]
    odd = [name for name in pair if name not in same]
    if odd and any(name in same for name in pair):
        raise UserError(
            "amplitude and phase are no channels of one image",
            file=path,
            found=listing({name: shapes[name] for name in pair}),
            expected="two arrays of numbers of one shape, (y, x) or (time, y, x)",
            remedy="Save both with the same number of frames, rows and columns",
        )


def joined(
    arrays: Mapping[str, da.Array], reader: str, near: dict[str, da.Array], *, path: object
) -> Raw:
    """Join arrays of one shape, by name, as channels of one image; of ``near``, all arrays of the
    file, those with one entry per frame stand beside it."""
    names = {name.rsplit("/", 1)[-1] for name in arrays}
    short = len(names) == len(arrays)
    parts = [
        unlabelled(array, reader, path=path, name=name.rsplit("/", 1)[-1] if short else name)
        for name, array in arrays.items()
    ]
    kind = np.result_type(*(part.data.dtype for part in parts))
    whole = replace(
        parts[0],
        data=da.concatenate([part.data.astype(kind) for part in parts], axis=1),
        channels=[channel for part in parts for channel in part.channels],
        units=[unit for part in parts for unit in part.units],
    )
    others = {name: array for name, array in near.items() if name not in arrays}
    return replace(whole, beside=beside(others, "", whole.data.shape[0]))


def can_be_image(shape: tuple[int, ...], dtype: np.dtype, least: int = SMALLEST_SIDE) -> bool:
    """Tell whether an array of numbers has two or three axes long enough for an image, ``least``
    pixels a side."""
    if dtype.kind not in "buifc" or not 2 <= len(shape) <= 4:
        return False
    sides = shape[-2:]
    if len(shape) > 2 and shape[-1] < least:
        sides = shape[-3:-1]
    return min(sides) >= least and 0 not in shape


def listing(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> str:
    """List the arrays of a file in words: number, name, shape and type."""
    words = [
        f"{k}: {name} ({show(shape)}, {dtype})"
        for k, (name, (shape, dtype)) in enumerate(arrays.items())
    ]
    return "; ".join(words[:20]) + (f"; … {len(words)} in all" if len(words) > 20 else "")


def _header(file: IO[bytes], path: Path) -> Header:
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        raise UserError(f"npy version {version} is not read", file=path, remedy=_REMEDY)
    shape, fortran, dtype = readers[version](file)
    return Header(shape, "F" if fortran else "C", dtype, file.tell())


def _refuse_odd(headers: dict[str, Header], path: Path) -> None:
    for name, header in headers.items():
        if header.dtype.hasobject:
            raise UserError(
                "the array holds pickled Python objects, which are not opened for safety",
                file=path,
                found=f"{name} with dtype {header.dtype}",
                expected="an array of numbers",
                remedy=_REMEDY,
            )
        kinds = [header.dtype] if header.dtype.names is None else []
        kinds += [header.dtype[field] for field in header.dtype.names or ()]
        if any(kind.kind not in "buifc" or kind.shape for kind in kinds) or len(set(kinds)) > 1:
            raise UserError(
                "the array does not hold numbers",
                file=path,
                found=f"{name} with dtype {header.dtype}",
                expected="integers, real or complex numbers",
                remedy=_REMEDY,
            )


def _count(shape: tuple[int, ...]) -> int:
    total = 1  # Python integers do not overflow, whatever a damaged header says
    for n in shape:
        total *= int(n)
    return total


def _start_of(path: Path, entry: zipfile.ZipInfo) -> int:
    """Find the offset at which the bytes of an uncompressed member begin in its archive."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + 26)  # lengths of name and extra field, PKWARE appnote 4.3.7
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return entry.header_offset + 30 + name + extra
