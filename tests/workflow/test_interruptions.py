"""Interrupted at any stage and started again, a run finishes with the results of a calm one."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from lab import SINGLE, Lab, contents
from same_results import differences

STAGES = (
    "ingest",
    "find_sites",
    "extract_patches",
    "train-rvae-0",
    "combine_members-rvae",
    "map_latents-rvae",
    "run_baselines",
    "judge",
    "draw_figures",
    "write_comparison",
    "write_report",
)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The same dataset on one core, without any interruption."""
    lab = Lab(tmp_path_factory.mktemp("calm") / "lab").prepare().sheet("one single ../data/one.npy")
    lab.run(cores=1).must_succeed()
    return lab


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """All that comes before the training of a model that takes a while."""
    lab = Lab(tmp_path_factory.mktemp("prepared") / "lab").prepare()
    lab.recipe("single", SINGLE.replace("steps: 30", "steps: 450"))
    lab.sheet("one single ../data/one.npy").run("results/one/samples.zarr").must_succeed()
    return lab


@pytest.fixture
def training(prepared: Lab, tmp_path: Path) -> Lab:
    """A copy in which training comes next."""
    return prepared.copy(tmp_path / "lab")


def test_two_cores_and_kills_at_every_stage_give_the_results_of_one_calm_core(
    calm: Lab, fresh: Lab
):
    killed = 0
    for number, stage in enumerate(STAGES):
        log = fresh.results / "one" / "logs" / f"{stage}.log"
        # Every third time only Snakemake dies and leaves its job behind, still writing.
        killed += fresh.kill_when(log.exists, group=number % 3 != 2)
    assert killed == len(STAGES)
    fresh.run(cores=2).must_succeed()
    assert not differences(calm.results / "one", fresh.results / "one")[1]
    assert not fresh.leftovers()


def test_training_killed_halfway_ends_with_the_weights_of_an_uninterrupted_one(
    training: Lab, tmp_path: Path
):
    training.recipe("single", SINGLE.replace("steps: 30", "steps: 250"))
    other = training.copy(tmp_path / "calm")
    other.run("results/one/rvae/members").must_succeed()
    checkpoints = training.results / "one" / "rvae" / "checkpoints" / "0"

    def has_checkpoints() -> bool:
        return bool(list(checkpoints.glob("*.safetensors")))

    assert training.kill_when(has_checkpoints)
    assert not (training.results / "one" / "rvae" / "parts" / "0").exists()
    training.run("results/one/rvae/members").must_succeed()
    assert "going on from step" in (training.results / "one/logs/train-rvae-0.log").read_text()
    members = contents(training.results / "one" / "rvae" / "members")
    assert len(members) == 2
    assert members == contents(other.results / "one" / "rvae" / "members")
    assert not checkpoints.parent.exists()


@pytest.mark.parametrize(
    ("numbers", "group"),
    [((signal.SIGINT, signal.SIGINT), True), ((signal.SIGTERM,), False)],
    ids=["Ctrl-C twice", "SIGTERM to Snakemake"],
)
def test_training_stops_when_asked_and_goes_on_from_there(
    training: Lab, numbers: tuple[int, ...], group: bool
):
    checkpoints = training.results / "one" / "rvae" / "checkpoints" / "0"

    def both_members_train() -> bool:
        return len(list(checkpoints.glob("*.safetensors"))) == 2

    run, alive = training.stop_when(both_members_train, numbers, group=group)
    assert run.code != 0
    assert not alive
    assert "Traceback" not in run.output, run.output
    assert "stopped by Ctrl-C or SIGTERM" in run.output
    assert both_members_train()
    assert not (training.results / "one" / "rvae" / "parts" / "0").exists()
    assert not list(training.results.rglob(".*.tmp-*"))
    training.run("results/one/rvae/members").must_succeed()
    log = (training.results / "one/logs/train-rvae-0.log").read_text()
    assert log.count("going on from step") == 2
    assert not (training.results / "one" / "failures").joinpath("train-rvae-0.json").exists()


def test_a_killed_job_is_shown_as_stopped(fresh: Lab):
    log = fresh.results / "one" / "logs" / "find_sites.log"
    assert fresh.kill_when(log.exists)
    note = json.loads((fresh.results / "one" / "failures" / "find_sites.json").read_text())
    assert "stopped before it ended" in note["message"]


def test_a_half_written_store_is_never_read(lab: Lab):
    """What a copy that broke off leaves behind is told, not used."""
    (lab.results / "one" / "sites.zarr" / "zarr.json").write_text("{")
    run = lab.run("--forcerun", "extract_patches")
    assert run.code != 0
    assert "sites.zarr" in run.output and "run the workflow again" in run.output


def test_two_runs_do_not_work_in_one_folder(lab: Lab):
    import fcntl

    with (lab.results / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = lab.run("--forcerun", "write_index")
        assert run.code != 0
        assert "Another run is at work" in run.output
    lab.run("--forcerun", "write_index").must_succeed()
