"""Simulated domains from which a detector of walls learns, as different as real ones.

A scene is what would be recorded without noise; every time it is used it is recorded anew, with
another noise, gain, background, crosstalk and other disturbed lines (domain randomisation: J. Tobin
et al., IROS 2017, arXiv:1703.06907).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.simulate import domains
from vaescope.simulate.arguments import spreads
from vaescope.simulate.piezo_movies import PiezoMovie
from vaescope.walls.learned import normalised

SIZE = 144  # px, side of a scene
CROP = 96  # px, side of what is shown at once
NEAR = 1.0
"""px from a wall to the centres of the pixels that are called its own."""
_NOISE = (0.03, 1.2)  # of the saturated response
_LEVEL_OFF = 0.2  # standard deviation of the error of the level between the states
_SCALE_OFF = 0.2  # of the logarithm of the scale
_OF_NOTHING = 2.5  # times the noise: what background and topography are measured by without walls
_BLANK = 0.2  # share of the recordings without a wall: noise and disturbances alone


@dataclass(frozen=True)
class WallScene:
    """Domains without noise; every picture is (SIZE, SIZE).

    ``clean`` : response. ``slope`` : of the topography along x, rms 1. ``wall`` : bool.
    ``domain`` : bool, the positive one.
    """

    clean: np.ndarray
    slope: np.ndarray
    wall: np.ndarray
    domain: np.ndarray


@dataclass(frozen=True)
class RecordedWalls:
    """A noisy in-phase picture of a part of a scene, in the scale of ``normalised.standard``; every
    picture is (CROP, CROP). ``blank`` : there is no wall, and no state to tell."""

    picture: np.ndarray
    wall: np.ndarray
    domain: np.ndarray
    blank: bool


def wall_scene(name: str, rng: np.random.Generator) -> WallScene:
    """A scene of one system; parameters in its name are kept, all others are drawn at random.

    Parameters
    ----------
    name : of a simulation, such as `walls` or `walls?domains=stripes`.
    """
    system, given = simulate.parse(name)
    fixed = {key for key, _ in parse_qsl(name.partition("?")[2], keep_blank_values=True)}
    drawn: dict[str, Any] = {key: each.draw(rng) for key, each in spreads(given).items()}
    drawn["domains"] = str(rng.choice(domains.SHAPES, p=(0.6, 0.2, 0.2)))
    known = {key: value for key, value in drawn.items() if hasattr(given, key)}
    chosen = replace(given, **{key: value for key, value in known.items() if key not in fixed})
    chosen = replace(chosen, size=SIZE, noise=0.0, crosstalk=0.0, contrast=1.0)
    made = simulate.PIEZO[system].build(chosen, rng)
    return _of_frame(made, 0)


def _of_frame(made: PiezoMovie, frame: int) -> WallScene:
    height = made.channels[frame, -1]
    slope = np.gradient(ndimage.gaussian_filter(height, 1.0), axis=1)
    return WallScene(
        made.response[frame],
        slope / max(float(slope.std()), 1e-12),
        near_walls(made.curves[frame].place, height.shape),
        made.domain[frame],
    )


def near_walls(place: np.ndarray, shape: tuple[int, ...], reach: float = NEAR) -> np.ndarray:
    """Which pixels lie within ``reach`` px of points (point, 2) on walls, bool of ``shape``."""
    if not len(place):
        return np.zeros(shape, bool)
    pixels = np.stack(np.meshgrid(*(np.arange(side) for side in shape), indexing="ij"), axis=-1)
    distance, _ = cKDTree(place).query(pixels.reshape(-1, 2), distance_upper_bound=reach)
    return np.isfinite(distance).reshape(shape)


def recorded(scene: WallScene, rng: np.random.Generator) -> RecordedWalls:
    """A noisy picture of a part of a scene, turned and mirrored at random."""
    pictures = np.stack([scene.clean, scene.slope, scene.wall, scene.domain])
    if rng.uniform() < 0.5:
        pictures = pictures.swapaxes(1, 2)
    for axis in (1, 2):
        if rng.uniform() < 0.5:
            pictures = np.flip(pictures, axis)
    clean, slope, wall, domain = pictures
    sign = rng.choice([-1.0, 1.0])
    clean, domain = sign * clean, domain == (sign > 0)
    blank = bool(rng.uniform() < _BLANK)
    if blank:
        clean, wall = np.zeros_like(clean), np.zeros_like(wall)
    noise = _log_uniform(rng, _NOISE)
    present = _OF_NOTHING * noise if blank else 1.0
    picture = disturbed(clean, slope, noise, rng, present=present)
    level = float(np.median(picture)) if blank else rng.normal(0, _LEVEL_OFF)
    picture = normalised.scaled(picture, level) * np.exp(rng.normal(0, _SCALE_OFF))
    corner = rng.integers(0, SIZE - CROP + 1, 2)
    part = (slice(corner[0], corner[0] + CROP), slice(corner[1], corner[1] + CROP))
    return RecordedWalls(picture[part], wall[part] > 0, domain[part], blank)


def disturbed(
    clean: np.ndarray,
    slope: np.ndarray,
    noise: float,
    rng: np.random.Generator,
    *,
    present: float = 1.0,
) -> np.ndarray:
    """The in-phase signal of a lock-in that is not perfect, (y, x).

    Parameters
    ----------
    clean : (y, x) response. slope : (y, x) of the topography, rms 1.
    noise : standard deviation.
    present : response by which background and topography are measured: 0.4 of it at most.
    """

    def sometimes(share: float) -> bool:
        return bool(rng.uniform() < share)

    def smooth() -> np.ndarray:
        return domains.smooth(max(clean.shape), rng.uniform(10, 40), rng)[
            : clean.shape[0], : clean.shape[1]
        ]

    picture = clean
    if sometimes(0.4):  # gain that differs from place to place
        picture = picture * np.exp(rng.uniform(0, 0.4) * smooth())
    if sometimes(0.4):  # electrostatic background
        picture = picture + present * rng.uniform(0, 0.4) * smooth()
    if sometimes(0.4):  # topography
        picture = picture + present * rng.uniform(0, 0.4) * slope
    grain = rng.normal(size=clean.shape)
    if sometimes(0.4):  # time constant of the lock-in, or resampling
        width = (rng.uniform(0, 0.6) if sometimes(0.5) else 0.0, rng.uniform(0.2, 1.0))
        grain = ndimage.gaussian_filter(grain, width)
        grain = grain / grain.std()
    picture = picture + noise * grain
    if sometimes(0.3):  # offsets of lines
        picture = picture + rng.uniform(0, 0.3) * max(noise, 0.1) * rng.normal(size=(len(clean), 1))
    if sometimes(0.15):  # lines on which the contact was lost
        lost = rng.integers(len(clean), size=rng.integers(1, 4))
        picture[lost] = noise * rng.normal(size=(len(lost), clean.shape[1]))
    return picture


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))
