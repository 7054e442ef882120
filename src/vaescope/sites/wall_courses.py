"""Walls from frame to frame, as columns of their sites: who is who, how far each place moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vaescope.quantities import FIT, attributes
from vaescope.sites.wall_columns import Points, Unit, with_error

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.table import Column
    from vaescope.walls.follow import WallStep
    from vaescope.walls.registration import Registration
    from vaescope.walls.signal import Signal
    from vaescope.walls.wall import Wall

HEIGHT = "height"
"""The channel on which frames are registered, where there is one."""


@dataclass(frozen=True)
class Courses:
    """Walls from frame to frame: ``number`` of each wall of each frame; ``drift`` (frame, 2) px of
    the specimen since the first frame and ``drift_error`` (frame, 2) px of its step from the frame
    before; ``source`` of each step; ``steps`` of the walls of each frame but the last; the
    ``registration`` of the frames, where there are several; ``speed`` (frame - 1,), in ``unit``, of
    a wall that moves by one px, where the times of the frames are known."""

    number: list[np.ndarray]
    drift: np.ndarray
    drift_error: np.ndarray
    source: list[str] = field(default_factory=list)
    steps: list[list[WallStep]] = field(default_factory=list)
    registration: Registration | None = None
    speed: np.ndarray | None = None
    unit: str = ""

    def displaced(self, frame: int, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By how much places (site, 2) px of a frame are displaced in the next: (site, 2) px and
        its covariance (site, 2, 2)."""
        assert self.registration is not None
        return self.registration.displaced(frame, place)

    def columns(self, frame: int, points: Points, walls: Sequence[Wall]) -> dict[str, Column]:
        """Columns of the sites along the walls of a frame."""
        about = attributes("wall", "1", "categorical", group=FIT)
        columns: dict[str, Column] = {"wall": (self.number[frame][points.wall], about)}
        if len(self.number) == 1:
            return columns
        moved = np.full((3, len(points.wall)), np.nan)
        if frame < len(self.steps):
            for number, wall in enumerate(walls):
                own = points.wall == number
                here, taken = _nearest(wall, points.at[own]), self.steps[frame][number]
                moved[:, own] = [taken.displacement[here], taken.error[here], taken.pinned[here]]
        said = attributes(
            "displacement to the next frame",
            "px",
            "diverging",
            error="displacement_error",
        )
        error = attributes("standard error of the displacement", "px")
        pinned = attributes("probability of being pinned", "1", "sequential", valid=(0, 1))
        columns |= {
            "displacement": (moved[0], said),
            "displacement_error": (moved[1], error),
            "pinned": (moved[2], pinned),
        }
        if self.speed is None:
            return columns
        # The last frame has no next one.
        fast, unsure = moved[:2] * (self.speed[frame] if frame < len(self.speed) else 1.0)
        words = "velocity of the wall"
        return columns | with_error("velocity", words, fast, unsure, self.unit, "diverging")


def _nearest(wall: Wall, at: np.ndarray) -> np.ndarray:
    """The points of a wall that are nearest to arc lengths ``at`` (row,) px."""
    ends = np.concatenate([[0.0], np.cumsum(wall.steps)])
    return np.rint(np.interp(at, ends, np.arange(len(ends)))).astype(int) % len(wall.place)


def courses_of(
    image: xr.Dataset, signals: Sequence[Signal], walls: Sequence[Sequence[Wall]]
) -> Courses:
    """Register the frames of an image and follow its walls through them.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x); frames are registered on the channel
        `height`, where it has one that shows the drift, else on the piezoresponse.
    signals, walls : of each frame.
    """
    if len(walls) == 1:
        return Courses([np.arange(len(walls[0]))], np.zeros((1, 2)), np.zeros((1, 2)))
    from vaescope.walls.follow import follow

    found = registered(image, signals)
    followed = follow(walls, found)
    error = np.concatenate([np.zeros((1, 2)), found.error])
    return Courses(
        followed.number,
        found.offset,
        error,
        list(found.source),
        followed.steps,
        found,
        *_speed(image),
    )


def _speed(image: xr.Dataset) -> tuple[np.ndarray | None, str]:
    """Speed (frame - 1,) of a wall that moves by one px to the next frame, and its unit; None where
    only the order of the frames is known."""
    time, unit = image["time"], Unit.of(image)
    if time.attrs.get("units") != "s":
        return None, ""
    return unit.size / np.diff(time.values.astype(float)), f"{unit.name}/s"


def registered(image: xr.Dataset, signals: Sequence[Signal]) -> Registration:
    """Register the frames of an image."""
    from vaescope.walls.registration import register

    pictures = [s.in_phase for s in signals], [s.measured for s in signals]
    return register(*pictures, heights_of(image))


def heights_of(image: xr.Dataset) -> list[np.ndarray] | None:
    """The heights (y, x) of every frame; None where they were not recorded."""
    names = [str(name) for name in image["channel"].values]
    if HEIGHT not in names:
        return None
    stack = image["image"][:, names.index(HEIGHT)]
    return [np.asarray(frame.values, float) for frame in stack]
