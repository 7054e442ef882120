"""Rows of features, a bounded number of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 4096  # sites worked on at once where each of them needs room
Rows = Callable[[slice], np.ndarray]
"""What gives pixels (site, pixel) of some sites, so that those of all need not be held at once."""


class Lazy:
    """Rows (site, feature) that are read when they are indexed, times a factor."""

    def __init__(self, data: Any, factor: float, kept: np.ndarray) -> None:
        """Wrap an array (site, feature) that computes what is taken of it.

        ``kept`` : (feature,) bool, the features that count.
        """
        self._data, self._factor, self._kept = data, factor, kept
        self.shape = (int(data.shape[0]), int(kept.sum()))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, some: Any) -> np.ndarray:
        if isinstance(some, np.ndarray) and some.dtype == bool:
            some = np.flatnonzero(some)
        taken = np.asarray(self._data[some], np.float32)
        taken = taken if self._kept.all() else taken[:, self._kept]
        return taken if self._factor == 1 else taken * np.float32(self._factor)


Block = np.ndarray | Lazy
"""Rows in memory, or on disk."""


def blocks(count: int) -> list[slice]:
    """Slices of at most ``BLOCK`` sites."""
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]


def explained(
    count: int, values: Rows, reconstruction: Rows, mean: np.ndarray | None = None
) -> float:
    """1 − |values − reconstruction|² / |values − mean|² over the pixels of so many sites."""
    if mean is None:
        mean = np.sum([values(some).sum(0, dtype=np.float64) for some in blocks(count)], 0) / count
    total = left = 0.0
    for some in blocks(count):
        seen = values(some)
        total += float(((seen - mean) ** 2).sum())
        left += float(((seen - reconstruction(some)) ** 2).sum(dtype=np.float64))
    return 1 - left / total if total > 0 else 0.0


def in_blocks(work: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    """What ``work`` makes of the rows of some points, a bounded number of them at a time."""
    starts = range(0, len(points), BLOCK)
    return np.concatenate([work(points[start : start + BLOCK]) for start in starts])
