"""Working things out for all sites without all that is needed on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

BLOCK = 4096  # sites at once

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_turn(
    pool: ThreadPoolExecutor, ahead: int, work: Callable[[Item], Found], items: Iterable[Item]
) -> Iterator[Found]:
    """``map`` by a pool of threads that takes no more than ``ahead`` items before the one whose
    turn it is, so that there are never more of them at once."""
    begun: deque[Future[Found]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def blocks(count: int) -> Iterator[slice]:
    """Slices of ``count`` sites, some at a time."""
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def by_blocks(of: Callable[[slice], np.ndarray], count: int) -> np.ndarray:
    """What ``of`` says of so many sites, some at a time, one after the other: (site, …)."""
    out = np.empty(0)
    for rows in blocks(count):
        found = of(rows)
        if rows.start == 0:
            out = np.empty((count, *found.shape[1:]), found.dtype)
        out[rows] = found
    return out
