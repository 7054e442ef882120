"""What the main job measured: sites, accuracy against truth, agreement with independent estimates.

Reads a finished results folder (default ``results``) and prints one table; nothing is fitted anew
but the independent estimates, which use positions and column intensities and no model:

* local lattice orientation of the gold grain boundary: six-fold bond-orientational order of the
  neighbours' positions (Nelson & Halperin, Phys. Rev. B 19 (1979) 2457);
* layers of the oxide interface: multi-level Otsu thresholds on the local median of
  the column intensities.

    python benchmarks/main_job.py [RESULTS]
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree
from skimage.filters import threshold_multiotsu
from sklearn.metrics import adjusted_mutual_info_score

from vaescope import columns, store
from vaescope.results import Results
from vaescope.scores import truth


def bond_order(places: np.ndarray, n: int = 6) -> np.ndarray:
    """Complex n-fold order (site,) over the n nearest neighbours of places (site, 2) as (y, x)."""
    near = cKDTree(places).query(places, n + 1)[1][:, 1:]
    bond = places[near] - places[:, None]
    return np.exp(1j * n * np.arctan2(-bond[..., 0], bond[..., 1])).mean(1)


def circular_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two angles (rad) over the full circle (Jammalamadaka & SenGupta 2001)."""
    a = np.sin(one - np.angle(np.exp(1j * one).mean()))
    b = np.sin(other - np.angle(np.exp(1j * other).mean()))
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def two_groups(angle: np.ndarray) -> np.ndarray:
    """Two clusters of angles (rad) on the circle: (site,) bool."""
    from sklearn.cluster import KMeans

    points = np.stack([np.cos(angle), np.sin(angle)], 1)
    return KMeans(2, n_init=10, random_state=0).fit_predict(points).astype(bool)


def voting(latents: xr.Dataset, name: str) -> list[np.ndarray]:
    """A variable of every member with a vote: each is a training from a seed of its own."""
    kept = latents["member_kept"].values
    return [value for value, vote in zip(latents[name].values, kept, strict=True) if vote]


def span(values: list[float]) -> str:
    """Least and largest of some scores."""
    return f"{min(values):.4f}, {max(values):.4f}"


def gold(results: Path, dataset: str, model: str) -> list[tuple[str, str, str]]:
    """Encoded angle and grains against the bond-orientational order."""
    sites = store.open(results / dataset / "sites.zarr").load()
    latents = store.open(results / dataset / model / "latents.zarr").load()
    places = np.stack([sites["y"].values, sites["x"].values], 1)
    order = bond_order(places)[latents["site"].values]
    clear = np.abs(order) > 0.6
    reference, angle = np.angle(order), 6 * latents["consensus_angle"].values
    apart = reference - angle
    apart = np.angle(np.exp(1j * (apart - np.angle(np.exp(1j * apart[clear]).mean()))))
    grain, found = two_groups(reference[clear]), two_groups(angle[clear])
    right = (grain == found).mean()
    single = [circular_correlation(reference, 6 * angle) for angle in voting(latents, "angle")]
    return [
        (
            "circular correlation with psi6, all sites",
            f"{circular_correlation(reference, angle):.4f}",
            ">= 0.97",
        ),
        (
            "  the same, sites with |psi6| > 0.6",
            f"{circular_correlation(reference[clear], angle[clear]):.4f}",
            "",
        ),
        ("  single members, all sites (worst, best)", f"{min(single):.4f}, {max(single):.4f}", ""),
        (
            "median difference (degrees)",
            f"{np.degrees(np.median(np.abs(apart[clear]))) / 6:.2f}",
            "",
        ),
        (
            "right grain, sites with |psi6| > 0.6",
            f"{max(right, 1 - right):.4f} of {clear.sum()}",
            ">= 0.99",
        ),
        ("symmetry found", f"{latents.attrs['symmetry']}-fold", ""),
    ]


def oxide(results: Path, dataset: str, model: str) -> list[tuple[str, str, str]]:
    """Classes against the layers seen by column intensity."""
    sites = store.open(results / dataset / "sites.zarr").load()
    latents = store.open(results / dataset / model / "latents.zarr").load()
    places = np.stack([sites["y"].values, sites["x"].values], 1)
    intensity = sites["amplitude"].values + sites["background"].values
    near = cKDTree(places).query(places, 9)[1]
    level = np.nanmedian(intensity[near], axis=1)[latents["site"].values]
    found = latents["consensus_class"].values
    rows = []
    for layers in (3, 2, 4):
        layer = np.digitize(level, threshold_multiotsu(level, classes=layers, nbins=512))
        score = adjusted_mutual_info_score(layer, found)
        goal = ">= 0.8" if layers == 3 else ""
        rows.append((f"AMI of classes with {layers} intensity layers", f"{score:.3f}", goal))
    layer = np.digitize(level, threshold_multiotsu(level, classes=3, nbins=512))
    single = [
        adjusted_mutual_info_score(layer, probability.argmax(1))
        for probability in voting(latents, "class_probability")
    ]
    rows.append(("  3 layers, members after surplus classes (worst, best)", span(single), ""))
    rows.append(("classes in use", str(int((latents["class_count"].values > 0).sum())), ""))
    return rows


def simulated(results: Path, dataset: str, models: list[str]) -> list[tuple[str, str, str]]:
    """Detection, positions, classes and angles against truth."""
    sites = store.open(results / dataset / "sites.zarr")
    known = json.loads(sites.attrs["truth_scores"])
    rows = [(f"detection: {key}", f"{value:.4g}", "") for key, value in known.items()]
    for model in models:
        scores = Results(results / dataset).scores(model)
        rows += [
            (f"{model}: {key}", f"{value:.4g}", "")
            for key, value in scores.items()
            if key.startswith(("class_", "phase_", "angle_"))
        ]
        rows += members_against_truth(results / dataset / model / "latents.zarr", model)
    return rows


def members_against_truth(path: Path, model: str) -> list[tuple[str, str, str]]:
    """Scores of the single members: the spread over seeds that the consensus does not show."""
    latents = store.open(path).load()
    known = latents["truth_phase"].values >= 0
    n = latents.attrs["symmetry"]
    angle = latents["truth_angle"].values[known]
    errors = [
        float(np.degrees(np.median(truth.angle_error(member[known], angle, n))))
        for member in voting(latents, "angle")
    ]
    rows = [(f"{model}: single members, median angle error (deg)", span(errors), "")]
    if "class_probability" in latents:
        kind = latents["truth_phase"].values * 1000 + latents["truth_species"].values
        found = voting(latents, "class_probability")
        right = [truth.matched_accuracy(p.argmax(1)[known], kind[known]) for p in found]
        rows.append((f"{model}: single members, class accuracy", span(right), ""))
    return rows


def seconds(results: Path, dataset: str) -> float:
    """Sum of the wall times of a dataset's jobs, from Snakemake's benchmark files."""
    total = 0.0
    for file in (results / dataset / "benchmarks").rglob("*.tsv"):
        with file.open() as table:
            total += sum(float(row["s"]) for row in csv.DictReader(table, delimiter="\t"))
    return total


def main() -> None:
    """Print the table."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    rows: list[tuple[str, str, str, str]] = []
    for folder in sorted(p.parent for p in results.glob("*/sites.zarr")):
        name = folder.name
        sites = columns.with_edge(
            store.open(folder / "sites.zarr"), store.open(folder / "samples.zarr")
        )
        edge = int(sites["near_edge"].sum())
        rows.append(
            (name, "sites found (too near the edge)", f"{sites.sizes['site']} ({edge})", "")
        )
        rows.append((name, "sum of the jobs' wall times (s)", f"{seconds(results, name):.0f}", ""))
        models = sorted(p.parent.name for p in folder.glob("*/latents.zarr"))
        measured: list[tuple[str, str, str]] = []
        if "truth_scores" in sites.attrs:
            measured = simulated(results, name, models)
        elif "gold" in name and "rvae" in models:
            measured = gold(results, name, "rvae")
        elif "oxide" in name and "jrvae" in models:
            measured = oxide(results, name, "jrvae")
        rows += [(name, *row) for row in measured]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    main()
