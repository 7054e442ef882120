"""Vendor formats through RosettaSciIO (dm3, dm4, emd, hspy, zspy, ser, mrc, blo, bcf, …)."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import at_once, inside
from vaescope.read.quiet import quiet
from vaescope.read.raw import Raw
from vaescope.read.signals import to_raw

# Read elsewhere in this room, or (netCDF) by a reader that evaluates text of the file as code.
_NOT_THESE = {"netCDF", "Image", "numpy", "TIFF", "USID", "Arina", "Tofwerk", "Delmic", "MRCZ"}
_LOGS = {"Impulse", "Protochips", "Quadstar"}  # courses of temperature, current, mass: no spectra
_CURVES = {"MSA", "Renishaw", "TriVista"}
_SPECTRUM_IMAGE = "Spectrum Image"  # label of the rectangle of one in its survey


@cache
def readers(*, curves: bool = False) -> dict[str, list[str]]:
    """List the modules that may know each extension (lower case, without its dot).

    With ``curves`` also those for files that hold spectra alone.
    """
    import rsciio

    left_out = _NOT_THESE | _LOGS | (set() if curves else _CURVES)
    found: dict[str, list[str]] = {}
    for plugin in rsciio.IO_PLUGINS:
        if plugin["name"] in left_out:
            continue
        for extension in {e.lower() for e in plugin["file_extensions"]}:
            found.setdefault(extension, []).append(plugin["api"])
    return found


def read(path: Path, extension: str, wanted: Any, without: Collection[str] = ()) -> Raw:
    """Read the image of a vendor file, lazily if its reader can.

    ``without`` are numbers of signals that are spectra.

    Raises
    ------
    UserError : the file ends early or holds no image.
    Exception : whatever the reader raised; the caller makes it a message.
    """
    found, reader = signals(path, extension)
    raw = to_raw(found, wanted, reader, path=path, without=without)
    return replace(raw, marked=marked(raw.metadata)) if extension in ("dm3", "dm4") else raw


def signals(path: Path, extension: str) -> tuple[list[dict[str, Any]], str]:
    """Read the signals of a vendor file, and name their reader.

    Raises
    ------
    UserError : the file ends early.
    Exception : whatever the reader raised; the caller makes it a message.
    """
    if extension in ("dm3", "dm4"):
        refuse_short_dm(path)
    if extension == "zspy":
        refuse_pickles(path)
        inside.refuse_links_of_folder(path)
    inside.refuse_links(path)
    if extension == "wdf":
        refuse_endless_wdf(path)
    problem: Exception | None = None
    for module in readers(curves=True).get(extension, []):
        try:
            found = load(module, path)
            for signal in found:
                _refuse_large(path, signal["data"])
            return found, f"RosettaSciIO {module.split('.')[1]}"
        except UserError:
            raise
        except Exception as error:
            problem = problem or error
    raise problem or UserError("no reader knows this file", file=path)


def _refuse_large(path: Path, data: Any) -> None:
    """Refuse chunks that are too large for the memory."""
    if isinstance(data, da.Array) and data.ndim and not any(map(np.isnan, data.shape)):
        at_once.refuse_large(path, list(map(int, data.chunksize)), data.dtype, "a chunk")


def marked(facts: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Find the rectangle by which DigitalMicrograph marks a spectrum image in its survey: (top,
    left, bottom, right) in pixels; None unless there is exactly one."""
    node: Any = facts.get("original_metadata", {})
    for key in ("DocumentObjectList", "TagGroup0", "AnnotationGroupList"):
        node = node.get(key) if hasattr(node, "get") else None
    notes = node.values() if hasattr(node, "values") else []
    found = [
        tuple(float(side) for side in note["Rectangle"])
        for note in notes
        if hasattr(note, "get")
        and note.get("Label") == _SPECTRUM_IMAGE
        and len(note.get("Rectangle") or ()) == 4
    ]
    return found[0] if len(found) == 1 else None  # type: ignore[return-value]


def lazily(data: Any) -> da.Array:
    """Wrap the numbers of a signal in Dask, dense."""
    if not isinstance(data, da.Array):
        return da.from_array(np.asarray(data), name=False)
    if not isinstance(data._meta, np.ndarray):
        return da.map_blocks(_dense, data, dtype=data.dtype, meta=np.empty(0, data.dtype))
    return data


def _dense(block: Any) -> np.ndarray:
    return block.todense() if hasattr(block, "todense") else np.asarray(block)


def load(module: str, path: Path) -> list[dict[str, Any]]:
    """Load the signals of a file, as Dask arrays unless the reader cannot be lazy for it."""
    reader = importlib.import_module(module)
    options: dict[str, Any] = {}
    if module == "rsciio.zspy":
        options["mode"] = "r"  # its own choice would open the user's store for writing
    if module == "rsciio.mrc" and path.open("rb").read(214)[212:] == b"\x11\x11":
        options["endianness"] = ">"
        with quiet("rsciio"):
            signals = reader.file_reader(str(path.absolute()), lazy=True, **options)
        for signal in signals:  # of the numbers it does not turn the bytes, only of the header
            signal["data"] = signal["data"].map_blocks(np.ndarray.byteswap)
        return without_unknown(signals)
    with quiet("rsciio", "tifffile"):
        try:
            signals = reader.file_reader(str(path.absolute()), lazy=True, **options)
        except (NotImplementedError, TypeError, ValueError):  # such as h5py arrays without chunks
            signals = reader.file_reader(str(path.absolute()), lazy=False, **options)
    return without_unknown(signals) if module == "rsciio.mrc" else signals


def without_unknown(signals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the unit off axes without a positive scale: by a negative cell, cameras that write MRC
    say that the pixel size is unknown."""
    for axis in (axis for signal in signals for axis in signal["axes"]):
        if not (axis.get("scale") or 0) > 0:
            axis.update(scale=1.0, units=None)
    return signals


def refuse_short_dm(path: Path) -> None:
    """Raise unless a DigitalMicrograph file is as long as its header announces.

    The header gives the length of the tag tree that follows it; eight zero bytes end the file.
    """
    with path.open("rb") as file:
        head = file.read(16).ljust(16, b"\0")
    size = path.stat().st_size
    version = struct.unpack(">I", head[:4])[0]
    start, form = (12, ">I") if version == 3 else (16, ">Q")
    tree = struct.unpack(form, head[4 : start - 4])[0]
    if version not in (3, 4):
        raise UserError(
            "this is not a DigitalMicrograph file",
            file=path,
            found=f"version number {version} at its start",
            expected="3 or 4",
            remedy="Copy the file again from the microscope, or take the row out of the sheet",
        )
    if size < tree + start:
        raise UserError(
            f"the file ends after {size:,} of the {tree + start + 8:,} bytes that its header "
            "announces; the copy is probably incomplete",
            file=path,
            remedy="Copy the file again, or take the row out of the sample sheet",
        )


def refuse_endless_wdf(path: Path) -> None:
    """Raise if the blocks of a Renishaw file do not lead to its end: the reader would never stop.

    Every block begins with a name of four bytes, a number (uint32) and its length (uint64).
    """
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            head = file.read(16).ljust(16, b"\0")
            length = struct.unpack("<Q", head[8:])[0]
            if length < 16 or (place == 0 and head[:4] != b"WDF1"):
                raise UserError(
                    "the blocks of this Renishaw file are damaged",
                    file=path,
                    found=f"a block of {length} bytes at byte {place:,} of {size:,}",
                    remedy="Copy the file again, or export it as text from the program WiRE",
                )
            place += length


def refuse_pickles(path: Path) -> None:
    """Raise if a Zarr store asks for Python objects to be unpickled: that would run its code."""
    names = (".zarray", ".zmetadata", "zarr.json")
    if path.is_dir() and any(
        b'"pickle"' in file.read_bytes() for name in names for file in path.rglob(name)
    ):
        raise UserError(
            "the store holds pickled Python objects, which are not opened for safety",
            file=path,
            remedy="Save the image as a plain numeric array",
        )
