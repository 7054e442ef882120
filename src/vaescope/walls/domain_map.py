"""Which part of every pixel lies in the positive domain, and how much of a window does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.walls.pieces import Pieces
from vaescope.walls.signal import Signal

_NEAR = 3.0  # px from a wall within which the wall says which side a pixel is on
_LEAST, _MOST = 1.0, 6.0  # px, smoothing far from walls
_SURE = 8.0  # standard errors, by which the mean of a single domain differs from 0
_NOISE = 0.15  # of the contrast, that is left of the noise


def positive_share(signal: Signal, pieces: Pieces) -> np.ndarray:
    """Share (y, x) of each pixel in the positive domain, 0 to 1.

    Within 3 px of a wall its side and distance say it, to a fraction of a pixel; farther away the
    smoothed in-phase signal. A frame without walls is one domain, by the sign of its signal, and
    one half where that is 0 within the noise.
    """
    if not len(pieces):
        return np.full(signal.in_phase.shape, _single(signal))
    filled = np.where(signal.measured, signal.in_phase, signal.level)
    contrast = 2 * float(np.median(np.abs(filled - signal.level)))
    ratio = signal.noise / max(contrast, 1e-300) / _NOISE
    smooth = float(np.clip(ratio / (2 * np.sqrt(np.pi)), _LEAST, _MOST))
    weight = ndimage.gaussian_filter(signal.measured.astype(float), smooth)
    flat = ndimage.gaussian_filter(np.where(signal.measured, filled - signal.level, 0.0), smooth)
    share = (flat / np.maximum(weight, 1e-6) > 0).astype(float)
    near = np.zeros(share.shape, bool)
    row, column = np.rint(pieces.place).astype(int).T
    inside = (row >= 0) & (row < near.shape[0]) & (column >= 0) & (column < near.shape[1])
    near[row[inside], column[inside]] = True
    near = ndimage.distance_transform_edt(~near) <= _NEAR + 1
    place = np.argwhere(near)
    gap, nearest = cKDTree(pieces.place).query(place)
    height = ((place - pieces.place[nearest]) * pieces.normal[nearest]).sum(1)
    close = gap <= _NEAR
    # Of a unit square cut by a line through its side at a right angle, or nearly so.
    share[tuple(place[close].T)] = np.clip(0.5 + height[close], 0, 1)
    return share


def _single(signal: Signal) -> float:
    """The positive share of a frame without walls."""
    values = signal.in_phase[signal.measured]
    mean = float(values.mean()) if values.size else 0.0
    error = signal.noise / np.sqrt(max(values.size, 1))
    return 0.5 if abs(mean) <= _SURE * error else float(mean > 0)


@dataclass(frozen=True)
class Areas:
    """Sums over squares of a picture (y, x) of which some pixels count, by summed areas."""

    total: np.ndarray
    counted: np.ndarray

    @classmethod
    def of(cls, share: np.ndarray, measured: np.ndarray) -> Areas:
        """Of the share of each pixel in the positive domain, where it was measured."""
        return cls(_summed(np.where(measured, share, 0.0)), _summed(measured.astype(float)))

    def mean(self, centre: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean share (window,) in squares about centres (window, 2) px, and how much of each was
        measured, 0 to 1; what lies beyond the picture was not."""
        inside, counted = (_square(part, centre, side) for part in (self.total, self.counted))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(inside / counted, 0, 1)
        return np.where(counted > 0, share, np.nan), counted / side**2


def _summed(values: np.ndarray) -> np.ndarray:
    table = np.zeros(np.add(values.shape, 1))
    table[1:, 1:] = values.cumsum(0).cumsum(1)
    return table


def _square(table: np.ndarray, centre: np.ndarray, side: float) -> np.ndarray:
    """Integrals (window,) over squares; between corners of pixels the table is bilinear, which is
    exact where a pixel is of one value."""
    # The corner (0, 0) of the table lies half a pixel before the middle of the first pixel.
    low, high = centre + 0.5 - side / 2, centre + 0.5 + side / 2

    def at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(table, [y, x], order=1, mode="nearest")

    y0, x0 = low.T
    y1, x1 = high.T
    return at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0)
