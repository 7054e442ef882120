"""Plane curves through the zero line of a picture, with the positive side on their left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from skimage.measure import find_contours

STEP = 0.5  # px between the points of a curve
SHORTEST = 6.0  # px: shorter curves are no walls


@dataclass(frozen=True)
class Curve:
    """Points (point, 2) px (y, x) in order; of a closed curve the first point is not repeated."""

    place: np.ndarray
    closed: bool

    @property
    def length(self) -> float:
        """Length in px."""
        ends = np.vstack([self.place, self.place[:1]]) if self.closed else self.place
        return float(np.linalg.norm(np.diff(ends, axis=0), axis=1).sum())


def zero_lines(picture: np.ndarray, measured: np.ndarray) -> list[Curve]:
    """Curves on which a smoothed picture (y, x) is zero, where it was measured."""
    found = []
    for line in find_contours(picture, 0.0, mask=measured):
        closed = bool(len(line) > 3 and np.allclose(line[0], line[-1]))
        curve = even(Curve(line[:-1] if closed else line, closed))
        if curve is not None:
            found.append(positive_on_the_left(curve, picture))
    return found


def even(curve: Curve, step: float = STEP) -> Curve | None:
    """The curve with points at equal distances of about ``step``; None where it is too short."""
    whole = np.vstack([curve.place, curve.place[:1]]) if curve.closed else curve.place
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=1))])
    kept = np.concatenate([[True], np.diff(length) > 0])
    whole, length = whole[kept], length[kept]
    if length[-1] < SHORTEST:
        return None
    count = int(np.ceil(length[-1] / step))
    at = np.linspace(0, length[-1], count + 1)
    place = np.stack([np.interp(at, length, whole[:, axis]) for axis in (0, 1)], axis=1)
    return Curve(place[:-1] if curve.closed else place, curve.closed)


def positive_on_the_left(curve: Curve, picture: np.ndarray) -> Curve:
    """The curve in the direction that has larger values of ``picture`` on the side of its normal
    (-sin, cos) in (x, y)."""
    tangent = np.gradient(curve.place, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    ahead, behind = (
        map_coordinates(picture, (curve.place + side * normal).T, order=1, mode="nearest")
        for side in (1.5, -1.5)
    )
    return curve if (ahead - behind).sum() >= 0 else Curve(curve.place[::-1].copy(), curve.closed)
