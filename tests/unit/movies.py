"""A small movie with known truth: a honeycomb that drifts, with heavy atoms and holes that move."""

from __future__ import annotations

import numpy as np
import xarray as xr

NAMES = ("lattice", "dopant", "beside a dopant", "beside a vacancy")


def honeycomb(side: float, bond: float) -> np.ndarray:
    """Points (site, 2) px of a honeycomb that covers a square of this side and a margin."""
    count = int(2 * side / bond) + 4
    i, j = (v.ravel() - count // 2 for v in np.mgrid[:count, :count])
    a = bond * np.sqrt(3)
    cell = np.stack([a * (i + j / 2), a * np.sqrt(3) / 2 * j], 1)
    points = np.concatenate([cell, cell + a * np.array([1 / 2, 1 / np.sqrt(12)])]) + side / 2
    return points[((points > -2 * bond) & (points < side + 2 * bond)).all(1)]


def movie(
    frames: int = 8,
    side: int = 120,
    bond: float = 10.0,
    drift: float = 1.0,
    dopants: int = 6,
    vacancies: int = 4,
    noise: float = 0.03,
    seed: int = 0,
) -> xr.Dataset:
    """Image store of a movie, (time, channel, y, x), with its truth over ``truth_site``.

    Vacancies wander to a neighbouring atom's place now and then: that atom moves, no new one comes.
    """
    rng = np.random.default_rng(seed)
    place = honeycomb(side, bond)
    apart = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    near = [np.flatnonzero((row > 0.1) & (row < 1.2 * bond)) for row in apart]
    inner = np.flatnonzero(((place > 2 * bond) & (place < side - 2 * bond)).all(1))
    chosen = rng.permutation(inner)[: dopants + vacancies]
    heavy, holes = set(chosen[:dopants].tolist()), set(chosen[dopants:].tolist())
    moved = np.cumsum(rng.normal(0, drift, (frames, 2)), axis=0)
    grid = np.mgrid[:side, :side].astype(float)
    images, columns = [], []
    for frame in range(frames):
        if frame % 3 == 2 and holes:  # a vacancy is healed, another atom is lost
            holes.remove(min(holes))
            free = [k for k in inner if k not in heavy and k not in holes]
            holes.add(int(rng.choice(free)))
        there = np.array([k for k in range(len(place)) if k not in holes])
        where = place[there] + moved[frame] + rng.normal(0, 0.15, (len(there), 2))
        image = np.full((side, side), 0.1)
        kinds = []
        for k, (y, x) in zip(there, where, strict=True):
            height = 2.2 if k in heavy else 1.0
            image += height * np.exp(-((grid[0] - y) ** 2 + (grid[1] - x) ** 2) / (2 * 2.4**2))
            beside = set(near[k].tolist())
            kinds.append(1 if k in heavy else 3 if beside & holes else 2 if beside & heavy else 0)
        images.append(image + rng.normal(0, noise, image.shape))
        inside = ((where > -0.5) & (where < side - 0.5)).all(1)
        columns.append(
            np.column_stack([np.full(len(there), frame), there, kinds, where])[inside],
        )
    table = np.concatenate(columns)
    about = {"units": "1"}
    return xr.Dataset(
        {
            "image": (("time", "channel", "y", "x"), np.stack(images)[:, None].astype(np.float32)),
            "truth_frame": ("truth_site", table[:, 0].astype(int), about),
            "truth_track": ("truth_site", table[:, 1].astype(int), about),
            "truth_defect": ("truth_site", table[:, 2].astype(int), about),
            "truth_y": ("truth_site", table[:, 3], {"units": "px"}),
            "truth_x": ("truth_site", table[:, 4], {"units": "px"}),
        },
        coords={
            "time": ("time", 0.5 * np.arange(frames), {"units": "s", "long_name": "time"}),
            "channel": ["HAADF"],
            "y": np.arange(side, dtype=float),
            "x": np.arange(side, dtype=float),
        },
        attrs={
            "pixel_size": 0.014,
            "pixel_unit": "nm",
            "calibrated": True,
            "reader": "test",
            "source_sha256": [],
            "source_files": [],
            "truth_defect_names": list(NAMES),
        },
    ).chunk({"time": 1})
