"""What is known of walls beforehand: their curvature changes little along them.

The curvature is a Gaussian process with a stiffness that penalises its first derivative along the
wall and, over short lengths, its second. How stiff walls are is found from all of them by the
update of S. N. Wood and M. Fasiolo, Biometrics 73 (2017) 1071, which raises the evidence, and then
for every stretch from what lies about it, since walls are straight for long and bend at few places.
Within a stretch it goes as the inverse cube of the curvature, as if sharp bends were gentle ones
made smaller; where walls are straighter than usual, it is constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d

from vaescope.walls.spline import CurveFrame, Spline

START = 1e3  # px³, stiffness with which the search begins
_SECOND = 5.0  # px: below about this length the second derivative counts
_STEP = 10.0  # factor by which the stiffness changes at most in one update
_DAMPED = 0.6  # power of an update that is made, since whole ones overshoot
_COMMON = 2  # updates in which all walls have one stiffness
_AROUND = 8.0  # px, standard deviation of the stretch of wall over which stiffness is local
_STRAIGHT = 90  # percentile of the stiffness of stretches that is that of straight ones
_POWER = 1.5  # of the square of the curvature with which stiffness falls
_ALIKE = 4.0  # degrees of freedom by which that of straight walls counts in each stretch


@dataclass(frozen=True)
class Bend:
    """How the curvature changes along a curve.

    Attributes
    ----------
    change : (2, difference) 1/px², first derivative of the curvature, and second times ``_SECOND``.
    slope : two of (difference, coefficient), their derivatives by what coefficients move along
        their normals.
    length : (difference,) px over which each is taken.
    freedom : degrees of freedom of the curve for each difference.
    curvature : (difference,) 1/px, its curvature there.
    """

    change: np.ndarray
    slope: tuple[sparse.csr_matrix, sparse.csr_matrix]
    length: np.ndarray
    freedom: float
    closed: bool
    curvature: np.ndarray

    @classmethod
    def of(cls, spline: Spline, frame: CurveFrame) -> Bend:
        """The changes of a curve between the samples of its frame."""
        part = frame.speed * spline.intervals / len(spline.at)
        follows = np.roll(part, -1) if spline.closed else part[1:]
        length = 0.5 * (part[: len(follows)] + follows)
        first = sparse.diags(1 / length) @ _difference(len(part), spline.closed, 1)
        second = _difference(len(length), spline.closed, 2) @ first
        second = sparse.diags(_SECOND / (2 * length)) @ second
        bending = frame.bending(spline.normals)
        free = len(spline.coefficient) - (3 if spline.closed else 4)
        return cls(
            np.stack([first @ frame.curvature, second @ frame.curvature]),
            ((first @ bending).tocsr(), (second @ bending).tocsr()),
            length,
            free / len(length),
            spline.closed,
            0.5 * (abs(_difference(len(part), spline.closed, 1)) @ frame.curvature),
        )

    def precision(self, stiffness: np.ndarray) -> sparse.csr_matrix:
        """Precision (coefficient, coefficient) of a curve as stiff (difference,) px³ as that."""
        weight = sparse.diags(stiffness * self.length)
        return sum(part.T @ weight @ part for part in self.slope)

    def pull(self, stiffness: np.ndarray) -> np.ndarray:
        """Pull (coefficient,) towards even curvature."""
        weight = stiffness * self.length
        parts = zip(self.slope, self.change, strict=True)
        return -sum(part.T @ (weight * change) for part, change in parts)

    def rough(self) -> np.ndarray:
        """What each difference (difference,) adds to the roughness of the curve, in 1/px³."""
        return self.length * (self.change**2).sum(0)


def _difference(count: int, closed: bool, apart: int) -> sparse.csr_matrix:
    """Differences of ``count`` values ``apart`` places from each other; of a curve that is not
    closed, with 1 one fewer, and with 2, about each place, as many."""
    this = sparse.eye(count, format="csr")
    place = np.arange(count)
    if closed:
        return this[(place + 1) % count] - this[(place + 1 - apart) % count]
    if apart == 1:
        return this[1:] - this[:-1]
    return this[np.minimum(place + 1, count - 1)] - this[np.maximum(place - 1, 0)]


def updated(
    stiffness: Sequence[np.ndarray],
    bends: Sequence[Bend],
    spread: Sequence[np.ndarray],
    number: int,
) -> list[np.ndarray]:
    """The stiffness (difference,) px³ of every curve after one update.

    Parameters
    ----------
    stiffness : before it.
    bends : the changes of curvature of every curve.
    spread : expectation of what errors add to the roughness of each difference.
    number : of the update.
    """
    left = [
        np.maximum(bend.freedom - stiff * error, -bend.freedom)
        for stiff, bend, error in zip(stiffness, bends, spread, strict=True)
    ]
    softer = _softer(bends)
    rough = [bend.rough() / soft for bend, soft in zip(bends, softer, strict=True)]
    count = sum(bend.freedom * len(bend.length) for bend in bends)
    free = max(sum(float(part.sum()) for part in left), 1e-3 * count)
    common = free / max(sum(float(part.sum()) for part in rough), 1e-12)
    if number <= _COMMON:
        new = [np.full(len(stiff), common) for stiff in stiffness]
    else:
        near = [
            (np.maximum(_nearby(value, bend), 0), _nearby(bent, bend))
            for value, bent, bend in zip(left, rough, bends, strict=True)
        ]
        # Few sharp bends would make all walls soft: beforehand walls are as stiff as straight ones.
        local = [(_ALIKE + free) / (_ALIKE / common + bent) for free, bent in near]
        usual = float(np.percentile(np.concatenate(local), _STRAIGHT))
        new = [(_ALIKE + free) / (_ALIKE / usual + bent) for free, bent in near]
    return [
        stiff * np.clip(value / soft / stiff, 1 / _STEP, _STEP) ** _DAMPED
        for stiff, value, soft in zip(stiffness, new, softer, strict=True)
    ]


def _softer(bends: Sequence[Bend]) -> list[np.ndarray]:
    """How many times less stiff than a straight wall each place (difference,) of every curve is, by
    its curvature over the rms curvature of all."""
    usual = np.mean(np.concatenate([bend.curvature**2 for bend in bends]))
    return [(1 + bend.curvature**2 / max(usual, 1e-12)) ** _POWER for bend in bends]


def _nearby(values: np.ndarray, bend: Bend) -> np.ndarray:
    """Sums (difference,) over the stretch about each place."""
    width = _AROUND / bend.length.mean()
    mode = "wrap" if bend.closed else "reflect"
    return 2 * np.sqrt(np.pi) * width * gaussian_filter1d(values, width, mode=mode)
