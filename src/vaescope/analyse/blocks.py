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


def by_blocks(of: Callable[[slice], np.ndarray], count: int) -> np.ndarray:
    """What ``of`` says of so many sites, some at a time, one after the other: (site, …)."""
    first = of(slice(0, BLOCK))
    out = np.empty((count, *first.shape[1:]), first.dtype)
    out[:BLOCK] = first
    for start in range(BLOCK, count, BLOCK):
        rows = slice(start, min(start + BLOCK, count))
        out[rows] = of(rows)
    return out
