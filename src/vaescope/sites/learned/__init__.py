"""Detectors that are trained on simulated images: of atoms, or of domain walls (needs torch)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.learned.settings import DetectorSettings

if TYPE_CHECKING:
    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector

__all__ = ["DetectorSettings", "bundled", "load", "save", "train"]

_PACKAGES = ("numpy", "scikit-learn", "scipy", "torch")  # on which a detector depends


def train(
    settings: Mapping[str, Any] | DetectorSettings | None = None,
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
    from vaescope import store

    chosen = _settings(settings)
    if chosen.of_walls:
        from vaescope.walls.learned import wall_training

        detector: Detector | WallDetector
        detector = wall_training.train(chosen, threads=threads, log=log)
    else:
        from vaescope.sites.learned import training
        from vaescope.sites.learned.detector import Detector

        members, facts = training.train(chosen, threads=threads, log=log)
        detector = Detector(members, chosen, facts)
    versions = store.package_versions()
    detector.facts |= {
        "trained": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "code_version": store.code_version(),
        "packages": {name: versions[name] for name in _PACKAGES},
    }
    return detector


def bundled(
    settings: Mapping[str, Any] | DetectorSettings | None = None,
) -> Detector | WallDetector | None:
    """The detector of these settings that comes with the package; None if none does.

    Its facts have ``bundled`` beside what ``train`` gives. Other settings, such as another `seed`,
    need training.

    Parameters
    ----------
    settings : as for ``train``.

    Raises
    ------
    UserError : its files are damaged, an unknown setting, or a value out of range.
    """
    from vaescope.learned import files

    folder = files.bundled(_settings(settings))
    if folder is None:
        return None
    detector = load(folder)
    detector.facts["bundled"] = True
    return detector


def save(detector: Detector | WallDetector, folder: str | Path) -> None:
    """Write a detector as a folder of safetensors files."""
    from vaescope.learned import files

    files.save(Path(folder), detector.members, detector.settings.as_dict(), detector.facts)


def load(folder: str | Path) -> Detector | WallDetector:
    """Load a detector from the folder that ``save`` or the rule ``train_detector`` wrote.

    Raises
    ------
    UserError : the folder is missing, a file in it is no part of a detector, or one is not as it
        was written.
    """
    from vaescope.learned import files
    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector

    members, stored, facts = files.load(Path(folder))
    settings = DetectorSettings.of(stored)
    kind = WallDetector if settings.of_walls else Detector
    return kind(members, settings, facts)


def _settings(given: Mapping[str, Any] | DetectorSettings | None) -> DetectorSettings:
    return given if isinstance(given, DetectorSettings) else DetectorSettings.of(given or {})
