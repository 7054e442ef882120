"""Estimate the memory and time of a job from the sizes of its inputs, without opening them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaescope.learned.settings import DetectorSettings

SNAKEMAKE_MB = 400
"""Memory of the two processes of Snakemake around a job on a cluster, in MB, as seen."""

_OF_TRAINING = {"members": 1, "steps": 1, "batch": 1, "channels": 2}
"""Settings of a detector by which its training grows, and to which power."""


def size_mb(paths: Iterable[str | os.PathLike]) -> float:
    """Size of files and folders on disk in MB; what does not exist counts nothing."""
    return sum(_size(Path(path)) for path in paths) / 1e6


def _size(path: Path) -> int:
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(
            _size(Path(entry)) if entry.is_dir() else entry.stat().st_size
            for entry in os.scandir(path)
        )
    except OSError:
        return 0


def memory_mb(
    base: float, per_input: float, mb: float, attempt: int = 1, most: float | None = None
) -> int:
    """Ask for memory in MB for a job with ``mb`` of input; doubled by every further attempt.

    ``base`` : MB that the job takes with a small input; ``per_input`` : MB for each MB of input on
    disk, where stores are compressed about twofold; ``most`` : MB of the largest node.
    """
    return _again(base + per_input * mb, attempt, most)


def _again(first: float, attempt: int, most: float | None) -> int:
    """Twice as much with every attempt, but no more than there is if the first was content with it.

    A job that asks for more than there is at first does so again: nothing says that less will do.
    """
    least = math.ceil(first)
    wanted = least * 2 ** (attempt - 1)
    if most is not None and least <= most:
        return min(wanted, math.floor(most))
    return wanted


def threads(most: int, cores: int | None, side_by_side: int) -> int:
    """Threads of a job that uses ``most`` at best, on so many ``cores``; None: not known.

    Where several such jobs are to be done, one takes half of the cores: else all others wait until
    every core is free, and each core for the last of them.
    """
    if cores is None:
        return most
    return max(1, min(most, cores // 2 if side_by_side > 1 else cores))


def minutes(
    base: float, per_gb: float, mb: float, attempt: int = 1, most: float | None = None
) -> int:
    """Run time in minutes for a job with ``mb`` of input; ``most`` : what the cluster allows."""
    return _again(base + per_gb * mb / 1000, attempt, most)


def detector_minutes(settings: DetectorSettings, attempt: int = 1) -> int:
    """Run time in minutes for the training of a learned detector with these settings.

    An hour for the default ones, which take minutes on a core, and more in proportion to the work.
    """
    more = {
        name: getattr(settings, name) / getattr(type(settings), name)
        for name in ("images", *_OF_TRAINING)
    }
    training = math.prod(more[name] ** power for name, power in _OF_TRAINING.items())
    return math.ceil((30 + 10 * more["images"] + 20 * training) * 2 ** (attempt - 1))
