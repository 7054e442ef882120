"""Images with known truth: atomically resolved crystals with known positions, angles and phases."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate.render import expected_counts, position_bound
from vaescope.simulate.systems import LIMITS, SYSTEMS, Parameters

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SYSTEMS", "Parameters", "make", "parse"]


def make(name: str, seed: int = 0) -> xr.Dataset:
    """Simulate an image with its truth; the same name and seed give the same image.

    Parameters
    ----------
    name : `perovskite`, `square` or `hexagonal`, with parameters if wanted, as in
        `perovskite?dose=500&size=256` (see `Parameters` for their meaning and units).
    seed : of the random generator (origin of the lattice, shot noise).

    Returns
    -------
    Dataset in the form of an image store: `image` (time, channel, y, x) in electrons, and per
    column within the image (dimension `truth_site`) its position `truth_y`, `truth_x` (px),
    `truth_angle` (rad), `truth_phase`, `truth_species` and `truth_bound` (px), the Cramér–Rao
    bound of the standard deviation of each of its coordinates.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    import xarray as xr

    system, parameters = parse(name)
    build, symmetry, _ = SYSTEMS[system]
    rng = np.random.default_rng(seed)
    columns = build(parameters, rng)
    size, width = parameters.size, parameters.width
    peak = parameters.dose / (2 * np.pi * width**2)
    background = parameters.background * peak
    # Columns outside still light the edge of the image.
    margin = 6 * width
    columns = columns.where(_within(columns.y, columns.x, size, margin))
    expected = expected_counts(columns, size, peak, width, background)
    counts = rng.poisson(expected).astype(np.float32)
    order = np.flatnonzero(_within(columns.y, columns.x, size, -0.5))
    order = order[np.lexsort((columns.x[order], columns.y[order]))]
    bound = position_bound(columns, expected, peak, width, order)
    seen = columns.where(order)

    pixel = parameters.pixel_size
    axis = np.arange(size) * pixel
    truth = {
        "truth_y": (seen.y, "true row of the column", "px"),
        "truth_x": (seen.x, "true column of the column", "px"),
        "truth_angle": (seen.angle, "true rotation of the lattice", "rad"),
        "truth_phase": (seen.phase, "true phase", "1"),
        "truth_species": (seen.species, "true sublattice", "1"),
        "truth_bound": (bound, "Cramér–Rao bound of the position per coordinate", "px"),
    }
    image = xr.Dataset(
        {
            "image": (
                ("time", "channel", "y", "x"),
                counts[None, None],
                {"long_name": "detected electrons", "units": "1"},
            ),
            **{
                key: ("truth_site", value, {"long_name": long, "units": unit})
                for key, (value, long, unit) in truth.items()
            },
        },
        coords={
            "time": np.arange(1),
            "channel": ["simulated"],
            "y": ("y", axis, {"long_name": "y", "units": "nm"}),
            "x": ("x", axis, {"long_name": "x", "units": "nm"}),
        },
        attrs={
            "pixel_size": pixel,
            "pixel_unit": "nm",
            "calibrated": True,
            "vendor_metadata": json.dumps(
                {"system": system, "seed": int(seed), **asdict(parameters)}
            ),
            "source_files": [],
            "source_sha256": [],
            "reader": f"simulate:{name}",
            "truth_symmetry": symmetry,
            "dose": parameters.dose,
        },
    )
    return image.chunk({"time": 1, "channel": 1, "y": min(size, 1024), "x": min(size, 1024)})


def parse(name: str) -> tuple[str, Parameters]:
    """Split `NAME?parameter=value&…` into the name of a system and its parameters.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    system, _, query = name.partition("?")
    if system not in SYSTEMS:
        raise UserError(
            "there is no such simulation",
            found=repr(system),
            expected=" or ".join(SYSTEMS),
            remedy=_suggest(system, list(SYSTEMS)),
        )
    known = {field.name: field for field in fields(Parameters)}
    given: dict[str, Any] = dict(SYSTEMS[system][2])
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise UserError(
                f"the simulation `{system}` has no such parameter",
                found=repr(key),
                expected="one of " + ", ".join(known),
                remedy=_suggest(key, list(known)),
            )
        given[key] = _number(key, text, whole=key == "size")
    return system, replace(Parameters(), **given)


def _number(key: str, text: str, whole: bool) -> float | int:
    low, high = LIMITS[key]
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise UserError(
            f"the simulation parameter `{key}` is out of range",
            found=repr(text),
            expected=f"{kind} from {low:g} to {high:g}",
        )
    return int(value) if whole else value


def _suggest(word: str, known: list[str]) -> str | None:
    near = get_close_matches(word, known, n=1)
    return f"Did you mean `{near[0]}`?" if near else None


def _within(y: np.ndarray, x: np.ndarray, size: int, margin: float) -> np.ndarray:
    """Whether points lie inside the image enlarged by a margin on each side (px)."""
    low, high = -margin, size - 1 + margin
    return (y >= low) & (y <= high) & (x >= low) & (x <= high)
