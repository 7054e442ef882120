"""Planes of 7500 histories of 900 times: reconstruction and generators, beside the published VAE.

    python benchmarks/trajectories.py [--seeds 0 1 2] [--kinds cosine …] [--wrong 0 0.01 …]

One member of the recipe `trajectories` and the VAE of the literature see the same histories, on one
core. ``rmse`` is that of the reconstruction against the noisy histories that belong to the family
(noise 0.020, which a perfect model reaches); ``growth`` and ``frequency`` are R² of the generators
as neighbours in the latent plane predict them (``curves.explained``); seconds are those of the CPU:
of the training, and of encoding all histories. ``results/trajectories.csv`` has a row for each kind
of history, share of wrong ones, seed and model.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from curves import GENERATORS, Histories, Plane, error, explained, of_recipe, published

TABLE = Path(__file__).parent / "results" / "trajectories.csv"
KINDS = ("cosine", "sine", "legendre")
WRONG = (0.0, 0.01, 0.1, 0.3)
MODELS: dict[str, Callable[..., Plane]] = {"vaescope": of_recipe, "published": published}
KEY = ("kind", "wrong", "seed", "model")


def measured(plane: Plane, histories: Histories) -> dict[str, Any]:
    """The numbers of one model."""
    scores = explained(plane, histories) if histories.truth.shape[1] else [np.nan] * 2
    return {
        "rmse": round(error(plane, histories), 5),
        **{name: round(score, 4) for name, score in zip(GENERATORS, scores, strict=True)},
        "seconds": round(plane.seconds, 1),
        "encoding_seconds": round(plane.encoding, 1),
    }


def keep(rows: list[dict[str, Any]]) -> None:
    """Write rows in place of those of the same case."""
    old: list[dict[str, Any]] = []
    new = {tuple(str(row[key]) for key in KEY) for row in rows}
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            every = list(csv.DictReader(file))
        old = [row for row in every if tuple(row[key] for key in KEY) not in new]
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(sorted([*old, *rows], key=lambda row: [str(row[key]) for key in KEY]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--wrong", type=float, nargs="+", default=list(WRONG))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for kind, wrong, seed in product(given.kinds, given.wrong, given.seeds):
        histories = Histories.made(f"kind={kind}&wrong={wrong:g}", seed)
        rows = []
        for name in given.models:
            plane = MODELS[name](histories, seed)
            case = {"kind": kind, "wrong": f"{wrong:g}", "seed": seed, "model": name}
            rows.append({**case, **measured(plane, histories)})
            print(*(f"{key} {value}" for key, value in rows[-1].items()), sep=", ", flush=True)
        keep(rows)


if __name__ == "__main__":
    main()
