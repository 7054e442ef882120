"""What switched between two frames, with its significance, and how much of the area that is.

The smoothed in-phase response m of each frame, less the level midway between the two states, has a
standard error s: of its noise, and, where it is steep, of the drift between the frames. A pixel's
significance is the smaller of |m| / s in the two frames, if the signs differ: the pixel was in one
state beyond doubt, and is in the other beyond doubt (an intersection–union test). Half of what the
frames differ by everywhere counts as error of each. Places where the response has turned out of
phase, or that were not measured in both frames, are not compared.

Source: R. L. Berger, Technometrics 24 (1982) 295 (intersection–union test).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from vaescope.walls.signal import Signal
from vaescope.walls.smooth import smooth

CERTAIN = 3.0
"""Standard errors beyond which something has happened."""
_NOISE = 0.08  # of the half difference of the states, that the smoothing leaves
_LEAST, _MOST = 1.0, 5.0  # px, of the smoothing
_TURNED = 1.0  # tangent of the phase beyond which a response belongs to neither state
_AROUND, _MANY = 6.0, 0.25  # px about a place, and share of it that has turned: it has as well
_HIDDEN = 0.5  # of the area along walls that changes sign by noise alone
_TO_SD = 1.4826  # from the median absolute deviation of normal values


@dataclass(frozen=True)
class Switched:
    """What switched from one frame to the next, on the pixels of the first.

    ``significance`` : (y, x) standard errors, with the sign of the new state; 0 where the sign of
    the response did not change, NaN where the frames cannot be compared. ``switched`` : (y, x)
    areas of changed sign that are significant somewhere. ``compared`` : (y, x). ``share`` : of the
    compared pixels that switched, with ``share_error``.
    """

    significance: np.ndarray
    switched: np.ndarray
    compared: np.ndarray
    share: float
    share_error: float

    @property
    def happened(self) -> bool:
        """Whether anything switched beyond doubt."""
        return bool(self.switched.any())


def switched(before: Signal, after: Signal, step: np.ndarray, covariance: np.ndarray) -> Switched:
    """Compare two frames.

    Parameters
    ----------
    step, covariance : (2,) or (y, x, 2) px and (2, 2) or (y, x, 2, 2) px², drift from the first
        frame to the second, of the whole or of each pixel.
    """
    shape = before.in_phase.shape
    step = np.broadcast_to(step, (*shape, 2))
    covariance = np.broadcast_to(covariance, (*shape, 2, 2))
    width = max(_width(before), _width(after))
    first, second = _State.of(before, width), _State.of(after, width)
    result = _compared(first, second, step, covariance)
    spread = [
        _compared(first, second, step + axis, covariance).share - result.share
        for axis in _deviations(covariance.mean(axis=(0, 1)))
    ]
    by_drift = float(np.sqrt(np.nansum(np.square(spread))))
    return Switched(
        result.significance,
        result.switched,
        result.compared,
        result.share,
        float(np.hypot(result.share_error, by_drift)),
    )


@dataclass(frozen=True)
class _State:
    """Smoothed response of a frame: ``along`` and ``across`` the axis of the states (y, x), what
    was ``measured``, the standard error ``noise`` of both, and the ``width`` px of smoothing."""

    along: np.ndarray
    across: np.ndarray
    measured: np.ndarray
    noise: float
    width: float

    @classmethod
    def of(cls, signal: Signal, width: float) -> _State:
        seen = signal.measured & np.isfinite(signal.in_phase)
        along = smooth(signal.in_phase, seen, width) - signal.level
        noise = signal.noise / (2 * np.sqrt(np.pi) * width)
        across = np.zeros_like(along)
        if signal.out_of_phase is not None:
            across = smooth(signal.out_of_phase, seen, width)
            part = across[seen]
            if part.size:
                # Noise that is smooth or runs in lines is not reduced by smoothing.
                noise = max(noise, _TO_SD * float(np.median(np.abs(part - np.median(part)))))
        return cls(along, across, seen, noise, width)


def _width(signal: Signal) -> float:
    """Smoothing in px that leaves a small share of the contrast as noise."""
    part = signal.in_phase[signal.measured] - signal.level
    contrast = float(np.median(np.abs(part))) if part.size else 0.0
    wanted = signal.noise / max(_NOISE * contrast, 1e-300) / (2 * np.sqrt(np.pi))
    return float(np.clip(wanted, _LEAST, _MOST))


def _deviations(covariance: np.ndarray) -> list[np.ndarray]:
    """Shifts by one standard deviation along each principal axis."""
    variance, axes = np.linalg.eigh(covariance)
    return [np.sqrt(max(v, 0.0)) * axis for v, axis in zip(variance, axes.T, strict=True)]


def _compared(first: _State, second: _State, step: np.ndarray, covariance: np.ndarray) -> Switched:
    shape = first.along.shape
    pixels = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
    place = [axis + by for axis, by in zip(pixels, np.moveaxis(step, -1, 0), strict=True)]

    def at(picture: np.ndarray, order: int, outside: float) -> np.ndarray:
        # What is sampled between pixels is smooth on their scale.
        return ndimage.map_coordinates(picture, place, order=order, cval=outside, mode="constant")

    there = at(second.measured.astype(float), 1, 0.0) > 0.99
    m0, m1 = first.along, at(second.along, 3, 0.0)
    q0, q1 = first.across, at(second.across, 3, 0.0)
    slope = np.stack(np.gradient(m1))
    drifted = np.einsum("iyx,yxij,jyx->yx", slope, covariance, slope)
    turned = (np.abs(q0) > _TURNED * np.abs(m0) + CERTAIN * first.noise) | (
        np.abs(q1) > _TURNED * np.abs(m1) + CERTAIN * second.noise
    )
    # Between the turned places the response passes through zero, as at a wall.
    turned |= ndimage.gaussian_filter(turned.astype(float), _AROUND) > _MANY
    compared = first.measured & there & ~turned
    # What two frames of the same domains differ by is an error of both, whatever its cause.
    apart = (m1 - m0)[compared]
    apart = _TO_SD * np.median(np.abs(apart - np.median(apart))) / np.sqrt(2) if apart.size else 0.0
    s0, s1 = max(first.noise, apart), np.hypot(max(second.noise, apart), np.sqrt(drifted))
    changed = compared & (m0 * m1 < 0)
    size = np.minimum(np.abs(m0) / max(s0, 1e-300), np.abs(m1) / np.maximum(s1, 1e-300))
    significance = np.where(changed, np.sign(m1) * size, 0.0)
    areas, count = ndimage.label(changed)
    certain = np.zeros(count + 1, bool)
    certain[np.unique(areas[np.abs(significance) > CERTAIN])] = True
    certain[0] = False
    region = certain[areas]
    area = max(int(compared.sum()), 1)
    # Along walls that did not move the sign changes as well, by the noise of both frames: of a
    # response m with errors s it differs with the probability 2 F(m/s) (1 - F(m/s)).
    rest = compared & ~region
    by_noise = 2 * np.prod([ndtr(sign * (m0 + m1) / (s0 + s1)) for sign in (1, -1)], axis=0)
    beside = float(changed[rest].sum() - by_noise[rest].sum())
    noise = max(s0, second.noise)
    error = _rim_error(changed, compared, m0, m1, noise, first.width)
    if region.any():
        # Where some walls moved, others may have done so by less than their error.
        error = float(np.hypot(error, _HIDDEN * by_noise[rest].sum()))
    return Switched(
        np.where(compared, significance, np.nan),
        region,
        compared,
        max(float(region.sum() + beside), 0.0) / area,
        error / area,
    )


def _rim_error(
    region: np.ndarray,
    compared: np.ndarray,
    m0: np.ndarray,
    m1: np.ndarray,
    noise: float,
    width: float,
) -> float:
    """Standard error in px² of an area whose rim lies where one of the responses is zero: each
    independent stretch of the rim is displaced by the noise over the slope."""
    total = 0.0
    for axis in (0, 1):
        a, b = (np.moveaxis(region, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
        both = np.moveaxis(compared, axis, 0)
        edge = (a != b) & both[1:] & both[:-1]
        slopes = [np.abs(np.diff(np.moveaxis(m, axis, 0), axis=0)) for m in (m0, m1)]
        steep = np.maximum(*slopes)[edge]
        total += float(np.sum(np.minimum(noise / np.maximum(steep, 1e-300), 2 * width) ** 2))
    # Along the rim the smoothing makes errors alike over 2 sqrt(pi) times its width.
    return float(np.sqrt(total * 2 * np.sqrt(np.pi) * width))
