"""Strain against truth: neighbours' vectors, geometric phases and a model, over doses and seeds.

    python benchmarks/maps.py [CASE …] [--seeds 0 1 2] [--doses 200 1000 5000] [--models CASE …]

Every row of ``benchmarks/results/maps.csv`` is one case, dose, seed and method: root mean square
errors (of all sites, and of those whose neighbours do not enclose a dislocation's core), how many
errors are below the stated ones (0.68 wanted; also about the core alone), and how many sites of a
crystal without strain would be called strained at one and at two standard errors (0.32 and 0.05
wanted).
Rows that are there already stay unless they are measured again. Geometric phases come twice: at the
resolution of the neighbours' vectors, and at that of a patch (``GPA-patch``). Cases named after
``--models`` get a model as well: a small ensemble, few steps.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parent / "results" / "maps.csv"
SIZE = 320
CASES = {
    "uniform": "strained?exx=1.5&eyy=-1&exy=0.8",
    "gradient": "strained?exx=2&exy=1&gradient=3",
    "dislocation": "dislocation?angle=5",
    "misfit-coherent": "misfit?misfit=2&angle=3",
    "misfit-relaxed": "misfit?misfit=4&coherent=0&angle=3",
    "none": "strained?angle=8",
    "none-scan-noise": "strained?angle=2",
    "none-two-phases": "perovskite?bend=0&grain=0&angle=8",
    "none-two-species": "misfit?misfit=0&angle=3",
}
CORE = 2.3  # spacings of nearest columns: so near to a core the neighbours used go around it
JITTER = 0.4  # px rms by which every row of `none-scan-noise` is shifted
MODEL: dict[str, Any] = {
    "variant": "rvae",
    "strain": True,
    "refine": 4,
    "interpolation": "spline",
    "latent": 2,
    "steps": 400,
}
MEMBERS = 2
# Standard deviation in spacings of the Gaussian that suits the columns a patch shows whole: the
# four nearest ones of a square lattice about its middle.
PATCH_RESOLUTION = 0.6
COLUMNS = (
    "case",
    "dose",
    "seed",
    "method",
    "sites",
    "rmse_strain_percent",
    "rmse_far_percent",
    "rmse_rotation_deg",
    "median_error_percent",
    "coverage_strain",
    "coverage_rotation",
    "coverage_core",
    "beyond_1",
    "beyond_2",
)


def pictured(case: str, dose: float, seed: int) -> Any:
    """The image of a case, with its truth."""
    from vaescope import simulate

    image = simulate.make(f"{CASES[case]}&size={SIZE}&dose={dose:g}", seed)
    if case == "none-scan-noise":
        rng = np.random.default_rng(seed + 1000)
        counts = image["image"].values.copy()
        places = np.arange(counts.shape[-1])
        for row in range(counts.shape[-2]):
            shift = rng.normal(0, JITTER)
            counts[..., row, :] = np.interp(places + shift, places, counts[0, 0, row])
        image["image"] = (image["image"].dims, counts, image["image"].attrs)
    return image


def modelled(image: Any, sites: Any, seed: int) -> Any:
    """Latents of a small ensemble with strain."""
    from vaescope import ensemble, samples, train
    from vaescope.models.settings import ModelSettings

    cut = samples.extract(image, sites, {}).load()
    chosen = ModelSettings.from_recipe(MODEL).as_dict()
    with tempfile.TemporaryDirectory() as folder:
        out, beside = Path(folder) / "members", Path(folder) / "checkpoints"
        members = list(range(MEMBERS))
        train.fit(
            cut, chosen, members=members, seed=seed, out=out, checkpoints=beside, log=lambda _: None
        )
        return ensemble.map_latents(out, cut)


def _core(case: str, mapped: Any, known: np.ndarray) -> np.ndarray:
    """The known sites (site,) whose neighbours enclose the core of the dislocation, where strain is
    not defined at the resolution of the maps: a circuit through them does not close."""
    middle = (SIZE - 1) / 2
    away = np.hypot(mapped["x"].values - middle, mapped["y"].values - middle)[known]
    spacing = np.hypot(*np.array(mapped.attrs["lattice_vectors"]).T).mean()
    return (away < CORE * spacing) & (case == "dislocation")


def rows(case: str, dose: float, seed: int, with_model: bool) -> list[dict[str, Any]]:
    """The rows of one image."""
    from vaescope import sites as find
    from vaescope.strain import maps, truth

    image = pictured(case, dose, seed)
    found = find.find(image, {})
    if "truth_strain_xx" not in found:
        for name in maps.COMPONENTS:
            found[f"truth_strain_{name}"] = 0.0 * found["truth_angle"]
    models = {"model": modelled(image, found, seed)} if with_model else {}
    result = maps.map_strain(image, found, models)
    usual = maps.RESOLUTION
    maps.RESOLUTION = PATCH_RESOLUTION
    finer = maps.map_strain(image, found, models)
    maps.RESOLUTION = usual
    listed = []
    for name, source in [(str(m), result) for m in result["method"].values] + [("GPA", finer)]:
        off, error, known = truth.pulls(source, name)
        off, error, core = off[known], error[known], _core(case, source, known)
        values = source.sel({"method": name})["strain"].values[known]
        pull = np.abs(values) / error[:, :3] if case.startswith("none") else np.full((1, 3), np.nan)
        numbers = (
            100 * np.sqrt((off[:, :3] ** 2).mean()),
            100 * np.sqrt((off[~core, :3] ** 2).mean()),
            np.degrees(np.sqrt((off[:, 3] ** 2).mean())),
            100 * np.median(error[:, :3]),
            (np.abs(off[:, :3]) < error[:, :3]).mean(),
            (np.abs(off[:, 3]) < error[:, 3]).mean(),
            (np.abs(off[core, :3]) < error[core, :3]).mean() if core.any() else np.nan,
            (pull > 1).mean() if case.startswith("none") else np.nan,
            (pull > 2).mean() if case.startswith("none") else np.nan,
        )
        method = "GPA-patch" if source is finer else name
        start = (case, f"{dose:g}", seed, method, int(known.sum()))
        told = ["" if np.isnan(value) else f"{value:.3f}" for value in numbers]
        listed.append(dict(zip(COLUMNS, (*start, *told), strict=True)))
    return listed


def summary(table: list[dict[str, Any]]) -> None:
    """Print the means over seeds."""
    keys = sorted({(row["case"], float(row["dose"]), row["method"]) for row in table})
    print(f"{'case':16} {'dose':>5} {'method':10}  rmse % (deg)   coverage  beyond 1, 2")
    for case, dose, method in keys:
        own = [
            row
            for row in table
            if (row["case"], float(row["dose"]), row["method"]) == (case, dose, method)
        ]

        def mean(name: str, own: list[dict[str, Any]] = own) -> float:
            known = [float(row[name]) for row in own if row[name] != ""]
            return float(np.mean(known)) if known else float("nan")

        print(
            f"{case:16} {dose:5g} {method:10} {mean('rmse_strain_percent'):6.3f}"
            f" ({mean('rmse_rotation_deg'):5.3f})  {mean('coverage_strain'):5.2f}"
            f" {mean('coverage_rotation'):5.2f}  {mean('beyond_1'):5.2f} {mean('beyond_2'):5.2f}"
        )


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("case", "dose", "seed", "method"))


def main() -> None:
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--doses", nargs="*", type=float, default=[200, 1000, 5000])
    parser.add_argument("--models", nargs="*", default=list(CASES))
    asked = parser.parse_args()
    table: list[dict[str, Any]] = []
    if OUT.exists():
        with OUT.open(newline="") as file:
            table = list(csv.DictReader(file))
    for seed in asked.seeds:
        for case in asked.cases:
            for dose in asked.doses:
                made = rows(case, dose, seed, case in asked.models)
                new = {_key(row) for row in made}
                table = [row for row in table if _key(row) not in new] + made
                table.sort(key=lambda row: (row["case"], float(row["dose"]), int(row["seed"])))
                OUT.parent.mkdir(exist_ok=True)
                with OUT.open("w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    writer.writeheader()
                    writer.writerows(table)
                print(f"{case} {dose:g} {seed}", flush=True)
    summary(table)


if __name__ == "__main__":
    main()
