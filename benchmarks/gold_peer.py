"""pyroVED's rVAE beside ours on the same patches of the gold grain boundary.

    python benchmarks/gold_peer.py RESULTS PEER_PYTHON [--epochs 100] [--seeds 0 1]

RESULTS is a finished results folder; PEER_PYTHON the Python of an environment of its own with
pyroVED (``benchmarks/README.md`` says how to make it). The peer is trained here,
one thread per seed, with its defaults and offsets; ours are the members of the finished run, one
thread each. Both are scored by the same code: circular correlation with the six-fold
bond-orientational order of all neighbours' positions, and grains right where that order is clear.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from main_job import bond_order, circular_correlation, two_groups, voting
from peers import train_peer

from vaescope import store

DATASET, MODEL = "gold-grain-boundary", "rvae"


def score(angle: np.ndarray, order: np.ndarray) -> tuple[float, float]:
    """Circular correlation of all sites, and share of right grains where |psi6| > 0.6."""
    clear = np.abs(order) > 0.6
    reference = np.angle(order)
    right = (two_groups(reference[clear]) == two_groups(6 * angle[clear])).mean()
    # The peer's angle may count the other way round.
    values = [circular_correlation(reference, sign * 6 * angle) for sign in (1, -1)]
    return max(values), float(max(right, 1 - right))


def ours(results: Path, order: np.ndarray) -> list[tuple[str, float, float, float]]:
    """Members with a vote: name, correlation, grains, seconds of training."""
    latents = store.open(results / DATASET / MODEL / "latents.zarr").load()
    with (results / DATASET / MODEL / "history.csv").open() as file:
        seconds = {int(row["member"]): float(row["seconds"]) for row in csv.DictReader(file)}
    kept = [k for k, vote in enumerate(latents["member_kept"].values) if vote]
    return [
        (f"ours, seed {k}", *score(angle, order), seconds[k])
        for k, angle in zip(kept, voting(latents, "angle"), strict=True)
    ]


def peer(
    python: str, patches: np.ndarray, order: np.ndarray, epochs: int, seed: int
) -> tuple[str, float, float, float]:
    """One training of pyroVED: name, correlation, grains, seconds."""
    options = {"latent_dim": 2, "invariances": ["r", "t"], "batch": 50}
    found = train_peer(python, "ivae", patches, options, seed, epochs=epochs)
    return (f"pyroVED, seed {seed}", *score(found["angle"], order), float(found["spent"][1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("python")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    sites = store.open(given.results / DATASET / "sites.zarr").load()
    cut = store.open(given.results / DATASET / "samples.zarr").load()
    places = np.stack([sites["y"].values, sites["x"].values], 1)
    order = bond_order(places)[cut["site"].values]
    rows = ours(given.results, order)
    patches = np.clip(cut["patch"].values[:, 0], 0, 1)
    rows += [peer(given.python, patches, order, given.epochs, seed) for seed in given.seeds]
    print(f"{'':18}{'correlation':>12}{'grains':>8}{'seconds':>9}")
    for name, correlation, grains, seconds in rows:
        print(f"{name:18}{correlation:12.3f}{grains:8.3f}{seconds:9.0f}")


if __name__ == "__main__":
    main()
