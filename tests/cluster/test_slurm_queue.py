"""What a cluster of Slurm can give, and which jobs can never start there: asked of a real one."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import psutil
import pytest
from local_slurm import Slurm

from vaescope.errors import UserError
from vaescope.workflow import slurm
from vaescope.workflow.queue_watch import QueueWatch


@pytest.fixture
def watch(known: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QueueWatch:
    """A watch over the jobs of a folder, which says what it does in ``watch.said``."""
    monkeypatch.setenv(slurm.LARGEST, "")  # so that it is taken back afterwards
    slurm.largest.cache_clear()
    said: list[str] = []
    found = QueueWatch(tmp_path, said.append, lambda: said.append("ended"), at_work=bool)
    found.said = said  # type: ignore[attr-defined]
    return found


def submit(cluster: Slurm, folder: Path, *options: str, script: str = "sleep 60") -> str:
    """Submit a job as the executor does; returns its number."""
    log = ("--output", str(folder / "%j.log"))
    comment = ("--comment", "rule_find_sites_wildcards_one")
    command = ("sbatch", "--parsable", "-D", str(folder), *log, *comment, *options)
    return cluster.run(*command, f"--wrap={script}").strip()


def states(cluster: Slurm) -> dict[str, str]:
    return {job["id"]: job["state"] for job in cluster.jobs()}


def test_the_largest_node_and_the_longest_time_are_those_of_the_cluster(watch: QueueWatch):
    assert slurm.partitions()["short"] == slurm.NodeLimits(2, 6000, 600, 0)
    assert slurm.largest() == slurm.NodeLimits(2, 6000, 600, 0)
    assert slurm.given() == slurm.largest()


def test_a_partition_that_is_not_there_is_named(watch: QueueWatch):
    with pytest.raises(UserError, match=r"no partition `nowhere`; expected one of short"):
        slurm.largest(("nowhere",))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("--cpus-per-task=8", "8 cores, and the partition `short` has on a node 2 at most"),
        ("--time=700", "700 minutes, and the partition `short` allows 600 at most"),
    ],
)
def test_a_job_that_can_never_start_is_cancelled_and_named(
    known: Slurm, watch: QueueWatch, asked: str, said: str
):
    job = submit(known, watch.folder, asked)
    assert states(known)[job] == "PENDING"
    assert watch.look()
    assert states(known)[job] == "CANCELLED"
    (line,) = watch.said
    assert said in line and "find_sites" in line and "Ask for less" in line


def test_jobs_that_only_wait_stay(known: Slurm, watch: QueueWatch):
    """For others to end, for nodes that are drained, for a time to come, for a person."""
    known.drain("large", "small")
    waits = [submit(known, watch.folder, "--mem=100", "--cpus-per-task=2") for _ in range(2)]
    waits += [submit(known, watch.folder, "--begin=now+1hour")]
    waits += [submit(known, watch.folder, "--hold")]
    elsewhere = submit(known, watch.folder.parent, "--cpus-per-task=8")
    time.sleep(3)
    assert watch.look()
    assert not watch.said
    assert {states(known)[job] for job in [*waits, elsewhere]} == {"PENDING"}


def test_a_run_whose_jobs_slurm_has_lost_is_ended(known: Slurm, watch: QueueWatch):
    watch.patience = 1.0
    job = submit(known, watch.folder, "--mem=100")
    time.sleep(1.5)
    assert watch.look() and not watch.said
    known.run("scancel", job)
    known.idle()
    assert watch.look()
    time.sleep(1.5)
    assert not watch.look()
    assert watch.said[-1] == "ended" and "Run the workflow again" in watch.said[0]


@pytest.mark.parametrize(
    ("script", "asked", "said"),
    [
        ("python3 -c 'import time; x = bytearray(10**9); time.sleep(30)'", "--mem=200", "memory"),
        ("exec sleep 60", "--mem=100", "was cancelled"),
    ],
    ids=["memory", "scancel"],
)
def test_what_slurm_did_to_a_job_stands_in_its_note(
    known: Slurm, watch: QueueWatch, script: str, asked: str, said: str
):
    job = submit(known, watch.folder, asked, script=script)
    end = time.monotonic() + 30
    while states(known)[job] not in ("FAILED", "CANCELLED", "OUT_OF_MEMORY"):
        assert time.monotonic() < end
        if "sleep 60" in script and states(known)[job] == "RUNNING":
            known.run("scancel", job)
        time.sleep(0.3)
    state = states(known)[job]
    logs = [str(watch.folder / "one" / "logs" / "find_sites.log"), f"{watch.folder}/{job}.log"]
    text = f"SLURM-job '{job}' failed, SLURM status is: '{state}'. "
    note = reported(watch, job, text, logs)
    assert said in note


def test_what_slurm_refuses_stands_in_the_note_of_the_job(known: Slurm, watch: QueueWatch):
    text = (
        "SLURM sbatch failed. The error message was 'sbatch: error: CPU count per node can not be"
        " satisfied'.\n    sbatch call:\n        sbatch"
    )
    logs = [str(watch.folder / "one" / "logs" / "find_sites.log")]
    note = reported(watch, None, text, logs)
    assert "CPU count per node can not be satisfied" in note
    assert "--set-threads find_sites=CORES" in note


def reported(watch: QueueWatch, job: str | None, text: str, logs: list[str]) -> str:
    """The note that comes of a failure that Snakemake reports."""
    from snakemake_interface_logger_plugins.common import LogEvent

    logger = logging.getLogger(f"reported-{job}")
    watch.note_failures(logger)
    more = {"event": LogEvent.JOB_ERROR, "indent": False, "rule_name": "find_sites"}
    more |= {"rule_msg": text, "log": logs, "aux": {"external_jobid": job} if job else {}}
    logger.error("Error in rule find_sites", extra=more)
    note = watch.folder / "one" / "failures" / "find_sites.json"
    return str(json.loads(note.read_text())["message"])


def test_a_cluster_that_keeps_no_account_of_jobs_is_asked_by_squeue_alone(watch: QueueWatch):
    slurm.check_status("squeue")
    with pytest.raises(UserError, match="keeps no account of jobs"):
        slurm.check_status("sacct")


def test_a_cluster_that_soon_forgets_jobs_is_refused_and_nothing_is_left_of_it(
    monkeypatch: pytest.MonkeyPatch, slurm_folder: Path
):
    other = Slurm(slurm_folder, {"only": (1, 500)}, age=60).start()
    try:
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UserError, match=r"found MinJobAge 60 s; expected at least 200 s"):
            slurm.check_status("squeue")
        submit(other, slurm_folder, "--mem=100")
    finally:
        other.stop()
    assert not slurm_folder.exists()
    assert not [one.pid for one in other.processes if psutil.pid_exists(one.pid)]
