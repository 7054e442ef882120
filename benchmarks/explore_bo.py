"""Searches in latent spaces of histories, on surfaces that no setting was chosen on.

    python benchmarks/explore_bo.py [--seeds 20] [--others 3] [--minutes 60] [--surfaces 0 1 2 3 4]
                                   [--stream "held out"]

For each surface (``explore_surfaces.py``: its own histories, VAE, field amplitude and defects),
both objectives and every seed: evaluations until the best value is within 5 % and 1 % of the range
below the largest of the 10 000 candidates; 250 at most, 251 where that was not enough. Strategies
other than the search itself run with ``--others`` seeds. One of them is the same search without the
response of a lattice without defects, which needs to know the material; the support alone is what
lies near encoded histories. ``results/explore_bo.csv`` has a row for each run, ``--table`` prints
medians, shares within 250 and the worst surface.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from explore_surfaces import Surface, settings_of, surface

from vaescope import Explorer
from vaescope.explore import strategies, support
from vaescope.explore.descriptions import descriptions
from vaescope.explore.objective_settings import ObjectiveSettings

TABLE = Path(__file__).parent / "results" / "explore_bo.csv"
MOST = 250
GOALS = (0.05, 0.01)
QUANTITIES = ("curl", "normalised_curl")
SURFACES = 5
SEARCH = "this search"
BLIND = "this search without the response"
OTHERS = (
    BLIND,
    "random",
    "grid",
    "logEI in the latents",
    "UCB 1.5 in the latents",
    "mean + 10 sd in the latents",
    "search in the generators",
    "search in the support alone",
)
ORDER = ["stream", "surface", "objective", "strategy", "seed"]


def run(
    found: Surface, settings: ObjectiveSettings, quantity: str, strategy: str, seed: int
) -> list[int]:
    """Evaluations to 5 % and to 1 %."""
    places, values = found.z, found.values[quantity].astype(float)
    if strategy == "search in the generators":
        places, values = found.generators, found.theirs[quantity].astype(float)
    able = np.ones(len(values), bool)
    if strategy in ("random", "grid"):
        if strategy == "random":
            best = strategies.random(able, lambda rows: values[rows], MOST, seed)
        else:
            best = strategies.grid(places, able, lambda rows: values[rows], MOST, seed)
        return _needed(best, values)
    described: dict[str, np.ndarray] = {"latents": places}
    more: dict = {}
    if strategy in (SEARCH, BLIND, "search in the support alone"):
        described = descriptions(places, found.curves, settings)
    if strategy == BLIND:
        described = {name: d for name, d in described.items() if "response" not in name}
    if strategy == "search in the support alone":
        near = support.of_places(places, places, found.encoded, found.encoded)
        more["allowed"] = near.real.astype(float)
    if strategy.startswith("UCB"):
        more |= {"acquisition": "ucb", "kappa": 1.5}
    if strategy.startswith("mean + 10"):
        more |= {"acquisition": "ucb", "kappa": 10.0}
    explorer = Explorer(described, seed=seed, **more)
    enough = values.max() - GOALS[-1] * np.ptp(values)
    while len(explorer.points) < MOST:
        new = explorer.ask()
        explorer.tell(new, values[new])
        if values[new[0]] >= enough:
            break
    return _needed(np.maximum.accumulate(explorer.values), values)


def _needed(best: np.ndarray, values: np.ndarray) -> list[int]:
    regret = (values.max() - best) / np.ptp(values)
    return [int(np.argmax(regret <= g)) + 1 if (regret <= g).any() else MOST + 1 for g in GOALS]


def table(stream: str) -> None:
    """Print what the runs came to."""
    with TABLE.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stream"] == stream]
    groups = defaultdict(list)
    for row in rows:
        groups[row["objective"], row["strategy"]].append(row)
    print("| objective | strategy | runs | to 5 % | to 1 % | within 250 | worst surface, 1 % |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (objective, strategy), own in sorted(groups.items()):
        needed = np.array([[int(r["to_5"]), int(r["to_1"])] for r in own])
        number = np.array([int(r["surface"]) for r in own])
        each = [np.median(needed[number == k, 1]) for k in np.unique(number)]
        within = [(needed[number == k, 1] <= MOST).mean() for k in np.unique(number)]
        five, one = (_shown(np.median(needed[:, k])) for k in (0, 1))
        share = f"{(needed[:, 1] <= MOST).mean():.2f} (worst surface {min(within):.2f})"
        print(
            f"| {objective} | {strategy} | {len(own)} | {five} | {one} | {share} |"
            f" {_shown(max(each))} |"
        )


def _shown(number: float) -> str:
    return "> 250" if number > MOST else f"{number:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--others", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--stream", default="held out")
    parser.add_argument("--surfaces", type=int, nargs="*", default=list(range(SURFACES)))
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        table(asked.stream)
        return
    started = time.monotonic()
    done: set[tuple[str, ...]] = set()
    new = not TABLE.exists()
    if not new:
        with TABLE.open(newline="") as file:
            done = {tuple(row[name] for name in ORDER) for row in csv.DictReader(file)}
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow([*ORDER, "to_5", "to_1", "seconds"])
        for seed in range(asked.seeds):
            for number in asked.surfaces:
                found = surface(asked.stream, number)
                settings = settings_of(asked.stream, number)
                for quantity in QUANTITIES:
                    for strategy in (SEARCH, *(OTHERS if seed < asked.others else ())):
                        row = (asked.stream, str(number), quantity, strategy, str(seed))
                        if row in done:
                            continue
                        if time.monotonic() - started > 60 * asked.minutes:
                            return
                        began = time.process_time()
                        needed = run(found, settings, quantity, strategy, seed)
                        writer.writerow([*row, *needed, f"{time.process_time() - began:.1f}"])
                        file.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
