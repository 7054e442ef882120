"""Walls as edges of the phase, by the detector of J. Canny, IEEE Trans. Pattern Anal. Mach. Intell.
8 (1986) 679."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve
from skimage.feature import canny
from skimage.measure import label
from skimage.morphology import skeletonize

from vaescope.walls.curve import Curve, even, positive_on_the_left
from vaescope.walls.signal import Signal
from vaescope.walls.smooth import smooth

_EIGHT = np.ones((3, 3))


def edges(signal: Signal, width: float) -> list[Curve]:
    """Edges of the phase in a picture smoothed by a Gaussian of ``width`` px, linked to curves.

    Without an out-of-phase response the phase is that of the sign.
    """
    along = np.where(signal.measured, signal.in_phase - signal.level, 0.0)
    across = np.zeros_like(along)
    if signal.out_of_phase is not None:
        across = np.where(signal.measured, signal.out_of_phase, 0.0)
    phase = np.abs(np.arctan2(across, along))
    found = canny(phase / np.pi, sigma=width, mask=signal.measured, mode="nearest")
    picture = smooth(signal.in_phase, signal.measured, width)
    return [positive_on_the_left(curve, picture) for curve in linked(skeletonize(found))]


def linked(edge: np.ndarray) -> list[Curve]:
    """Lines of pixels (y, x) as curves; they are parted where more than two meet."""
    count = convolve(edge.astype(float), _EIGHT, mode="constant") - 1
    part = edge & (count <= 2)
    found = []
    for number in range(1, int((names := label(part, connectivity=2)).max()) + 1):
        curve = even(_in_order(np.argwhere(names == number)))
        if curve is not None:
            found.append(curve)
    return found


def _in_order(pixel: np.ndarray) -> Curve:
    """Pixels (pixel, 2) of one line in order along it."""
    left = {(int(y), int(x)) for y, x in pixel}
    ends = [place for place in left if len(_beside(place, left)) == 1]
    place = min(ends or left)
    order = [place]
    left.discard(place)
    while near := _beside(place, left):
        place = min(near, key=lambda other: np.hypot(*np.subtract(other, place)))
        order.append(place)
        left.discard(place)
    closed = len(order) > 8 and float(np.hypot(*np.subtract(order[0], order[-1]))) < 1.5
    return Curve(np.array(order, float), closed)


def _beside(place: tuple[int, int], pixels: set[tuple[int, int]]) -> list[tuple[int, int]]:
    y, x = place
    around = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    return [other for other in around if other in pixels]
