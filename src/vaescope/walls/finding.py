"""Walls of one frame: found, tested, fitted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.walls import described
from vaescope.walls.curve import Curve, positive_on_the_left, zero_lines
from vaescope.walls.edges import edges
from vaescope.walls.fit import fit
from vaescope.walls.local_fit import fit_locally
from vaescope.walls.misfit import MUCH, misfit
from vaescope.walls.settings import WallFinding
from vaescope.walls.signal import Signal
from vaescope.walls.significance import significant
from vaescope.walls.smooth import level_between, smooth, smoothings_for
from vaescope.walls.wall import Wall

if TYPE_CHECKING:
    from vaescope.walls.learned.wall_detector import WallDetector


def find(signal: Signal, settings: WallFinding, detector: WallDetector | None = None) -> list[Wall]:
    """Find the walls of one frame and fit them to its picture.

    Parameters
    ----------
    signal : the piezoresponse of the frame.
    settings : the finder, its smoothing, and the blur of the tip where it is known.
    detector : trained by ``sites.learned.train``, for the finder `learned`.

    Where one model of two states and their walls leaves much more than noise, as in most real
    pictures, every wall is fitted by itself (``local_fit``).

    Returns
    -------
    Walls in no particular order, those alone whose contrast stands out from the noise.

    Raises
    ------
    UserError : no detector where one is needed.
    """
    if not signal.noise > 0:
        return []
    signal, picture, curves = seek(signal, settings, detector)
    if not curves:
        return []
    if misfit(signal, picture) > MUCH:
        return fit_locally(signal, curves, settings.tip)
    return described.walls_of(fit(signal, curves, settings.tip), signal)


def seek(
    signal: Signal, settings: WallFinding, detector: WallDetector | None = None
) -> tuple[Signal, np.ndarray, list[Curve]]:
    """The curves that stand out from the noise, before they are fitted, with the signal and its
    level, and the smoothed picture (y, x) in which they stand out best."""
    best: list[Curve] = []
    chosen = signal, signal.in_phase
    known = _learned(signal, detector) if settings.finder == "learned" else None
    for width in (settings.smoothing,) if settings.smoothing else smoothings_for(signal):
        picture = smooth(signal.in_phase, signal.measured, width)
        levelled = replace(signal, level=level_between(picture, signal, width))
        if known is None:
            curves = _sought(levelled, settings, picture, width)
        else:
            curves = [positive_on_the_left(curve, picture) for curve in known]
        curves = significant(curves, levelled, width, by_shape=known is not None)
        if sum(curve.length for curve in curves) > sum(curve.length for curve in best):
            best, chosen = curves, (levelled, picture)
    return (*chosen, best)


def _sought(
    signal: Signal, settings: WallFinding, picture: np.ndarray, width: float
) -> list[Curve]:
    """Curves where walls may be, by a finder that looks at a picture (y, x) smoothed by ``width``
    px."""
    if settings.finder == "canny":
        return edges(signal, width)
    return zero_lines(picture - signal.level, signal.measured)


def _learned(signal: Signal, detector: WallDetector | None) -> list[Curve]:
    if detector is None:
        raise UserError(
            "the finder `learned` needs a trained detector",
            remedy="Train one (`sites.learned.train`) or load one (`sites.learned.load`), and give"
            " it as `detector`",
        )
    from vaescope.walls.learned.tracing import traced

    return traced(detector, signal)
