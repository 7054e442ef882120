"""Pixels beside curves: the nearest point of any curve, and how far it lies on which side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vaescope.walls.spline import CurveFrame, Spline

_ASIDE = 1.0  # px along the wall beyond which a pixel lies past the end of a curve
_STRAIGHT = 20.0  # px for which an open curve goes straight on


@dataclass(frozen=True)
class Nearest:
    """For every pixel (y, x): ``distance`` px to the nearest curve, positive in the positive
    domain; ``curve``, its number; ``at``, the parameter of the nearest point."""

    distance: np.ndarray
    curve: np.ndarray
    at: np.ndarray

    @classmethod
    def of(
        cls, shape: tuple[int, ...], splines: Sequence[Spline], frames: Sequence[CurveFrame]
    ) -> Nearest:
        """Pixels of a picture of ``shape`` beside curves, given in frames of their own samples."""
        place, tangent, normal, speed, bend = (
            np.concatenate([getattr(frame, name) for frame in frames])
            for name in ("place", "tangent", "normal", "speed", "curvature")
        )
        number = np.repeat(np.arange(len(frames)), [len(frame.place) for frame in frames])
        at = np.concatenate([spline.at for spline in splines])
        pixel = np.indices(shape).reshape(2, -1).T.astype(float)
        apart, near = cKDTree(place).query(pixel)
        away = pixel - place[near]
        across = (away * normal[near]).sum(1)
        beside = (away * tangent[near]).sum(1)
        # Beyond its end an open curve goes straight on; else the nearest point lies across.
        past = (np.abs(beside) > _ASIDE) & (apart > _STRAIGHT)
        distance = np.where(past, np.copysign(apart, across), across)
        stretch = speed[near] * np.maximum(1 - bend[near] * distance, 0.3)
        at = at[near] + np.clip(beside / stretch, -1, 1)
        return cls(distance.reshape(shape), number[near].reshape(shape), at.reshape(shape))
