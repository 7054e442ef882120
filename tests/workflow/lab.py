"""A folder with data, recipes and a sample sheet, in which tests run the real workflow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from vaescope.workflow.script_copies import YOUNG

REPOSITORY = Path(__file__).parents[2]
SNAKEFILE = REPOSITORY / "Snakefile"

TINY = """\
description: as small as it gets
models:
  rvae: {steps: 30, turns: 4, hidden: 16}
  jrvae: {steps: 30, turns: 4, hidden: 16, classes: 2}
ensemble: {members: 2}
baselines: {methods: [pca, kmeans]}
figures: {formats: [png], dpi: 40}
"""
SINGLE = TINY.replace("  jrvae: {steps: 30, turns: 4, hidden: 16, classes: 2}\n", "")


def lattice(seed: int, side: int = 128, spacing: float = 9.0) -> np.ndarray:
    """A square lattice of bright, slightly unequal columns on a noisy background, (side, side)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    image = random.normal(0, 0.02, (side, side)).astype(np.float32)
    for row in np.arange(spacing, side, spacing):
        for column in np.arange(spacing, side, spacing):
            cy, cx = np.array([row, column]) + random.normal(0, 0.15, 2)
            near = (abs(y - cy) < 9) & (abs(x - cx) < 9)
            height = random.choice([0.6, 1.0])
            image[near] += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2)[near] / (2 * 1.8**2))
    return image


def environment() -> dict[str, str]:
    """The environment of a person: nothing set that the workflow sets itself."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    kept.pop("PYTHONPATH", None)
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@dataclass
class Run:
    """How a run of Snakemake ended."""

    code: int
    output: str

    def must_succeed(self) -> Run:
        """Itself, or a failed test that shows the end of the output."""
        assert self.code == 0, self.output[-6000:]
        return self


@dataclass
class Lab:
    """One folder; ``rows`` are lines of its sample sheet."""

    folder: Path
    rows: list[str] = field(default_factory=list)
    header: str = "dataset\trecipe\tsource\tpixel_size\tnotes"
    run_output: Run | None = None

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def prepare(self) -> Lab:
        """Write two images and the recipes."""
        (self.folder / "config" / "recipes").mkdir(parents=True)
        (self.folder / "data").mkdir()
        for seed, name in enumerate(("one", "two")):
            np.save(self.folder / "data" / f"{name}.npy", lattice(seed))
        self.recipe("tiny", TINY)
        self.recipe("single", SINGLE)
        return self

    def recipe(self, name: str, text: str) -> None:
        (self.folder / "config" / "recipes" / f"{name}.yaml").write_text(text)

    def sheet(self, *rows: str) -> Lab:
        """Write the sample sheet; a row without tabs is separated by spaces."""
        self.rows = [row if "\t" in row else "\t".join(row.split(" ")) for row in rows]
        text = "\n".join([self.header, *self.rows]) + "\n"
        (self.folder / "config" / "datasets.tsv").write_text(text, encoding="utf-8")
        return self

    def copy(self, folder: Path) -> Lab:
        """The same lab elsewhere, time stamps included."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=shutil.copy2)
        for path in sorted(self.folder.rglob("*"), reverse=True):
            shutil.copystat(path, folder / path.relative_to(self.folder), follow_symlinks=False)
        return Lab(folder, list(self.rows))

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        snakemake = str(Path(sys.executable).parent / "snakemake")
        return [snakemake, "-s", str(SNAKEFILE), "--cores", str(cores), *map(str, arguments)]

    def run(self, *arguments: str, cores: int = 2) -> Run:
        """Run Snakemake in the folder."""
        ended = subprocess.run(
            self.command(*arguments, cores=cores),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return Run(ended.returncode, ended.stdout)

    def plan(self, *arguments: str) -> set[str]:
        """Outputs that a run would make, relative to the results."""
        output = self.run("--summary", *arguments).must_succeed().output
        lines = [line.split("\t") for line in output.splitlines() if line.count("\t") >= 4]
        header = lines[0]
        planned = [row for row in lines[1:] if row[header.index("plan")] == "update pending"]
        return {row[0].partition("results/")[2] for row in planned}

    def leftovers(self) -> list[Path]:
        """What a run should not leave behind: half-written files, notes of failures, scripts."""
        scripts = (
            script
            for script in (self.folder / ".snakemake" / "scripts").glob("*")
            if time.time() - script.stat().st_mtime > YOUNG
        )
        notes = self.results.glob("*/failures/*")
        return [*self.results.rglob(".*.tmp-*"), *self.results.rglob(".*.old-*"), *notes, *scripts]

    def jobs(self) -> dict[str, int]:
        """Logs of jobs, with the time of each: what changes here has run."""
        return {
            str(log.relative_to(self.results)): log.stat().st_mtime_ns
            for log in self.results.glob("**/logs/*.log")
        }

    def ran(self, *arguments: str) -> set[str]:
        """Run and tell which jobs ran, by their logs."""
        before = self.jobs()
        self.run(*arguments).must_succeed()
        return {log for log, when in self.jobs().items() if before.get(log) != when}

    def kill_when(self, condition: Callable[[], bool], *, group: bool = True) -> bool:
        """Start a run and SIGKILL it (with all its jobs, or alone) once the condition holds.

        Returns whether it was killed; False if it ended before.
        """
        with subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            end = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < end:
                if condition():
                    if group:
                        os.killpg(process.pid, signal.SIGKILL)
                    else:
                        process.kill()
                    return True
                time.sleep(0.02)
            assert process.poll() is not None, "the run neither came to the place nor ended"
            return False

    def stop_when(
        self, condition: Callable[[], bool], numbers: Sequence[int], *, group: bool
    ) -> tuple[Run, list[psutil.Process]]:
        """Start a run and send it signals, one after the other, once the condition holds.

        Returns how it ended, and the processes of its jobs that outlived it.
        """
        with (
            (self.folder / "output.txt").open("w+") as output,
            subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            end = time.monotonic() + 300
            while not condition():
                assert process.poll() is None, "the run ended before it came to the place"
                assert time.monotonic() < end, "the run did not come to the place"
                time.sleep(0.02)
            jobs = psutil.Process(process.pid).children(recursive=True)
            for number in numbers:
                (os.killpg if group else os.kill)(process.pid, number)
                time.sleep(0.3)
            process.wait(timeout=300)
            alive = psutil.wait_procs(jobs, timeout=20)[1]
            output.seek(0)
            return Run(process.returncode, output.read()), alive


def contents(folder: Path) -> dict[str, bytes]:
    """Every result that must not depend on time or machine: bytes by relative path."""
    skipped = {"logs", "benchmarks", ".snakemake_timestamp", ".lock", ".fingerprints"}
    skipped |= {".terminal", "ro-crate-metadata.json"}  # the crate tells when each job ran
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        result = path.is_file() and path.suffix not in (".html", ".sums")
        if result and not skipped & set(parts):
            found["/".join(parts)] = path.read_bytes()
    return found
