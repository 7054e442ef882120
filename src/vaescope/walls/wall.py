"""A domain wall: one curve in one frame, with its errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Wall:
    """One curve in one frame, sampled at about equal arc length, of at most 1 px.

    The domain with positive response lies on the side of the normal (-sin, cos) in (x, y), where
    the tangent is (cos, sin) of ``direction`` in (x, y).

    Attributes
    ----------
    place : (point, 2) px (y, x).
    closed : whether the last point is followed by the first.
    direction : (point,) rad, of the tangent.
    curvature, curvature_error : (point,) 1/px, change of the direction along the wall; positive
        where the centre of curvature lies in the positive domain.
    normal_error : (point,) px, standard error across the wall.
    error_length : (point,) px of wall over which errors of the position are correlated.
    width, width_error : (point,) px, half width of the hyperbolic tangent of the wall itself.
    contrast, contrast_error : (point,) difference of response between the two sides.
    texture_error : (point,) px, the part of ``normal_error`` that comes of the texture of the
        domains, which another frame shares as long as the wall stays where it is; None: none.
    """

    place: np.ndarray
    closed: bool
    direction: np.ndarray
    curvature: np.ndarray
    normal_error: np.ndarray
    curvature_error: np.ndarray
    error_length: np.ndarray
    width: np.ndarray
    width_error: np.ndarray
    contrast: np.ndarray
    contrast_error: np.ndarray
    texture_error: np.ndarray | None = None

    @property
    def noise_error(self) -> np.ndarray:
        """Standard error (point,) across the wall in px of what differs from frame to frame."""
        if self.texture_error is None:
            return self.normal_error
        return np.sqrt(np.maximum(self.normal_error**2 - self.texture_error**2, 0.0))

    @property
    def steps(self) -> np.ndarray:
        """Lengths (step,) in px from each point to the next, the closing step included."""
        follows = np.roll(self.place, -1, axis=0) if self.closed else self.place[1:]
        return np.linalg.norm(follows - self.place[: len(follows)], axis=1)

    @property
    def length(self) -> float:
        """Length of the curve in px."""
        return float(self.steps.sum())
