"""Walls with their errors, from a fit."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from vaescope.walls.fit import FittedWalls
from vaescope.walls.signal import Signal
from vaescope.walls.spline import CurveFrame, Spline
from vaescope.walls.wall import Wall

SPACING = 0.98  # px at most from point to point
_CHUNK = 128  # coefficients whose covariance is held at once


def walls_of(fitted: FittedWalls, signal: Signal) -> list[Wall]:
    """The walls of a fit, in its order."""
    return [_wall(fitted, number, signal) for number in range(len(fitted.splines))]


def _wall(fitted: FittedWalls, number: int, signal: Signal) -> Wall:
    spline, first = fitted.splines[number], int(fitted.first[number])
    at, length = even(spline, fitted.frames[number].speed)
    frame = CurveFrame.of(spline, at)
    shift, bending = frame.shift(spline.normals), frame.bending(spline.normals)
    size = len(spline.coefficient)
    variance, curving, joint = np.zeros((3, len(at)))
    step = np.full(len(at), length / (len(at) if spline.closed else len(at) - 1))
    # Rows of the covariance in turn: every point takes its share of each.
    for start in range(0, size, _CHUNK):
        chosen = np.arange(start, min(start + _CHUNK, size))
        columns = fitted.covariance(first + chosen)[first : first + size]
        moved = shift @ columns
        part = shift[:, chosen]
        variance += np.asarray(part.multiply(moved).sum(1)).ravel()
        curving += np.asarray(bending[:, chosen].multiply(bending @ columns).sum(1)).ravel()
        joint += part @ (step @ moved)
    variance, curving = np.maximum(variance, 1e-12), np.maximum(curving, 1e-16)
    width, width_error = fitted.shape.width, fitted.width_error()
    contrast = 2 * map_coordinates(fitted.states.half, frame.place.T, order=1, mode="nearest")
    return Wall(
        place=frame.place,
        closed=spline.closed,
        direction=np.arctan2(frame.tangent[:, 0], frame.tangent[:, 1]),
        curvature=frame.curvature,
        normal_error=np.sqrt(variance),
        curvature_error=np.sqrt(curving),
        error_length=np.clip(joint / variance, step[0], max(length, SPACING)),
        width=np.full(len(at), width),
        width_error=np.full(len(at), width_error),
        contrast=contrast,
        contrast_error=np.full(len(at), fitted.states.error(signal.noise)),
    )


def even(spline: Spline, speed: np.ndarray) -> tuple[np.ndarray, float]:
    """Parameters (point,) at equal arc length on a curve with a ``speed`` (sample,) at its own
    samples, and the length of the curve in px."""
    part = speed * spline.intervals / len(spline.at)
    until = np.concatenate([[0.0], np.cumsum(part)])
    length = float(until[-1])
    count = max(int(np.ceil(length / SPACING)), 3)
    edge = np.linspace(0, spline.intervals, len(until))
    at = np.interp(np.linspace(0, length, count + 1), until, edge)
    return (at[:-1] if spline.closed else at), length
