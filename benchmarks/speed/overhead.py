"""What the workflow itself costs: looking at many finished datasets, and the frame of a small job.

    python benchmarks/speed/overhead.py [--datasets N …]

Runs one tiny dataset for real, gives its finished results to N datasets by hard links, lets
Snakemake take note of them (``--touch``), and times ``snakemake -n``, which then finds nothing to
do. Prints a table and writes it to ``benchmarks/results/overhead.csv``.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

from timing import Contender, Run, once  # noqa: E402

ROOT = HERE.parents[1]
TABLE = HERE.parent / "results" / "overhead.csv"
RECIPE = """\
description: as small as it gets
models:
  rvae: {steps: 30, turns: 4, hidden: 16}
ensemble: {members: 2}
baselines: {methods: [pca]}
figures: {formats: [png], dpi: 40}
"""
SOURCE = "simulate:square?size=128&spacing=9"
REPEATS = 3


def snakemake(folder: Path, *arguments: str) -> Run:
    """One run of Snakemake in the folder."""
    command = [str(Path(sys.executable).parent / "snakemake"), "-s", str(ROOT / "Snakefile")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {"PATH": path, "PYTHONPATH": str(ROOT / "src")}
    return once(Contender([*command, "--cores", "1", *arguments], surroundings, folder))


def sheet(folder: Path, count: int) -> None:
    """A sample sheet of so many datasets that differ in nothing but their names."""
    rows = ["dataset\trecipe\tsource", *(f"d{k}\ttiny\t{SOURCE}" for k in range(count))]
    (folder / "config" / "datasets.tsv").write_text("\n".join(rows) + "\n")


def jobs_of(folder: Path) -> tuple[int, float]:
    """How many jobs a dataset had, and the seconds that they ran, Python's start included."""
    files = list((folder / "results" / "d0").rglob("benchmarks/*.tsv"))
    seconds = 0.0
    for file in files:
        with file.open(newline="") as table:
            seconds += sum(float(row["s"]) for row in csv.DictReader(table, delimiter="\t"))
    return len(files), seconds


def copied(folder: Path, count: int) -> None:
    """The results of the first dataset for the others, by hard links."""
    for k in range(1, count):
        place = folder / "results" / f"d{k}"
        if not place.exists():
            shutil.copytree(folder / "results" / "d0", place, symlinks=True, copy_function=os.link)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, nargs="*", default=[10, 100, 1000])
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "config" / "recipes").mkdir(parents=True)
        (folder / "config" / "recipes" / "tiny.yaml").write_text(RECIPE)
        sheet(folder, 1)
        whole = snakemake(folder)
        jobs, seconds = jobs_of(folder)
        nothing = snakemake(folder, "-n")
        between = (whole.wall - nothing.wall - seconds) / jobs
        rows.append(row("frame of a job: Snakemake's own part", between, 2.0, jobs))
        rows.append(row("a small job as a whole, work included", seconds / jobs, None, jobs))
        for count in given.datasets:
            sheet(folder, count)
            copied(folder, count)
            began = time.perf_counter()
            snakemake(folder, "--touch", "--quiet", "all")
            print(f"noted {count} datasets in {time.perf_counter() - began:.0f} s", flush=True)
            runs = [snakemake(folder, "-n") for _ in range(REPEATS)]
            if not all("Nothing to be done" in run.wrote for run in runs):
                raise SystemExit(f"there was something to do:\n{runs[0].wrote[-2000:]}")
            middle = sorted(runs, key=lambda run: run.wall)[REPEATS // 2]
            goal = 15.0 if count == 1000 else None
            rows.append(row(f"nothing to do, {count} datasets", middle.wall, goal, count))
            rows[-1]["memory_mib"] = f"{middle.memory / 2**20:.0f}"
            rows[-1]["cpu_seconds"] = f"{middle.cpu:.3g}"
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)


def row(what: str, seconds: float, goal: float | None, number: int) -> dict[str, str]:
    """One line of the table, printed."""
    holds = "" if goal is None else str(seconds <= goal).lower()
    print(f"{what}: {seconds:.3g} s", flush=True)
    return {
        "what": what,
        "number": str(number),
        "seconds": f"{seconds:.3g}",
        "goal": "" if goal is None else f"<= {goal:g}",
        "holds": holds,
        "cpu_seconds": "",
        "memory_mib": "",
    }


if __name__ == "__main__":
    main()
