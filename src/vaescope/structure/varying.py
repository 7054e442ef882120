"""What varies continuously among the sites of one mode, by more than the errors of its values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vaescope import circular

FEWEST = 10  # sites of a mode of which a scatter is given
CLEAR = 2.0  # times its typical error: less than this may be the errors alone
_NORMAL = 1.4826  # standard deviation of a normal over its median absolute deviation
_DEGREES = 180 / np.pi


@dataclass(frozen=True)
class Varying:
    """A quantity that varies within a mode: its ``name``, robust standard deviation ``scatter``
    among the sites, typical ``error`` of one site, and ``unit`` ("" for none)."""

    name: str
    scatter: float
    error: float
    unit: str


def within(latents: xr.Dataset, mode: int) -> list[Varying]:
    """What varies among the sites of a mode (from 0) of ``latents.zarr``, most clearly first: what
    has a scatter of at least ``CLEAR`` typical errors."""
    own = latents["mode"].values == mode
    if own.sum() < FEWEST:
        return []
    found = []
    for name, values, errors, period, unit in _quantities(latents):
        scatter, error = _scatter(values[own], period), float(np.nanmedian(errors[own]))
        if error > 0 and np.isfinite(scatter) and scatter >= CLEAR * error:
            found.append(Varying(name, scatter, error, unit))
    return sorted(found, key=lambda one: -one.scatter / one.error)


def _scatter(values: np.ndarray, period: float | None) -> float:
    """Robust standard deviation of values, modulo a period where they have one."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan")
    middle = np.median(known) if period is None else circular.mean(known, period)
    apart = known - middle
    return _NORMAL * float(
        np.median(np.abs(apart if period is None else circular.wrap(apart, period)))
    )


def _quantities(
    latents: xr.Dataset,
) -> Iterator[tuple[str, np.ndarray, np.ndarray, float | None, str]]:
    """Name, values and errors (site,), period and unit of all numbers that the members agree on."""
    for key in map(str, latents.data_vars):
        of = latents[key]
        part = key.removeprefix("consensus_")
        if part == key or f"{part}_spread" not in latents or of.dims[0] != "site":
            continue
        spread = latents[f"{part}_spread"]
        if spread.dims != of.dims:
            continue
        unit = str(of.attrs.get("units", "1"))
        factor, unit = (
            (_DEGREES, "°") if unit == "rad" else (1.0, "" if unit == "1" else f" {unit}")
        )
        period = of.attrs.get("period")
        period = None if period is None else float(period) * factor
        axes = [latents[str(axis)].values.tolist() for axis in of.dims[1:]]
        for place in itertools.product(*(range(len(axis)) for axis in axes)):
            marks = [str(axis[k]) for axis, k in zip(axes, place, strict=True)]
            name = " ".join(["latent" if part == "content" else part, *marks])
            at: Any = (slice(None), *place)
            yield name, factor * of.values[at], factor * spread.values[at], period, unit
