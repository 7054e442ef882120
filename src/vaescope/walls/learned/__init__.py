"""Detectors of domain walls that are trained on simulated domains (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vaescope.errors import UserError
from vaescope.learned.settings import OF_WALLS, DetectorSettings

if TYPE_CHECKING:
    from vaescope.walls.learned.wall_detector import WallDetector

__all__ = ["train"]


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
    chosen = DetectorSettings.of({**OF_WALLS.as_dict(), **(settings or {})})
    if not chosen.of_walls:
        raise UserError(
            "a detector of domain walls is trained on simulated domains",
            found="simulate: " + ", ".join(chosen.simulate),
            expected="simulate: walls",
        )

    from vaescope.walls.learned import wall_training

    return wall_training.train(chosen, threads=threads, log=log)
