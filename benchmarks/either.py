"""The filter, the trained detector, and the one of both that `sites: method: auto` keeps.

    python benchmarks/either.py [--seeds 5] [--only WORDS …]

Simulated crystals and single atoms at doses relative to Rose's criterion (see ``detection.py``),
and the drawn images of ``detection_kinds.py``. Both searches are run once, with the default
settings and the detector that comes with the package; the choice between them is the library's.
Its limits were set on other seeds (101 and 102; of the drawn kinds 7). Prints mean and worst F1 of
the seeds, how often the detector was kept, and the largest loss of the choice against either
search. Writes ``results/either.csv``; with ``--only`` the rows of other images are left as they
are.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from detection import asked, found_by, on_truth, places_of, rose_dose
from detection_kinds import as_image, scored
from drawn_columns import KINDS
from rows import replace

from vaescope import simulate
from vaescope.sites import learned
from vaescope.sites.either import compare
from vaescope.sites.learned.detector import Detector

TARGET = Path(__file__).parent / "results" / "either.csv"
SYSTEMS = {
    "square": "square?size=320&spacing=18",
    "hexagonal": "hexagonal?size=320&spacing=18",
    "perovskite": "perovskite?size=320",
    "perovskite, weak B 0.3": "perovskite?size=320&ratio=0.3&ratio1=0.3",
    "perovskite, weak B 0.15": "perovskite?size=320&ratio=0.15&ratio1=0.15",
    "perovskite, contamination": "perovskite?size=320&contamination=0.5",
    "perovskite, much contamination": "perovskite?size=320&contamination=1",
    "hexagonal, contamination": "hexagonal?size=320&spacing=18&contamination=0.5",
    "graphene": "graphene?size=320",
    "MoS2": "mos2?size=320",
    "MoS2, contamination": "mos2?size=320&contamination=0.5",
    "WSe2": "wse2?size=320",
    "NiO on LSMO": "nio-lsmo?size=320",
    "BiFeO3": "bifeo3?size=320",
    "grains": "hexagonal-grains?size=320",
    "single atoms": "single-atoms?size=320",
}
DOSES = (0.5, 1, 4)  # times that of Rose's criterion
SEARCHES = ("log", "model")
Judge = Callable[[xr.Dataset | None], float]
"""F1 of the sites that were found in an image."""


def images(seeds: int, only: list[str]) -> Iterator[tuple[str, str, int, xr.Dataset, Judge]]:
    """Image, dose and seed, with the image itself and how sites in it are judged."""
    for name, system in SYSTEMS.items():
        if not asked(name, only):
            continue
        rose = rose_dose(system)
        for factor in DOSES:
            for seed in range(seeds):
                image = simulate.make(f"{system}&dose={factor * rose:.1f}", seed).load()
                yield name, f"{factor:g} Rose", seed, image, partial(_on_truth, image)
    for name, draw in KINDS.items():
        if not asked(f"drawn: {name}", only):
            continue
        for seed in range(seeds):
            pixels, truth = draw(np.random.default_rng([seed, zlib.crc32(name.encode())]))
            judge = partial(_on_drawn, truth, pixels.shape[-1])
            yield f"drawn: {name}", "", seed, as_image(pixels), judge


def _on_truth(image: xr.Dataset, found: xr.Dataset | None) -> float:
    return on_truth(image, places_of(found))["f1"]


def _on_drawn(truth: np.ndarray, side: int, found: xr.Dataset | None) -> float:
    return 0.0 if found is None else scored(places_of(found), truth, side)["f1"]


def row(image: xr.Dataset, judge: Judge, detector: Detector) -> dict[str, Any]:
    """F1 of both searches, and of the one that is kept; why."""
    found = {method: found_by(image, method, detector) for method in ("log", "model")}
    verdict = compare(found["log"], found["model"])
    score = {method: judge(sites) for method, sites in found.items()}
    return {
        **score,
        "auto": score[verdict.method],
        "method": verdict.method,
        "agreement": verdict.agreement,
        "reason": verdict.reason,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and worst of the seeds, as Markdown; drawn images on which all agree in one line."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in rows:
        name = each["image"]
        if name.startswith("drawn: ") and max(abs(each["auto"] - each[m]) for m in SEARCHES) < 0.01:
            name = "drawn, other kinds and seeds"
        groups.setdefault((name, each["dose"]), []).append(each)
    lines = ["| image | dose | log | model | auto | detector kept |", "|---" * 6 + "|"]
    for (name, dose), group in groups.items():
        cells = []
        for method in (*SEARCHES, "auto"):
            values = [each[method] for each in group]
            cells.append(f"{np.mean(values):.3f}, {min(values):.3f}")
        kept = sum(each["method"] == "model" for each in group)
        lines.append("| " + " | ".join([name, dose, *cells, f"{kept} of {len(group)}"]) + " |")
    for method in SEARCHES:
        loss = max(rows, key=lambda each: each[method] - each["auto"])
        lost, where = loss[method] - loss["auto"], f"{loss['image']} {loss['dose']}"
        lines.append(f"\nLargest loss of `auto` against `{method}`: {lost:.3f} ({where})")
    return "\n".join(lines)


def main() -> None:
    """Run, write the CSV, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], help="images to be done, by their words")
    given = parser.parse_args()
    detector = learned.bundled()
    assert isinstance(detector, Detector)
    rows = []
    for name, dose, seed, image, judge in images(given.seeds, given.only):
        rows.append({"image": name, "dose": dose, "seed": seed} | row(image, judge, detector))
        order = [*SYSTEMS, *(f"drawn: {kind}" for kind in KINDS)]
        written = [
            {k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()} for r in rows
        ]
        replace(TARGET, written, "image", order)
    print(table(rows))


if __name__ == "__main__":
    main()
