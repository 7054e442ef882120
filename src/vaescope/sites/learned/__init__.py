"""Detectors that are trained on simulated images: of atoms, or of domain walls (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.learned.settings import DetectorSettings

if TYPE_CHECKING:
    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector

__all__ = ["DetectorSettings", "load", "save", "train"]


def train(
    settings: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
    log: Callable[[str], None] = print,
) -> Detector | WallDetector:
    """Train a detector on simulated images, for ``sites.find(…, detector=…)``: with the method
    `model`, or, where the simulations are of domains, with `walls` and the finder `learned`.

    Parameters
    ----------
    settings : the part ``sites: detector`` of a recipe; what is missing has its default.
    threads : members trained at once on a CPU; the result does not depend on it.
    log : called with lines about the progress.

    Raises
    ------
    UserError : an unknown setting or simulation, or a value out of range.
    """
    chosen = DetectorSettings.of(settings or {})
    if chosen.of_walls:
        from vaescope.walls.learned import wall_training

        return wall_training.train(chosen, threads=threads, log=log)

    from vaescope.sites.learned import training
    from vaescope.sites.learned.detector import Detector

    members, facts = training.train(chosen, threads=threads, log=log)
    return Detector(members, chosen, facts)


def save(detector: Detector | WallDetector, folder: str | Path) -> None:
    """Write a detector as a folder of safetensors files."""
    from vaescope.learned import files

    files.save(Path(folder), detector.members, detector.settings.as_dict(), detector.facts)


def load(folder: str | Path) -> Detector | WallDetector:
    """Load a detector from the folder that ``save`` or the rule ``train_detector`` wrote.

    Raises
    ------
    UserError : the folder is missing, or a file in it is no part of a detector.
    """
    from vaescope.learned import files
    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector

    members, stored, facts = files.load(Path(folder))
    settings = DetectorSettings.of(stored)
    kind = WallDetector if settings.of_walls else Detector
    return kind(members, settings, facts)
