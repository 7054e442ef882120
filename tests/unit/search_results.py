"""Searches that keep the contract of ``explore.zarr``, made without a model or an objective: a
smooth function over a plane, believed by weighting what was seen nearby."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from vaescope import store
from vaescope.results import layout

STRATEGIES = ("this search", "random", "grid")
STEPS, RUNS = 60, 5


def believed(
    places: np.ndarray, points: np.ndarray, values: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation at every place, from what was seen."""
    apart = np.linalg.norm(places[:, None] - places[points][None], axis=2) / width
    weight = np.exp(-(apart**2) / 2)
    mean = (weight @ values + 0.05 * values.mean()) / (weight.sum(axis=1) + 0.05)
    return mean, values.std() * np.sqrt(1 / (1 + 4 * weight.sum(axis=1)))


def search(
    places: np.ndarray,
    axes: tuple[str, ...],
    *,
    method: str,
    allowed: np.ndarray | None = None,
    truth: bool = True,
    seed: int = 0,
    steps: int = STEPS,
) -> xr.Dataset:
    """A search among candidates at ``places`` (candidate, axis)."""
    rng = np.random.default_rng(seed)
    reach = np.ptp(places, axis=0).max()
    middle = places.mean(axis=0) + 0.2 * reach
    value = np.exp(-((places - middle) ** 2).sum(axis=1) / (0.25 * reach) ** 2)
    value += 0.4 * np.sin(6 * places[:, 0] / reach) + 0.02 * rng.normal(size=len(places))
    open_to = np.ones(len(places), bool) if allowed is None else allowed
    able = np.flatnonzero(open_to)
    first = rng.choice(able, 12, replace=False)
    points = list(first)
    while len(points) < steps:
        mean, sd = believed(places, np.array(points), value[points], 0.1 * reach)
        wanted = mean + 2 * sd if method == "bo" else sd
        wanted[points] = -np.inf
        wanted[~open_to] = -np.inf
        points.append(int(np.argmax(wanted)))
    order = np.array(points)
    kept = np.unique(np.linspace(12, steps, 7).round().astype(int))
    beliefs = [believed(places, order[:k], value[order[:k]], 0.1 * reach) for k in kept]
    best = np.stack(
        [
            [np.maximum.accumulate(value[order]) - (0.03 * k if run else 0) for run in range(RUNS)]
            for k in range(len(STRATEGIES))
        ]
    )
    data = {
        "place": (("candidate", "axis"), places),
        "allowed": ("candidate", open_to),
        "support": ("candidate", np.exp(-((places - places.mean(0)) ** 2).sum(1) / reach**2)),
        "point": ("step", order),
        "value": ("step", value[order]),
        "mean": (("kept", "candidate"), np.stack([mean for mean, _ in beliefs])),
        "sd": (("kept", "candidate"), np.stack([sd for _, sd in beliefs])),
        "expected_regret": ("step", np.geomspace(0.5, 0.004, steps)),
        "best": (("strategy", "run", "step"), best),
    }
    if truth:
        data["truth"] = ("candidate", value)
    if method == "active":
        fall = np.linspace(1, 0.4, steps) * np.array([1.0, 1.3, 1.2])[:, None, None]
        spread = rng.normal(0, 0.03, (len(STRATEGIES), RUNS, steps))
        data["rmse"] = (("strategy", "run", "step"), fall + spread)
        data["inside"] = (("strategy", "run", "step"), 0.93 + spread / 2)
    coords = {"strategy": list(STRATEGIES), "axis": list(axes), "kept": kept}
    attrs = {
        "method": method,
        "objective": "sum of the curl" if method == "bo" else "peak from 2 to 4 eV",
        "unit": "" if method == "bo" else "counts",
        "stopped": "the limit of evaluations",
    }
    return xr.Dataset(data, coords, attrs)


def latent_plane(side: int = 30, **how) -> xr.Dataset:
    """Bayesian optimisation over a square of a latent plane of which the corners are no support."""
    row, column = np.mgrid[:side, :side] / (side - 1)
    places = np.stack([column.ravel() * 6 - 3, row.ravel() * 6 - 3], axis=1)
    allowed = np.linalg.norm(places, axis=1) < 3.2
    return search(places, ("latent 1", "latent 2"), method="bo", allowed=allowed, **how)


def latent_space(latents: int, count: int = 900, **how) -> xr.Dataset:
    """The same over any number of latents: a line of places, or random ones."""
    if latents == 1:
        places = np.linspace(-3, 3, count)[:, None]
    else:
        places = np.random.default_rng(0).uniform(-3, 3, (count, latents))
    allowed = np.linalg.norm(places, axis=1) < 2.6 * np.sqrt(latents)
    names = tuple(f"latent {k + 1}" for k in range(latents))
    return search(places, names, method="bo", allowed=allowed, **how)


def of_sites(folder: Path, **how) -> xr.Dataset:
    """Active measurement at the sites of results."""
    sites = store.open(folder / layout.SITES)
    places = np.stack([sites["y"].values, sites["x"].values], axis=1)
    return search(places, ("y", "x"), method="active", **how)


def add(folder: Path, explored: xr.Dataset) -> None:
    """Put a search among the results in a folder."""
    store.write(explored, folder / layout.EXPLORED)
