"""Data with known truth: crystals with known columns, cards with known suits, angles and shears."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.quantities import TRUTH, Scale, attributes
from vaescope.simulate import arguments, cards, pairs
from vaescope.simulate.arguments import Parameters
from vaescope.simulate.microscope import microscope
from vaescope.simulate.systems import SYSTEMS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SYSTEMS", "Parameters", "make", "parse"]

Chosen = Parameters | cards.CardParameters | pairs.StemParameters | pairs.ColourParameters

PAIRS: dict[str, Chosen] = {
    "stem-pairs": pairs.StemParameters(),
    "colour-cards": pairs.ColourParameters(),
}


def make(name: str, seed: int = 0) -> xr.Dataset:
    """Simulate an image, or a stack of pictures, with its truth; the same name and seed give the
    same numbers.

    Parameters
    ----------
    name : of a crystal or movie (`SYSTEMS`), `cards1` to `cards4`, `stem-pairs` or
        `colour-cards`, with parameters if wanted, as in `perovskite?dose=500&size=256`;
        `config/README.md` lists them all.
    seed : of the random generator.

    Returns
    -------
    Dataset in the form of an image store, with `image` (time, channel, y, x) and its truth.
    Crystals: electrons, and per column within the image (dimension `truth_site`) its position
    `truth_y`, `truth_x` (px), where it is seen, drift included; `truth_angle` (rad), `truth_phase`,
    `truth_species`, what else the system knows (`TRUTHS`; strain: see `vaescope.deformation`), and
    `truth_bound` (px), the Cramér–Rao bound of the standard deviation of each of its coordinates
    from the counts alone. What the
    values of a truth mean is in the attribute `truth_NAME_names`. Movies: the same of every frame,
    told apart by `truth_frame`; an atom has the same `truth_track` in all. Cards: per frame
    `truth_label`, `truth_angle`, `truth_shear` (rad), `truth_known_label` and `truth_held_out`.
    Pairs: the picture to be made as well, `truth_clean` or `truth_colour`.

    Raises
    ------
    UserError : unknown name or parameter, a value out of range, or far too many columns.
    """
    system, parameters = parse(name)
    if isinstance(parameters, Parameters):
        return _crystal(name, system, parameters, seed)
    rng = np.random.default_rng(seed)
    if isinstance(parameters, cards.CardParameters):
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

    from vaescope.read import ground_truth

    images = made.pop("images")
    truth = ground_truth.per_frame({key: da.from_array(value) for key, value in made.items()})
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
    """One image of a crystal, or the frames of a movie."""
    import xarray as xr

    made = SYSTEMS[system]
    arguments.refuse_crowd(parameters, parameters.size, getattr(parameters, "frames", 1))
    rng = np.random.default_rng(seed)
    built = made.build(parameters, rng)
    frames = built if isinstance(built, list) else [built]
    scope = microscope(parameters, np.random.default_rng([seed, 1]))
    size = parameters.size
    counts = np.empty((len(frames), 1, size, size), np.float32)
    truths = []
    for index, columns in enumerate(frames):
        columns = scope.scan(columns)
        columns = columns.where(_within(columns.y, columns.x, size, scope.margin))
        expected = scope.expose(columns)
        counts[index, 0] = rng.poisson(expected)
        order = np.flatnonzero(_within(columns.y, columns.x, size, -0.5))
        order = order[np.lexsort((columns.x[order], columns.y[order]))]
        bound = scope.bound(columns, expected, order)
        seen = columns.where(order)
        truth = {"y": seen.y, "x": seen.x, "bound": bound, **seen.more}
        truth |= {"angle": seen.angle, "phase": seen.phase, "species": seen.species}
        if isinstance(built, list):
            truth["frame"] = np.full(len(seen), index)
        truths.append(truth)
    truth = {key: np.concatenate([each[key] for each in truths]) for key in truths[0]}

    pixel = parameters.pixel_size
    axis = np.arange(size) * pixel
    image = xr.Dataset(
        {
            "image": (
                ("time", "channel", "y", "x"),
                counts,
                {"long_name": "detected electrons", "units": "1"},
            ),
            **{
                f"truth_{key}": ("truth_site", values, _about(key, made.symmetry))
                for key, values in truth.items()
            },
        },
        coords={
            "time": np.arange(len(frames)),
            "channel": ["simulated"],
            "y": ("y", axis, {"long_name": "y", "units": "nm"}),
            "x": ("x", axis, {"long_name": "x", "units": "nm"}),
        },
        attrs={
            "pixel_size": pixel,
            "pixel_unit": "nm",
            "calibrated": True,
            **_facts(name, system, parameters, seed),
            "truth_symmetry": made.symmetry,
            "dose": parameters.dose,
            **{f"truth_{key}_names": list(names) for key, names in made.names.items()},
        },
    )
    return image.chunk({"time": 1, "channel": 1, "y": min(size, 1024), "x": min(size, 1024)})


# name of a truth -> (what it is in words, its unit, how its values are ordered)
TRUTHS: dict[str, tuple[str, str, Scale | None]] = {
    "y": ("true row of the column", "px", None),
    "x": ("true column of the column", "px", None),
    "angle": ("true rotation of the lattice", "rad", "cyclic"),
    "phase": ("true phase", "1", "categorical"),
    "species": ("true sublattice", "1", "categorical"),
    "strain_xx": ("true strain along x", "1", "diverging"),
    "strain_yy": ("true strain along y", "1", "diverging"),
    "strain_xy": ("true strain between x and y (down)", "1", "diverging"),
    "bound": ("Cramér–Rao bound of the position per coordinate", "px", None),
    "polar_y": ("true displacement of Fe against Bi along y", "px", "diverging"),
    "polar_x": ("true displacement of Fe against Bi along x", "px", "diverging"),
    "defect": ("true kind of defect", "1", "categorical"),
    "frame": ("frame in which the column is seen", "1", None),
    "track": ("which atom it is, in all frames", "1", None),
}


def _about(name: str, symmetry: int) -> dict[str, Any]:
    words, unit, scale = TRUTHS[name]
    period = 2 * np.pi / symmetry if scale == "cyclic" else None
    return attributes(words, unit, scale, period=period, group=TRUTH)


def parse(name: str) -> tuple[str, Chosen]:
    """Split `NAME?parameter=value&…` into the name of a system and its parameters.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    known: dict[str, Chosen] = {key: system.parameters for key, system in SYSTEMS.items()}
    known |= {key: cards.CardParameters(**preset) for key, preset in cards.SETS.items()}
    return arguments.parse(name, known | PAIRS)


def _within(y: np.ndarray, x: np.ndarray, size: int, margin: float) -> np.ndarray:
    """Whether points lie inside the image enlarged by a margin on each side (px)."""
    low, high = -margin, size - 1 + margin
    return (y >= low) & (y <= high) & (x >= low) & (x <= high)
