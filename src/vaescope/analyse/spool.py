"""Pictures of all sites on disk while they are worked with, not in memory."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

ITEM = np.dtype(np.float32)


class Spool:
    """An array (site, …) of float32 in a file without a name, which is gone with it, whatever
    happens. It lies in the system's folder for temporary files (``TMPDIR``).

    It is read like an array along its first axis: a slice, or rows. Not mapped into memory: what
    was read once would count as memory that is held.
    """

    dtype = ITEM

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.ndim = shape, len(shape)
        self._file = tempfile.TemporaryFile(prefix="vaescope-", buffering=0)  # noqa: SIM115
        self._row = int(np.prod(shape[1:])) * ITEM.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def write(self, start: int, values: np.ndarray) -> None:
        """Rows from ``start`` on.

        Raises
        ------
        OSError : the disk is full.
        """
        left = np.ascontiguousarray(values, ITEM).reshape(-1).data.cast("B")
        place = start * self._row
        while left:
            written = os.pwrite(self._file.fileno(), left, place)
            left, place = left[written:], place + written

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        rows = np.arange(len(self))[first]
        if rows.ndim == 0:
            found = self._read(int(rows), 1)[0]
        elif len(rows) and (np.diff(rows) == 1).all():
            found = self._read(int(rows[0]), len(rows))
        else:
            found = np.empty((len(rows), *self.shape[1:]), ITEM)
            for place, row in enumerate(rows):
                found[place] = self._read(int(row), 1)[0]
        return found[(slice(None),) * rows.ndim + tuple(rest)] if rest else found

    def _read(self, start: int, count: int) -> np.ndarray:
        out = np.empty((count, *self.shape[1:]), ITEM)
        left, place = out.reshape(-1).data.cast("B"), start * self._row
        while left:
            got = os.preadv(self._file.fileno(), [left], place)
            if not got:
                raise OSError("rows of a spool are read that were never written")
            left, place = left[got:], place + got
        return out
