"""Domains as the places where a smooth function of the plane is positive, and their walls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import ndimage
from scipy.interpolate import RectBivariateSpline
from skimage import measure

FINE = 0.08
"""px, greatest distance from one point of a wall to the next."""
_STEPS = 4  # of Newton's method, from a contour between pixels to the zero of the function
_LONGEST = 0.3  # px, of one such step
_SPARSE = 5  # points of a wall for one at which the distance of others is computed
_RAYS = np.radians([0.0, -35.0, 35.0, -65.0, 65.0])  # against the normal, along which others lie


class Plane(Protocol):
    """A smooth function of the plane (y, x), positive in the positive domain."""

    def value(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The function at some points."""

    def grid(self, axis: np.ndarray) -> np.ndarray:
        """The function at all pairs (n, n) of the coordinates ``axis`` (n,), which increase."""

    def gradient(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Its derivatives along y and x at some points."""

    def hessian(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Its second derivatives along yy, yx and xx at some points."""


class Sampled:
    """A function known on a square grid of pixels, between them a spline of fifth degree.

    Its second derivatives are smooth, so that the curvature of its walls is.
    """

    def __init__(self, values: np.ndarray, start: float = 0.0) -> None:
        """``values`` : (n, n), the first of them at (``start``, ``start``) px."""
        rows, columns = (start + np.arange(side) for side in values.shape)
        self._spline = RectBivariateSpline(rows, columns, values, kx=5, ky=5, s=0)

    def value(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The function at some points."""
        return np.asarray(self._spline.ev(y, x))

    def grid(self, axis: np.ndarray) -> np.ndarray:
        """The function at all pairs (n, n) of the coordinates ``axis`` (n,), which increase."""
        return np.asarray(self._spline(axis, axis))

    def gradient(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Its derivatives along y and x at some points."""
        return self._spline.ev(y, x, dx=1), self._spline.ev(y, x, dy=1)

    def hessian(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Its second derivatives along yy, yx and xx at some points."""
        along_y, mixed = self._spline.ev(y, x, dx=2), self._spline.ev(y, x, dx=1, dy=1)
        return along_y, mixed, self._spline.ev(y, x, dy=2)


@dataclass(frozen=True)
class Discs:
    """Round positive domains that do not touch; ``centre`` (disc, 2) and ``radius`` in px."""

    centre: np.ndarray
    radius: np.ndarray

    def value(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(r² − d²) / 2r of the disc for which it is greatest."""
        return self._nearest(y, x)[1]

    def grid(self, axis: np.ndarray) -> np.ndarray:
        """The function at all pairs (n, n) of the coordinates ``axis`` (n,), which increase."""
        return self.value(*np.meshgrid(axis, axis, indexing="ij"))

    def gradient(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Its derivatives along y and x at some points."""
        which = self._nearest(y, x)[0]
        row, column = self.centre[which].T
        return (row - y) / self.radius[which], (column - x) / self.radius[which]

    def hessian(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Its second derivatives along yy, yx and xx at some points."""
        second = -1 / self.radius[self._nearest(y, x)[0]]
        return second, np.zeros_like(second), second

    def _nearest(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        which = np.zeros(np.shape(y), int)
        best = np.full(np.shape(y), -np.inf)
        for k, ((row, column), radius) in enumerate(zip(self.centre, self.radius, strict=True)):
            value = (radius**2 - (y - row) ** 2 - (x - column) ** 2) / (2 * radius)
            which = np.where(value > best, k, which)
            best = np.maximum(value, best)
        return which, best


@dataclass(frozen=True)
class TrueWalls:
    """Points of walls, in the order in which they lie on each; arrays over points.

    ``place`` : (point, 2) px (y, x). ``wall`` : the number of its wall. ``direction`` : rad, angle
    of the tangent t = (cos, sin) in (x, y); the normal (−sin, cos) points into the positive domain.
    ``curvature`` : 1/px, d direction / ds: positive where the centre of curvature lies in the
    positive domain. ``apart`` : another wall, or another part of this one, is too near to tell the
    two apart.
    """

    place: np.ndarray
    wall: np.ndarray
    direction: np.ndarray
    curvature: np.ndarray
    apart: np.ndarray

    def where(self, keep: np.ndarray) -> TrueWalls:
        """Some of the points."""
        return TrueWalls(
            self.place[keep],
            self.wall[keep],
            self.direction[keep],
            self.curvature[keep],
            self.apart[keep],
        )


def walls(plane: Plane, low: float, high: float, reach: float) -> TrueWalls:
    """The walls between two domains, every ``FINE`` px or less, in a square of the plane.

    Parameters
    ----------
    low, high : px, first and last row and column of the square.
    reach : px, within which another wall is near.
    """
    axis = np.arange(low, high + 1)
    value = plane.grid(axis)
    places = [
        _on_the_wall(plane, _refined(curve + low)) for curve in measure.find_contours(value, 0.0)
    ]
    none = np.zeros((0, 2))
    place = np.concatenate([none, *places])
    wall = np.repeat(np.arange(len(places)), [len(curve) for curve in places])
    y, x = place.T
    fy, fx = plane.gradient(y, x)
    fyy, fyx, fxx = plane.hessian(y, x)
    steep = np.hypot(fy, fx)
    curvature = -(fxx * fy**2 - 2 * fx * fy * fyx + fyy * fx**2) / steep**3
    found = TrueWalls(
        place, wall, np.arctan2(-fx, fy), curvature, _near_others(value, place - low, fy, fx, reach)
    )
    return _ordered(found)


def _refined(curve: np.ndarray) -> np.ndarray:
    """Points every ``FINE`` px along a polygon; a closed one ends before its first point."""
    step = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    count = max(int(np.ceil(along[-1] / FINE)), 3)
    at = np.linspace(0, along[-1], count + 1)
    if np.array_equal(curve[0], curve[-1]):
        at = at[:-1]
    return np.stack([np.interp(at, along, curve[:, axis]) for axis in (0, 1)], axis=1)


def _on_the_wall(plane: Plane, place: np.ndarray) -> np.ndarray:
    """The zeros of a function nearest to some points, along its gradient, (point, 2)."""
    for _ in range(_STEPS):
        y, x = place.T
        fy, fx = plane.gradient(y, x)
        step = plane.value(y, x) / np.maximum(fy**2 + fx**2, 1e-12)
        move = step[:, None] * np.stack([fy, fx], axis=1)
        length = np.linalg.norm(move, axis=1, keepdims=True)
        place = place - move * np.minimum(1, _LONGEST / np.maximum(length, 1e-12))
    return place


def _ordered(curves: TrueWalls) -> TrueWalls:
    """The same points, each wall run through along its own direction."""
    order = []
    for number in np.unique(curves.wall):
        at = np.flatnonzero(curves.wall == number)
        chord = np.diff(curves.place[at], axis=0)
        tangent = curves.direction[at[:-1]]
        forward = (chord[:, 1] * np.cos(tangent) + chord[:, 0] * np.sin(tangent)).sum() > 0
        order.append(at if forward else at[::-1])
    return curves.where(np.concatenate(order)) if order else curves


def _near_others(
    value: np.ndarray, place: np.ndarray, fy: np.ndarray, fx: np.ndarray, reach: float
) -> np.ndarray:
    """Whether the domain on either side ends within ``reach`` px, (point,) bool.

    Parameters
    ----------
    value : (y, x) of the function at every pixel. place : (point, 2) px.
    fy, fx : (point,) gradient of the function.
    """
    some = slice(None, None, _SPARSE)
    y, x = place[some].T
    normal = np.arctan2(fy[some], fx[some])
    near = np.zeros(len(y), bool)
    for side, ray in ((side, ray) for side in (1, -1) for ray in _RAYS):
        dy, dx = side * np.sin(normal + ray), side * np.cos(normal + ray)
        for distance in np.arange(1.0, reach + 0.5, 1.0):
            there = np.stack([y + distance * dy, x + distance * dx])
            near |= side * ndimage.map_coordinates(value, there, order=1, mode="nearest") < 0
    return np.repeat(near, _SPARSE)[: len(place)]
