"""What vaescope does in the benchmarks of speed, one task in a process of its own.

    python ours.py TASK FOLDER [--options JSON]

FOLDER has what ``duels.py`` laid there. The last line is JSON of what the task measured: imports
and the reading of its data do not count where ``seconds`` is given.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Numbers = dict[str, Any]


def as_patches(folder: Path) -> Any:
    """The pictures of ``samples.npy`` (site, side, side) as the workflow's patches."""
    import xarray as xr

    pictures = np.load(folder / "samples.npy", allow_pickle=False)
    known = np.load(folder / "truth.npz", allow_pickle=False)
    cut = xr.Dataset({"patch": (("site", "channel", "py", "px"), pictures[:, None])})
    cut = cut.assign({f"truth_{name}": ("site", known[name]) for name in known.files})
    for name in ("frame", "y", "x"):
        cut[name] = ("site", np.zeros(len(pictures)))
    cut.attrs["method"] = "frames"
    return cut


def train(folder: Path, options: dict[str, Any]) -> Numbers:
    """Train members with the settings given; how long an epoch took, and the bound at the end."""
    from vaescope import train as training
    from vaescope.ensemble.members import load_members
    from vaescope.models.settings import ModelSettings
    from vaescope.numerics import one_thread

    usual = peak() if options.get("peak") else 0.0  # before torch is told of a faster way
    one_thread()
    cut, settings = as_patches(folder), dict(options["settings"])
    chosen = ModelSettings.from_recipe(settings)
    members = options.get("members", 1)
    epochs = chosen.steps * min(chosen.batch, cut.sizes["site"]) / cut.sizes["site"]
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        training.fit(
            cut,
            settings,
            members=list(range(members)),
            seed=options.get("seed", 0),
            out=Path(place, "members"),
            checkpoints=Path(place, "checkpoints"),
            threads=options.get("threads", 1),
            log=lambda text: None,
        )
        seconds = time.perf_counter() - began
        # As of the peers, the steps alone: not what is imported, read and written around them.
        with Path(place, "members", "history.csv").open() as file:
            history = list(csv.DictReader(file))
        steps = float(history[-1]["seconds"])
        said = {"seconds": seconds, "epochs": epochs, "per_epoch": steps / epochs}
        said["on_gpu"] = float(training.best_device().type == "cuda")
        if options.get("peak"):
            work = work_of(load_members(Path(place, "members"))[0].model)
            rate = work * cut.sizes["site"] / said["per_epoch"]
            said |= {"of_usual_peak": rate / usual, "of_best_peak": rate / peak()}
        if "judge" in options:
            said |= _judged(Path(place, "members"), cut, settings, options["judge"])
            said["course"] = [[float(row["seconds"]), float(row["elbo"])] for row in history]
    return said


def work_of(model: Any) -> float:
    """Floating-point operations of one step for one patch: products with all weights, forwards and
    twice backwards; the decoder's at every pixel that counts."""
    encoder, decoder = weights_of(model)
    return 6.0 * (encoder + decoder * len(model.counted))


def work_of_turns(model: Any) -> float:
    """Floating-point operations of encoding and drawing one turned copy of a patch."""
    return 2.0 * sum(weights_of(model))


def weights_of(model: Any) -> tuple[int, int]:
    """How many numbers the matrices of encoder and decoder hold."""
    encoder, decoder = (
        sum(weight.numel() for weight in part.parameters() if weight.dim() == 3)
        for part in (model.encoder, model.decoder)
    )
    return encoder, decoder


def peak() -> float:
    """Operations in a second of a product of large matrices, the best of some, on one thread."""
    import torch

    one = torch.rand(1024, 1024)
    times = []
    for _ in range(12):
        began = time.perf_counter()
        one @ one
        times.append(time.perf_counter() - began)
    return 2 * 1024.0**3 / min(times)


def _judged(members: Path, cut: Any, settings: dict[str, Any], judge: str) -> Numbers:
    """The bound of the patches, and what was found of the truth."""
    from vaescope.ensemble.encode import encode
    from vaescope.ensemble.members import load_members
    from vaescope.scores import labelled, truth
    from vaescope.train.data import gather

    member = load_members(members)[0]
    found = encode(member, gather(cut, member.settings, member.codec))
    said = {"bound": float(np.asarray(found.elbo).mean())}
    label = cut["truth_label"].values.astype(int)
    if judge == "pose":
        errors = labelled.angle_errors(
            np.asarray(found.angle), cut["truth_angle"].values, label, [2]
        )
        said["within_10_deg"] = float((np.degrees(np.abs(errors)) < 10).mean())
    else:
        classes = np.asarray(found.class_probability).argmax(1)
        said["accuracy"] = float(truth.matched_accuracy(classes, label))
    return said


def sites(folder: Path, options: dict[str, Any]) -> Numbers:
    """Find and refine the sites of ``image.npy``, and how they lie beside ``places.npy``."""
    from scipy.spatial import cKDTree

    from vaescope import read
    from vaescope import sites as finding

    image = read.load([folder / "image.npy"])
    began = time.perf_counter()
    found = finding.find(image, {"method": "log"}, threads=options.get("threads", 1))
    seconds = time.perf_counter() - began
    places = np.stack([found["y"].values, found["x"].values], 1)
    truth = np.load(folder / "places.npy", allow_pickle=False)
    far, near = cKDTree(truth).query(places, distance_upper_bound=5)
    hit = np.isfinite(far)
    right = len(np.unique(near[hit]))
    return {
        "seconds": seconds,
        "found": len(places),
        "f1": 2 * right / (len(places) + len(truth)),
        "rmse": float(np.sqrt((far[hit] ** 2).mean() / 2)),
    }


def side(folder: Path, options: dict[str, Any]) -> Numbers:
    """Find and refine the sites of a lattice on ``number`` by ``number`` pixels."""
    from vaescope import simulate
    from vaescope import sites as finding

    image = simulate.make(f"square?size={options['number']}&spacing=20&dose=500", 0)
    began = time.perf_counter()
    found = finding.find(image, {"method": "log"}, threads=options.get("threads", 1))
    return {"seconds": time.perf_counter() - began, "found": found.sizes["site"]}


def lay_map(folder: Path, options: dict[str, Any]) -> Numbers:
    """Lay what ``map`` is given: ``number`` patches and ``members`` members.

    The patches are those of one simulated crystal again and again, each with noise of its own, laid
    as a store block by block; members are trained for a moment, which changes no cost.
    """
    import dask.array as da

    from vaescope import samples, simulate, store, train
    from vaescope import sites as finding

    image = simulate.make("square?size=1024&spacing=20&dose=500", 0)
    found = finding.find(image, {"method": "log"})
    one = samples.extract(image, found, {"pixels": 24})
    pictures, number, block = one["patch"].values, options["number"], 4096
    few, shape = len(pictures), pictures.shape[1:]
    rows = da.arange(number, chunks=block)
    chosen = rows.map_blocks(
        lambda some: pictures[some % few],
        dtype=np.float32,
        new_axis=[1, 2, 3],
        chunks=(rows.chunks[0], *((n,) for n in shape)),
    )
    noise = da.random.default_rng(0).normal(0, 0.05, (number, *shape), (block, *shape))
    cut = one.drop_vars("patch").isel(site=np.arange(number) % few)
    cut = cut.assign_coords(site=np.arange(number))
    cut["patch"] = (one["patch"].dims, (chosen + noise).astype(np.float32))
    store.write(cut, folder / "samples.zarr")
    train.fit(
        one,
        {"variant": "rvae", "steps": 20},
        members=list(range(options["members"])),
        seed=0,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        log=lambda text: None,
    )
    return {}


def map_(folder: Path, options: dict[str, Any]) -> Numbers:
    """Encode the patches that ``lay_map`` laid by its members, and write their latents."""
    from vaescope import ensemble, store

    began = time.perf_counter()
    seen = store.open(folder / "samples.zarr")
    latents = ensemble.map_latents(folder / "members", seen, threads=options.get("threads", 1))
    store.write(latents, folder / "latents.zarr")
    return {"seconds": time.perf_counter() - began}


def encode(folder: Path, options: dict[str, Any]) -> Numbers:
    """Encode the patches that ``lay_map`` laid by its members, and nothing else."""
    from vaescope import store
    from vaescope.ensemble.encode import encode_all
    from vaescope.ensemble.members import load_members
    from vaescope.numerics import one_thread
    from vaescope.train.data import gather

    one_thread()
    members = load_members(folder / "members")
    first = members[0]
    data = gather(store.open(folder / "samples.zarr").load(), first.settings, first.codec)
    work = work_of_turns(first.model) * len(first.model.turns)
    encode_all(members, data.batches(512), len(data))  # as long as it takes to be warm
    began = time.perf_counter()
    encode_all(members, data.batches(512), len(data))
    seconds = time.perf_counter() - began
    each = seconds / (len(data) * len(members))
    return {"seconds": seconds, "us_each": 1e6 * each, "of_best_peak": work / each / peak()}


def large(folder: Path, options: dict[str, Any]) -> Numbers:
    """Find the sites of ``image.zarr``, without refinement."""
    from vaescope import sites as finding
    from vaescope import store

    image = store.open(folder / "image.zarr")
    settings = {"method": "log", "refine": False}
    found = finding.find(image, settings, threads=options.get("threads", 1))
    return {"found": found.sizes["site"]}


def whole(folder: Path, options: dict[str, Any]) -> Numbers:
    """What scikit-image does with ``image.npy`` as a whole: filter, then local maxima."""
    from scipy import ndimage
    from skimage.feature import peak_local_max

    image = np.load(folder / "image.npy", allow_pickle=False)
    filtered = -ndimage.gaussian_laplace(image, 5.0)
    return {"found": len(peak_local_max(filtered, min_distance=5, threshold_rel=0.2))}


def ingest(folder: Path, options: dict[str, Any]) -> Numbers:
    """Read ``stack.npy`` and write it as the rule `ingest` does."""
    import dask

    from vaescope import read, store

    dask.config.set(num_workers=options.get("threads", 1))
    began = time.perf_counter()
    store.write(read.load([folder / "stack.npy"]), folder / "ingested.zarr")
    os.sync()
    seconds = time.perf_counter() - began
    shutil.rmtree(folder / "ingested.zarr")
    return {"seconds": seconds}


def copy(folder: Path, options: dict[str, Any]) -> Numbers:
    """Copy ``stack.npy``, as fast as the disk reads and writes."""
    began = time.perf_counter()
    with (folder / "stack.npy").open("rb") as source, (folder / "copy.npy").open("wb") as target:
        shutil.copyfileobj(source, target, 2**24)
    os.sync()
    seconds = time.perf_counter() - began
    (folder / "copy.npy").unlink()
    return {"seconds": seconds}


TASKS: dict[str, Callable[[Path, dict[str, Any]], Numbers]] = {
    "train": train,
    "sites": sites,
    "side": side,
    "lay-map": lay_map,
    "map": map_,
    "encode": encode,
    "large": large,
    "whole": whole,
    "ingest": ingest,
    "copy": copy,
}


def main() -> None:
    """Run one task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--options", type=json.loads, default={})
    given = parser.parse_args()
    print(json.dumps(TASKS[given.task](given.folder, given.options)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
