"""What determines success: the histories of a plane, and what a search in it finds.

    python benchmarks/manifolds.py [--cases cosine …] [--seeds 0 1 2] [--evaluations 50]

For every family of histories a model of the recipe `trajectories` is trained on 2000 of them, and
each place of a grid over its latent plane is decoded to a history, which drives a lattice of
polarisation (FerroSIM, 20 × 20, tetragonal, 5 % of the sites with defects, the same in all cases);
sought is the largest sum of |curl| at the end. ``best`` is the largest on the grid, ``best_real``
the largest where the plane is real, and ``best_history`` that of 200 of the training's histories.
``real`` is the share of the grid that the encoder finds again within 0.3 and that lies within 0.3
of an encoded history, ``target`` the share within 5 % of the best, ``random`` the evaluations that
a random search needs for it on average. ``evaluations`` is the median over seeds of those that
``Explorer`` needs for it (20 starting points included; one more than all: not reached), ``worst``
the most, ``reached`` the share of seeds, and ``found`` the mean of the best value at the end.
``results/manifolds.csv`` has a row for each case; ``docs/manifolds.png`` shows the surfaces.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from curves import Histories, Plane, error, of_recipe
from scipy.spatial import cKDTree

from vaescope import Explorer
from vaescope.simulate import ferrosim

RESULTS = Path(__file__).parent / "results"
COUNT, SIDE, GRID, SHOWN = 2000, 20, 22, 200
STEPS = 2500  # of training: fewer histories, fewer steps
NEAR = 0.3  # units of the latents
LARGEST = 1.1  # of a history: a source of voltage has an end
REGRET = 0.05
CASES = {
    "cosine": "kind=cosine",
    "Legendre, degree 3": "kind=legendre&degree=3",
    "cosine, 30 % wrong": "kind=cosine&wrong=0.3",
    "cosine, few good": "kind=cosine",
    "cosine, many good": "kind=cosine",
    "cosine, 10 % wrong": "kind=cosine&wrong=0.1",
    "cosine, 1 % wrong": "kind=cosine&wrong=0.01",
    "Legendre, degree 6": "kind=legendre&degree=6",
    "sine": "kind=sine",
}
WEIGHT = {"cosine, few good": 0.02, "cosine, many good": 10.0}
"""How often histories of the upper tenth of the objective are taken, relative to the others."""


def objective(curves: np.ndarray) -> np.ndarray:
    """Σ|curl| (history,) that histories (history, 900) leave behind.

    150 times the history is the field along x in units of Ec, at 950 of 1200 times from 0 to 4; in
    the last 50 it stays as it is.
    """
    rng = np.random.default_rng(11)
    defects = 80 * rng.normal(size=(SIDE**2, 2)) * (rng.random(SIDE**2) < 0.05)[:, None]
    times = np.linspace(0, 4, 1200)[:950]
    found = []
    for start in range(0, len(curves), 100):
        block = np.clip(curves[start : start + 100], -LARGEST, LARGEST)
        field = np.zeros((len(block), 950, 2))
        field[:, :, 0] = 150 * np.pad(block, ((0, 0), (0, 50)), mode="edge")
        left = ferrosim.run(field, times, defects, SIDE)
        found.append(np.abs(ferrosim.curl(left)).sum((1, 2)))
    return np.concatenate(found)


def weighted(histories: Histories, weight: float, seed: int) -> Histories:
    """As many histories, among which those of the upper tenth of the objective are taken
    ``weight`` times as often as others."""
    value = objective(histories.spectra)
    chance = np.where(value >= np.quantile(value, 0.9), weight, 1.0)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(value), len(value), p=chance / chance.sum())
    noise = rng.normal(0, 0.02, histories.spectra.shape) if weight > 1 else 0.0
    return Histories(
        histories.spectra[chosen] + noise,
        histories.wrong[chosen],
        histories.truth[chosen],
        histories.axis,
    )


@torch.no_grad()
def decoded(plane: Plane, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Histories (place, time) that places (place, 2) are decoded to, and where these are encoded
    (place, 2)."""
    assert plane.member is not None
    model = plane.member.model
    shown = model.decoder.canonical(torch.from_numpy(place).float()[None]).flatten(2)
    copies = shown[:, :, None]
    conditions = shown.new_zeros(1, len(place), 0)
    again = model.encoder(copies, conditions).content[0][0, :, 0]
    return shown[0].double().numpy(), again.numpy()


def grid(plane: Plane) -> np.ndarray:
    """Places (GRID², 2) over the rectangle that holds 99 % of the histories along each latent."""
    ends = np.quantile(plane.content, [0.005, 0.995], axis=0)
    margin = 0.1 * (ends[1] - ends[0])
    axes = np.linspace(ends[0] - margin, ends[1] + margin, GRID)
    return np.stack(np.meshgrid(*axes.T, indexing="ij"), -1).reshape(-1, 2)


def searched(
    place: np.ndarray, value: np.ndarray, seed: int, evaluations: int
) -> tuple[int, float]:
    """Evaluations until the best is reached to 5 % (one more than all: not), and the best found."""
    explorer = Explorer(place, acquisition="ucb", kappa=1.5, transform="none", seed=seed)
    range_ = value.max() - value.min()
    for _ in range(evaluations):
        explorer.tell(chosen := explorer.ask(), value[chosen])
    best = np.maximum.accumulate(explorer.values)
    reached = best >= value.max() - REGRET * range_
    return int(reached.argmax()) + 1 if reached.any() else evaluations + 1, float(best[-1])


def measured(
    name: str, seeds: list[int], evaluations: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The row of a case, and what its figure shows."""
    histories = Histories.made(f"{CASES[name]}&count={COUNT}", 0)
    if name in WEIGHT:
        histories = weighted(histories, WEIGHT[name], 0)
    plane = of_recipe(histories, 0, steps=STEPS)
    place = grid(plane)
    curves, again = decoded(plane, place)
    value = objective(curves)
    own = objective(histories.spectra[~histories.wrong][:SHOWN])
    near, _ = cKDTree(plane.content).query(place)
    real = (near < NEAR) & (np.linalg.norm(again - place, axis=1) < NEAR)
    target = value >= value.max() - REGRET * (value.max() - value.min())
    runs = [searched(place, value, seed, evaluations) for seed in seeds]
    row = {
        "case": name,
        "rmse": round(error(plane, histories), 4),
        "best": round(float(value.max()), 2),
        "best_real": round(float(value[real].max()), 2) if real.any() else np.nan,
        "best_history": round(float(own.max()), 2),
        "real": round(float(real.mean()), 3),
        "target": round(float(target.mean()), 4),
        "random": round((len(value) + 1) / (target.sum() + 1), 1),
        "evaluations": float(np.median([count for count, _ in runs])),
        "worst": max(count for count, _ in runs),
        "reached": round(float(np.mean([count <= evaluations for count, _ in runs])), 2),
        "found": round(float(np.mean([best for _, best in runs])), 2),
    }
    shape = (GRID, GRID)
    shown = {"place": place, "value": value.reshape(shape), "real": real.reshape(shape)}
    return row, {**shown, "content": plane.content, "wrong": histories.wrong}


def draw(panels: dict[str, dict[str, np.ndarray]]) -> None:
    """The surface of every case over its latent plane, with the histories and what is real."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 3
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(11, 3.5 * rows), layout="constrained")
    highest = max(panel["value"].max() for panel in panels.values())
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (name, panel) in zip(axes.flat, panels.items(), strict=False):
        low, high = panel["place"].min(0), panel["place"].max(0)
        extent = (low[0], high[0], low[1], high[1])
        picture = axis.imshow(
            panel["value"].T, origin="lower", extent=extent, aspect="auto", vmin=0, vmax=highest
        )
        real = panel["real"].T.astype(float)
        if 0 < real.mean() < 1:
            axis.contour(real, [0.5], extent=extent, colors="white", linewidths=1)
        shown = panel["content"][::10]
        axis.plot(*shown.T, ".", color="black", markersize=1.5, alpha=0.5)
        top = panel["place"][panel["value"].argmax()]
        axis.plot(*top, "o", color="none", markeredgecolor="red", markersize=9, markeredgewidth=1.5)
        axis.set(title=name, xlabel="latent 1", ylabel="latent 2", xlim=extent[:2], ylim=extent[2:])
    figure.colorbar(picture, ax=axes, label="Σ|curl| at the end", shrink=0.6)
    figure.savefig(RESULTS.parents[1] / "docs" / "manifolds.png", dpi=110)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--evaluations", type=int, default=50)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, panels = [], {}
    for name in given.cases:
        row, panels[name] = measured(name, given.seeds, given.evaluations)
        rows.append(row)
        print(*(f"{key} {value}" for key, value in row.items()), sep=", ", flush=True)
        with (RESULTS / "manifolds.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            writer.writeheader()
            writer.writerows(rows)
        draw(panels)


if __name__ == "__main__":
    main()
