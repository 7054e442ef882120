"""Strain in bicrystals and tricrystals against the same lattice as a single crystal.

    python benchmarks/grains.py [LATTICE …] [--seeds 0 1 2] [--angles 10 27 40 81]

Every row of ``benchmarks/results/grains.csv`` is one lattice, number of grains, angle between them,
distortion of the image, seed and method: how many grains were found, the share of the sites in the
right one, by how much the misorientation is off beside its stated error, the ratio of the axes of
the distortion, and the root mean square error of the strain in the worst grain (wanted: that of the
row with one grain). The table printed is the mean over seeds and angles, with the worst.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parent / "results" / "grains.csv"
LATTICES = {
    "square": "square-grains?",
    "hexagonal": "hexagonal-grains?",
    "oblique": "oblique-grains?",
    "rectangular": "oblique-grains?ratio=1.35&gamma=90",
    "rhombic": "oblique-grains?ratio=1&gamma=70.53",
}
CASES = ((1, 0.0), (1, 8.0), (2, 0.0), (2, 8.0), (3, 0.0), (3, 8.0))  # grains, distortion in %
SETTINGS = "&size=448&spacing=20&strain=1"
COLUMNS = (
    "lattice",
    "grains",
    "angle",
    "distortion",
    "seed",
    "method",
    "found",
    "right",
    "off_deg",
    "stated_deg",
    "ratio",
    "rmse_strain_percent",
    "rmse_rotation_deg",
    "coverage_strain",
    "known",
)


def rows(
    lattice: str, grains: int, angle: float, distortion: float, seed: int
) -> list[dict[str, Any]]:
    """The rows of one image."""
    from vaescope import simulate, sites
    from vaescope.strain import between_grains, maps, truth

    rng = np.random.default_rng([seed, grains, int(angle)])
    name = f"{LATTICES[lattice]}{SETTINGS}&grains={grains}&grain={angle:g}"
    name += f"&distortion={distortion:g}&angle={rng.uniform(-180, 180):.1f}"
    name += f"&direction={rng.uniform(-90, 90):.1f}"
    image = simulate.make(name.replace("?&", "?"), seed)
    found = sites.find(image, {})
    result = maps.map_strain(image, found)
    start = {"lattice": lattice, "grains": grains, "angle": f"{angle:g}"}
    start |= {"distortion": f"{distortion:g}", "seed": seed}
    if not result.attrs["ordered"]:
        return [{**start, "method": "neighbours", "found": 0}]
    label, true = result["grain"].values, found["truth_grain"].values
    number = int(label.max())
    both = (label > 0) & (true >= 0)
    parts = [true[both & (label == k)] for k in range(1, number + 1)]
    right = sum((part == _most(part)).sum() for part in parts) / max(both.sum(), 1)
    off, stated = _misoriented(result, true, label, angle, int(image.attrs["truth_symmetry"]))
    told = between_grains.distortion_of(result.attrs)
    listed = []
    for method in (str(name) for name in result["method"].values):
        errors, sure, known = truth.pulls(result, method)
        parts = [known & (label == k) for k in range(1, number + 1)]
        worst = max(
            (np.sqrt((errors[part, :3] ** 2).mean()) for part in parts if part.sum() > 10),
            default=np.nan,
        )
        listed.append(
            {
                **start,
                "method": method,
                "found": number,
                "right": f"{right:.4f}",
                "off_deg": f"{off:.3f}",
                "stated_deg": f"{stated:.3f}",
                "ratio": f"{told['ratio']:.4f}" if told else "",
                "rmse_strain_percent": f"{100 * worst:.4f}",
                "rmse_rotation_deg": f"{np.degrees(np.sqrt((errors[known, 3] ** 2).mean())):.4f}",
                "coverage_strain": f"{(np.abs(errors[known, :3]) < sure[known, :3]).mean():.3f}",
                "known": f"{np.isfinite(result['rotation'].sel({'method': method})).mean():.3f}",
            }
        )
    return listed


def _most(values: np.ndarray) -> int:
    known = values[values >= 0].astype(int)
    return int(np.bincount(known).argmax()) if len(known) else -1


def _misoriented(
    result: Any, true: np.ndarray, label: np.ndarray, angle: float, symmetry: int
) -> tuple[float, float]:
    """By how much the worst misorientation is off, and its stated error, in degrees."""
    from vaescope.strain import between_grains

    worst, stated = 0.0, 0.0
    for pair in between_grains.misorientations_of(result.attrs):
        first, second = (_most(true[label == number]) for number in pair["grains"])
        period = 360 / symmetry
        apart = pair["angle_deg"] - (second - first) * angle
        apart = abs((apart + period / 2) % period - period / 2)
        if apart >= worst:
            worst, stated = apart, pair["error_deg"]
    return worst, stated


def summary(table: list[dict[str, Any]]) -> None:
    """Print means and worst values over seeds and angles."""
    print(
        f"{'lattice':12} grains dist. method      grains right  off °       rmse % mean, worst 68 %"
    )
    keys = sorted(
        {(r["lattice"], int(r["grains"]), float(r["distortion"]), r["method"]) for r in table}
    )
    for lattice, grains, distortion, method in keys:
        own = [
            r
            for r in table
            if (r["lattice"], int(r["grains"]), float(r["distortion"]), r["method"])
            == (lattice, grains, distortion, method)
        ]

        def of(name: str, own: list[dict[str, Any]] = own) -> np.ndarray:
            return np.array([float(r[name]) for r in own if r.get(name) not in (None, "")])

        found = np.mean(of("found") == grains)
        print(
            f"{lattice:12} {grains:6d} {distortion:4.0f}% {method:11} {100 * found:4.0f} %"
            f" {of('right').min():6.3f} {of('off_deg').max():5.2f} ±{of('stated_deg').max():5.2f}"
            f" {of('rmse_strain_percent').mean():10.3f} {of('rmse_strain_percent').max():6.3f}"
            f" {of('coverage_strain').mean():6.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lattices", nargs="*", default=list(LATTICES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--angles", nargs="*", type=float, default=[10.0, 27.0, 40.0, 81.0])
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    table: list[dict[str, Any]] = []
    for lattice in given.lattices:
        for grains, distortion in CASES:
            for angle in given.angles if grains > 1 else given.angles[:1]:
                for seed in given.seeds:
                    table += rows(lattice, grains, angle, distortion, seed)
        given.out.parent.mkdir(exist_ok=True)
        with given.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(table)
    summary(table)


if __name__ == "__main__":
    main()
