"""How time and memory grow: with patches, with the side of an image, with members.

    python benchmarks/speed/growth.py [SERIES …] [--largest SHARE]

Every point is a process of its own. Prints the exponents of power laws fitted to the two largest
thirds of each series, writes ``benchmarks/results/growth.csv`` and draws ``docs/growth.png``.
``overhead.py`` has the growth with datasets, which is drawn as well.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from duels import BEST, ours  # noqa: E402
from rows import replace  # noqa: E402
from timing import once  # noqa: E402

TABLE = HERE.parent / "results" / "growth.csv"
FIGURE = HERE.parents[1] / "docs" / "growth.png"
MEMBERS = 8
SERIES: dict[str, tuple[str, str, list[int]]] = {
    "patches": (
        f"patches mapped by {MEMBERS} members",
        "map",
        [1000, 10_000, 100_000, 1_000_000],
    ),
    "side": (
        "side of an image (px), sites found and refined",
        "side",
        [512, 1024, 2048, 4096, 8192],
    ),
    "members": ("members trained at once", "members", [1, 2, 4, 8, 16]),
}


def point(task: str, number: int, folder: Path) -> dict[str, float]:
    """One measurement: seconds, of which of a processor, and MiB."""
    if task == "members":
        if not (folder / "patches.npy").exists():
            subprocess.run(
                [sys.executable, str(HERE / "duels.py"), "epoch", str(folder), "0.3"], check=True
            )
        chosen = BEST | {"prototypes": 0, "steps": 150}
        run = once(ours("train", folder, settings=chosen, threads=2, members=number))
    elif task == "map":
        # Laid in a process of its own, whose memory does not count.
        with tempfile.TemporaryDirectory(dir=folder) as place:
            once(ours("lay-map", Path(place), number=number, members=MEMBERS))
            run = once(ours("map", Path(place), threads=2))
    else:
        run = once(ours(task, folder, number=number, threads=2))
    return {"seconds": run.said["seconds"], "cpu": run.cpu, "memory_mib": run.memory / 2**20}


def exponent(numbers: np.ndarray, values: np.ndarray) -> float:
    """Of a power law through the larger part of a series, where constants no longer count."""
    late = slice(len(numbers) // 3, None)
    return float(np.polyfit(np.log(numbers[late]), np.log(values[late]), 1)[0])


def draw(rows: list[dict[str, Any]]) -> None:
    """Time and memory, one panel for each series, on logarithmic scales."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from vaescope.figures.style import house

    names = list(dict.fromkeys(row["series"] for row in rows))
    with house():
        figure, panels = plt.subplots(
            2, len(names), figsize=(3.1 * len(names), 5), sharex="col", layout="constrained"
        )
        for column, name in zip(panels.T.reshape(len(names), 2), names, strict=True):
            own = [row for row in rows if row["series"] == name]
            number = np.array([float(row["number"]) for row in own])
            for panel, key, label in zip(
                column, ("seconds", "memory_mib"), ("time (s)", "memory (MiB)"), strict=True
            ):
                value = np.array([float(row[key]) for row in own])
                power = exponent(number, value)
                panel.loglog(number, value, "o-")
                panel.set_title(f"exponent {power:.2f}", fontsize=8)
                panel.set_ylabel(label)
                for axis in (panel.xaxis, panel.yaxis):
                    axis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.10g}"))
                    axis.set_minor_formatter(NullFormatter())
                if key == "memory_mib":
                    panel.set_ylim(100, max(value.max() * 2, 4000))
            column[1].set_xlabel(own[0]["what"], fontsize=8)
        figure.savefig(FIGURE, dpi=160)


def main() -> None:
    """Run the series."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", nargs="*", help=", ".join(SERIES))
    parser.add_argument("--largest", type=float, default=1.0, help="share of the largest number")
    given = parser.parse_args()
    for name in given.series or SERIES:
        what, task, numbers = SERIES[name]
        rows = []
        with tempfile.TemporaryDirectory() as place:
            for number in numbers:
                if number > given.largest * numbers[-1]:
                    break
                found = point(task, number, Path(place))
                row = {"series": name, "what": what, "number": number}
                rows.append(row | {key: f"{value:.4g}" for key, value in found.items()})
                print(json.dumps(rows[-1]), flush=True)
        replace(TABLE, rows, "series", list(SERIES))
    draw(table())


def table() -> list[dict[str, Any]]:
    """All rows of the table, and those of ``overhead.py``."""
    rows: list[dict[str, Any]] = []
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            rows = list(csv.DictReader(file))
    other = TABLE.parent / "overhead.csv"
    if other.exists():
        with other.open(newline="") as file:
            rows += [
                {
                    "series": "datasets",
                    "what": "finished datasets, snakemake -n",
                    "number": row["number"],
                    "seconds": row["seconds"],
                    "memory_mib": row["memory_mib"],
                }
                for row in csv.DictReader(file)
                if row["memory_mib"]
            ]
    return rows


if __name__ == "__main__":
    main()
