"""Walls in the maps of a detector: lines between the two states along which it sees a wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates, uniform_filter1d

from vaescope.walls.curve import SHORTEST, STEP, Curve, zero_lines
from vaescope.walls.learned.wall_detector import WallDetector, WallMaps, maps
from vaescope.walls.signal import Signal

LOWEST = 0.3
"""Probability below which a line between two states is no candidate."""
_USUAL = 20.0  # px, length of a line whose score is the mean probability
_WINDOW = 10.0  # px of a line over which probabilities are averaged: shorter gaps are closed


@dataclass(frozen=True)
class Candidate:
    """A line that may be a wall, and its score from 0 to 1: the mean probability along it, in which
    a long line counts for more than a short one."""

    curve: Curve
    score: float


def traced(detector: WallDetector, signal: Signal) -> list[Curve]:
    """The curves that a detector takes for walls: their score is one that noise hardly ever has."""
    least = detector.facts["threshold"]
    found = candidates(maps(detector, signal), signal.measured)
    return [each.curve for each in found if each.score >= least]


def candidates(seen: WallMaps, measured: np.ndarray) -> list[Candidate]:
    """Stretches of the lines between the states along which a wall is probable.

    Parameters
    ----------
    seen : maps of a frame. measured : (y, x) bool.
    """
    found = []
    for line in zero_lines(seen.state, measured):
        along = map_coordinates(seen.probability, line.place.T, order=1, mode="nearest")
        near = uniform_filter1d(
            along, round(_WINDOW / STEP), mode="wrap" if line.closed else "nearest"
        )
        for part in stretches(near > LOWEST, line.closed):
            curve = Curve(line.place[part], line.closed and len(part) == len(line.place))
            if curve.length >= SHORTEST:
                found.append(Candidate(curve, _score(float(along[part].mean()), curve.length)))
    return found


def _score(probability: float, length: float) -> float:
    """Noise makes short lines: the odds of a wall grow with the square root of the length."""
    odds = probability / max(1 - probability, 1e-6) * np.sqrt(length / _USUAL)
    return float(odds / (1 + odds))


def stretches(keep: np.ndarray, closed: bool) -> list[np.ndarray]:
    """Runs of True as the indices of their points; on a closed curve one may run through its
    start."""
    if keep.all():
        return [np.arange(len(keep))] if len(keep) else []
    start = int(np.flatnonzero(~keep)[0]) if closed else 0
    order = np.roll(np.arange(len(keep)), -start)
    edges = np.diff(np.concatenate([[0], keep[order].astype(int), [0]]))
    firsts, lasts = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    return [order[first:last] for first, last in zip(firsts, lasts, strict=True)]
