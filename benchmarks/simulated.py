"""The frame of the benchmarks of simulated images and movies: cases, seeds, scores, a table.

A case is a simulation and a model of a bundled recipe. Nothing is labelled: a class, or a mode of
the latents, is named after the truth that most of its sites have.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from small_runs import analysed

from vaescope import recipes, simulate, structure
from vaescope.scores import of_model, of_movie

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SEEDS = (6, 7, 8)
"""On these no setting of any case was chosen."""
LOWER = (
    *("seconds", "modes_found", "identity_switches"),
    *("angle_median_error_deg", "angle_median_spread_deg"),
)
"""Scores of which less is better: the worst of them is the largest."""


@dataclass(frozen=True)
class Case:
    """A simulation, a model of a recipe, and the goals of its scores."""

    source: str
    recipe: str
    model: str
    shown: dict[str, float | None]  # score -> least value, None where there is no goal
    settings: dict[str, Any] = field(default_factory=dict)  # of the model, other than the recipe's
    movie: dict[str, Any] | None = None  # the part `movie` of the recipe, where it is another


def measure(case: Case, seed: int, members: int) -> dict[str, float]:
    """All scores of one case with one seed: of sites, latents and, of a movie, of what became of
    its atoms; and the seconds that it took."""
    recipe = recipes.resolve_recipe(case.recipe, [ROOT / "config" / "recipes"])
    settings = recipe.models[case.model].as_dict() | case.settings
    start = time.monotonic()
    image = simulate.make(case.source, seed)
    options: dict[str, Any] = {"members": members, "seed": seed, "name": case.model}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        found, cut, latents = analysed(image, recipe, settings, folder=out, **options)
        scores = of_model.score(latents, cut, out / "members")
    followed = structure.follow(latents, found, recipe.movie if case.movie is None else case.movie)
    scores = json.loads(found.attrs.get("truth_scores", "{}")) | scores
    scores |= of_movie.score(followed, latents)
    return scores | {"patches": cut.sizes["site"], "seconds": time.monotonic() - start}


def rows(name: str, case: Case, runs: Mapping[int, dict[str, float]]) -> list[dict[str, Any]]:
    """Rows of the table for one case, from the scores of each seed: what it shows, the F1 of each
    kind of defect that occurs, and the seconds."""
    each = sorted({key for run in runs.values() for key in run if "defect_f1_" in key})
    table = []
    for score in (*case.shown, *each, "seconds"):
        values = np.array([run.get(score, np.nan) for run in runs.values()], float)
        goal = case.shown.get(score)
        worst = np.nanmax(values) if score in LOWER else np.nanmin(values)
        table.append(
            {
                "case": name,
                "measure": score,
                "mean": f"{np.nanmean(values):.4g}",
                "worst": f"{worst:.4g}",
                "seeds": " ".join(map(str, runs)),
                "goal": f">= {goal}" if goal else "",
                "holds": str(bool((values >= goal).all())).lower() if goal else "",
            }
        )
    return table


def run(words: str, cases: Mapping[str, Case], table: str, members: int) -> None:
    """Run the cases that the command line asks for, and print and write the table.

    Parameters
    ----------
    words : what the benchmark is, for the help.
    cases : all there are.
    table : name of the CSV in ``results``; rows of other cases stay.
    members : of each ensemble, by default.
    """
    import torch

    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--members", type=int, default=members)
    given = parser.parse_args()
    if unknown := sorted(set(given.cases) - set(cases)):
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(cases)}")
    torch.set_num_threads(1)
    file = RESULTS / table
    written: list[dict[str, Any]] = []
    if file.is_file():
        with file.open(newline="") as old:
            written = list(csv.DictReader(old))
    for name in given.cases or cases:
        runs: dict[int, dict[str, float]] = {}
        for seed in given.seeds:
            runs[seed] = measure(cases[name], seed, given.members)
            shown = {k: round(v, 4) for k, v in runs[seed].items() if isinstance(v, float)}
            print(name, "seed", seed, shown, flush=True)
        written = [row for row in written if row["case"] != name] + rows(name, cases[name], runs)
        with file.open("w", newline="") as new:
            writer = csv.DictWriter(new, list(written[0]))
            writer.writeheader()
            writer.writerows(written)
    for row in written:
        print(" | ".join(str(value) for value in row.values()))
