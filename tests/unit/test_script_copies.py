"""Copies of scripts that a kill left behind go; those of jobs at work and of other runs stay."""

import fcntl
import os
import time
from pathlib import Path

import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Wildcards
from snakemake.script import PythonScript
from snakemake.sourcecache import LocalSourceFile

from vaescope.workflow import script_copies


def copy(place: Path, name: str, log: str, age: float) -> Path:
    """A script as Snakemake copies it for a job with this log."""
    head = PythonScript.generate_preamble(
        path=LocalSourceFile("scripts/ingest.py"),
        cache_path=None,
        source="",
        basedir="",
        input_=InputFiles([]),
        output=OutputFiles(["'\"\\.zarr"]),
        params=Params(fromdict={"note": "\\'\")('"}),
        wildcards=Wildcards(fromdict={"dataset": "one"}),
        threads=1,
        resources=ResourceList(fromdict={}),
        log=Log([log]),
        config={},
        rulename="ingest",
        conda_env=None,
        container_img=None,
        singularity_args=None,
        env_modules=None,
        bench_record=None,
        jobid=1,
        bench_iteration=None,
        cleanup_scripts=True,
        shadow_dir=None,
        is_local=True,
    )
    path = place / f"tmp{name}.ingest.py"
    path.write_text(f"{head}\nprint('work')\n")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


@pytest.mark.parametrize("results", ["results", "results/of mine/größe", "/tmp/results", "."])
def test_a_copy_whose_job_has_ended_goes(tmp_path, monkeypatch, results):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "there" if results.startswith("/") else Path(results)
    (root / "one" / "logs").mkdir(parents=True)
    old = copy(tmp_path, "a", f"{root}/one/logs/ingest.log", 100)
    young = copy(tmp_path, "b", f"{root}/one/logs/ingest.log", 0)
    other = copy(tmp_path, "c", "/elsewhere/results/one/logs/ingest.log", 1e6)
    longer = copy(tmp_path, "d", "old-results/one/logs/ingest.log", 1e6)
    mine = tmp_path / "tmpe.mine.py"
    mine.write_text("print('no copy of Snakemake')")
    os.utime(mine, (0, 0))
    with (root / "one" / "logs" / ".ingest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        script_copies.tidy(root, tmp_path)
        assert old.exists()  # its job is still at work
    script_copies.tidy(root, tmp_path)
    assert not old.exists()
    assert young.exists() and other.exists() and mine.exists()
    assert longer.exists() == (results != ".")
