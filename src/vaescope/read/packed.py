"""Compressed members of an archive, unpacked once into a temporary file instead of the memory."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from vaescope.errors import UserError
from vaescope.read.lazy import Mapped

_BLOCK = 4 * 2**20  # bytes unpacked at once
_ZEROS = bytes(_BLOCK)
_AT_WORK = Lock()  # two threads that ask for one member do not both unpack it


@dataclass(frozen=True, kw_only=True)
class Packed(Mapped):
    """The numbers of a compressed member, from ``offset`` bytes on; a source of ``lazy.array``."""

    member: str

    def file(self) -> Any:
        size = self.offset + self.dtype.itemsize * int(np.prod(self.shape, dtype=object))
        with _AT_WORK:
            return _unpacked(self.path, self.member, size, Path(self.path).stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _unpacked(path: str, member: str, size: int, _stamp: int) -> Any:
    """Unpack the first ``size`` bytes of a member into a file that goes with its last user.

    Blocks of zeros take no room on most file systems.

    Raises
    ------
    UserError : the temporary folder has no room for it, or the member ends early.
    """
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise UserError(
            "the temporary folder has no room for the unpacked array",
            file=path,
            found=f"{free / 1e9:,.1f} GB in `{tempfile.gettempdir()}`",
            expected=f"{size / 1e9:,.1f} GB",
            remedy="Set `TMPDIR` to a folder with more room, or save the array uncompressed, by"
            " `numpy.save`; a file from elsewhere may be made to do harm",
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as it is in the cache
    with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
        done = 0
        while done < size:
            block = packed.read(min(_BLOCK, size - done))
            if not block:
                raise UserError(f"the array {member!r} ends early", file=path)
            if block == _ZEROS[: len(block)]:
                file.seek(len(block), 1)
            else:
                file.write(block)
            done += len(block)
    file.truncate(size)
    file.flush()
    return file
