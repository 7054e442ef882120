"""Cards and digits: every variant against what is known, over seeds, beside the peers' numbers.

    python benchmarks/family.py [CASE …] [--seeds 0 1 2 3 4] [--jobs 2] [--mnist FILE]

Each case takes the model of a recipe as it stands, trains it on data of the seed with the random
numbers of the seed, and maps it with the workflow's own code. Finished runs are remembered in
``benchmarks/results/runs`` for the commit they were made with, so that an interrupted benchmark
goes on. The table is written to ``benchmarks/results/cards.csv`` and ``mnist.csv``. MNIST is looked
for in FILE, in $VAESCOPE_MNIST, and in ../shared/data/mnist_8000.npz.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cases import CASES, SEEDS, Case
from rows import replace

if TYPE_CHECKING:
    from vaescope.recipes import Recipe

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results"


def recipe_of(case: Case) -> Recipe:
    """The resolved recipe of a case."""
    from vaescope import recipes

    return recipes.resolve_recipe(case.recipe, [ROOT / "config" / "recipes"])


def settings_of(case: Case) -> dict[str, Any]:
    """The settings of a case's model."""
    return recipe_of(case).models[case.model].as_dict() | case.changes


def prepared(
    case: Case, seed: int, mnist: str | None, count: int | None = None, pixels: int | None = None
) -> Any:
    """The patches of a case; ``count`` and ``pixels`` replace what its recipe says."""
    from vaescope import read, samples, simulate, sites

    recipe = recipe_of(case)
    if case.data == "mnist":
        image = read.load([mnist_file(mnist)], recipe.ingest)
        image = image.isel(time=slice(count))
    else:
        name = case.data.removeprefix("simulate:")
        if count:
            name += ("&" if "?" in name else "?") + f"count={count}"
        image = simulate.make(name, seed)
    asked = recipe.patches.as_dict() | ({"pixels": pixels} if pixels else {})
    return samples.extract(image, sites.find(image, recipe.sites), asked).load()


def trained(case: Case, cut: Any, seed: int) -> tuple[Any, float]:
    """Latents of the patches from a model trained on them by one thread, and its seconds."""
    import torch

    from vaescope import ensemble, train

    torch.set_num_threads(1)
    settings = settings_of(case)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        members = Path(folder, "members")
        train.fit(
            cut,
            settings,
            members=list(range(case.members)),
            seed=seed,
            out=members,
            checkpoints=Path(folder, "checkpoints"),
            log=lambda text: None,
        )
        seconds = time.perf_counter() - began
        latents = ensemble.map_latents(members, cut, name=case.model).load()
    return latents, seconds


def run(name: str, seed: int, mnist: str | None) -> dict[str, Any]:
    """One case with one seed: what was measured, and how long it took."""
    from vaescope import train
    from vaescope.models.settings import ModelSettings

    case = CASES[name]
    cut = prepared(case, seed, mnist)
    latents, seconds = trained(case, cut, seed)
    data = train.data.gather(cut, ModelSettings.from_recipe(settings_of(case)), seed=seed)
    return {**case.judge(latents, data), "seconds of training": round(seconds, 1)}


def mnist_file(given: str | None) -> Path:
    tried = [
        given,
        os.environ.get("VAESCOPE_MNIST"),
        str(ROOT.parent / "shared/data/mnist_8000.npz"),
    ]
    for path in filter(None, tried):
        if Path(path).is_file():
            return Path(path)
    raise SystemExit("MNIST is not here: give a file with `images` and `labels` by --mnist")


def commit() -> str:
    """The commit, marked if sources differ from it; what benchmarks wrote are no sources."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", f":!{OUT.relative_to(ROOT)}")
    return git("rev-parse", "--short=10", "HEAD") + ("-dirty" if changed else "")


def measured(name: str, seed: int, mnist: str | None, version: str) -> dict[str, Any]:
    """The numbers of one run: remembered, or made now."""
    memory = OUT / "runs" / version / f"{name}-{seed}.json"
    if memory.exists():
        return json.loads(memory.read_text())
    found = run(name, seed, mnist)
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps(found, indent=1) + "\n")
    return found


def rows_of(name: str, runs: dict[int, dict[str, Any]], version: str) -> list[dict[str, Any]]:
    """The table's rows of one case."""
    goals = {goal.measure: goal for goal in CASES[name].goals}
    rows = []
    for measure in next(iter(runs.values())):
        values = [found[measure] for found in runs.values()]
        goal = goals.get(measure)
        down = goal.most is not None if goal else "error" in measure or "seconds" in measure
        rows.append(
            {
                "case": name,
                "measure": measure,
                "ours_mean": f"{np.mean(values):.4g}",
                "ours_worst": f"{max(values) if down else min(values):.4g}",
                "seeds": len(values),
                "peer": goal.peer if goal else "",
                "peer_value": goal.peer_value if goal else "",
                "goal": goal.words if goal else "",
                "holds": str(goal.holds(values)).lower() if goal else "",
                "command": f"python benchmarks/family.py {name}",
                "commit": version,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="all if none is named: " + ", ".join(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(SEEDS)))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--mnist")
    given = parser.parse_args()
    names = given.cases or list(CASES)
    for name in names:
        if name not in CASES:
            parser.error(f"no case {name!r}; there are {', '.join(CASES)}")
    version = commit()
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in names}
    OUT.mkdir(exist_ok=True)
    with ProcessPoolExecutor(given.jobs) as pool:
        waiting = {
            pool.submit(measured, name, seed, given.mnist, version): (name, seed)
            for name in names
            for seed in given.seeds
        }
        for done in as_completed(waiting):
            name, seed = waiting[done]
            found[name][seed] = done.result()
            words = ", ".join(f"{key} {value:.4g}" for key, value in found[name][seed].items())
            print(f"{name}, seed {seed}: {words}", flush=True)
            if len(found[name]) == len(given.seeds):
                runs = dict(sorted(found[name].items()))
                table = "mnist.csv" if CASES[name].data == "mnist" else "cards.csv"
                replace(OUT / table, rows_of(name, runs, version), "case", list(CASES))
    for name in names:
        for row in rows_of(name, dict(sorted(found[name].items())), version):
            print(" | ".join(str(value) for value in list(row.values())[:9]))


if __name__ == "__main__":
    main()
