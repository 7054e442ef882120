"""Walls fitted piece by piece, where the response of the domains varies too much for one model.

About every point of a wall the response across it is a hyperbolic tangent between two states of
that place, averaged over some pixels along the wall (width and position of a wall from its profile:
S. Jesse and others, arXiv:0801.4086). Nothing but these pixels counts, so that stripes and grains
inside a domain bend no wall elsewhere. By how much those near a wall shift it is measured beside
it: the same profile is fitted to the response inside the domains, where there is no wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates

from vaescope.walls.curve import Curve, even
from vaescope.walls.described import even as evenly
from vaescope.walls.signal import Signal
from vaescope.walls.spline import CurveFrame, through
from vaescope.walls.wall import Wall

REACH = 6.0  # px to either side of a wall
STEP = 0.5  # px from sample to sample across it
ALONG = 3.0  # px, standard deviation of the mean along a wall
KNOT = 6.0  # px from knot to knot of the curves
ROUNDS = 2  # of fitting the profile and moving the wall
_STEPS = 8  # of Gauss-Newton
_START = 2.0  # px, half width with which these begin
_NARROWEST, _WIDEST = 0.7, 6.0  # px, of that half width
_FARTHEST = 2.0  # px that a wall moves in one round
_OF_RADIUS = 0.3  # of the radius of curvature, the same
_NEAR = 3.0  # px, standard deviation of the weight of samples by their distance
_BESIDE = 9.0  # px from a wall to where the texture of domains is looked at
_WHOLE = 0.99  # share of a sample that has to be measured there
_FEWEST = 12  # points of a wall that know the texture beside them
_TO_HALF = np.sqrt(12) / np.pi  # from a standard deviation to the half width of such a profile


@dataclass(frozen=True)
class Profile:
    """Of every point (point,): ``shift`` px to the wall along the normal, half ``width`` px of the
    profile, ``half`` the difference of the two states, and the standard errors of the three;
    ``weights`` (point, sample): px by which samples of the response move the wall, per unit."""

    shift: np.ndarray
    width: np.ndarray
    half: np.ndarray
    errors: np.ndarray
    weights: np.ndarray


def fit_locally(signal: Signal, curves: Sequence[Curve], tip: float | None) -> list[Wall]:
    """Fit walls from their profiles.

    Parameters
    ----------
    signal : the piezoresponse of the frame; its noise is that of a pixel.
    curves : where the walls are, to about a pixel, the positive domain on their left.
    tip : px, standard deviation of the tip's blur, which is taken off the width; None: unknown, and
        then the width is that of wall and tip together.
    """
    walls = (_fitted(signal, curve, tip) for curve in curves)
    return [wall for wall in walls if wall is not None]


def _fitted(signal: Signal, curve: Curve, tip: float | None) -> Wall | None:
    for _ in range(ROUNDS):
        frame = _frame(curve)
        profile = _profile(signal, frame, curve.closed)
        # Normals of a bent wall meet at its centre of curvature: moved that far, it would fold.
        most = np.minimum(_FARTHEST, _OF_RADIUS / np.maximum(abs(frame.curvature), 1e-6))
        shift = np.clip(profile.shift, -most, most)
        moved = even(Curve(frame.place + shift[:, None] * frame.normal, curve.closed))
        if moved is None:
            return None
        curve = moved
    frame = _frame(curve)
    profile = _profile(signal, frame, curve.closed)
    position, breadth, height = profile.errors
    shared = np.full(len(position), texture(signal, frame, profile, curve.closed))
    position = np.hypot(position, shared)
    variance = np.maximum((profile.width / _TO_HALF) ** 2 - (tip or 0.0) ** 2, 0.01)
    own = np.sqrt(variance) * _TO_HALF
    count = len(frame.place)
    return Wall(
        place=frame.place,
        closed=curve.closed,
        direction=np.arctan2(frame.tangent[:, 0], frame.tangent[:, 1]),
        curvature=frame.curvature,
        normal_error=position,
        # Of a process whose correlation falls as a Gaussian of sqrt(2) times the mean along it.
        curvature_error=np.sqrt(3) * position / (2 * ALONG**2),
        error_length=np.full(count, 2 * np.sqrt(np.pi) * ALONG),
        width=own,
        width_error=breadth * profile.width / own,
        contrast=2 * profile.half,
        contrast_error=2 * height,
        texture_error=shared,
    )


def _frame(curve: Curve) -> CurveFrame:
    spline = through(curve, KNOT)
    at, _ = evenly(spline, CurveFrame.of(spline, spline.at).speed)
    return CurveFrame.of(spline, at)


def _profile(signal: Signal, frame: CurveFrame, closed: bool) -> Profile:
    """Fit the profile across every point by weighted least squares, all points at once."""
    offset = np.arange(-REACH, REACH + STEP / 2, STEP)
    value, weight = _samples(signal, frame, offset, closed)
    value = value / signal.noise
    # A sample stands for so many pixels: its share of the normal times the mean along the wall.
    precision = weight * STEP * 2 * np.sqrt(np.pi) * ALONG
    precision *= np.exp(-0.5 * (offset / _NEAR) ** 2)
    count = len(value)
    left, right = (np.average(value[:, part], axis=1) for part in (offset < -3, offset > 3))
    numbers = np.zeros((count, 4))
    numbers[:, 0] = (left + right) / 2
    numbers[:, 1] = np.maximum(right - left, 1.0) / 2
    numbers[:, 3] = np.log(_START)
    # Beforehand: a wall is where it was found to about a pixel, and about as wide as others.
    known = np.diag([0.0, 0.0, 1.0, 4.0])
    centre = np.array([0.0, 0.0, 0.0, np.log(_START)])
    for _ in range(_STEPS):
        slopes, residual = _slopes(value, offset, numbers)
        normal = np.einsum("pni,pn,pnj->pij", slopes, precision, slopes) + known
        pull = np.einsum("pni,pn,pn->pi", slopes, precision, residual) + (centre - numbers) @ known
        normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(4)
        step = np.linalg.solve(normal, pull[..., None])[..., 0]
        step[:, 2:] = np.clip(step[:, 2:], -0.5, 0.5)
        numbers = numbers + step
        numbers[:, 2] = np.clip(numbers[:, 2], -_FARTHEST, _FARTHEST)
        numbers[:, 3] = np.clip(numbers[:, 3], np.log(_NARROWEST), np.log(_WIDEST))
    inverse = np.linalg.inv(normal)
    weights = np.einsum("pi,pni,pn->pn", inverse[:, 2], slopes, precision) / signal.noise
    variance = np.diagonal(inverse, axis1=1, axis2=2)
    errors = np.sqrt(np.maximum(variance, 0))
    width = np.exp(numbers[:, 3])
    half, unsure = numbers[:, 1] * signal.noise, errors[:, 1] * signal.noise
    together = np.stack([errors[:, 2], errors[:, 3] * width, unsure])
    return Profile(numbers[:, 2], width, half, together, weights)


def texture(signal: Signal, frame: CurveFrame, profile: Profile, closed: bool) -> float:
    """Standard deviation in px by which the response inside domains, were it under the wall, would
    shift it beyond what noise does; 0 where no domain is wide enough to say so."""
    offset = np.arange(-REACH, REACH + STEP / 2, STEP)
    found = []
    for side in (-1, 1):
        beside = replace(frame, place=frame.place + side * _BESIDE * frame.normal)
        value, seen = _samples(signal, beside, offset, closed)
        inside = (side * (value - signal.level) > 0).all(axis=1) & (seen > _WHOLE).all(axis=1)
        moved = (profile.weights * (value - value.mean(axis=1, keepdims=True))).sum(axis=1)
        found.append(moved[inside])
    moved = np.concatenate(found)
    if len(moved) < _FEWEST:
        return 0.0
    noise = float(np.median(profile.errors[0] ** 2))
    return float(np.sqrt(max((moved**2).mean() - noise, 0.0)))


def _slopes(
    value: np.ndarray, offset: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives (point, sample, number) of the profile by middle, half difference, shift and
    logarithm of the half width, and what it leaves of the samples."""
    middle, half, shift, size = numbers.T[:, :, None]
    width = np.exp(size)
    place = (offset - shift) / width
    shape = np.tanh(place)
    steep = half * (1 - shape**2)
    parts = [np.ones_like(shape), shape, -steep / width, -steep * place]
    return np.stack(parts, axis=-1), value - middle - half * shape


def _samples(
    signal: Signal, frame: CurveFrame, offset: np.ndarray, closed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The response (point, sample) across a wall, averaged along it, and the share of it that was
    measured and lies in the picture."""
    place = frame.place[:, None] + offset[:, None] * frame.normal[:, None]
    place = np.moveaxis(place, -1, 0)
    seen = map_coordinates(signal.measured.astype(float), place, order=1, mode="constant", cval=0.0)
    filled = np.where(signal.measured, signal.in_phase, 0.0)
    value = map_coordinates(filled, place, order=1, mode="constant", cval=0.0)
    mode = "wrap" if closed else "nearest"
    share = gaussian_filter1d(seen, ALONG, axis=0, mode=mode)
    mean = gaussian_filter1d(value, ALONG, axis=0, mode=mode)
    return mean / np.maximum(share, 1e-3), share
