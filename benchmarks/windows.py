"""Domains and phases by windows of simulated images, without finding atoms, over seeds.

    python benchmarks/windows.py [CASE …] [--seeds 0 1 2 3 4] [--members 1] [--classical]

Each case takes the models of the recipe `windows` as they stand, and the same with `shifts: 1`: one
normal posterior of the shift, as it was. Content is clustered by k-means with the true number of
domains; modes, which are the answer of a report, know no number. A window has the domain of the
column nearest to its middle; windows that a wall crosses hold two, so scores are given for all
windows and for those that lie in one domain, with the share of these. The table is printed and
written to ``benchmarks/results/windows.csv``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score
from small_runs import analysed

from vaescope import baselines, recipes, samples, simulate, sites
from vaescope.scores import truth
from vaescope.scores.labelled import by_neighbours

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "windows.csv"
CASES = {
    "bifeo3": "bifeo3",
    "bifeo3, dose 500": "bifeo3?dose=500",
    "bifeo3, dose 5000": "bifeo3?dose=5000",
    "bifeo3, angle 0": "bifeo3?angle=0",
    "bifeo3, angle 30": "bifeo3?angle=30",
    "bifeo3, stride 9": "bifeo3",
    "bifeo3, one wall": "bifeo3?domains=1",
    "nio-lsmo": "nio-lsmo",
}
STRIDES = {"bifeo3, stride 9": 9}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "tvae, shifts: 1": ("tvae", {"shifts": 1}),
    "tvae": ("tvae", {}),
    "rtvae": ("rtvae", {}),
}


def in_one_domain(image: Any, cut: Any) -> np.ndarray:
    """Whether all true columns in each window (site,) are of one domain."""
    half = float(cut.attrs["size"]) / 2
    y, x, phase = (image[f"truth_{name}"].values for name in ("y", "x", "phase"))
    found = []
    for row, column in zip(cut.y.values, cut.x.values, strict=True):
        inside = (np.abs(y - row) < half) & (np.abs(x - column) < half)
        found.append(len(np.unique(phase[inside])) == 1)
    return np.array(found)


def scores(content: np.ndarray, phase: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """Adjusted Rand index of k-means and accuracy of 15 neighbours, of all windows and of those in
    one domain."""
    from sklearn.cluster import KMeans

    def clustered(rows: np.ndarray) -> float:
        label = KMeans(len(np.unique(phase)), n_init=10, random_state=0).fit_predict(content[rows])
        return float(adjusted_rand_score(phase[rows], label))

    every = np.ones(len(phase), bool)
    return {
        "ari": clustered(every),
        "ari in one domain": clustered(whole),
        "neighbours": by_neighbours(content, phase),
        "neighbours in one domain": by_neighbours(content[whole], phase[whole]),
    }


def measure(case: str, seed: int, ways: list[str], members: int, classical: bool) -> list[dict]:
    """Rows of the table for one image."""
    recipe = recipes.resolve_recipe("windows", [ROOT / "config" / "recipes"])
    if case in STRIDES:
        given = {**recipe.sites.as_dict(), "stride": STRIDES[case]}
        recipe = type(recipe)(**{**vars(recipe), "sites": type(recipe.sites).of(given)})
    image = simulate.make(CASES[case], seed)
    cut = samples.extract(image, sites.find(image, recipe.sites), recipe.patches).load()
    whole, phase = in_one_domain(image, cut), cut["truth_phase"].values.astype(int)
    about = {"case": case, "seed": seed, "in one domain": float(whole.mean())}
    rows = []
    for way in ways:
        model, changes = WAYS[way]
        settings = recipe.models[model].as_dict() | changes
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            given = {"members": members, "seed": seed, "name": model, "folder": Path(folder)}
            latents = analysed(image, recipe, settings, **given)[2]
        row = about | {"way": way, "CPU seconds": time.process_time() - start}
        row |= scores(latents["consensus_content"].values, phase, whole)
        mode = latents["mode"].values
        row["modes"] = int(mode.max()) + 1
        row["ari of modes in one domain"] = float(adjusted_rand_score(phase[whole], mode[whole]))
        if "consensus_lattice_offset" in latents:
            error = np.abs(truth.lattice_errors(latents))
            row["offset error (px)"] = float(np.median(error))
            row["offset error in one domain (px)"] = float(np.median(error[whole]))
        rows.append(row)
    if classical:
        methods = {"methods": list(baselines.METHODS), "clusters": len(np.unique(phase))}
        found = baselines.run(cut, methods, seed=seed)[0]
        for name in map(str, found["baseline"].values):
            place = found["embedding"].sel(baseline=name).values
            place = place[:, np.isfinite(place).all(0)]
            if place.shape[1]:
                rows.append(about | {"way": name} | scores(place, phase, whole))
    return rows


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--classical", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for case in given.cases or CASES:
        for seed in given.seeds:
            new = measure(case, seed, given.ways, given.members, given.classical)
            rows += new
            for row in new:
                shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
                print(*(f"{name}: {value}" for name, value in shown.items()), sep=" | ", flush=True)
    old: list[dict[str, Any]] = []
    if RESULTS.is_file():
        with RESULTS.open(newline="") as file:
            old = list(csv.DictReader(file))
    done = {(row["case"], str(row["seed"]), row["way"]) for row in rows}
    rows = [row for row in old if (row["case"], row["seed"], row["way"]) not in done] + rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            short = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow(short)


if __name__ == "__main__":
    main()
