"""The workflow with `workflow/profiles/slurm`, as it ships, on a real Slurm of two small nodes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from lab import REPOSITORY, SINGLE, SNAKEFILE, Lab, Run, environment, lattice
from local_slurm import Slurm

PROFILE = REPOSITORY / "workflow" / "profiles" / "slurm"

GREEDY = """
import time

HELD = bytearray({memory})


def nothing(reconstruction, latents):
    time.sleep({seconds})
    return 0 * reconstruction.square().sum((1, 2, 3)) + 0 * len(HELD)
"""
"""A loss term of the user's own that takes memory or time, and says nothing."""


class OnSlurm:
    """One lab whose runs go to a cluster."""

    def __init__(self, lab: Lab, cluster: Slurm) -> None:
        self.lab, self.cluster = lab, cluster

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a run as the README says, on a machine that knows the cluster but no `sacct`."""
        snakemake = str(Path(sys.executable).parent / "snakemake")
        command = [snakemake, "-s", str(SNAKEFILE), "--workflow-profile", str(PROFILE)]
        self.output = self.lab.folder / "output.txt"
        with self.output.open("w") as output:
            return subprocess.Popen(
                [*command, "--slurm-init-seconds-before-status-checks", "4", *arguments],
                cwd=self.lab.folder,
                env=environment() | self.cluster.environment | {"PATH": self.path()},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def path(self) -> str:
        """The programs of this environment, of the cluster, and of the system but `sacct`."""
        system = self.cluster.folder / "system"
        if not system.exists():
            system.mkdir()
            for folder in ("/usr/local/bin", "/usr/bin", "/bin"):
                for program in Path(folder).iterdir():
                    if program.name not in ("sacct", "sacctmgr", "sshare"):
                        with suppress(FileExistsError):
                            (system / program.name).symlink_to(program)
        return os.pathsep.join(
            map(str, [Path(sys.executable).parent, self.cluster.folder / "bin", system])
        )

    def wait(self, process: subprocess.Popen[str], until: Callable[[], bool] | None = None) -> Run:
        """Wait for the end of a run, or for a moment in it, for 25 minutes at most."""
        end = time.monotonic() + 1500
        while process.poll() is None and not (until and until()):
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
                pytest.fail(f"the run did not end\n{self.output.read_text()[-6000:]}")
            time.sleep(0.5)
        return Run(process.poll() or 0, self.output.read_text())

    def run(self, *arguments: str) -> Run:
        return self.wait(self.start(*arguments))

    def jobs(self) -> list[dict[str, str]]:
        """What Slurm knows of the jobs of this lab, by their numbers."""
        found = [job for job in self.cluster.jobs() if job["folder"] == str(self.lab.folder)]
        return sorted(found, key=lambda job: int(job["id"]))

    def of_rule(self, rule: str) -> list[dict[str, str]]:
        """Those of a rule, alone or in a group."""
        return [job for job in self.jobs() if re.search(rf"_{rule}(_|$)", job["comment"])]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, slurm: Slurm) -> Lab:
    """Two datasets with all that comes before training."""
    lab = Lab(tmp_path_factory.mktemp("prepared") / "lab").prepare()
    for name in ("memory", "hours"):
        np.save(lab.folder / "data" / f"{name}.npy", lattice(5, side=96))
        lab.recipe(name, SINGLE)
    lab.sheet("memory memory ../data/memory.npy", "hours hours ../data/hours.npy")
    samples = [f"results/{name}/samples.zarr" for name in ("memory", "hours")]
    lab.run(*samples).must_succeed()
    return lab


def test_jobs_killed_by_memory_and_by_time_are_tried_again_with_more(
    known: Slurm, prepared: Lab, tmp_path: Path
):
    lab = prepared.copy(tmp_path / "lab")
    text = SINGLE.replace("rvae: {", "rvae: {physics_loss: greedy.py:nothing, ")
    for name, memory, seconds, steps in (("memory", 10**9, 0, 20), ("hours", 1, 1.0, 90)):
        folder = lab.folder / "config" / "recipes"
        greedy = GREEDY.format(memory=memory, seconds=seconds)
        (folder / f"{name}.py").write_text(greedy)
        lab.recipe(name, text.replace("greedy", name).replace("steps: 30", f"steps: {steps}"))
    run = OnSlurm(lab, known)
    parts = [f"results/{name}/rvae/parts/0" for name in ("memory", "hours")]
    minutes = "1 if wildcards.dataset == 'hours' and attempt == 1 else 60"
    ended = run.run("--set-resources", f"train:runtime={minutes}", "--", *parts).must_succeed()
    jobs = run.of_rule("train")
    (late,) = [job for job in jobs if job["state"] == "TIMEOUT"]
    (killed,) = [job for job in jobs if job["state"] == "FAILED"]
    more = [job for job in jobs if job["state"] == "COMPLETED"]
    assert len(jobs) == 4 and len(more) == 2, ended.output[-3000:]
    assert late["limit"] == "1:00" and {job["limit"] for job in more} == {"1:00:00"}
    assert {megabytes(job) for job in more} == {2 * megabytes(killed)} == {2 * megabytes(late)}
    assert not list(lab.results.glob("*/failures/*.json"))


def megabytes(job: dict[str, str]) -> float:
    from vaescope.workflow import slurm

    return slurm.megabytes(job["memory"])


def test_jobs_that_can_never_start_are_named_and_the_run_ends(
    known: Slurm, prepared: Lab, tmp_path: Path
):
    """For memory, which Slurm refuses, and for time, for which it would wait for ever; but no job
    asks for more cores than there are."""
    lab = prepared.copy(tmp_path / "lab")
    run = OnSlurm(lab, known)
    ended = run.run(
        *("--set-threads", "map_strain=64"),
        *("--set-resources", "train:runtime=900", "run_baselines:mem_mb=999999"),
        "--",
        *(f"results/hours/{name}" for name in ("strain.zarr", "rvae/members", "baselines.zarr")),
    )
    assert ended.code != 0
    assert (lab.results / "hours" / "strain.zarr").exists()
    asked = {"run_baselines": "mem_mb=6000", "train-rvae-0": "runtime=600"}
    for job, remedy in asked.items():
        note = json.loads((lab.results / "hours" / "failures" / f"{job}.json").read_text())
        assert remedy in note["message"], note
        assert note["message"][:60] in ended.output, ended.output[-4000:]
    assert not known.jobs("PENDING,RUNNING")


def test_a_run_that_could_not_see_the_end_of_its_jobs_does_not_begin(
    known: Slurm, prepared: Lab, tmp_path: Path
):
    run = OnSlurm(prepared.copy(tmp_path / "lab"), known)
    ended = run.run("--slurm-status-command", "sacct", "--", "results/hours/strain.zarr")
    assert ended.code != 0
    assert "keeps no account of jobs" in ended.output, ended.output[-3000:]
    assert "--slurm-status-command squeue" in ended.output
    assert not run.of_rule("map_strain")
