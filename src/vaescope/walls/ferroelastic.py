"""Which walls are 180° walls, and which turn the polarisation by another angle.

On the two sides of a 180° wall the response differs in its sign alone. At another, ferroelastic,
wall its strength differs, the out-of-phase or the lateral response has a step, or the surface has a
crease. By how much these differ where there is no wall is measured inside the domains, so that
texture and topography count as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.spatial import cKDTree

from vaescope.walls.wall import Wall

NEAR, FAR = 3.0, 8.0  # px from a wall between which its sides are looked at
ALONG = 8.0  # px, standard deviation of the mean along a wall
_STEP = 0.5  # px between samples across
_INSIDE = (13.0, 18.0, 23.0)  # px from a wall to places inside a domain
_FEWEST = 30  # places inside domains without which nothing is said
_STRONG = 6.0  # standard deviations that a difference at another wall typically has
_TO_SD = 1.4826  # from the median absolute deviation of normal values


@dataclass(frozen=True)
class Sides:
    """What differs between the two sides of a wall.

    ``differences`` : by channel (point,), over their standard errors; NaN where not measured.
    ``ferroelastic`` : (point,) probability that the wall is no 180° wall, a half beforehand.
    """

    differences: dict[str, np.ndarray]
    ferroelastic: np.ndarray


def sides(
    walls: Sequence[Wall],
    steps: Mapping[str, np.ndarray],
    creases: Mapping[str, np.ndarray],
    measured: np.ndarray,
    lateral: Sequence[str] = (),
) -> list[Sides]:
    """Compare the two sides of every wall of a frame.

    Parameters
    ----------
    walls : of the frame.
    steps : pictures (y, x) that have a step at a ferroelastic wall, by name: the strength of the
        response, the out-of-phase and the lateral response.
    creases : pictures (y, x) that have a crease there: the height.
    measured : (y, x) what was measured.
    lateral : names of those steps that are the same in both states of a 180° wall even where the
        response lies on a background; of others, what all walls have in common is taken off.
    """
    if not walls:
        return []
    kinds = {**dict.fromkeys(steps, False), **dict.fromkeys(creases, True)}
    pictures = {**steps, **creases}
    every = cKDTree(np.concatenate([wall.place for wall in walls]))
    found: list[dict[str, np.ndarray]] = [{} for _ in walls]
    for name, crease in kinds.items():
        own = [_difference(wall, 0.0, pictures[name], measured, crease) for wall in walls]
        beside = [
            _difference(wall, side * away, pictures[name], measured, crease, every)
            for wall in walls
            for away in _INSIDE
            for side in (-1, 1)
        ]
        null = np.concatenate(beside)
        null = null[np.isfinite(null)]
        if len(null) < _FEWEST:
            continue
        spread = _TO_SD * float(np.median(np.abs(null)))
        if not spread > 0:
            continue
        # A response that lies on a background is stronger in one state, at every wall alike.
        common = 0.0 if crease or name in lateral else np.nanmedian(np.concatenate([*own, [0.0]]))
        for number, value in enumerate(own):
            found[number][name] = (value - common) / spread
    return [
        Sides(each, _ferroelastic(each, len(wall.place)))
        for each, wall in zip(found, walls, strict=True)
    ]


def _difference(
    wall: Wall,
    away: float,
    picture: np.ndarray,
    measured: np.ndarray,
    crease: bool,
    walls: cKDTree | None = None,
) -> np.ndarray:
    """Step or crease (point,) of a picture across a wall, or across its parallel ``away`` px from
    it, averaged along it; NaN where it was not measured or, given all ``walls``, near one."""
    normal = np.stack([np.cos(wall.direction), -np.sin(wall.direction)], axis=1)
    middle = wall.place + away * normal
    offset = np.arange(NEAR, FAR + _STEP / 2, _STEP)
    value, seen = [], []
    for side in (-1, 1):
        place = middle[:, None] + side * offset[:, None] * normal[:, None]
        place = np.moveaxis(place, -1, 0)
        whole = map_coordinates(measured.astype(float), place, order=1, mode="constant", cval=0)
        value.append(
            map_coordinates(np.where(measured, picture, 0.0), place, order=1, mode="nearest")
        )
        seen.append((whole > 0.99).all(axis=1))
    behind, ahead = value
    if crease:
        centred = offset - offset.mean()
        lever = centred / (centred**2).sum()
        change = ahead @ lever + behind @ lever  # slopes towards the wall's two sides
    else:
        change = ahead.mean(axis=1) - behind.mean(axis=1)
    known = seen[0] & seen[1]
    if walls is not None:
        known &= walls.query(middle)[0] > FAR
    mode = "wrap" if wall.closed else "nearest"
    share = gaussian_filter1d(known.astype(float), ALONG, mode=mode)
    total = gaussian_filter1d(np.where(known, change, 0.0), ALONG, mode=mode)
    return np.where(known, total / np.maximum(share, 1e-9), np.nan)


def _ferroelastic(differences: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Probability (point,): at a 180° wall no channel differs, at another each does or does not
    alike likely, by an amount that is normal with ``_STRONG`` standard errors."""
    odds = np.ones(count)
    wide = np.sqrt(1 + _STRONG**2)
    for value in differences.values():
        z = np.clip(np.nan_to_num(value), -30, 30)
        ratio = np.exp(0.5 * z**2 * (1 - 1 / wide**2)) / wide
        odds *= np.where(np.isfinite(value), (1 + ratio) / 2, 1.0)
    known = np.any([np.isfinite(v) for v in differences.values()], axis=0) if differences else False
    return np.where(known, odds / (1 + odds), np.nan)
