"""Are the errors of sites right of whose patch only a part was seen?

    python benchmarks/partial.py [--seeds 6 7 8] [--members 2]

Whole patches of simulated images are covered in part, as by the edge of an image, and mapped again;
what is said of them is compared with the truth (angle, place) and with what the whole patches say
(content, strain). `within` is the share within one standard error, which is to be 0.68, and `rms`
the root mean square of the deviations in units of their errors.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from simulated import ROOT, SEEDS
from small_runs import analysed

from vaescope import recipes, simulate
from vaescope.ensemble.encode import encode_all
from vaescope.ensemble.members import load_members
from vaescope.train.data import gather

SOURCES = (
    "perovskite?bend=0&grain=0&polar=0",
    "mos2?dopants=0.03&dopant_strength=2&spacing=17&width=2.3&shading=0.2",
    "hexagonal?dose=500",
)
COVERED = 0.3  # of the patches


def covered(cut, seed: int):
    """The patches with a part of some covered, all of them marked as partly seen."""
    rng = np.random.default_rng(seed)
    count, side = cut.sizes["site"], cut.sizes["px"]
    chosen = rng.random(count) < COVERED
    seen = np.ones((count, side, side), bool)
    for row in np.flatnonzero(chosen):
        mask = np.ones((side, side), bool)
        mask[: int(rng.integers(2, side // 2 + 1))] = False
        seen[row] = np.rot90(mask, int(rng.integers(4)))
    about = ("site", "py", "px")
    parts = cut.assign(measured=(about, seen), partial=("site", chosen))
    whole = cut.assign(measured=(about, np.ones_like(seen)), partial=("site", chosen))
    return chosen, parts, whole


def measure(source: str, seed: int, members: int) -> None:
    """Print one row for each quantity."""
    recipe = recipes.resolve_recipe("atoms", [ROOT / "config" / "recipes"])
    settings = recipe.models["rvae"].as_dict()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        image = simulate.make(source, seed)
        _, cut, latents = analysed(
            image, recipe, settings, members=members, seed=seed, name="rvae", folder=out
        )
        ensemble = load_members(out / "members")
        cut = cut.isel(site=~cut["partial"].values.astype(bool)) if "partial" in cut else cut
        cut = cut.drop_vars(["measured", "partial"], errors="ignore")
        chosen, parts, whole = covered(cut, seed)
        encoded = []
        for each in (parts, whole):
            began = time.process_time()
            data = gather(each, ensemble[0].settings, ensemble[0].codec)
            encoded.append(encode_all(ensemble, [data], len(data)))
        spent = (time.process_time() - began) / chosen.sum() / members
        wider = float(latents.attrs["noise_inflation"])
    for name in ("content", "offset", "strain", "gain", "background"):
        pulls = []
        for some, full in zip(*encoded, strict=True):
            value, sd = getattr(some, name)[:][chosen], getattr(some, f"{name}_sd")[:][chosen]
            other, error = getattr(full, name)[:][chosen], getattr(full, f"{name}_sd")[:][chosen]
            # What both see is common to them: the variance of their difference is what is added.
            added = np.sqrt(np.maximum(sd**2 - error**2, 0.05 * sd**2))
            pulls.append((value - other) / (wider * added))
        pull = np.concatenate([each.ravel() for each in pulls])
        within, rms = np.mean(np.abs(pull) < 1), np.sqrt(np.mean(pull**2))
        median = np.median(np.abs(pull)) / 0.6745
        print(
            f"{source[:28]:28} seed {seed} {name:10} within {within:.2f} rms {rms:.2f}"
            f" by the median {median:.2f}  {1e3 * spent:.0f} ms a site and member",
            flush=True,
        )


if __name__ == "__main__":
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--members", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for source in SOURCES:
        for seed in given.seeds:
            measure(source, seed, given.members)
