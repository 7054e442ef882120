"""How well latents say the degree of switching of windows, against the truth of a simulated movie.

Movies of domains that switch in a field (`simulate:switching`), described in small and in large
windows on a grid by the recipe `walls-windows`. R² of the true share of the window in the positive
domain: by the latents of the ensemble's consensus (`latent`: a straight line on the best single
one; `latents`: nearest neighbours in all of them, from other quarters of the image, in which walls
are others), by the same number of principal components of the windows (`pca`: nearest neighbours),
and by the walls themselves
(`walls`: the switching degree of the table of sites, no model at all).

    python benchmarks/walls_latent.py [--noise 0.15 0.4 0.8] [--windows 16 48] [--seeds 10 11 12 13]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from small_runs import analysed

from vaescope import recipes, simulate, store

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "walls_latent.csv"
SEEDS = (10, 11, 12, 13)
SIDE, FRAMES = 192, 8  # px, and frames of a movie
NEIGHBOURS = 10


def explained(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the variance of the truth that is explained."""
    return float(1 - ((found - truth) ** 2).mean() / truth.var())


def by_line(content: np.ndarray, truth: np.ndarray) -> float:
    """R² of a straight line on the best single column of content (site, latent)."""
    return max(float(np.corrcoef(column, truth)[0, 1] ** 2) for column in content.T)


def by_neighbours(content: np.ndarray, truth: np.ndarray, quarter: np.ndarray) -> float:
    """R² of the mean of the nearest neighbours in content, of other quarters of the image."""
    from sklearn.neighbors import KNeighborsRegressor

    found = np.empty(len(truth))
    place = (content - content.mean(0)) / content.std(0)
    for part in np.unique(quarter):
        out = quarter == part
        model = KNeighborsRegressor(NEIGHBOURS).fit(place[~out], truth[~out])
        found[out] = model.predict(place[out])
    return explained(found, truth)


def measure(noise: float, side: float, seed: int, members: int, steps: int) -> list[dict[str, Any]]:
    """Analyse one movie with every model of the recipe, trained small."""
    from sklearn.decomposition import PCA

    recipe = recipes.resolve_recipe("walls-windows", [ROOT / "config" / "recipes"])
    # Small windows lie beside each other, large ones overlap by half: some hundreds of either.
    stride = max(side, SIDE / 8) / (1 if side < SIDE / 8 else 2)
    recipe = replace(recipe, sites=replace(recipe.sites, window=side, stride=stride))
    name = f"switching?size={SIDE}&frames={FRAMES}&noise={noise}&share=0.2&field=0.2&speed=3"
    image = simulate.make(name, seed)
    rows = []
    for model, own in recipe.models.items():
        start = time.monotonic()
        settings = own.as_dict() | {"steps": steps or own.steps}
        options: dict[str, Any] = {"members": members, "seed": seed, "name": model}
        with tempfile.TemporaryDirectory() as folder:
            sites, cut, latents = analysed(image, recipe, settings, folder=Path(folder), **options)
        truth = latents["truth_switching_degree"].values
        quarter = 2 * (cut["y"].values > SIDE / 2) + (cut["x"].values > SIDE / 2)
        content = latents["consensus_content"].values
        flat = cut["patch"].values.reshape(len(truth), -1)
        parts = PCA(content.shape[1], random_state=0).fit_transform(flat)
        of_walls = sites["switching_degree"].values[cut["site"].values]
        rows.append(
            {
                "noise": noise,
                "window": side,
                "seed": seed,
                "model": model,
                "sites": len(truth),
                "latent": f"{by_line(content, truth):.4f}",
                "latents": f"{by_neighbours(content, truth, quarter):.4f}",
                "pca": f"{by_neighbours(parts, truth, quarter):.4f}",
                "walls": f"{explained(of_walls, truth):.4f}",
                "members": members,
                "seconds": round(time.monotonic() - start),
                "commit": store.code_version(),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--noise", nargs="+", type=float, default=[0.15, 0.4, 0.8])
    parser.add_argument("--windows", nargs="+", type=float, default=[16.0, 48.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--steps", type=int, default=0, help="of the recipe, unless stated")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for seed in given.seeds:
        for noise in given.noise:
            for side in given.windows:
                rows += measure(noise, side, seed, given.members, given.steps)
                print(rows[-2:], flush=True)
                with given.out.open("w", newline="") as file:
                    writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                    writer.writeheader()
                    writer.writerows(rows)


if __name__ == "__main__":
    main()
