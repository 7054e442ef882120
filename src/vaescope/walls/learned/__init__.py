"""Detectors of domain walls that are trained on simulated domains (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.learned.settings import WallDetectorSettings

if TYPE_CHECKING:
    from vaescope.walls.learned.wall_detector import WallDetector

__all__ = ["WallDetectorSettings", "load", "save", "train"]


def train(
    settings: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
    log: Callable[[str], None] = print,
) -> WallDetector:
    """Train a detector on simulated domains, for ``walls.find`` with the finder `learned`.

    Parameters
    ----------
    settings : the part ``sites: detector`` of a recipe; what is missing has its default.
    threads : members trained at once on a CPU; the result does not depend on it.
    log : called with lines about the progress.

    Raises
    ------
    UserError : an unknown setting or simulation, or a value out of range.
    """
    chosen = WallDetectorSettings.of(settings or {})

    from vaescope.walls.learned import wall_training

    return wall_training.train(chosen, threads=threads, log=log)


def save(detector: WallDetector, folder: str | Path) -> None:
    """Write a detector as a folder of safetensors files."""
    from vaescope.walls.learned import wall_detector

    wall_detector.save(detector, Path(folder))


def load(folder: str | Path) -> WallDetector:
    """Load a detector from the folder that ``save`` or the rule ``train_detector`` wrote.

    Raises
    ------
    UserError : the folder is missing, or a file in it is no part of a detector.
    """
    from vaescope.walls.learned import wall_detector

    return wall_detector.load(Path(folder))
