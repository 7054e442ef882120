"""A Slurm cluster of two nodes on this machine, where Slurm is installed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import local_slurm
import pytest
from local_slurm import Slurm


@pytest.fixture(scope="session", autouse=True)
def wanted() -> None:
    """These tests take a quarter of an hour and start daemons: they run on request."""
    if not os.environ.get("VAESCOPE_CLUSTER"):
        pytest.skip("VAESCOPE_CLUSTER=1 runs the tests of clusters")


@pytest.fixture(scope="session")
def slurm_base() -> Iterator[Path]:
    """A folder of a short path, since that of a socket is; skips where Slurm is not installed."""
    if why := local_slurm.missing():
        pytest.skip(why)
    base = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    yield base
    shutil.rmtree(base)


@pytest.fixture(scope="session")
def slurm(slurm_base: Path) -> Iterator[Slurm]:
    """Two nodes, `large` with two cores and `small` with one, and a partition of ten hours."""
    cluster = Slurm(slurm_base / "cluster", {"large": (2, 6000), "small": (1, 6000)}, age=3600)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def slurm_folder(slurm_base: Path) -> Path:
    """Where a test can start a cluster of its own."""
    return slurm_base / "other"


@pytest.fixture
def known(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """The cluster, where this process finds it, with all its nodes and without jobs."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    slurm.idle()
    return slurm
