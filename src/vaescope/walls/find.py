"""Walls of one frame: found, tested, fitted."""

from __future__ import annotations

from dataclasses import replace

from vaescope.walls import described
from vaescope.walls.curve import Curve, zero_lines
from vaescope.walls.edges import edges
from vaescope.walls.fit import fit
from vaescope.walls.local_fit import fit_locally
from vaescope.walls.misfit import MUCH, misfit
from vaescope.walls.settings import WallFinding
from vaescope.walls.signal import Signal
from vaescope.walls.significance import significant
from vaescope.walls.smooth import level_between, smooth, smoothing_for
from vaescope.walls.wall import Wall


def find(signal: Signal, settings: WallFinding) -> list[Wall]:
    """Find the walls of one frame and fit them to its picture.

    Parameters
    ----------
    signal : the piezoresponse of the frame.
    settings : the finder, its smoothing, and the blur of the tip where it is known.

    Where one model of two states and their walls leaves much more than noise, as in most real
    pictures, every wall is fitted by itself (``local_fit``).

    Returns
    -------
    Walls in no particular order, those alone whose contrast stands out from the noise.
    """
    if not signal.noise > 0:
        return []
    width = settings.smoothing or smoothing_for(signal)
    picture = smooth(signal.in_phase, signal.measured, width)
    if not signal.level_known:
        signal = replace(signal, level=level_between(picture, signal.measured))
    curves = significant(sought(signal, settings, width), signal, width)
    if not curves:
        return []
    if misfit(signal, picture) > MUCH:
        return fit_locally(signal, curves, settings.tip)
    return described.walls_of(fit(signal, curves, settings.tip), signal)


def sought(signal: Signal, settings: WallFinding, width: float) -> list[Curve]:
    """Curves where walls may be, by the finder of the settings, in a picture smoothed by ``width``
    px."""
    if settings.finder == "canny":
        return edges(signal, width)
    return zero_lines(
        smooth(signal.in_phase, signal.measured, width) - signal.level, signal.measured
    )
