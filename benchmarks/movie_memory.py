"""Memory that a movie takes at each stage, beside how long it is.

    python benchmarks/movie_memory.py [FRAMES …] [--size 256] [--stages STAGE …]

Each stage runs in a process of its own, as it does in the workflow, and its peak of resident memory
is told. The model is hardly trained: memory does not depend on how well it is.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MODEL = {"variant": "jrvae", "classes": 4, "latent": 2, "steps": 20, "hidden": 64}
RECIPE = {"figures": {"formats": ["png"]}, "baselines": {"methods": []}}
MEMBERS = 2
NAME = "film"


def simulated(folder: Path, frames: int, size: int) -> None:
    """Write the movie: no part of the table, since a real one comes frame by frame from a file."""
    from vaescope import simulate, store

    image = simulate.make(f"graphene-movie?frames={frames}&size={size}&holes=2", 0)
    store.write(image, folder / "source.zarr")


def ingest(folder: Path) -> None:
    """Copy the movie chunk by chunk, drift taken out, as reading with `align_frames` does."""
    from vaescope import store
    from vaescope.read import preprocess

    image = store.open(folder / "source.zarr")
    store.write(preprocess.apply(image, {"align_frames": True}), folder / "aligned.zarr")
    store.write(image, folder / "image.zarr")


def find(folder: Path) -> None:
    """Find the sites of all frames, without following them."""
    from vaescope import sites, store

    sites.find(store.open(folder / "image.zarr"), {"track": False})


def link(folder: Path) -> None:
    """Find them and follow them."""
    from vaescope import sites, store

    found = sites.find(store.open(folder / "image.zarr"), {"track": True})
    store.write(found, folder / "sites.zarr")


def cut(folder: Path) -> None:
    """Cut the patches."""
    from vaescope import samples, store

    image, found = store.open(folder / "image.zarr"), store.open(folder / "sites.zarr")
    store.write(samples.extract(image, found, {}), folder / "samples.zarr")


def fit(folder: Path) -> None:
    """Train two members, a little."""
    from vaescope import store, train

    cut = store.open(folder / "samples.zarr")
    out = folder / "jrvae"
    train.fit(
        cut,
        MODEL,
        members=range(MEMBERS),
        seed=0,
        out=out / "members",
        checkpoints=out / "checkpoints",
        log=lambda _: None,
    )


def encode(folder: Path) -> None:
    """Map the latents of all sites, and what becomes of them."""
    from vaescope import ensemble, store, structure
    from vaescope.workflow.tables import write_movie

    cut, found = store.open(folder / "samples.zarr"), store.open(folder / "sites.zarr")
    out = folder / "jrvae"
    latents = ensemble.map_latents(out / "members", cut, name="jrvae")
    store.write(latents, out / "latents.zarr")
    write_movie(structure.follow(latents, found), out / "movie", {})


def draw(folder: Path) -> None:
    """Draw what belongs to the movie."""
    from vaescope.figures import Look, animation, movie, movie_maps, scene, style
    from vaescope.results import Results

    look = Look(formats=["png"])
    with style.house():
        shown = scene.load(Results(folder), ["jrvae"], look, "memory")
        view = shown.views[0]
        for make in (*movie_maps.OF_A_MODEL, *movie.OF_A_MODEL):
            drawn = make(shown, view)
            if drawn is not None:
                drawn.figure.savefig(folder / f"{drawn.name}.png", dpi=150)
        animation.class_clip(shown, view)


STAGES: dict[str, Callable[[Path], None]] = {
    "ingest": ingest,
    "find": find,
    "link": link,
    "cut": cut,
    "fit": fit,
    "encode": encode,
    "draw": draw,
}


def peak(stage: str, folder: Path) -> float:
    """MB at most in a process that does one stage."""
    command = [sys.executable, __file__, "--only", stage, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", nargs="*", type=int, default=[50, 200])
    parser.add_argument("--size", type=int, default=256, help="px, side of a frame")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keep the stores here")
    given = parser.parse_args()
    if given.only:
        import torch

        torch.set_num_threads(1)
        STAGES[given.only](given.folder)
        print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000))
        return
    print("| frames | " + " | ".join(given.stages) + " |")
    print("| ---: |" + " ---: |" * len(given.stages))
    for frames in given.frames:
        with tempfile.TemporaryDirectory() as folder:
            home = (given.folder or Path(folder)) / f"{NAME}-{frames}"
            home.mkdir(parents=True, exist_ok=True)
            if not (home / "source.zarr").is_dir():
                simulated(home, frames, given.size)
            cells = [f"{peak(stage, home):.0f}" for stage in given.stages]
        print(f"| {frames} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
