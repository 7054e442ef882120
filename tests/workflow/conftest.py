"""One finished run, made once; each test works in a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A finished run of one dataset with two models. Never write here: see ``lab``."""
    lab = Lab(tmp_path_factory.mktemp("finished") / "lab").prepare()
    lab.sheet("one tiny ../data/one.npy")
    lab.run().must_succeed()
    return lab


@pytest.fixture
def lab(finished: Lab, tmp_path: Path) -> Lab:
    """A copy of the finished run."""
    return finished.copy(tmp_path / "lab")


@pytest.fixture
def fresh(tmp_path: Path) -> Lab:
    """Data, recipes and one dataset with one model; nothing has run."""
    return Lab(tmp_path / "lab").prepare().sheet("one single ../data/one.npy")
