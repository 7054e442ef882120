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
import csv
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results"
SEEDS = 5
DIAMONDS, ZERO, ONE, EIGHT = 2, 0, 1, 8
RECORDED = "pyroVED, 24 px, 1000 cards, 60 epochs (measured)"


@dataclass(frozen=True)
class Goal:
    """One measure of a case: ``least`` or ``most`` that every seed is to reach."""

    measure: str
    least: float | None = None
    most: float | None = None
    peer: str = ""
    peer_value: str = ""

    def holds(self, values: list[float]) -> bool:
        """Whether every one of at least five seeds reaches the goal."""
        return len(values) >= SEEDS and all(
            (self.least is None or v >= self.least) and (self.most is None or v <= self.most)
            for v in values
        )

    @property
    def words(self) -> str:
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


@dataclass(frozen=True)
class Case:
    """A model of a recipe on one kind of data."""

    data: str
    recipe: str
    model: str
    judge: Callable[[Any, Any], dict[str, float]]
    goals: tuple[Goal, ...]
    members: int = 1
    changes: dict[str, Any] = field(default_factory=dict)


def truth(latents: Any, name: str) -> np.ndarray:
    return latents[f"truth_{name}"].values


def pose_of_cards(latents: Any, data: Any) -> dict[str, float]:
    import measures

    from vaescope.analyse import labelled

    label, content = truth(latents, "label").astype(int), latents["consensus_content"].values
    angle, shear = truth(latents, "angle"), truth(latents, "shear")
    found = latents["consensus_angle"].values
    error = np.degrees(np.abs(labelled.angle_errors(found, angle, label, [DIAMONDS])))
    out = {
        "median angle error (deg)": float(np.median(error)),
        "share within 10 deg": float((error < 10).mean()),
        "suit by 15-NN on z": labelled.by_neighbours(content, label),
        "suit by GMM on z": measures.by_mixture(content, label),
        "shear R2 within suit": measures.shear_by_neighbours(content, shear, label),
    }
    if "shear" in latents:
        found = latents["consensus_shear"].values
        out["shear |r| within suit"] = float(labelled.shear_correlations(found, shear, label).min())
    return out


def suits(latents: Any, data: Any) -> dict[str, float]:
    from vaescope.analyse.truth import matched_accuracy

    label = truth(latents, "label")
    return {
        "suit accuracy": matched_accuracy(latents["consensus_class"].values, label),
        "worst member": worst_member(latents, label),
    }


def worst_member(latents: Any, label: np.ndarray) -> float:
    from vaescope.analyse.truth import matched_accuracy

    probability = latents["class_probability"].values
    return min(matched_accuracy(p.argmax(1), label) for p in probability)


def told_suits(latents: Any, data: Any) -> dict[str, float]:
    new = truth(latents, "held_out") > 0
    right = latents["consensus_class"].values == truth(latents, "label")
    return {"accuracy on 1000 new cards": float(right[new].mean())}


def digits(latents: Any, data: Any) -> dict[str, float]:
    from vaescope.analyse.truth import matched_accuracy

    label = truth(latents, "label")
    angle = latents["consensus_angle"].values
    own = np.concatenate([angle[label == k] - np.median(angle[label == k]) for k in range(10)])
    return {
        "accuracy of the consensus": matched_accuracy(latents["consensus_class"].values, label),
        "worst member": worst_member(latents, label),
        "turn of the handwriting itself, median (deg)": float(np.degrees(np.median(np.abs(own)))),
    }


def told_digits(latents: Any, data: Any) -> dict[str, float]:
    rest = data.labels < 0
    right = latents["consensus_class"].values == truth(latents, "label")
    return {"accuracy on the unlabelled": float(right[rest].mean())}


def turned_digits(latents: Any, data: Any) -> dict[str, float]:
    from vaescope.analyse import labelled

    label = truth(latents, "label").astype(int)
    found, angle = latents["consensus_angle"].values, truth(latents, "angle")
    error = np.degrees(np.abs(labelled.angle_errors(found, angle, label, [ZERO, ONE, EIGHT])))
    return {
        "median angle error (deg)": float(np.median(error)),
        "digit by 15-NN on z": labelled.by_neighbours(latents["consensus_content"].values, label),
    }


CASES = {
    "cards1-rvae": Case(
        "simulate:cards1",
        "cards-rvae",
        "rvae",
        pose_of_cards,
        (
            Goal("share within 10 deg", 0.995),
            Goal("suit by 15-NN on z", 0.995),
            Goal("shear R2 within suit", 0.995),
        ),
    ),
    "cards1-rvae-shear": Case(
        "simulate:cards1",
        "cards-rvae",
        "rvae-shear",
        pose_of_cards,
        (
            Goal("share within 10 deg", 0.995),
            Goal("shear |r| within suit", 0.995),
            Goal("suit by GMM on z", 0.995),
        ),
    ),
    "cards2-rvae": Case(
        "simulate:cards2",
        "cards-rvae",
        "rvae",
        pose_of_cards,
        (
            Goal("share within 10 deg", 0.995, peer=RECORDED, peer_value="0.61"),
            Goal("suit by 15-NN on z", 0.995),
            Goal("shear R2 within suit", 0.995),
        ),
    ),
    "cards2-rvae-shear": Case(
        "simulate:cards2",
        "cards-rvae",
        "rvae-shear",
        pose_of_cards,
        (
            Goal("share within 10 deg", 0.995, peer=RECORDED, peer_value="0.61"),
            Goal("shear |r| within suit", 0.995),
            Goal("suit by GMM on z", 0.995, peer=RECORDED, peer_value="0.56"),
        ),
    ),
    "cards3-rvae": Case(
        "simulate:cards3",
        "cards-rvae",
        "rvae",
        pose_of_cards,
        (
            Goal("median angle error (deg)", most=1.5, peer=RECORDED, peer_value="56"),
            Goal("share within 10 deg", 0.995, peer=RECORDED, peer_value="0.10"),
        ),
    ),
    "cards4-rvae-shear": Case(
        "simulate:cards4",
        "cards-rvae",
        "rvae-shear",
        pose_of_cards,
        (
            Goal("share within 10 deg", 0.995, peer=RECORDED, peer_value="0.15-0.23"),
            Goal("shear |r| within suit", 0.995, peer=RECORDED, peer_value="0.18-0.30"),
            Goal("suit by GMM on z", 0.995, peer=RECORDED, peer_value="0.34-0.37"),
        ),
    ),
    "cards4-rvae": Case(
        "simulate:cards4",
        "cards-rvae",
        "rvae",
        pose_of_cards,
        (
            Goal("share within 10 deg", 0.97, peer=RECORDED, peer_value="0.15-0.23"),
            Goal("suit by 15-NN on z", 0.99),
            Goal("shear R2 within suit", 0.98),
        ),
    ),
    "cards3-ssrvae": Case(
        "simulate:cards3?labelled=200&held_out=1000",
        "cards-ssrvae",
        "ssrvae",
        told_suits,
        (
            Goal(
                "accuracy on 1000 new cards", 0.995, peer="tutorial (recorded)", peer_value="0.984"
            ),
        ),
    ),
    "cards4-ssrvae": Case(
        "simulate:cards4?labelled=200&held_out=1000",
        "cards-ssrvae",
        "ssrvae",
        told_suits,
        (Goal("accuracy on 1000 new cards", 0.98, peer="tutorial (recorded)", peer_value="0.829"),),
    ),
    "cards3-jrvae": Case(
        "simulate:cards3",
        "cards-jrvae",
        "jrvae",
        suits,
        (Goal("suit accuracy", 0.98, peer=RECORDED, peer_value="0.61"),),
    ),
    "cards4-jrvae-shear": Case(
        "simulate:cards4",
        "cards-jrvae",
        "jrvae-shear",
        suits,
        (Goal("suit accuracy", 0.98),),
    ),
    "cards4-jrvae": Case(
        "simulate:cards4",
        "cards-jrvae",
        "jrvae",
        suits,
        (Goal("suit accuracy", 0.95),),
    ),
    "mnist-jrtvae": Case(
        "mnist",
        "mnist-jrtvae",
        "jrtvae",
        digits,
        (
            Goal(
                "accuracy of the consensus",
                0.95,
                peer="VaDE, 60 000 images (published)",
                peer_value="0.945",
            ),
        ),
        members=4,
    ),
    "mnist-ssvae": Case(
        "mnist",
        "mnist-ssvae",
        "ssvae",
        told_digits,
        (
            Goal(
                "accuracy on the unlabelled",
                0.967,
                peer="M2; M1+M2, 50 000 images (published)",
                peer_value="0.880; 0.967",
            ),
        ),
        members=2,
    ),
    "mnist-rvae": Case(
        "mnist",
        "mnist-rvae",
        "rvae",
        turned_digits,
        (Goal("median angle error (deg)", most=8.0), Goal("digit by 15-NN on z", 0.90)),
        members=2,
    ),
}


def recipe_of(case: Case) -> dict[str, Any]:
    """The resolved recipe of a case."""
    from vaescope import config

    schema = config.read_yaml(ROOT / "workflow" / "schemas" / "recipe.schema.yaml")
    return config.resolve_recipe(case.recipe, [ROOT / "config" / "recipes"], schema)


def settings_of(case: Case) -> dict[str, Any]:
    """The settings of a case's model."""
    return recipe_of(case)["models"][case.model] | case.changes


def prepared(
    case: Case, seed: int, mnist: str | None, count: int | None = None, pixels: int | None = None
) -> tuple[Any, Any]:
    """Sites and patches of a case; ``count`` and ``pixels`` replace what its recipe says."""
    from vaescope import patches, read, simulate, sites

    recipe = recipe_of(case)
    if case.data == "mnist":
        image = read.load([mnist_file(mnist)], recipe["ingest"])
        image = image.isel(time=slice(count))
    else:
        name = case.data.removeprefix("simulate:")
        if count:
            name += ("&" if "?" in name else "?") + f"count={count}"
        image = simulate.make(name, seed)
    where = sites.find(image, recipe["sites"])
    asked = recipe["patches"] | ({"pixels": pixels} if pixels else {})
    return where, patches.extract(image, where, asked).load()


def trained(case: Case, where: Any, cut: Any, seed: int) -> tuple[Any, float]:
    """Latents of the patches from a model trained on them by one thread, and its seconds."""
    import torch

    from vaescope import analyse, train

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
        latents = analyse.map_latents(members, cut, where, settings, name=case.model).load()
    return latents, seconds


def run(name: str, seed: int, mnist: str | None) -> dict[str, Any]:
    """One case with one seed: what was measured, and how long it took."""
    from vaescope import train
    from vaescope.models.settings import Settings

    case = CASES[name]
    where, cut = prepared(case, seed, mnist)
    latents, seconds = trained(case, where, cut, seed)
    data = train.data.gather(cut, Settings.from_recipe(settings_of(case)), seed=seed)
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
    return subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


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


def write(table: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows; those of other cases that the table holds already stay."""
    if not rows:
        return
    old: list[dict[str, Any]] = []
    if table.exists():
        with table.open(newline="") as file:
            new = {row["case"] for row in rows}
            old = [row for row in csv.DictReader(file) if row["case"] not in new]
    order = list(CASES)
    every = sorted([*old, *rows], key=lambda row: order.index(row["case"]))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(every)


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
                write(OUT / table, rows_of(name, runs, version))
    for name in names:
        for row in rows_of(name, dict(sorted(found[name].items())), version):
            print(" | ".join(str(value) for value in list(row.values())[:9]))


if __name__ == "__main__":
    main()
