"""Arrays over all sites on disk while they are worked with, not in memory.

By hand, since nothing ready-made does it as well. Of 350 MB in 20 000 rows a spool held 40 MB in
memory, ``numpy.memmap`` all; a temporary Zarr array held 190 to 290 MB, took twenty times as long
for rows here and there, and its folder stays behind when a job is killed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike


class Scratch:
    """Room for spools in a file without a name, which is gone with the last of them, whatever
    happens. It lies in the system's folder for temporary files (``TMPDIR``)."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="vaescope-", buffering=0)  # noqa: SIM115
        self._end = 0

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Spool:
        """A spool that nothing was written to yet, like ``numpy.empty``."""
        spool = Spool(shape, dtype, self._file.fileno(), self._end, self)
        self._end += spool.nbytes
        return spool

    def stack(self, parts: Iterable[np.ndarray]) -> Stacked:
        """Arrays of one shape in spools, like ``numpy.stack``; they need not all be there at
        once."""
        spools = []
        for part in parts:
            spools.append(self.empty(part.shape, part.dtype))
            spools[-1][:] = part
        return Stacked(spools)


class Spool:
    """An array (site, …) in a file; ``Scratch.empty`` makes them.

    It is read like an array along its first axis: a slice, or rows; and written by slices. Not
    mapped into memory: what was read once would count as memory that is held.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: DTypeLike, file: int, start: int, scratch: Scratch
    ) -> None:
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(dtype)
        self._row = int(np.prod(shape[1:])) * self.dtype.itemsize
        self.nbytes = shape[0] * self._row
        self._file, self._start = file, start
        self._scratch = scratch  # its file stays open as long as it is used

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, key: slice, values: np.ndarray) -> None:
        """Write rows one after the other.

        Raises
        ------
        OSError : the disk is full.
        """
        rows = range(len(self))[key]
        whole = np.broadcast_to(np.asarray(values, self.dtype), (len(rows), *self.shape[1:]))
        left = _bytes(np.ascontiguousarray(whole))
        place = self._start + rows.start * self._row
        while left:
            written = os.pwrite(self._file, left, place)
            left, place = left[written:], place + written

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        rows = rows_of(first, len(self))
        if rows.ndim == 0:
            found = self._read(int(rows), 1)[0]
        elif len(rows) and (np.diff(rows) == 1).all():
            found = self._read(int(rows[0]), len(rows))
        else:
            found = np.empty((len(rows), *self.shape[1:]), self.dtype)
            for place, row in enumerate(rows):
                found[place] = self._read(int(row), 1)[0]
        return found[(slice(None),) * rows.ndim + tuple(rest)] if rest else found

    def _read(self, start: int, count: int) -> np.ndarray:
        out = np.empty((count, *self.shape[1:]), self.dtype)
        left, place = _bytes(out), self._start + start * self._row
        while left:
            got = os.preadv(self._file, [left], place)
            if not got:
                raise OSError("rows of a spool are read that were never written")
            left, place = left[got:], place + got
        return out


class Stacked:
    """Spools (site, …) of one shape as one array (member, site, …), read like one along its first
    two axes: members, then a slice of the sites."""

    def __init__(self, spools: Sequence[Spool]) -> None:
        self.shape, self.dtype = (len(spools), *spools[0].shape), spools[0].dtype
        self.ndim = len(self.shape)
        self._spools = spools

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        members = rows_of(first, len(self._spools))
        rows = tuple(rest) or slice(None)
        found = [self._spools[member][rows] for member in members.reshape(-1)]
        return np.stack(found) if members.ndim else found[0]


def rows_of(chosen: Any, count: int) -> np.ndarray:
    """The rows, from 0 up, that an index along an axis of that length means: a number, numbers, a
    slice or a mask.

    Raises
    ------
    IndexError : there is no such row.
    """
    if isinstance(chosen, slice):
        return np.arange(*chosen.indices(count))
    rows = np.asarray(chosen)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    rows = np.where(rows < 0, rows + count, rows)
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise IndexError(f"rows {rows.min()} to {rows.max()} of {count}")
    return rows


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).data.cast("B") if array.size else memoryview(b"")
