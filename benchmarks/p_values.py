"""Posterior predictive p-values of simulated crystals: uniform, where the model has all there is.

    python benchmarks/p_values.py [CASE …] [--seeds 0 1 2 3 4] [--steps 250] [--members 2]

The recipe `atoms` with few steps. Of sites whose patch was seen whole, and of those seen in part:
the share of p-values below 0.05 and above 0.95 (0.05 each if the noise is right), and the largest
distance of their distribution from a uniform one (Kolmogorov and Smirnov's D). The last case has
contamination, which no part of the model stands for: p-values should be low there. The table is
printed and written to ``benchmarks/results/p_values.csv``.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rows
from scipy import stats
from small_runs import analysed

from vaescope import recipes, simulate
from vaescope.samples import gaps

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "p_values.csv"
PERFECT = "wse2?size=384&dopants=0&vacancies=0&divacancies=0&spacing=17&width=2.3"
CASES = {
    "WSe2": PERFECT,
    "WSe2, dose 300": PERFECT + "&dose=300",
    "WSe2, dose 10000": PERFECT + "&dose=10000",
    "WSe2, shaded": PERFECT + "&shading=0.2",
    "square": "square?size=384&spacing=18",
    "two grains": "square-grains?size=384&spacing=18",
    "WSe2, contaminated": PERFECT + "&contamination=0.1",
}


def measure(case: str, seed: int, steps: int, members: int) -> dict[str, Any]:
    """The distribution of the p-values of one image."""
    recipe = recipes.resolve_recipe("atoms", [ROOT / "config" / "recipes"])
    recipe = replace(recipe, sites=replace(recipe.sites, method="log", detector=None))
    settings = recipe.models["rvae"].as_dict() | {"steps": steps}
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {
            "members": members,
            "seed": seed,
            "name": "rvae",
            "folder": Path(folder),
        }
        _, cut, latents = analysed(
            simulate.make(CASES[case], seed).load(), recipe, settings, **given
        )
    p, whole = latents["predictive_p"].values, gaps.whole(cut)
    row: dict[str, Any] = {"case": case, "seed": seed, "sites": len(p)}
    for words, some in (("whole", p[whole]), ("in part", p[~whole])):
        row[f"{words} < 0.05"] = float((some < 0.05).mean())
        row[f"{words} > 0.95"] = float((some > 0.95).mean())
        row[f"{words}, D"] = float(stats.kstest(some, "uniform").statistic)
    return row


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--members", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for case in given.cases or CASES:
        found = [measure(case, seed, given.steps, given.members) for seed in given.seeds]
        rows.replace(
            RESULTS,
            [{k: f"{v:.4g}" if isinstance(v, float) else v for k, v in r.items()} for r in found],
            "case",
            list(CASES),
        )
        named = [name for name in found[0] if name not in ("case", "seed")]
        means = (f"{name} {np.mean([row[name] for row in found]):.3f}" for name in named)
        print(case, *means, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
