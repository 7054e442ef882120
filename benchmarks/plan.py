"""Time and memory of planning a run of many datasets: `python benchmarks/plan.py [ROWS ...]`.

Makes a folder with so many simulated rows of one recipe (or, with `--files`, one small file each),
marks them all as finished, and measures `snakemake --dry-run --quiet` as a process of its own: with
nothing done, with everything done, and with a hundred new rows. Writes `results/plan.csv`.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RECIPE = """\
description: as small as it gets
models: {rvae: {steps: 30, turns: 4, hidden: 16}}
ensemble: {members: 2}
baselines: {methods: []}
"""
FIRST = "d00000"
NEW = 100
NOW = time.time()  # of all outputs alike: newer than the scripts, and none newer than the next


@dataclass
class Planned:
    """One measured plan."""

    rows: int
    case: str
    jobs: int
    seconds: float  # of processor time
    mb: float

    def as_row(self) -> dict[str, str]:
        """For the table."""
        return {
            "rows": str(self.rows),
            "case": self.case,
            "jobs": str(self.jobs),
            "CPU s": f"{self.seconds:.1f}",
            "MB": f"{self.mb:.0f}",
            "CPU ms a dataset": f"{1000 * self.seconds / self.rows:.1f}",
            "kB a dataset": f"{1000 * self.mb / self.rows:.0f}",
        }


def names(rows: int) -> list[str]:
    """Names of the datasets, all of one length."""
    return [f"d{number:05d}" for number in range(rows)]


def write_sheet(folder: Path, rows: int, files: bool) -> None:
    """Write recipe, sample sheet and, if wanted, sources."""
    (folder / "config" / "recipes").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "recipes" / "tiny.yaml").write_text(RECIPE)
    lines = ["dataset\trecipe\tsource"]
    for name in names(rows):
        source = f"../data/{name}.npy" if files else "simulate:graphene"
        lines.append(f"{name}\ttiny\t{source}")
    (folder / "config" / "datasets.tsv").write_text("\n".join(lines) + "\n")
    if files:
        (folder / "data").mkdir(exist_ok=True)
        for name in names(rows):
            np.save(folder / "data" / f"{name}.npy", np.zeros((16, 16), np.float32))


def snakemake(folder: Path, *arguments: str) -> tuple[str, float, float]:
    """Output, seconds of processor time and peak memory in MB of a run of Snakemake."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "1"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*command, *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(text[-4000:])
    return text, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def directories() -> list[str]:
    """Outputs of rules that are folders, by the end of their paths."""
    from vaescope.results import layout

    text = "\n".join(file.read_text() for file in (ROOT / "workflow" / "rules").glob("*.smk"))
    found = re.findall(r"directory\(\s*here\(layout\.(\w+)\)", text)
    ends = [str(getattr(layout, name)).rpartition("}")[2].strip("/") for name in found]
    return list(filter(None, ends))


def finish(folder: Path, rows: int) -> None:
    """Leave outputs of all rows, empty ones, and what Snakemake remembers of finished jobs.

    Those of one dataset are made by `--touch`, those of all others from these by their names.
    """
    one = folder / "one"
    write_sheet(one, 1, (folder / "data").exists())
    text, *_ = snakemake(one, "--summary")
    outputs = [line.split("\t")[0] for line in text.splitlines() if line.count("\t") >= 4][1:]
    ends = tuple(directories())
    made: dict[str, bool] = {}
    for path in outputs:
        made[path] = path.endswith(ends) or bool(re.search(r"/parts/\d+$", path))
    _create(one, made)
    snakemake(one, "--touch", "--forceall", "--quiet")
    memory = one / ".snakemake" / "metadata"
    records = {
        base64.urlsafe_b64decode(file.name).decode(): file.read_text()
        for file in memory.iterdir()
        if file.is_file()
    }
    target = folder / ".snakemake" / "metadata"
    target.mkdir(parents=True, exist_ok=True)
    (folder / ".snakemake" / "incomplete").mkdir(exist_ok=True)
    for name in names(rows):
        _create(folder, {path.replace(FIRST, name): kind for path, kind in made.items()})
        for path, record in records.items():
            key = base64.urlsafe_b64encode(path.replace(FIRST, name).encode()).decode()
            (target / key).write_text(record.replace(FIRST, name))
    shutil.rmtree(one)


def _create(folder: Path, made: dict[str, bool]) -> None:
    """Empty files and folders, all of one age."""
    for path, is_folder in made.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if is_folder:
            file.mkdir(exist_ok=True)
            file = file / ".snakemake_timestamp"
        file.touch()
        os.utime(file, (NOW, NOW))


def measured(folder: Path, rows: int, case: str, *more: str) -> Planned:
    """Plan once."""
    quiet = ("--quiet", "host", "reason", "rules")
    text, seconds, mb = snakemake(folder, "--dry-run", *quiet, *more)
    found = re.search(r"^total\s+(\d+)", text, re.MULTILINE)
    return Planned(rows, case, int(found[1]) if found else 0, seconds, mb)


def plans(rows: int, files: bool) -> list[Planned]:
    """The plans for so many rows."""
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        folder = Path(name)
        write_sheet(folder, rows, files)
        found = [measured(folder, rows, "nothing done")]
        finish(folder, rows)
        found.append(measured(folder, rows, "everything done"))
        tenth = ("--batch", "write_index=1/10")
        found.append(measured(folder, rows, "a tenth, done", *tenth))
        write_sheet(folder, rows + NEW, files)
        found.append(measured(folder, rows, f"{NEW} new rows"))
    return found


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, default=[300, 1000, 3000])
    parser.add_argument("--files", action="store_true", help="one file a row, none simulated")
    chosen = parser.parse_args()
    table: list[dict[str, str]] = []
    for rows in chosen.rows:
        began = time.monotonic()
        for planned in plans(rows, chosen.files):
            table.append(planned.as_row())
            print(json.dumps(table[-1]), flush=True)
        print(f"  ({time.monotonic() - began:.0f} s in all)", flush=True)
    out = ROOT / "benchmarks" / "results" / ("plan-files.csv" if chosen.files else "plan.csv")
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
