"""Curves as uniform B-splines whose coefficients move along the normals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline
from scipy.sparse.linalg import spsolve

from vaescope.walls.curve import Curve

DEGREE = 4
_PER_KNOT = 8  # samples from knot to knot
_FEWEST = 8  # intervals of a closed curve


def weights(part: np.ndarray, order: int = 0) -> np.ndarray:
    """Derivatives (point, DEGREE + 1) of the basis at a share ``part`` of an interval of knots."""
    knots = np.arange(-DEGREE, DEGREE + 2, dtype=float)
    basis = BSpline(knots, np.eye(DEGREE + 1), DEGREE)
    return (basis.derivative(order) if order else basis)(part)


@dataclass(frozen=True)
class Spline:
    """A curve of ``intervals`` from knot to knot; ``coefficient`` (coefficient, 2) px (y, x)."""

    coefficient: np.ndarray
    closed: bool

    @property
    def intervals(self) -> int:
        """Number of intervals between knots; the parameter runs from 0 to this."""
        return len(self.coefficient) - (0 if self.closed else DEGREE)

    def basis(self, at: np.ndarray, order: int = 0) -> sparse.csr_matrix:
        """Derivatives (point, coefficient) of the basis by the parameter, at parameters ``at``."""
        first = np.clip(np.floor(at).astype(int), 0, self.intervals - 1)
        column = first[:, None] + np.arange(DEGREE + 1)
        if self.closed:
            column %= self.intervals
        value = weights(at - first, order)
        row = np.repeat(np.arange(len(at)), DEGREE + 1)
        shape = len(at), len(self.coefficient)
        return sparse.csr_matrix((value.ravel(), (row, column.ravel())), shape)

    @cached_property
    def at(self) -> np.ndarray:
        """Parameters (sample,) of samples in the middle of equal parts of the intervals."""
        count = self.intervals * _PER_KNOT
        return (np.arange(count) + 0.5) / _PER_KNOT

    def moved(self, along: np.ndarray) -> Spline:
        """The curve with coefficients moved by ``along`` (coefficient,) px along their normals."""
        return replace(self, coefficient=self.coefficient + along[:, None] * self.normals)

    @cached_property
    def normals(self) -> np.ndarray:
        """Normals (coefficient, 2) (y, x) at the places to which the coefficients belong."""
        if self.closed:
            centre = (np.arange(len(self.coefficient)) - DEGREE / 2 + 0.5) % self.intervals
        else:
            centre = np.arange(len(self.coefficient)) - DEGREE / 2 + 0.5
            centre = np.clip(centre, 0, self.intervals)
        return CurveFrame.of(self, centre).normal


@dataclass(frozen=True)
class CurveFrame:
    """A curve at some of its points, and how it changes there with its coefficients.

    ``place``, ``normal`` (point, 2); ``speed`` px per unit of the parameter; ``curvature`` 1/px;
    ``basis``, ``first``, ``second`` (point, coefficient): the basis and its derivatives.
    """

    place: np.ndarray
    tangent: np.ndarray
    normal: np.ndarray
    speed: np.ndarray
    curvature: np.ndarray
    bend: np.ndarray
    basis: sparse.csr_matrix
    first: sparse.csr_matrix
    second: sparse.csr_matrix

    @classmethod
    def of(cls, spline: Spline, at: np.ndarray) -> CurveFrame:
        """The frame of a curve at parameters ``at``."""
        basis, first, second = (spline.basis(at, order) for order in range(3))
        slope, bend = first @ spline.coefficient, second @ spline.coefficient
        speed = np.maximum(np.linalg.norm(slope, axis=1), 1e-9)
        tangent = slope / speed[:, None]
        normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
        curvature = (bend * normal).sum(1) / speed**2
        place = basis @ spline.coefficient
        return cls(place, tangent, normal, speed, curvature, bend, basis, first, second)

    def shift(self, normals: np.ndarray) -> sparse.csr_matrix:
        """Derivatives (point, coefficient) of the place along the normal."""
        return along(self.basis, self.normal, normals)

    def bending(self, normals: np.ndarray) -> sparse.csr_matrix:
        """Derivatives (point, coefficient) of the curvature in 1/px per px."""
        speed = self.speed[:, None]
        across = self.bend / speed**3
        turned = np.stack([-across[:, 1], across[:, 0]], axis=1)
        slope = turned - 3 * self.curvature[:, None] * self.tangent / speed
        return along(self.first, slope, normals) + along(
            self.second, self.normal / speed**2, normals
        )


def along(basis: sparse.csr_matrix, vector: np.ndarray, normals: np.ndarray) -> sparse.csr_matrix:
    """Basis (point, coefficient) times the product of a vector (point, 2) with the normals."""
    found = sparse.csr_matrix(basis.shape)
    for axis in (0, 1):
        found = found + sparse.diags(vector[:, axis]) @ basis @ sparse.diags(normals[:, axis])
    return found.tocsr()


def through(curve: Curve, knot: float) -> Spline:
    """The spline nearest to a curve, with knots about ``knot`` px apart."""
    count = max(round(curve.length / knot), _FEWEST if curve.closed else 2)
    points = len(curve.place)
    if curve.closed:
        at = np.arange(points) * count / points
        empty = np.zeros((count, 2))
    else:
        at = np.linspace(0, count, points)
        empty = np.zeros((count + DEGREE, 2))
    basis = Spline(empty, curve.closed).basis(at)
    stiff = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(len(empty) - 2, len(empty)))
    system = (basis.T @ basis + 1e-3 * stiff.T @ stiff).tocsc()
    found = np.stack([spsolve(system, basis.T @ curve.place[:, axis]) for axis in (0, 1)], axis=1)
    return Spline(found, curve.closed)
