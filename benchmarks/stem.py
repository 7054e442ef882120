"""Phases and defects of simulated STEM images, found without labels, over seeds.

    python benchmarks/stem.py [CASE …] [--seeds 0 1 2] [--members 2]

Each case takes a model of a bundled recipe as it stands. The table is printed and written to
``benchmarks/results/stem.csv``. A class, or a mode of the latents, is named after the truth that
most of its sites have; how many there are is part of the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vaescope import analyse, config, patches, simulate, sites, train

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "results" / "stem.csv"


@dataclass(frozen=True)
class Case:
    """A simulation, a model of a recipe, and the goals of its scores."""

    source: str
    recipe: str
    model: str
    shown: dict[str, float | None]  # score -> least value, None where there is no goal


DEFECTS = "graphene?silicon=0.015&holes=3&size=640"
CASES = {
    "nio-lsmo": Case("nio-lsmo", "atoms", "jrvae", {"phase_accuracy": 0.98}),
    "perovskite": Case("perovskite", "atoms", "jrvae", {"phase_accuracy": 0.98}),
    "graphene-modes": Case(
        DEFECTS, "defects", "rvae", {"defect_macro_f1_of_modes": 0.9, "modes_found": None}
    ),
    "graphene-classes": Case(DEFECTS, "defects", "jrvae", {"defect_macro_f1": 0.9}),
    "bifeo3-windows": Case("bifeo3", "windows", "rtvae", {"angle_median_error_deg": None}),
}


def measure(case: Case, seed: int, members: int) -> dict[str, float]:
    """Scores of one case with one seed, and its seconds."""
    schema = config.read_yaml(ROOT / "workflow" / "schemas" / "recipe.schema.yaml")
    recipe = config.resolve_recipe(case.recipe, [ROOT / "config" / "recipes"], schema)
    settings = recipe["models"][case.model]
    start = time.monotonic()
    image = simulate.make(case.source, seed)
    found = sites.find(image, recipe["sites"])
    cut = patches.extract(image, found, recipe["patches"]).load()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train.fit(
            cut,
            settings,
            members=range(members),
            seed=seed,
            out=out / "members",
            checkpoints=out / "checkpoints",
            log=lambda _: None,
        )
        latents = analyse.map_latents(out / "members", cut, found, settings, name=case.model)
        scores = json.loads(latents.attrs["scores"])
    seconds = time.monotonic() - start
    wanted = [*case.shown, *(name for name in scores if name.startswith("defect_f1_"))]
    return {name: scores[name] for name in wanted} | {"seconds": seconds}


def main() -> None:
    """Run the cases and print and write the table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--members", type=int, default=2)
    given = parser.parse_args()
    if unknown := sorted(set(given.cases) - set(CASES)):
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    torch.set_num_threads(1)
    rows = []
    if OUT.is_file():
        with OUT.open(newline="") as table:
            rows = list(csv.DictReader(table))
    for name in given.cases or CASES:
        case = CASES[name]
        runs = []
        for seed in given.seeds:
            runs.append(measure(case, seed, given.members))
            print(name, "seed", seed, {k: round(v, 4) for k, v in runs[-1].items()}, flush=True)
        rows = [row for row in rows if row["case"] != name]
        for measured in runs[0]:
            values = np.array([run.get(measured, np.nan) for run in runs], float)
            goal = case.shown.get(measured)
            rows.append(
                {
                    "case": name,
                    "measure": measured,
                    "mean": f"{np.nanmean(values):.4g}",
                    "worst": f"{np.nanmin(values) if goal else np.nanmax(values):.4g}",
                    "seeds": len(runs),
                    "goal": f">= {goal}" if goal else "",
                    "holds": str(bool(values.min() >= goal)).lower() if goal else "",
                }
            )
        with OUT.open("w", newline="") as table:
            writer = csv.DictWriter(table, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    for row in rows:
        print(" | ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main()
