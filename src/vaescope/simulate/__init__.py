"""Data with known truth: crystals with known columns, cards with known suits, angles and shears."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate import cards, pairs, systems
from vaescope.simulate.render import expected_counts, position_bound
from vaescope.simulate.systems import SYSTEMS, Parameters

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SYSTEMS", "Parameters", "make", "parse"]

Chosen = Parameters | cards.Parameters | pairs.StemParameters | pairs.ColourParameters

PAIRS: dict[str, tuple[Chosen, dict[str, tuple[float, float]]]] = {
    "stem-pairs": (pairs.StemParameters(), pairs.STEM_LIMITS),
    "colour-cards": (pairs.ColourParameters(), pairs.COLOUR_LIMITS),
}


def make(name: str, seed: int = 0) -> xr.Dataset:
    """Simulate an image, or a stack of pictures, with its truth; the same name and seed give the
    same numbers.

    Parameters
    ----------
    name : `perovskite`, `square`, `hexagonal`, `strained`, `dislocation` or `misfit`, `cards1` to
        `cards4`, `stem-pairs` or `colour-cards`, with parameters if wanted, as in
        `perovskite?dose=500&size=256` (see the parameters in `systems`, `cards` and `pairs` for
        their meaning and units).
    seed : of the random generator.

    Returns
    -------
    Dataset in the form of an image store, with `image` (time, channel, y, x) and its truth.
    Crystals: electrons, and per column within the image (dimension `truth_site`) its position
    `truth_y`, `truth_x` (px), `truth_angle` (rad), `truth_phase`, `truth_species` and `truth_bound`
    (px), the Cramér–Rao bound of the standard deviation of each of its coordinates; strained ones
    also `truth_strain_xx`, `_yy` and `_xy` (see `vaescope.deformation`). Cards: per
    frame `truth_label`, `truth_angle`, `truth_shear` (rad), `truth_known_label` and
    `truth_held_out`. Pairs: the picture to be made as well, `truth_clean` or `truth_colour`.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    system, parameters = parse(name)
    if isinstance(parameters, Parameters):
        return _crystal(name, system, parameters, seed)
    rng = np.random.default_rng(seed)
    if isinstance(parameters, cards.Parameters):
        made = cards.deal(parameters, rng)
    elif isinstance(parameters, pairs.StemParameters):
        made = pairs.stem(parameters, rng)
    else:
        made = pairs.colour(parameters, rng)
    return _stack(name, system, parameters, seed, made)


def _stack(
    name: str, system: str, parameters: Chosen, seed: int, made: dict[str, np.ndarray]
) -> xr.Dataset:
    """A stack of pictures ``images`` (frame, y, x) with what is known of each frame."""
    import dask.array as da
    import xarray as xr

    from vaescope.read import known

    images = made.pop("images")
    truth = known.per_frame({key: da.from_array(value) for key, value in made.items()})
    image = (("time", "channel", "y", "x"), images[:, None], {"long_name": "signal", "units": "1"})
    axis = np.arange(images.shape[1], dtype=float)
    dataset = xr.Dataset(
        {"image": image, **truth},
        coords={
            "time": np.arange(len(images)),
            "channel": ["simulated"],
            "y": ("y", axis, {"long_name": "y", "units": "px"}),
            "x": ("x", axis, {"long_name": "x", "units": "px"}),
        },
        attrs={
            "pixel_size": 1.0,
            "pixel_unit": "px",
            "calibrated": False,
            **_facts(name, system, parameters, seed),
            **({"truth_classes": list(cards.SUITS)} if "label" in made else {}),
        },
    )
    return dataset.chunk({"time": 256})


def _facts(name: str, system: str, parameters: Chosen, seed: int) -> dict[str, Any]:
    facts = {"system": system, "seed": int(seed), **asdict(parameters)}
    return {
        "vendor_metadata": json.dumps(facts),
        "source_files": [],
        "source_sha256": [],
        "reader": f"simulate:{name}",
    }


def _crystal(name: str, system: str, parameters: Parameters, seed: int) -> xr.Dataset:
    import xarray as xr

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
    truth = {"y": seen.y, "x": seen.x, "bound": bound, **seen.more}
    truth |= {"angle": seen.angle, "phase": seen.phase, "species": seen.species}
    image = xr.Dataset(
        {
            "image": (
                ("time", "channel", "y", "x"),
                counts[None, None],
                {"long_name": "detected electrons", "units": "1"},
            ),
            **{
                f"truth_{name}": ("truth_site", values, _about(name))
                for name, values in truth.items()
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
            **_facts(name, system, parameters, seed),
            "truth_symmetry": symmetry,
            "dose": parameters.dose,
        },
    )
    return image.chunk({"time": 1, "channel": 1, "y": min(size, 1024), "x": min(size, 1024)})


# name of a truth -> (what it is in words, its unit)
TRUTHS = {
    "y": ("true row of the column", "px"),
    "x": ("true column of the column", "px"),
    "angle": ("true rotation of the lattice", "rad"),
    "phase": ("true phase", "1"),
    "species": ("true sublattice", "1"),
    "strain_xx": ("true strain along x", "1"),
    "strain_yy": ("true strain along y", "1"),
    "strain_xy": ("true strain between x and y (down)", "1"),
    "bound": ("Cramér–Rao bound of the position per coordinate", "px"),
}


def _about(name: str) -> dict[str, str]:
    words, unit = TRUTHS[name]
    return {"long_name": words, "units": unit}


def parse(name: str) -> tuple[str, Chosen]:
    """Split `NAME?parameter=value&…` into the name of a system and its parameters.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    system, _, query = name.partition("?")
    start: Chosen
    if system in SYSTEMS:
        preset: dict[str, Any] = dict(SYSTEMS[system][2])
        start, limits = Parameters(**preset), systems.LIMITS
    elif system in cards.SETS:
        start, limits = cards.Parameters(**cards.SETS[system]), cards.LIMITS
    elif system in PAIRS:
        start, limits = PAIRS[system]
    else:
        known = [*SYSTEMS, *cards.SETS, *PAIRS]
        raise UserError(
            "there is no such simulation",
            found=repr(system),
            expected=" or ".join(known),
            remedy=_suggest(system, known),
        )
    kinds = {field.name: field.type for field in fields(start)}
    given: dict[str, Any] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in kinds:
            raise UserError(
                f"the simulation `{system}` has no such parameter",
                found=repr(key),
                expected="one of " + ", ".join(kinds),
                remedy=_suggest(key, list(kinds)),
            )
        given[key] = _number(key, text, limits[key], whole=kinds[key] == "int")
    return system, replace(start, **given)


def _number(key: str, text: str, limits: tuple[float, float], whole: bool) -> float | int:
    low, high = limits
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
