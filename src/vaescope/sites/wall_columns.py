"""What a table of sites says of walls: columns of their points and of the windows about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.quantities import FIT, attributes
from vaescope.walls import descriptors
from vaescope.walls.domain_map import Areas
from vaescope.walls.pieces import Pieces, along

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from vaescope.quantities import Scale
    from vaescope.sites.table import Column
    from vaescope.walls.wall import Wall


@dataclass(frozen=True)
class Unit:
    """The unit of length of a dataset: ``size`` of a pixel in it, and its ``name``."""

    size: float
    name: str

    @classmethod
    def of(cls, image: xr.Dataset) -> Unit:
        """That of a calibrated image, else the pixel."""
        if image.attrs.get("calibrated"):
            return cls(float(image.attrs["pixel_size"]), str(image.attrs.get("pixel_unit", "px")))
        return cls(1.0, "px")


@dataclass(frozen=True)
class Points:
    """Sites along the walls of a frame: ``wall`` (site,) the number of the curve in the frame,
    ``at`` (site,) px of arc along it, and what a wall has at each of its points, by name."""

    wall: np.ndarray
    at: np.ndarray
    values: dict[str, np.ndarray]

    @property
    def place(self) -> np.ndarray:
        """(site, 2) px (y, x)."""
        return self.values["place"]


def points_of(walls: Sequence[Wall], spacing: float) -> Points:
    """Lay sites at equal arc length, of about ``spacing`` px, along every wall; those of an open
    one begin half a step from its end."""
    parts, numbers, arcs = [], [], []
    for number, wall in enumerate(walls):
        count = max(round(wall.length / spacing), 1)
        at = (np.arange(count) + 0.5) * (wall.length / count)
        parts.append(along(wall, at))
        numbers.append(np.full(count, number))
        arcs.append(at)
    if not parts:
        empty = {name: np.zeros(0) for name in _NAMES} | {"place": np.zeros((0, 2))}
        return Points(np.zeros(0, int), np.zeros(0), empty)
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Points(np.concatenate(numbers), np.concatenate(arcs), values)


_NAMES = (
    "direction",
    "curvature",
    "curvature_error",
    "normal_error",
    "error_length",
    "width",
    "width_error",
    "contrast",
    "contrast_error",
)


def of_points(points: Points, walls: Sequence[Wall], unit: Unit, signal: str) -> dict[str, Column]:
    """Columns of sites along walls; ``signal``: the unit of the response."""
    of, normal = points.values, points.values["normal_error"]
    turned = of["direction"]
    length = np.array([wall.length for wall in walls])
    winding = np.array([tortuosity(wall) for wall in walls])
    closed = np.array([wall.closed for wall in walls], bool)
    own = points.wall
    about_y, about_x = (
        attributes(words, "px", error=f"{axis}_error")
        for words, axis in (("row of the wall", "y"), ("column of the wall", "x"))
    )
    return {
        "y": (of["place"][:, 0], about_y),
        "x": (of["place"][:, 1], about_x),
        "y_error": (np.abs(np.cos(turned)) * normal, attributes("standard error of y", "px")),
        "x_error": (np.abs(np.sin(turned)) * normal, attributes("standard error of x", "px")),
        "normal_error": (normal, attributes("standard error across the wall", "px", "sequential")),
        "error_length": (
            of["error_length"],
            attributes("length of wall over which errors are correlated", "px"),
        ),
        "direction": (
            turned,
            attributes(
                "direction of the wall",
                "rad",
                "cyclic",
                error="direction_error",
                period=2 * np.pi,
            ),
        ),
        "direction_error": (
            direction_error(normal, of["curvature_error"]),
            attributes("standard error of the direction", "rad"),
        ),
        "curvature": (
            of["curvature"],
            attributes("curvature of the wall", "1/px", "diverging", error="curvature_error"),
        ),
        "curvature_error": (
            of["curvature_error"],
            attributes("standard error of the curvature", "1/px"),
        ),
        **_measured("width", "half width of the wall", of, unit.size, unit.name, FIT),
        **_measured("contrast", "contrast of the wall", of, 1.0, signal),
        "wall_length": (
            unit.size * length[own] if len(walls) else np.zeros(0),
            attributes("length of the whole wall", unit.name, "sequential"),
        ),
        "tortuosity": (
            winding[own] if len(walls) else np.zeros(0),
            attributes("tortuosity of the wall", "1", "sequential"),
        ),
        "closed": (
            closed[own] if len(walls) else np.zeros(0, bool),
            attributes("whether the wall is closed", "1", group=FIT),
        ),
    }


def direction_error(normal_error: np.ndarray, curvature_error: np.ndarray) -> np.ndarray:
    """Standard error (site,) rad of the direction, at most that of one of which nothing is known.

    Errors across the wall, px, are those of white noise below a cut-off q. With the variance s² of
    the position that of the slope is s² q² / 3, and that of the curvature, 1/px², s² q⁴ / 5.
    """
    found = np.sqrt(np.sqrt(5) / 3 * normal_error * curvature_error)
    return np.minimum(found, np.pi / np.sqrt(3))


def _measured(
    name: str,
    words: str,
    of: dict[str, np.ndarray],
    factor: float,
    unit: str,
    group: str | None = None,
) -> dict[str, Column]:
    error = f"{name}_error"
    return {
        name: (factor * of[name], attributes(words, unit, "sequential", error=error, group=group)),
        error: (factor * of[error], attributes(f"standard error of the {words}", unit)),
    }


def tortuosity(wall: Wall) -> float:
    """Length over the distance of the ends; of a closed wall, over the circumference of the circle
    of the same area."""
    if not wall.closed:
        chord = float(np.linalg.norm(wall.place[-1] - wall.place[0]))
        return wall.length / chord if chord > 0 else float("nan")
    y, x = wall.place.T
    area = abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2
    return wall.length / (2 * np.sqrt(np.pi * area)) if area > 0 else float("nan")


def of_nearest(points: Points, pieces: Pieces, unit: Unit) -> dict[str, Column]:
    """Distances of sites along walls to the nearest other wall and, where there are any, to the
    nearest junction."""
    gap, nearest = descriptors.nearest_other(pieces, points.place, points.wall, points.at)
    own = points.values["normal_error"]
    other = pieces.normal_error[nearest] if len(pieces) else np.zeros(len(own))
    found = with_error(
        "nearest_wall",
        "distance to another wall",
        unit.size * gap,
        unit.size * np.where(np.isfinite(gap), np.hypot(own, other), np.nan),
        unit.name,
        "sequential",
    )
    meeting = descriptors.junctions(pieces)
    away = np.full(len(own), np.nan)
    if len(meeting):
        away = np.linalg.norm(points.place[:, None] - meeting, axis=2).min(1)
    error = np.where(np.isfinite(away), np.sqrt(2) * own, np.nan)
    return found | with_error(
        "nearest_junction",
        "distance to a junction",
        unit.size * away,
        unit.size * error,
        unit.name,
        "sequential",
    )


def of_windows(
    pieces: Pieces, areas: Areas, centre: np.ndarray, side: float, unit: Unit
) -> dict[str, Column]:
    """Columns of the windows of ``side`` px about centres (site, 2)."""
    found = descriptors.in_windows(pieces, centre, side)
    per = 1 / unit.size
    share, measured = areas.mean(centre, side)
    known = measured >= _MEASURED
    said: tuple[tuple[str, str, np.ndarray, np.ndarray, str, Scale], ...] = (
        ("wall_count", "wall count", found.count, found.count_error, "1", "sequential"),
        (
            "mean_curvature",
            "mean curvature (window)",
            per * found.mean_curvature,
            per * found.mean_curvature_error,
            f"1/{unit.name}",
            "diverging",
        ),
        (
            "rms_curvature",
            "rms curvature (window)",
            per * found.rms_curvature,
            per * found.rms_curvature_error,
            f"1/{unit.name}",
            "sequential",
        ),
        ("convexity", "convexity", found.convexity, found.convexity_error, "1", "sequential"),
        (
            "switching_degree",
            "switching degree",
            np.where(known, share, np.nan),
            np.where(known, found.area_error / side**2, np.nan),
            "1",
            "sequential",
        ),
    )
    columns: dict[str, Column] = {
        "window_measured": (
            np.clip(measured, 0, 1),
            attributes("share of the window that was measured", "1", "sequential", group=FIT),
        )
    }
    for each in said:
        columns |= with_error(*each)
    return columns


_MEASURED = 0.5  # of a window, that must have been measured


def with_error(
    name: str, words: str, values: np.ndarray, error: np.ndarray, unit: str, scale: Scale
) -> dict[str, Column]:
    """The columns of a quantity and of its standard error, ``NAME_error``."""
    return {
        name: (values, attributes(words, unit, scale, error=f"{name}_error")),
        f"{name}_error": (error, attributes(f"standard error of the {words}", unit)),
    }
