"""The duels of speed: what each contender does, on the same data, and what the ratio is to be.

    python duels.py CASE FOLDER SIZE

lays the data of a case: in a process of its own, since what the timing process holds would count
as the least memory of all that it starts.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from environments import python_of
from timing import Contender, Run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ALONE = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
PEER = {"OMP_NUM_THREADS": "1"}
EPOCHS = 100  # after which the peer's bound is the one to reach
FEW = 5 if shutil.which("nvidia-smi") else 1  # epochs timed: a GPU is not warm after one

# The peer's own architecture: coordinates, two hidden layers of 128, a normal angle from 0.
SAME = {
    "variant": "rvae",
    "decoder": "coordinate",
    "depth": 3,
    "hidden": 128,
    "turns": 1,
    "angle_prior": "normal",
    "offsets": False,
    "likelihood": "bernoulli",
    "batch": 50,
    "latent": 2,
}
# Ours: pictures drawn once and resampled, poses from prototypes; the same likelihood.
BEST = {
    "variant": "rvae",
    "offsets": False,
    "prototypes": 16,
    "likelihood": "bernoulli",
    "latent": 3,
    "steps": 300,
}
BEST_JOINT = {**BEST, "variant": "jrvae", "classes": 4, "latent": 2, "steps": 400}
PYROVED = {"latent_dim": 2, "invariances": ["r"], "batch": 50, "disc": True}


@dataclass(frozen=True)
class Case:
    """A duel: ``lay`` puts the data into a folder, ``contenders`` says what is run on it; ``value``
    is compared (seconds), ``ratio`` of the peer's to ours is to be ``goal`` or more. ``repeats``:
    fewer where a run takes very long."""

    what: str
    lay: Callable[[Path, float], None]
    contenders: Callable[[Path], dict[str, Contender]]
    value: Callable[[Run], float]
    goal: float
    repeats: int = 5
    shown: tuple[str, ...] = ()
    limits: dict[str, str] = field(default_factory=dict)


def cards(folder: Path, size: float) -> None:
    """Cards 4, 48 × 48 pixels, 3000 of them times ``size``."""
    from vaescope import simulate

    image = simulate.make(f"cards4?count={int(3000 * size)}", 0)
    pictures = np.clip(image["image"].values[:, 0], 0, 1).astype(np.float32)
    np.save(folder / "patches.npy", pictures, allow_pickle=False)
    known = {
        str(name).removeprefix("truth_"): image[name].values
        for name in image
        if str(name).startswith("truth_") and image[name].dims == ("time",)
    }
    np.savez(folder / "truth.npz", allow_pickle=False, **known)


def lattice(folder: Path, size: float) -> None:
    """About 10 500 columns of a square lattice on 2048 × 2048 pixels times ``size``."""
    from vaescope import simulate

    side = int(2048 * size**0.5)
    image = simulate.make(f"square?size={side}&spacing=20&dose=500", 0)
    np.save(folder / "image.npy", image["image"].values[0, 0], allow_pickle=False)
    places = np.stack([image["truth_y"].values, image["truth_x"].values], 1)
    np.save(folder / "places.npy", places, allow_pickle=False)


def mosaic(folder: Path, size: float) -> None:
    """16 384 × 16 384 pixels (1 GiB) times ``size``: one simulated field again and again."""
    import dask.array as da

    from vaescope import simulate, store

    tile = simulate.make("square?size=2048&spacing=20&dose=500", 0)
    count = max(int(8 * size**0.5), 1)
    block = tile["image"].values[0, 0]
    whole = da.tile(da.from_array(block, chunks=1024), (count, count))
    image = whole.rechunk(1024)[None, None]
    side = count * len(block)
    coords = {"y": np.arange(side), "x": np.arange(side)}
    frame = tile.isel(y=0, x=0, drop=True)[["image"]]
    frame = frame.drop_vars("image").assign_coords(coords)
    frame["image"] = (("time", "channel", "y", "x"), image)
    store.write(frame, folder / "image.zarr")
    np.save(folder / "image.npy", np.tile(block, (count, count)), allow_pickle=False)


def patches(folder: Path, size: float) -> None:
    """20 000 patches times ``size``, and eight members."""
    import ours as tasks

    tasks.lay_map(folder, {"number": int(20_000 * size), "members": 8})


def stack(folder: Path, size: float) -> None:
    """1024 frames of 1024 × 1024 float32 pixels (4 GiB) times ``size``."""
    frames = max(int(1024 * size), 1)
    shape = (frames, 1024, 1024)
    whole = np.lib.format.open_memmap(folder / "stack.npy", "w+", np.float32, shape)
    rng = np.random.default_rng(0)
    for frame in whole:
        frame[:] = rng.poisson(50.0, shape[1:]) + rng.random(shape[1:], np.float32)
    whole.flush()


def ours(task: str, folder: Path, **options: Any) -> Contender:
    """One of our tasks, on one thread unless its options say otherwise."""
    command = [sys.executable, str(HERE / "ours.py"), task, str(folder)]
    return Contender([*command, "--options", json.dumps(options)], ALONE)


def pyroved(model: str, folder: Path, epochs: int, **options: Any) -> Contender:
    """pyroVED's training of so many epochs."""
    out = folder / "peer"
    out.mkdir(exist_ok=True)
    script = HERE.parent / "peer_train.py"
    command = [python_of("pyroved"), script, model, folder / "patches.npy", out]
    command += ["--epochs", epochs, "--options", json.dumps(PYROVED | options)]
    return Contender([str(part) for part in command], PEER)


def atomai(folder: Path, epochs: int) -> Contender:
    """AtomAI's training of its jrVAE for so many epochs."""
    out = folder / "atomai"
    out.mkdir(exist_ok=True)
    script = HERE.parent / "peer_train.py"
    options = {"latent_dim": 2, "discrete_dim": 4, "batch": 50}
    command = [python_of("atoms"), script, "atomai-jrvae", folder / "patches.npy", out]
    command += ["--epochs", epochs, "--options", json.dumps(options)]
    return Contender([str(part) for part in command], PEER)


CASES = {
    "epoch": Case(
        "one epoch of an rVAE of the peer's architecture",
        cards,
        lambda folder: {
            "ours": ours("train", folder, settings=SAME | {"steps": 60 * FEW}, peak=True),
            "pyroVED": pyroved("ivae", folder, FEW),
        },
        lambda run: run.said["per_epoch"],
        3.0,
        shown=("of_usual_peak", "of_best_peak"),
    ),
    "bound": Case(
        f"rVAE of Cards 4 to the bound that the peer has after {EPOCHS} epochs",
        cards,
        lambda folder: {
            "ours": ours("train", folder, settings=BEST, judge="pose"),
            "pyroVED": pyroved("ivae", folder, EPOCHS),
        },
        lambda run: run.said["seconds"],
        50.0,
        repeats=1,
        shown=("bound", "within_10_deg"),
    ),
    "bound-joint": Case(
        f"jrVAE of Cards 4 to the bound that the peer has after {EPOCHS} epochs",
        cards,
        lambda folder: {
            "ours": ours("train", folder, settings=BEST_JOINT, judge="classes"),
            "AtomAI": atomai(folder, EPOCHS),
            "pyroVED": pyroved("jivae", folder, EPOCHS, discrete_dim=4),
        },
        lambda run: run.said["seconds"],
        50.0,
        repeats=1,
        shown=("bound", "accuracy"),
    ),
    "ensemble": Case(
        "eight members at once (second) against one (first)",
        cards,
        lambda folder: {
            "one": ours("train", folder, settings=BEST | {"prototypes": 0}, threads=2),
            "eight": ours("train", folder, settings=BEST | {"prototypes": 0}, threads=2, members=8),
        },
        lambda run: run.said["seconds"],
        -4.0,
        repeats=3,
    ),
    "encode": Case(
        "encode 20 000 patches by eight members, on one thread",
        patches,
        lambda folder: {"ours": ours("encode", folder)},
        lambda run: run.said["seconds"],
        0.0,
        repeats=3,
        shown=("us_each", "of_best_peak"),
    ),
    "sites": Case(
        "find and refine about 10 500 sites",
        lattice,
        lambda folder: {
            "ours": ours("sites", folder, threads=2),
            "atomap": Contender(
                [
                    str(python_of("atoms")),
                    str(HERE / "atomap_sites.py"),
                    str(folder / "image.npy"),
                    str(folder / "places.npy"),
                ],
                PEER,
            ),
        },
        lambda run: run.said["seconds"],
        20.0,
        repeats=3,
        shown=("f1", "rmse"),
    ),
    "ingest": Case(
        "ingest of a stack of 4 GiB (second) against a copy of the file (first)",
        stack,
        lambda folder: {
            "copy": ours("copy", folder),
            "ours": ours("ingest", folder, threads=2),
        },
        lambda run: run.said["seconds"],
        -2.0,
        repeats=3,
    ),
    "large-image": Case(
        "find the sites of 16 384 × 16 384 pixels",
        mosaic,
        lambda folder: {
            "ours": ours("large", folder, threads=2),
            "scikit-image, the whole image": ours("whole", folder),
        },
        lambda run: run.wall,
        1.0,
        repeats=2,
        shown=("found",),
    ),
}


if __name__ == "__main__":
    CASES[sys.argv[1]].lay(Path(sys.argv[2]), float(sys.argv[3]))
