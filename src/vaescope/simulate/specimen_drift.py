"""How a specimen drifts under the tip, during a frame and from one to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.simulate.level_sets import TrueWalls

_UNSTEADY = 0.5  # random part of the drift from frame to frame beside its steady part


@dataclass(frozen=True)
class Drift:
    """How the specimen moves: ``offset`` (frame, 2) px (y, x) in the middle of each frame, and
    ``during`` (2,) px by which it moves from the first row of a frame to the last."""

    offset: np.ndarray
    during: np.ndarray

    @property
    def reach(self) -> int:
        """Greatest distance in px, rounded up."""
        return int(np.ceil(np.abs(self.offset).max() + np.abs(self.during).max()))

    def specimen(self, frame: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The place (y, x) on the specimen that each pixel of a frame shows, each (size, size)."""
        y, x = np.meshgrid(np.arange(size, dtype=float), np.arange(size), indexing="ij")
        time = y / (size - 1) - 0.5
        dy, dx = (self.offset[frame, axis] + self.during[axis] * time for axis in (0, 1))
        return y - dy, x - dx

    def on_specimen(self, place: np.ndarray, frame: int, size: int) -> np.ndarray:
        """The place (point, 2) px (y, x) on the specimen that points (point, 2) of a frame show."""
        time = place[:, :1] / (size - 1) - 0.5
        return np.asarray(place - self.offset[frame] - self.during * time)

    def seen(self, curves: TrueWalls, frame: int, size: int) -> TrueWalls:
        """Walls of the specimen as a frame shows them: moved, sheared, and cut to its area."""
        rate = self.during / (size - 1)
        stretch = 1 / (1 - rate[0])
        y = (curves.place[:, 0] + self.offset[frame, 0] - self.during[0] / 2) * stretch
        x = curves.place[:, 1] + self.offset[frame, 1] + rate[1] * y - self.during[1] / 2
        along = np.sin(curves.direction) * stretch
        across = np.cos(curves.direction) + rate[1] * along
        moved = TrueWalls(
            np.stack([y, x], axis=1),
            curves.wall,
            np.arctan2(along, across),
            curves.curvature * stretch / np.hypot(along, across) ** 3,
            curves.apart,
        )
        inside = ((moved.place > -0.5) & (moved.place < size - 0.5)).all(axis=1)
        return moved.where(np.asarray(inside))


def drifting(speed: float, frames: int, rng: np.random.Generator) -> Drift:
    """A drift in a direction at random by ``speed`` px in the time of a frame: steady during each,
    unsteady from one to the next, none in the middle of the first."""
    angle = rng.uniform(0, 2 * np.pi)
    steady = speed * np.array([np.sin(angle), np.cos(angle)])
    steps = steady + _UNSTEADY * speed * rng.normal(size=(frames - 1, 2))
    return Drift(np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]), steady)
