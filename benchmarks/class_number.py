"""How often `classes: auto` finds the number of kinds that a simulated crystal was built from.

Two families of crystals with 1 to 6 kinds of columns, each trained small (four members, 1200
steps; with 480, six kinds in one cell do not come apart); angle, bend, dose, spacing and
strengths follow from the seed. `cell`: one crystal whose cell holds so many columns of different
strength, every site far from any boundary. `phases`: as many crystals side by side that differ in
strength. Sites at a boundary have neighbours on both sides; a class of which most sites lie
there, and which no kind has most of its other sites in, is right as well and is counted apart. A
run is right if the number of all other classes is that of the kinds.

    python benchmarks/class_number.py [--families cell phases] [--kinds 1 2 3] [--seeds 10 11 12]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from small_runs import analysed

from vaescope import recipes
from vaescope.simulate.arguments import Parameters
from vaescope.simulate.crystals import System
from vaescope.simulate.lattice import Columns, crystal, place
from vaescope.structure.class_numbers import ClassNumber

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "class_number.csv"
SEEDS = (10, 11, 12)
"""No threshold was chosen on these, but the length of the training was, on seed 10."""
SIZE = {"cell": 280, "phases": 400}  # px
CELLS = {1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2), 5: (1, 5), 6: (2, 3)}
SLANT = {2: 1, 5: 2}  # cells in which the next row is shifted: a checkerboard, knight's moves
BLOCKS = {**CELLS, 5: (2, 3)}  # of phases, down and across; the last two of five are one
REACH = 1.6  # spacings from another phase within which a site has neighbours there


def image_of(family: str, kinds: int, seed: int) -> xr.Dataset:
    """Simulate a crystal of so many kinds, with ``truth_species`` and ``truth_border`` (px)."""
    rng = np.random.default_rng([seed, kinds, len(family)])
    parameters = replace(
        Parameters(),
        size=SIZE[family],
        spacing=float(rng.uniform(14, 18)),
        width=2.4,
        dose=float(np.exp(rng.uniform(np.log(500), np.log(4000)))),
    )
    strength = rng.permutation(np.linspace(1.0, 0.4, kinds))
    angle, bend = np.radians(rng.uniform(-180, 180)), np.radians(rng.uniform(-6, 6))
    walls = [
        SIZE[family] * (np.arange(1, count) + rng.uniform(-0.15, 0.15, count - 1)) / count
        for count in BLOCKS[kinds]
    ]

    def build(p: Parameters, own: np.random.Generator) -> Columns:
        a, b = np.array([p.spacing, 0.0]), np.array([0.0, p.spacing])
        points, index = crystal(p.size, a, b, angle, bend, own.uniform(0, 1, 2))
        y, x, local = place(points, p.size, angle, bend)
        border = np.full(len(y), np.inf)
        if family == "phases":
            row, column = (
                np.searchsorted(wall, at) for wall, at in zip(walls, (y, x), strict=True)
            )
            species = np.minimum(row * BLOCKS[kinds][1] + column, kinds - 1)
            for wall, at in zip(walls, (y, x), strict=True):
                for one in wall:
                    border = np.minimum(border, np.abs(at - one))
        elif kinds in SLANT:
            species = (index[:, 0] + SLANT[kinds] * index[:, 1]) % kinds
        else:
            rows, across = CELLS[kinds]
            species = (index[:, 0] % rows) * across + index[:, 1] % across
        return Columns(
            y, x, local, np.zeros(len(y), int), species, strength[species], {"border": border}
        )

    about = {"border": {"long_name": "distance to the nearest phase boundary", "units": "px"}}
    return System(build, parameters, 4, truths=about).make(family, parameters, seed)


def measure(family: str, kinds: int, seed: int, members: int, steps: int) -> dict[str, Any]:
    """Analyse one crystal with the recipe `atoms`, trained small, and compare with the truth."""
    from sklearn.metrics import adjusted_rand_score

    start = time.monotonic()
    recipe = recipes.resolve_recipe("atoms", [ROOT / "config" / "recipes"])
    image = image_of(family, kinds, seed)
    settings = recipe.models["jrvae"].as_dict() | {"steps": steps, "batch": 48}
    options: dict[str, Any] = {"members": members, "seed": seed, "name": "jrvae"}
    with tempfile.TemporaryDirectory() as folder:
        _, cut, latents = analysed(image, recipe, settings, folder=Path(folder), **options)
    answer = ClassNumber.of(latents)
    assert answer is not None
    label = latents["consensus_class"].values
    near = latents["truth_border"].values < REACH * _spacing(image)
    inside = ~near & (latents["truth_species"].values >= 0)
    kept = [label[inside & (latents["truth_species"].values == kind)] for kind in range(kinds)]
    of_kinds = {int(np.bincount(each).argmax()) for each in kept if len(each)}
    at_border = [k for k in set(range(answer.shown)) - of_kinds if near[label == k].mean() > 0.5]
    score = adjusted_rand_score(latents["truth_species"].values[inside], label[inside])
    count = answer.supported - len(at_border)
    return {
        "family": family,
        "kinds": kinds,
        "seed": seed,
        "steps": steps,
        "sites": int(cut.sizes["site"]),
        "found": count,
        "at_boundaries": len(at_border),
        "right": str(count == kinds).lower(),
        "gap_sd": f"{answer.separation:.1f}",
        "found_again": f"{answer.found_again:.2f}",
        "ari_inside": f"{score:.3f}",
        "seconds": f"{time.monotonic() - start:.0f}",
    }


def _spacing(image: xr.Dataset) -> float:
    return Parameters.CELL / float(image.attrs["pixel_size"])


def main() -> None:
    """Run, write the table row by row, and print the share right and the confusion."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", default=["cell", "phases"])
    parser.add_argument("--kinds", nargs="+", type=int, default=sorted(CELLS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for seed in given.seeds:
        for family in given.families:
            for kinds in given.kinds:
                rows.append(measure(family, kinds, seed, given.members, given.steps))
                print(" ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
                with given.out.open("w", newline="") as file:
                    table = csv.DictWriter(file, list(rows[0]))
                    table.writeheader()
                    table.writerows(rows)
    right = sum(row["right"] == "true" for row in rows)
    print(f"right: {right} of {len(rows)}")
    confusion = Counter((row["kinds"], row["found"]) for row in rows)
    for kinds in sorted({row["kinds"] for row in rows}):
        found = {
            each: count for (built, each), count in sorted(confusion.items()) if built == kinds
        }
        print(f"built {kinds}, found: {found}")


if __name__ == "__main__":
    main()
