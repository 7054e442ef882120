"""One finished run, made once; each test works in a copy of it."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest
from lab import Lab, Run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Lab:
    """A finished run of one dataset with two models, the same for all processes of the tests.
    Never write here: see ``lab``."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    said = folder / "output.txt"
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(folder, ignore_errors=True)
            lab = Lab(folder / "lab").prepare().sheet("one tiny ../data/one.npy")
            said.write_text(lab.run().must_succeed().output, encoding="utf-8")
    rows = ["one\ttiny\t../data/one.npy"]
    return Lab(folder / "lab", rows, run_output=Run(0, said.read_text(encoding="utf-8")))


@pytest.fixture
def lab(finished: Lab, tmp_path: Path) -> Lab:
    """A copy of the finished run."""
    return finished.copy(tmp_path / "lab")


@pytest.fixture
def fresh(tmp_path: Path) -> Lab:
    """Data, recipes and one dataset with one model; nothing has run."""
    return Lab(tmp_path / "lab").prepare().sheet("one single ../data/one.npy")
