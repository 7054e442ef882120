"""Walls whose curves are known, with the errors that they say they have."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from vaescope.simulate import domains
from vaescope.simulate.level_sets import walls
from vaescope.walls.registration import Registration
from vaescope.walls.wall import Wall

if TYPE_CHECKING:
    import xarray as xr

ERROR_LENGTH = 4.0  # px


def still(frames: int, error: float = 0.0) -> Registration:
    """No drift between some frames, known to ``error`` px."""
    covariance = np.tile(error**2 * np.eye(2), (frames - 1, 1, 1))
    return Registration(np.zeros((frames - 1, 2)), covariance, ["height"] * (frames - 1))


def correlated(count: int, step: float, closed: bool, rng: np.random.Generator) -> np.ndarray:
    """Errors along a wall with variance 1, whose mean over L px has the variance 4 px / L."""
    sd = ERROR_LENGTH / (2 * np.sqrt(np.pi)) / step
    margin = 0 if closed else int(6 * sd)
    noise = rng.normal(size=count + 2 * margin)
    found = ndimage.gaussian_filter1d(noise, sd, mode="wrap")[margin : margin + count]
    return found * np.sqrt(2 * np.sqrt(np.pi) * sd)


@cache
def true_walls(seed: int, size: int = 160, length: float = 16) -> tuple[Wall, ...]:
    """Walls of domains at random, without errors."""
    rng = np.random.default_rng(seed)
    plane = domains.plane("random", 0, size - 1, length, 0.5, rng)
    found = walls(plane, 0, size - 1, 4)
    made = []
    for number in np.unique(found.wall):
        own = found.where(found.wall == number)
        closed = bool(np.linalg.norm(own.place[0] - own.place[-1]) < 0.2)
        own = own.where(np.arange(len(own.place)) % 7 == 0)
        if len(own.place) > 30:
            made.append(wall(own.place, closed, own.direction, own.curvature))
    return tuple(made)


def wall(
    place: np.ndarray,
    closed: bool,
    direction: np.ndarray,
    curvature: np.ndarray,
    error: float = 1e-6,
) -> Wall:
    """A wall with one error everywhere."""
    one = np.ones(len(place))
    return Wall(
        place=place,
        closed=closed,
        direction=direction,
        curvature=curvature,
        normal_error=error * one,
        curvature_error=0.05 * error * one,
        error_length=ERROR_LENGTH * one,
        width=1.5 * one,
        width_error=0.1 * one,
        contrast=2 * one,
        contrast_error=0.1 * one,
    )


def circle(centre: tuple[float, float], radius: float, positive: bool = True) -> Wall:
    """The wall of a round domain."""
    angle = np.linspace(0, 2 * np.pi, int(12 * radius), endpoint=False)
    if not positive:
        angle = -angle
    place = np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    turn = np.pi / 2 if positive else -np.pi / 2
    curvature = (1 if positive else -1) / radius * np.ones(len(angle))
    return wall(place, True, angle + turn, curvature, 0.1)


def line(row: float, size: int = 100, up: bool = True) -> Wall:
    """A straight wall along x with the positive domain below it, or above."""
    x = np.arange(0, size - 0.5, 0.5)
    place = np.stack([np.full(len(x), row), x], axis=1)
    direction = np.zeros(len(x))
    if up:
        place, direction = place[::-1], direction + np.pi
    return wall(place, False, direction, np.zeros(len(x)), 0.1)


def moved(one: Wall, error: float, rng: np.random.Generator, by: np.ndarray | float = 0.0) -> Wall:
    """A wall found again with errors of ``error`` px, displaced by some px along its normal."""
    step = float(np.median(one.steps))
    off = by + error * correlated(len(one.place), step, one.closed, rng)
    normal = np.stack([np.cos(one.direction), -np.sin(one.direction)], axis=1)
    place = one.place + off[:, None] * normal
    return wall(place, one.closed, one.direction, one.curvature, error)


def frames_of(
    movie: xr.Dataset, error: float, curvature_error: float, rng: np.random.Generator
) -> list[list[Wall]]:
    """The true walls of a simulated movie, each frame's found with errors."""
    frames: list[list[Wall]] = []
    place = np.stack([movie.truth_y.values, movie.truth_x.values], axis=1)
    frame, number = movie.truth_frame.values, movie.truth_wall.values
    for index in range(movie.sizes["time"]):
        own = np.flatnonzero(frame == index)
        gap = np.linalg.norm(np.diff(place[own], axis=0), axis=1)
        cuts = np.flatnonzero((np.diff(number[own]) != 0) | (gap > 0.5)) + 1
        frames.append(
            [
                _found(movie, place, part, error, curvature_error, rng)
                for part in np.split(own, cuts)
                if len(part) > 60
            ]
        )
    return frames


def _found(
    movie: xr.Dataset,
    place: np.ndarray,
    part: np.ndarray,
    error: float,
    curvature_error: float,
    rng: np.random.Generator,
) -> Wall:
    closed = bool(np.linalg.norm(place[part[0]] - place[part[-1]]) < 0.2)
    part = part[::7]
    direction, curvature = (
        movie[f"truth_{key}"].values[part] for key in ("direction", "curvature")
    )
    one = moved(wall(place[part], closed, direction, curvature), error, rng)
    step = float(np.median(one.steps))
    # A fit smooths the curvature over a few px.
    smooth = ndimage.gaussian_filter1d(curvature, 2.5 / step, mode="wrap" if closed else "nearest")
    noise = curvature_error * correlated(len(part), step, closed, rng)
    all_alike = np.full(len(part), curvature_error)
    return replace(one, curvature=smooth + noise, curvature_error=all_alike)


def registered(movie: xr.Dataset, error: float = 0.02) -> Registration:
    """The true drift of a simulated movie, known to ``error`` px."""
    offset = np.stack([movie.truth_drift_y.values, movie.truth_drift_x.values], axis=1)
    made = still(len(offset), error)
    return Registration(np.diff(offset, axis=0), made.covariance, made.source)
