"""Detection on many kinds of drawn images, with the default settings, before a change and after it.

    python benchmarks/detection_kinds.py OUT.csv [--seeds 3] [--only WORDS …]
    python benchmarks/detection_kinds.py --compare BEFORE.csv AFTER.csv

Every kind is drawn anew for each seed: spacing, angle, width and dose vary. A site is right within
0.35 spacings of a column; columns within half a spacing of the edge count neither way. Beside F1
stand the root mean square error of the positions (px) and what the sites store says of polarity,
channel and pairs. To run it on another version of the library, put that one's ``src`` on
``PYTHONPATH``.
"""

from __future__ import annotations

import argparse
import csv
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from drawn_columns import KINDS
from scipy.spatial import cKDTree

from vaescope import sites
from vaescope.errors import UserError
from vaescope.sites import matching

COLUMNS = (
    "kind",
    "seed",
    "f1",
    "precision",
    "recall",
    "rmse",
    "spacing",
    "truth_spacing",
    "sites",
    "seconds",
    "said",
)


def as_image(pixels: np.ndarray) -> xr.Dataset:
    """Pixels (height, width) or (channel, height, width) as an image without a pixel size."""
    pixels = np.asarray(pixels, np.float32)
    pixels = pixels[None, None] if pixels.ndim == 2 else pixels[None]
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), pixels)},
        coords={"channel": [f"c{k}" for k in range(pixels.shape[1])]},
        attrs={"pixel_size": 1.0, "pixel_unit": "px", "calibrated": False},
    )


def scored(found: np.ndarray, truth: np.ndarray, side: int) -> dict[str, float]:
    """F1, precision, recall and error (px) of places (site, 2)."""
    inside = truth[((truth >= 0) & (truth <= side - 1)).all(1)]
    spacing = float(np.median(cKDTree(inside).query(inside, k=2)[0][:, 1]))
    index = matching.match(found, truth, 0.35 * spacing)

    def off_edge(place: np.ndarray) -> np.ndarray:
        low, high = 0.5 * spacing, side - 1 - 0.5 * spacing
        return np.all((place >= low) & (place <= high), axis=1)

    hit = np.zeros(len(truth), bool)
    hit[index[index >= 0]] = True
    precision = float((index >= 0)[off_edge(found)].mean()) if off_edge(found).any() else 0.0
    recall = float(hit[off_edge(truth)].mean())
    used = (index >= 0) & off_edge(found)
    error = found[used] - truth[index[used]]
    return {
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "precision": precision,
        "recall": recall,
        "rmse": float(np.sqrt((error**2).mean())) if len(error) else float("nan"),
        "truth_spacing": spacing,
    }


def rows(seeds: int, only: list[str]) -> Iterator[dict[str, object]]:
    """A row for every kind and seed."""
    for kind, draw in KINDS.items():
        if only and not any(words in kind for words in only):
            continue
        for seed in range(seeds):
            pixels, truth = draw(np.random.default_rng([seed, zlib.crc32(kind.encode())]))
            start = time.process_time()
            try:
                found = sites.find(as_image(pixels), {})
            except UserError as error:
                yield {"kind": kind, "seed": seed, "f1": 0.0, "said": str(error).splitlines()[0]}
                continue
            spent = time.process_time() - start
            place = np.stack([found.y.values, found.x.values], 1)
            said = {
                name: found.attrs[name]
                for name in (
                    "polarity",
                    "channel",
                    "pairs",
                    "pairs_resolved",
                    "texture",
                    "background_window",
                )
                if found.attrs.get(name) not in (None, "bright")
            }
            yield {
                "kind": kind,
                "seed": seed,
                **scored(place, truth, pixels.shape[-1]),
                "spacing": float(found.attrs["spacing"]),
                "sites": len(place),
                "seconds": spent,
                "said": str(said or ""),
            }


def compare(before: Path, after: Path) -> None:
    """Print the mean and the worst F1 of each kind in two tables, and its time."""
    tables = []
    for file in (before, after):
        with file.open(newline="") as lines:
            tables.append({(row["kind"], row["seed"]): row for row in csv.DictReader(lines)})
    print(
        "| kind | F1 before: mean, worst | F1 after | error (px) | seconds |",
        "|---" * 5 + "|",
        sep="\n",
    )
    for kind in dict.fromkeys(kind for kind, _ in tables[1]):
        cells = []
        for name in ("f1", "rmse", "seconds"):
            values = [
                np.array([float(row.get(name) or "nan") for (k, _), row in t.items() if k == kind])
                for t in tables
            ]
            if name == "f1":
                cells += [f"{v.mean():.3f}, {v.min():.3f}" if len(v) else "" for v in values]
            else:
                cells.append(
                    " → ".join(
                        f"{np.nanmean(v):.2f}" if np.isfinite(v).any() else "-" for v in values
                    )
                )
        print("| " + " | ".join([kind, *cells]) + " |")


def main() -> None:
    """Run and write a table, or compare two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    if given.compare:
        compare(*given.files)
        return
    with given.files[0].open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS, restval="")
        writer.writeheader()
        for row in rows(given.seeds, given.only):
            writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
            file.flush()


if __name__ == "__main__":
    main()
