"""Detectors of sites that are trained on simulated images (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.learned.settings import DetectorSettings

if TYPE_CHECKING:
    from vaescope.sites.learned.detector import Detector

__all__ = ["DetectorSettings", "load", "save", "train"]


def train(
    settings: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
    log: Callable[[str], None] = print,
) -> Detector:
    """Train a detector on simulated images, for ``sites.find(…, {"method": "model"}, detector=…)``.

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

    from vaescope.sites.learned import training
    from vaescope.sites.learned.detector import Detector

    members, facts = training.train(chosen, threads=threads, log=log)
    return Detector(members, chosen, facts)


def save(detector: Detector, folder: str | Path) -> None:
    """Write a detector as a folder of safetensors files."""
    from vaescope.sites.learned import detector as files

    files.save(detector, Path(folder))


def load(folder: str | Path) -> Detector:
    """Load a detector from the folder that ``save`` or the rule ``train_detector`` wrote.

    Raises
    ------
    UserError : the folder is missing, or a file in it is no part of a detector.
    """
    from vaescope.sites.learned import detector as files

    return files.load(Path(folder))
