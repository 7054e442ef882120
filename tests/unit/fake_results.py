"""A folder of results that keeps the data contracts, made without reading or training anything."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from vaescope import store
from vaescope.judge import facts
from vaescope.quantities import CRITICISM, attributes
from vaescope.results import Results
from vaescope.structure import class_numbers, modes
from vaescope.train.separate import separated

RECIPE = {
    "description": "Atoms of a crystal.",
    "ingest": {"array": None, "channel": None, "preprocess": {"background": None}},
    "sites": {"method": "log", "spacing": None, "polarity": "bright", "refine": True},
    "patches": {"size": None, "pixels": 20, "normalise": "patch", "centre": "subpixel"},
    "models": {
        "rvae": {"variant": "rvae", "latent": 2},
        "jrvae": {"variant": "jrvae", "latent": 2, "classes": 3},
    },
    "ensemble": {"members": 4, "jobs": 1},
    "figures": {"dpi": 60},
    "seed": 0,
}


def blobs(height: int, width: int, yx: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """An image of round atoms, (height, width)."""
    image = np.zeros((height, width), dtype=np.float32)
    grid = np.mgrid[-6:7, -6:7]
    for (y, x), bright in zip(yx, brightness, strict=True):
        py, px = round(y), round(x)
        spot = bright * np.exp(-((grid[0] + py - y) ** 2 + (grid[1] + px - x) ** 2) / (2 * 2.2**2))
        top, left = max(py - 6, 0), max(px - 6, 0)
        part = image[top : py + 7, left : px + 7]
        part += spot[top - py + 6 :, left - px + 6 :][: part.shape[0], : part.shape[1]]
    return image


def make(
    results: Path,
    dataset: str = "crystal",
    *,
    models: tuple[str, ...] = ("rvae", "jrvae"),
    shape: tuple[int, int] = (180, 240),
    frames: int = 1,
    latent: int = 2,
    classes: int = 3,
    calibrated: bool = True,
    truth: bool = True,
    symmetry: int = 4,
    members: int = 4,
    pictures: int = 20,
    step: float = 12.0,
    seed: int = 0,
) -> Path:
    """Write image, sites, patches and models of two turned grains; returns the dataset's folder."""
    rng = np.random.default_rng(seed)
    height, width = shape
    folder = results / dataset
    positions, angles, frame_of, pixels = [], [], [], []
    for frame in range(frames):
        reach = int(sum(shape) / step / 2) + 2
        rows = np.mgrid[-reach:reach, -reach:reach].reshape(2, -1).T * step
        found = []
        for turn, left in ((0.08, True), (-0.25, False)):
            c, s = np.cos(turn), np.sin(turn)
            yx = rows @ np.array([[c, -s], [s, c]]).T + [height / 2, width / 2]
            inside = (yx > 3).all(axis=1) & (yx[:, 0] < height - 4) & (yx[:, 1] < width - 4)
            side = (yx[:, 1] < width / 2 - 3) if left else (yx[:, 1] > width / 2 + 3)
            keep = yx[inside & side]
            found.append(np.column_stack([keep, np.full(len(keep), turn)]))
        grain = np.concatenate(found)
        positions.append(grain[:, :2])
        angles.append(grain[:, 2])
        frame_of.append(np.full(len(grain), frame))
        image = blobs(height, width, grain[:, :2], 1 + 0.4 * (grain[:, 0] > height / 2))
        pixels.append(image + rng.normal(0, 0.12, image.shape))
    true, angle, frame_of = map(np.concatenate, (positions, angles, frame_of))
    count = len(true)
    unit, size = ("nm", 0.02) if calibrated else ("px", 1.0)
    common = {"pixel_size": size, "pixel_unit": unit, "calibrated": calibrated}
    common["source_sha256"] = [f"{seed:064x}"]
    image = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), np.stack(pixels)[:, None].astype(np.float32))},
        coords={
            "y": ("y", np.arange(height) * size, {"units": unit}),
            "x": ("x", np.arange(width) * size, {"units": unit}),
            "channel": ["HAADF"],
            "time": np.arange(frames),
        },
        attrs={
            **common,
            "vendor_metadata": json.dumps({"operator": "<b>Å. Müller</b>", "kV": 200}),
            "source_files": ["crystal.dm3"],
            "reader": "rosettasciio",
        },
    )
    if truth:
        image.attrs["truth_symmetry"] = 4
    store.write(image, folder / "image.zarr", provenance={"seed": seed})

    near_edge = (true < 10).any(axis=1) | (true[:, 0] > height - 11) | (true[:, 1] > width - 11)
    error = np.full((2, count), 0.05)
    seen = true + rng.normal(0, 0.05, true.shape)
    sites = xr.Dataset(
        {
            "frame": ("site", frame_of),
            "y": ("site", seen[:, 0], attributes("row", "px", error="y_error")),
            "x": ("site", seen[:, 1], attributes("column", "px", error="x_error")),
            "amplitude": ("site", rng.normal(1, 0.1, count)),
            "width": ("site", rng.normal(2.2, 0.05, count), attributes("width", "px")),
            "background": ("site", np.zeros(count)),
            "y_error": ("site", error[0], attributes("standard error of y", "px")),
            "x_error": ("site", error[1], attributes("standard error of x", "px")),
            "fit_quality": ("site", np.clip(rng.normal(0.93, 0.02, count), 0, 1)),
            "score": ("site", rng.random(count)),
            "near_edge": ("site", near_edge),
        },
        coords={"site": np.arange(count)},
        attrs={**common, "spacing": step, "width": 2.2, "polarity": "bright", "method": "log"},
    )
    phase = (true[:, 0] > height / 2).astype(int)
    if truth:
        sites["truth_y"], sites["truth_x"] = ("site", true[:, 0]), ("site", true[:, 1])
        sites["truth_angle"] = ("site", angle, {"units": "rad"})
        sites["truth_phase"] = ("site", phase)
        sites["truth_species"] = ("site", np.zeros(count, dtype=int))
        sites.attrs["truth_scores"] = json.dumps(
            {
                "precision": 0.998,
                "recall": 0.991,
                "position_rmse": 0.05,
                "bound": 0.047,
                "rmse_over_bound": 1.06,
                "n_truth": count,
                "n_found": count,
            }
        )
    store.write(sites, folder / "sites.zarr")

    kept = np.flatnonzero(~near_edge)
    half = pictures / 2 - 0.5
    patch = np.stack(
        [
            pixels[frame_of[k]][
                round(true[k, 0]) - 10 : round(true[k, 0]) + 10,
                round(true[k, 1]) - 10 : round(true[k, 1]) + 10,
            ]
            for k in kept
        ]
    )[:, None, :pictures, :pictures].astype(np.float32)
    place = {"site": kept, "py": np.arange(pictures) - half, "px": np.arange(pictures) - half}
    parts = {
        "latent": np.arange(1, latent + 1),
        "axis": ["y", "x"],
        "component": ["xx", "yy", "xy"],
    }
    where = {
        "frame": ("site", frame_of[kept]),
        "y": ("site", seen[kept, 0], sites["y"].attrs),
        "x": ("site", seen[kept, 1], sites["x"].attrs),
    }
    known = {}
    if truth:
        known = {
            name: ("site", sites[name].values[kept], sites[name].attrs)
            for name in ("truth_angle", "truth_phase", "truth_species")
        }
    size_attrs = {"pitch": 1.0, "size": float(pictures), "spacing": step}
    patches = xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), patch),
            "norm_offset": (("site", "channel"), np.zeros((len(kept), 1))),
            "norm_scale": (("site", "channel"), np.ones((len(kept), 1))),
            **where,
            **known,
        },
        coords=place,
        attrs={**common, **size_attrs},
    )
    store.write(patches, folder / "samples.zarr")

    for model in models:
        latents = latents_of(
            rng,
            patch,
            angle[kept],
            phase[kept],
            {**where, **known},
            {**place, **parts},
            joint=model.startswith("j"),
            turns=model != "vae",
            latent=latent,
            classes=classes,
            symmetry=symmetry,
            members=members,
        )
        latents.attrs.update({**common, **size_attrs, "model": model, "variant": model})
        store.write(latents, folder / model / "latents.zarr")
        write_history(folder / model / "history.csv", members, joint=model.startswith("j"))
        scores = {
            "explained_fraction": 0.99,
            "outliers": 0,
            "n_sites": len(kept),
            "angle_median_error_deg": 0.8,
        }
        scores |= {"class_accuracy": 0.962} if model.startswith("j") else {}
        (folder / model / "scores.json").write_text(json.dumps(scores))
    judge(folder, models)
    return folder


def stop(folder: Path, row: int) -> None:
    """Let the image of a dataset end at a row: the rest was not measured, and stands at −1000."""
    image = store.open(folder / "image.zarr").load()
    image["measured"] = (image["image"].isel(channel=0) < np.inf).drop_vars("channel")
    image["measured"][:, row:] = False
    image["image"][:, :, row:] = -1000
    image.attrs["unmeasured_nan"] = 1 - row / image.sizes["y"]
    store.write(image, folder / "image.zarr", provenance={})


def judge(folder: Path, models: Iterable[str], trained: int = 4) -> None:
    """Write the facts of a dataset, as the rule ``judge`` does."""
    known = facts.judge(Results(folder), models, trained)
    (folder / "facts.json").write_text(known.text(), encoding="utf-8")


def latents_of(
    rng, patch, angle, phase, where, place, *, joint, turns, latent, classes, symmetry, members
) -> xr.Dataset:
    count, high = len(angle), patch.shape[-1]
    content = np.column_stack([2.0 * phase - 1, *rng.normal(0, 1, (latent - 1, count))])
    content = content + rng.normal(0, 0.25, content.shape)
    data = {
        **where,
        "elbo": (("member", "site"), rng.normal(-100, 3, (members, count))),
        "consensus_content": (("site", "latent"), content),
        "content_spread": (("site", "latent"), rng.gamma(2, 0.05, content.shape)),
        "residual": (
            "site",
            rng.normal(1, 0.06, count) + 2.0 * (rng.random(count) < 0.01),
            attributes("residual over noise", "1", "sequential", group=CRITICISM),
        ),
    }
    about = attributes("explained by the model", "1", "categorical", group=CRITICISM)
    data["explained"] = ("site", data["residual"][1] < 1.5, about)
    values = np.linspace(-2, 2, 9)
    look = np.exp(-((np.mgrid[:high, :high] - high / 2 + 0.5) ** 2).sum(axis=0) / 12)
    shown = (1 + 0.3 * values)[None, :, None, None, None] * look
    shown = shown + 0.1 * values[:, None, None, None, None] * np.roll(look, 3, axis=1)
    shown = np.repeat(shown, patch.shape[1], axis=2)
    rows = values if latent > 1 else values[:1]
    data["decoded_grid"] = (("grid_row", "grid_column", "channel", "py", "px"), shown[: len(rows)])
    data["reconstruction"] = (
        ("site", "channel", "py", "px"),
        np.repeat(patch.mean(axis=0, keepdims=True), count, axis=0),
    )
    found = modes.find(
        content,
        lambda rows: patch[rows],
        lambda points: np.repeat(patch[:1], len(points), 0),
    )
    data.update(found.variables(("channel", "py", "px")))
    if turns:
        period = 2 * np.pi / symmetry
        turned = angle + 0.3 + rng.normal(0, 0.02, count)
        turned = np.mod(turned + period / 2, period) - period / 2
        about = attributes("angle", "rad", "cyclic", error="angle_spread", period=period)
        data["consensus_angle"] = ("site", turned, about)
        about = attributes("uncertainty of angle", "rad")
        data["angle_spread"] = ("site", rng.gamma(2, 0.004, count), about)
        about = attributes("offset", "px", "diverging", error="offset_spread")
        data["consensus_offset"] = (("site", "axis"), rng.normal(0, 0.3, (count, 2)), about)
        about = attributes("uncertainty of offset", "px")
        data["offset_spread"] = (("site", "axis"), rng.gamma(2, 0.02, (count, 2)), about)
        about = attributes("strain", "1", "diverging", error="strain_spread")
        data["consensus_strain"] = (("site", "component"), rng.normal(0, 0.01, (count, 3)), about)
        about = attributes("uncertainty of strain", "1")
        data["strain_spread"] = (("site", "component"), rng.gamma(2, 0.001, (count, 3)), about)
    if joint:
        label = np.where(rng.random(count) < 0.04, 1 - phase, phase)
        share = np.full((count, classes), 0.02)
        share[np.arange(count), label] = 1
        share /= share.sum(axis=1, keepdims=True)
        names = [f"class {k}" for k in range(classes)]
        about = attributes("class", "1", "categorical", error="class_entropy", meanings=names)
        data["consensus_class"] = ("site", label, about)
        about = attributes("class probability", "1", "sequential", valid=(0, 1))
        data["consensus_class_probability"] = (("site", "class"), share, about)
        about = attributes("entropy of the class", "nats", valid=(0, np.log(classes)))
        data["class_entropy"] = ("site", rng.gamma(1, 0.05, count), about)
        data["class_count"] = ("class", np.bincount(label, minlength=classes))
        asked = np.concatenate([share, np.full((count, 1), 0.3)], axis=1)
        data["asked_class_probability"] = (("site", "asked_class"), asked)
        data["asked_class_stability"] = ("asked_class", np.linspace(0.95, 0.2, classes + 1))
        data.update(class_numbers.variables(separated([content])))
        data["class_asked"] = ("class", np.arange(classes))
        with np.errstate(invalid="ignore"):
            mean = np.stack(
                [
                    patch[label == k].mean(axis=0) if (label == k).any() else patch[0] * np.nan
                    for k in range(classes)
                ]
            )
        data["class_patch"] = (("class", "channel", "py", "px"), mean)
        data["class_decoded"] = (("class", "channel", "py", "px"), np.nan_to_num(mean))
    return xr.Dataset(
        data,
        coords={**place, "grid_row": rows, "grid_column": values},
        attrs={
            "symmetry": symmetry,
            "members_kept": list(range(members)),
            **({"classes_asked": classes + 1} if joint else {}),
            "label": "VAE invariant to rotation and shifts" + (", with classes" if joint else ""),
        },
    )


def write_history(path: Path, members: int, *, joint: bool) -> None:
    """A history of training that falls and levels out."""
    rng = np.random.default_rng(1)
    names = ["reconstruction", "kl_content", "kl_turns", "kl_offset", "kl_strain", "kl_class"]
    with path.open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["member", "epoch", "phase", "elbo", *names, "learning_rate", "seconds"])
        for member in range(members):
            for epoch in range(1, 41):
                fall = 300 * np.exp(-epoch / 5) + rng.normal(0, 1)
                terms = [-80 - fall, 6 - 5 / epoch, 1.5, 0.8, 0.0, 0.9 if joint else 0.0]
                phase = "classes" if joint and epoch > 20 else "pose"
                elbo = terms[0] - sum(terms[1:])
                rows.writerow([member, epoch, phase, elbo, *terms, 1e-3, epoch * 0.1])
