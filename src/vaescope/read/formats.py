"""Which reader reads a file: by its extension, by its first bytes where it has none."""

from __future__ import annotations

import importlib
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vaescope import parallel
from vaescope.errors import UserError
from vaescope.read.raw import NoImageError, Raw

# extension -> module of this room and its function; all others are RosettaSciIO's
_OURS = {
    **dict.fromkeys(("png", "jpg", "jpeg", "bmp", "gif"), ("photographs", "read")),
    **dict.fromkeys(("tif", "tiff"), ("tiff", "read")),
    **dict.fromkeys(("h5", "hdf5", "nsid", "usid"), ("hdf5", "read")),
    "npy": ("arrays", "read_npy"),
    "npz": ("arrays", "read_npz"),
    "ibw": ("igor", "read"),
    "gwy": ("gwyddion", "read"),
    "sxm": ("nanonis", "read_sxm"),
    "3ds": ("nanonis", "read_3ds"),
}
_OF_ONE = {"npy", "ibw", "tif", "tiff"}  # array: an image or spectra, not both
_OF_ARRAYS = {"npz", "h5", "hdf5", "nsid", "usid"}
_MAGIC = (
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"\x89HDF\r\n", "h5"),
    (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
    (b"II+\x00", "tif"),
    (b"\x00\x00\x00\x03\x00", "dm3"),
    (b"\x00\x00\x00\x04\x00\x00\x00\x00", "dm4"),
    (b":NANONIS_VERSION:", "sxm"),
    (b"GWYP", "gwy"),
)
SIDECARS = {"npy", "npz", "png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "h5", "hdf5"}
COMMON = (
    "dm3, dm4, emd, hspy, zspy, ser, mrc, blo, tif, png, jpg, bmp, npy, npz, h5, ibw, sxm, 3ds, gwy"
)


def extension_of(path: Path, *, curves: bool = False) -> str:
    """Determine the format of a file, as one of the known extensions.

    With ``curves`` also formats that hold spectra alone.

    Raises
    ------
    UserError : there is no such file, it is empty, or its format is unknown.
    """
    _refuse_absent(path)
    extension = path.suffix.lower().lstrip(".")
    if path.is_dir():
        if extension == "zspy":
            return extension
        raise UserError(
            "this is a folder, not a file",
            file=path,
            expected="one file, or a pattern such as folder/*.dm3",
        )
    with path.open("rb") as file:
        head = file.read(256)
    _refuse_text_instead(path, head)
    if extension in _OURS or extension in _vendors(curves):
        return extension
    if extension in _vendors(True):
        raise NoImageError(
            f"a .{extension} file holds spectra, not an image",
            file=path,
            expected=f"for an image, one of {COMMON}",
            remedy="Read its spectra with a recipe that says `spectra: read: true`",
        )
    for magic, known in _MAGIC:
        if head.startswith(magic):
            return known
    raise UserError(
        "the format of this file is unknown",
        file=path,
        found=f"the extension {path.suffix!r}" if path.suffix else "no extension",
        expected=f"one of {COMMON}, or another that RosettaSciIO reads",
        remedy="Save the image as TIFF or npy, or take the row out of the sample sheet",
    )


def read(path: Path, wanted: Any, *, without: Collection[str] = (), together: bool = False) -> Raw:
    """Read the image of any file; ``wanted`` names one of several arrays, ``without`` those that
    are spectra. ``together``: arrays of one shape become channels, unless one of them is wanted.

    Raises
    ------
    NoImageError : there is none.
    UserError : whatever else is wrong with the file.
    """
    extension = extension_of(path)
    with readable(path, extension):
        if together and wanted is None and extension in _OF_ARRAYS:
            return _reader(extension)(path, extension, wanted, without, together=True)
        if without and extension in _OF_ONE:
            raise NoImageError("the only array of this file holds spectra", file=path)
        if without and (extension in _OF_ARRAYS or extension not in _OURS):
            return _reader(extension)(path, extension, wanted, without)
        return _reader(extension)(path, extension, wanted)


@contextmanager
def readable(path: Path, extension: str) -> Iterator[None]:
    """Turn whatever a reader raises about a file into one message for its user."""
    try:
        yield
    except UserError:
        raise
    except ModuleNotFoundError as error:
        raise UserError(
            f"reading .{extension} needs the package {error.name!r}",
            file=path,
            remedy=f"Install it (pip install {error.name}) or save the image as TIFF",
        ) from error
    except PermissionError as error:
        raise UserError("the file may not be read", file=path, found=error.strerror) from error
    except MemoryError as error:
        raise UserError(
            "there is too little memory to read the file",
            file=path,
            found=str(error) or None,
            remedy="End other programs or give the job more memory; the file may be in order",
        ) from error
    except Exception as error:
        if gone := parallel.lost(error):
            raise gone from error
        size = path.stat().st_size if path.is_file() else 0
        words = " ".join(str(error).split())[:300]
        raise UserError(
            f"the file cannot be read as .{extension}; it is damaged, cut short or of another "
            "format",
            file=path,
            found=f"{size:,} bytes, and the reader says {type(error).__name__}: {words}",
            remedy="Open it in the program that wrote it, and copy or export it again",
        ) from error


def _reader(extension: str) -> Callable[..., Raw]:
    module, name = _OURS.get(extension, ("rosetta", "read"))
    return getattr(importlib.import_module(f"vaescope.read.{module}"), name)


def _vendors(curves: bool) -> set[str]:
    from vaescope.read import rosetta

    return set(rosetta.readers(curves=curves))


def _refuse_absent(path: Path) -> None:
    try:
        status = path.stat() if path.exists() else None
    except (OSError, ValueError) as error:  # a name that is too long, a folder that is closed
        raise UserError(
            "there is no file that could be read",
            file=path,
            found=getattr(error, "strerror", None) or str(error),
            remedy="Correct the column `source`, or the permissions of its folder",
        ) from error
    if status is None:
        near = path.parent
        found = "no such folder either" if not near.is_dir() else None
        if found is None:
            alike = sorted(one.name for one in near.iterdir() if one.suffix == path.suffix)[:5]
            found = f"there: {', '.join(alike)}" if alike else "no file of this kind there"
        raise UserError(
            "there is no such file",
            file=path,
            found=found,
            remedy="Correct the column `source`: paths count from the folder of the sample sheet",
        )
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UserError(
            "this is no file but a pipe, socket or device",
            file=path,
            remedy="Copy the data into a file",
        )
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise UserError("the file is empty (0 bytes)", file=path, remedy="Copy it again")


def _refuse_text_instead(path: Path, head: bytes) -> None:
    start = head.lstrip()[:64].lower()
    if start.startswith(b"version https://git-lfs"):
        raise UserError(
            "this is only a pointer to the file, which Git LFS keeps elsewhere",
            file=path,
            remedy="Run `git lfs pull` in its repository",
        )
    if start.startswith((b"<!doctype html", b"<html")):
        raise UserError(
            "this is a web page, not an image",
            file=path,
            remedy="The download went wrong: fetch the file itself",
        )
