"""A film of which everything is known, taken once through the stages of the workflow.

The image is oblong and so are the pixels of its file. Its columns stand on a lattice whose right
and lower parts are strained. Of every column the members of two ensembles say what is laid down
here, so that whatever a person reads later can be held against it. Reader, sites, patches,
training, encoding, alignment, consensus, strain and movie are the real ones: only what the members
say of a site is put in place of what a training of a second would make them say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from vaescope import deformation, ensemble, read, samples, sites, store, structure, train
from vaescope.ensemble import (
    gauge,
    mapping,
)
from vaescope.ensemble.encode import Estimate
from vaescope.judge import facts
from vaescope.judge.facts import judge
from vaescope.models.pixel_noise import PixelNoise
from vaescope.models.pose_parts import PARTS
from vaescope.results import Results
from vaescope.scores import of_model
from vaescope.strain.maps import map_strain
from vaescope.workflow.tables import write_movie, write_table

NAMED = {part.name: part for part in PARTS}
DATASET = "film"
FRAMES = 2
SHAPE = (116, 159)  # height, width: neither can stand for the other
PIXEL = 0.02  # nm
FACTOR = 1.5  # a pixel of the file is so many times higher than wide
SPACING = 9.0
MEMBERS = 3
RIGHT, LOWER = 94.0, 68.0  # px from which on the lattice is stretched along x, along y
STRETCH_X = np.array([0.020, 0.008])  # of what lies on the right: change of (x, y) along x
STRETCH_Y = np.array([0.004, -0.014])  # of what lies below: change of (x, y) along y
ERROR = 0.1  # members differ by this share of what they say
SD = {"angle": 0.010, "offset": 0.20, "strain": 0.002, "scale": 0.015, "shear": 0.006}
SIZE = {"angle": 0.15, "offset": (1.2, 0.5), "strain": (0.03, 0.012, 0.005)}  # largest values
SIZE |= {"scale": 0.08, "shear": 0.04}
CLASS_SHARE = (0.25, 0.5)  # of the columns of sites that are of the second class, by frame
SURE = 0.9  # probability of the class of a site
NOISE = 0.05  # that the models leave over, in the unit of patches
UNEXPLAINED = 7  # number of the patch of which four times as much is left
RECIPE = {
    "description": "A film of which everything is known.",
    "ingest": {"preprocess": {}},
    "sites": {"method": "log", "spacing": SPACING, "refine": True, "track": True},
    "patches": {"pixels": 16},
    "models": {
        "whole": {"variant": "jrvae", "strain": True, "latent": 2, "classes": 2},
        "sheared": {"variant": "rvae", "scale": True, "shear": True, "latent": 2},
    },
    "ensemble": {"members": MEMBERS},
    "figures": {"formats": ["png"], "dpi": 30},
    "seed": 0,
}
QUICK = {"steps": 4, "hidden": 8, "turns": 4, "batch": 32}
MODELS = list(RECIPE["models"])
ROW = {"dataset": DATASET, "recipe": "film", "source": "film.npy"}


@dataclass
class Film:
    """The results, and what is true of every patch (site, …) in the unit in which members say it.

    ``angle``, ``shear`` rad; ``offset`` px as (y, x); ``strain`` as xx, yy, xy; ``scale`` factors;
    ``label`` from 0; ``lattice``: true strain of the lattice at each site of all.
    """

    results: Path
    site: np.ndarray  # number of each patch
    angle: np.ndarray
    offset: np.ndarray
    strain: np.ndarray
    scale: np.ndarray
    shear: np.ndarray
    content: np.ndarray
    label: np.ndarray
    lattice: np.ndarray
    inflation: dict[str, float] = field(default_factory=dict)  # by model

    @property
    def folder(self) -> Path:
        return self.results / DATASET

    def spread(self, model: str, name: str) -> np.ndarray:
        """Uncertainty of a part of the pose: between the members, and of each of them."""
        value = getattr(self, name) - (1 if name == "scale" else 0)
        between = (ERROR * value) ** 2 * 2 / 3  # of 1 - e, 1 and 1 + e
        return np.sqrt(between + (SD[name] * self.inflation[model]) ** 2)


def columns() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (site, 2) px as (y, x) of one frame, their true strain (site, 3) and rotation."""
    y, x = np.mgrid[SPACING : SHAPE[0] - 3 : SPACING, SPACING : SHAPE[1] - 5 : SPACING]
    place = np.stack([x.ravel(), y.ravel()], 1)
    right, lower = place[:, 0] > RIGHT, place[:, 1] > LOWER
    moved = place + np.maximum(place[:, :1] - RIGHT, 0) * STRETCH_X
    moved += np.maximum(place[:, 1:] - LOWER, 0) * STRETCH_Y
    carry = np.tile(np.eye(2), (len(place), 1, 1))
    carry[right, :, 0] += STRETCH_X
    carry[lower, :, 1] += STRETCH_Y
    strain, turn = deformation.split(carry)
    return moved[:, ::-1], strain, turn


def image(folder: Path) -> xr.Dataset:
    """The film as its reader gives it, with the truth that a simulation brings."""
    rng = np.random.default_rng(0)
    place, strain, turn = columns()
    grid = np.meshgrid(np.arange(0, SHAPE[0], FACTOR), np.arange(SHAPE[1]), indexing="ij")
    one = sum(np.exp(-((grid[0] - y) ** 2 + (grid[1] - x) ** 2) / (2 * 1.9**2)) for y, x in place)
    frames = one + rng.normal(0, 0.03, (FRAMES, *one.shape))
    np.save(folder / "film.npy", frames.astype(np.float32))
    sides = {"pixel_size_y": FACTOR * PIXEL, "pixel_size_x": PIXEL}
    (folder / "film.json").write_text(json.dumps(sides | {"units": "nm"}))
    found = read.load([folder / "film.npy"], RECIPE["ingest"])
    again = {"frame": np.repeat(np.arange(FRAMES), len(place))}
    again |= {"track": np.tile(np.arange(len(place)), FRAMES)}
    again |= {axis: np.tile(place[:, k], FRAMES) for k, axis in enumerate("yx")}
    again |= {
        f"strain_{c}": np.tile(strain[:, k], FRAMES) for k, c in enumerate(("xx", "yy", "xy"))
    }
    again["angle"] = np.tile(turn, FRAMES)
    units = {"y": "px", "x": "px", "angle": "rad"}
    truth = {
        f"truth_{name}": ("truth_site", values, {"units": units.get(name, "1")})
        for name, values in again.items()
    }
    return found.assign(truth)


def balanced(position: np.ndarray, size: float) -> np.ndarray:
    """A map that is a function of one coordinate (site,), up and down by turns, with median 0."""
    lines = np.unique(np.rint(position / SPACING))
    value = np.linspace(-1, 1, len(lines)) * (-1.0) ** np.arange(len(lines))
    value = size * (value - value[::-1]) / np.abs(value - value[::-1]).max()
    return value[np.searchsorted(lines, np.rint(position / SPACING))]


def truth_of(patches: xr.Dataset, found: xr.Dataset, results: Path) -> Film:
    """What the members are to say of every patch."""
    y, x = patches["y"].values.astype(float), patches["x"].values.astype(float)
    frame = patches["frame"].values.astype(int)
    size = SIZE
    offset = np.stack([balanced(x, size["offset"][0]), balanced(y, size["offset"][1])], 1)
    along = (x, y, x)
    strain = np.stack([balanced(a, s) for a, s in zip(along, size["strain"], strict=True)], 1)
    share = np.asarray(CLASS_SHARE)[frame]
    order = (x - x.min()) / np.ptp(x)
    first = (y - y.mean()) / y.std()
    second = (x - x.mean()) / x.std()
    second -= first * (first @ second) / (first @ first)
    content = np.stack([2 * first + first**2, 0.5 * second], 1)
    return Film(
        results,
        patches["site"].values,
        balanced(y, size["angle"]),
        offset,
        strain,
        1 + balanced(x, size["scale"]),
        balanced(y, size["shear"]),
        content - content.mean(0),
        (order > 1 - share).astype(int),
        np.stack([found[f"truth_strain_{c}"].values for c in ("xx", "yy", "xy")], 1),
    )


def said(film: Film, encodings: list[Any], patches: xr.Dataset) -> list[Any]:
    """The same members with what they say of each site in place of what they learned: each in a
    frame of its own (content turned, angles and offsets shifted), and each somewhat off."""
    found = []
    half = float(patches.attrs["size"]) / 2
    # What is left over is noise of which neighbouring pixels share a part, as of resampled patches.
    white = np.random.default_rng(1).normal(0, 1, patches["patch"].shape)
    noise = ndimage.gaussian_filter(white, (0, 0, 0.8, 0.8))
    left = (NOISE * noise / noise.std()).astype(np.float32)
    left[UNEXPLAINED] *= 4
    for number, encoding in enumerate(encodings):
        off = 1 + ERROR * (number - 1)
        turn = 0.4 * number
        rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        count = len(film.angle)
        others: dict[str, Any] = {
            "content": film.content @ rotate + number,
            "content_sd": np.full(film.content.shape, 0.05),
            # All are sound; the second is the best, in whose frame the others are brought.
            "elbo": np.full(count, -100.0 - 0.1 * (number != 1)),
            "reconstruction": patches["patch"].values - left,
            "noise": PixelNoise.constant(np.full(1, NOISE)),
            "turn_weight": np.eye(len(encoding.turns))[np.zeros(count, int)],
            "class_probability": np.where(np.eye(2)[film.label] > 0, SURE, 1 - SURE),
        }
        pose = {
            "angle": film.angle * off + 0.3 * (number - 1),
            "offset": film.offset * off / half + 0.1 * number,
            "strain": film.strain * off + 0.02 * number,
            "scale": 1 + (film.scale - 1) * off,
            "shear": film.shear * off,
        }
        sd = SD | {"offset": SD["offset"] / half}
        own = {k: v for k, v in others.items() if getattr(encoding, k) is not None}
        parts = {
            name: Estimate(pose[name], np.full(pose[name].shape, sd[name]), NAMED[name])
            for name in encoding.parts
        }
        found.append(replace(encoding, **own, parts=parts))
    return found


@contextmanager
def laid_down(film: Film, patches: xr.Dataset) -> Iterator[None]:
    """While it lasts, members say what is laid down here; angles count from the x axis."""
    real, count = mapping.encode_all, len(film.angle)
    sense = np.ones(count, np.int8)
    level = gauge.Gauge(np.zeros(count), 0.0, lambda pictures: np.zeros(len(pictures)), sense)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mapping, "encode_all", lambda *a, **more: said(film, real(*a, **more), patches)
        )
        patch.setattr(gauge, "of_lattice", lambda *_: level)
        yield


def make(results: Path, *, known: bool = True) -> Film:
    """Run every stage into ``results``; ``known``: members say what is laid down here."""
    folder = results / DATASET
    folder.mkdir(parents=True)
    source = results / "source"
    source.mkdir()
    store.write(image(source), folder / "image.zarr", provenance={"seed": 0})
    opened = store.open(folder / "image.zarr")
    found = sites.find(opened, RECIPE["sites"])
    store.write(found, folder / "sites.zarr")
    cut = samples.extract(opened, found, RECIPE["patches"])
    store.write(cut, folder / "samples.zarr")
    patches = store.open(folder / "samples.zarr")
    film = truth_of(patches, found, results)
    for model, settings in RECIPE["models"].items():
        own = folder / model
        train.fit(
            patches,
            settings | QUICK,
            members=range(MEMBERS),
            seed=0,
            out=own / "members",
            checkpoints=own / "checkpoints",
            log=lambda _: None,
        )
        (own / "members" / "history.csv").rename(own / "history.csv")
        with laid_down(film, patches) if known else nullcontext():
            latents = ensemble.map_latents(own / "members", patches, name=model)
        film.inflation[model] = float(latents.attrs["noise_inflation"])
        scores = of_model.score(latents, patches, own / "members")
        (own / "scores.json").write_text(json.dumps(scores))
        store.write(latents, own / "latents.zarr")
        scores = of_model.score(latents, patches, own / "members")
        (own / "scores.json").write_text(json.dumps(scores))
        movie = structure.follow(latents, found, {})
        write_movie(movie, own / "movie", {})
        write_table(store.open(own / "latents.zarr"), own / "latents.csv")
    latents_of = {model: store.open(folder / model / "latents.zarr") for model in MODELS}
    store.write(map_strain(opened, found, latents_of), folder / "strain.zarr")
    (folder / "facts.json").write_text(judge(Results(folder), MODELS, MEMBERS).text())
    judged = facts.judge(Results(folder), MODELS, MEMBERS)
    (folder / "facts.json").write_text(judged.text(), encoding="utf-8")
    return film
