"""A fault from outside is named with its remedy, and whoever follows it gets the results of a calm
run; a small sample of ``benchmarks/faults.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Run, contents, environment
from same_results import differences

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from disturbances import DURING, Moment, damaged_outputs


def test_a_flipped_bit_and_a_broken_copy_are_named_and_mended(lab: Lab, tmp_path: Path):
    calm = lab.copy(tmp_path / "calm")
    one = lab.results / "one"
    chunks = [path for path in (one / "samples.zarr" / "patch").rglob("*") if path.is_file()]
    chunk = max(chunks, key=lambda path: path.stat().st_size)
    when = chunk.stat().st_mtime_ns
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 16
    chunk.write_bytes(content)
    os.utime(chunk, ns=(when, when))
    member = next((one / "rvae" / "members").glob("*.safetensors"))
    os.truncate(member, member.stat().st_size - 100)
    again = ("--forcerun", "map_latents", "run_baselines")
    run = lab.run(*again)
    assert run.code != 0
    assert "failed unexpectedly" not in run.output
    named = damaged_outputs(lab, run.output)
    assert set(named) == {"one/samples.zarr", "one/rvae/members"}, run.output[-3000:]
    for name in named:
        (lab.results / name).rename(lab.folder / name.replace("/", "-"))
    lab.run(*again).must_succeed()
    assert not differences(calm.results, lab.results)[1]


def test_a_full_disk_is_named_and_the_run_goes_on_from_there(fresh: Lab):
    limited = ["bash", "-c", 'ulimit -f 40; exec "$@"', "-", *fresh.command()]
    ended = subprocess.run(
        limited,
        cwd=fresh.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    run = Run(ended.returncode, ended.stdout)
    assert run.code != 0
    assert "no space left for the results" in run.output, run.output[-3000:]
    assert "Make room on the disk" in run.output
    assert not list(fresh.results.rglob(".*.tmp-*"))
    fresh.run("results/one/sites.zarr").must_succeed()


def test_a_scheduler_that_does_not_answer_fails_what_needs_it_alone(lab: Lab):
    lab.sheet("one tiny ../data/one.npy", "two single ../data/two.npy")
    run = lab.run("--config", "dask_scheduler=tcp://127.0.0.1:9")
    assert run.code != 0
    assert "Traceback" not in run.output
    summary = run.output.rpartition("datasets failed:")[2]
    assert summary.count("no Dask scheduler answers") == 1
    note = json.loads((lab.results / "two" / "failures" / "ingest.json").read_text())
    assert "no Dask scheduler answers" in note["message"]
    assert (lab.results / "one" / "report.html").is_file()


@pytest.mark.skipif(not Path("/proc").exists(), reason="no folder that nobody may write")
def test_results_that_cannot_be_written_are_refused_in_words(fresh: Lab):
    run = fresh.run("--config", "results=/proc/results")
    assert run.code != 0
    assert "cannot be written" in run.output and "--config results=PATH" in run.output
    assert "Traceback" not in run.output


def test_results_in_the_working_folder_itself_give_no_warnings(fresh: Lab):
    run = fresh.run("--dry-run", "--config", "results=.").must_succeed()
    assert "./" not in run.output.replace("../", "")


def test_a_sample_of_the_campaign_ends_with_the_results_of_a_calm_run(
    finished: Lab, lab: Lab, tmp_path: Path
):
    """All is done anew, with a fault in each of the first runs."""
    random = np.random.default_rng(4)
    (lab.folder / "results").rename(tmp_path / "results")
    for kind in ("job killed", "second run", "Ctrl-C", "Snakemake killed"):
        ended = Moment(6.0 + 4.0 * float(random.uniform())).watch(lab, DURING[kind], random)
        assert ended.holds or kind == "Ctrl-C", (kind, ended.outcome, ended.output[-2000:])
    lab.run().must_succeed()
    assert contents(lab.results)
    assert not differences(finished.results, lab.results)[1]
    assert not lab.leftovers()
