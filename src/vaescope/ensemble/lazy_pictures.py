"""Pictures that are decoded when they are asked for: those of all sites would fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vaescope.ensemble.spool import rows_of

ROWS = 256  # sites decoded at once


class LazyPictures:
    """Pictures (site, channel, height, width), read like an array: by a row, rows or a slice.

    Parameters
    ----------
    count : of the sites.
    shape : (channel, height, width).
    draw : rows of sites (row,) -> their pictures.
    """

    def __init__(
        self,
        count: int,
        shape: tuple[int, int, int],
        draw: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.shape = (count, *shape)
        self._draw = draw

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> np.ndarray:
        rows = rows_of(chosen, len(self))
        out = np.empty((rows.size, *self.shape[1:]), np.float32)
        for start in range(0, rows.size, ROWS):
            some = slice(start, start + ROWS)
            out[some] = self._draw(rows.reshape(-1)[some])
        return out.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)
