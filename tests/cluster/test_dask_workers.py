"""Preprocessing on the workers of a Dask scheduler, one of which is killed meanwhile."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dask_here import DaskCluster
from lab import SINGLE, Lab, contents, environment

STORES = ("image.zarr", "sites.zarr", "samples.zarr", "sites.csv")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[DaskCluster]:
    cluster = DaskCluster(tmp_path / "dask")
    try:
        yield cluster.start()
    finally:
        cluster.stop()


def large(side: tuple[int, int], spacing: float, seed: int = 3) -> np.ndarray:
    """A square lattice of Gaussian columns of unequal height, (height, width)."""
    random = np.random.default_rng(seed)
    image = random.normal(0, 0.03, side).astype(np.float32)
    near = np.arange(-8, 9)
    for row in np.arange(spacing, side[0] - spacing, spacing):
        for column in np.arange(spacing, side[1] - spacing, spacing):
            y, x = np.array([row, column]) + random.normal(0, 0.2, 2)
            i, j = round(y) + near, round(x) + near
            far = (i[:, None] - y) ** 2 + (j[None] - x) ** 2
            image[np.ix_(i, j)] += random.choice([0.6, 1.0]) * np.exp(-far / (2 * 2.5**2))
    return image


def results(lab: Lab) -> dict[str, bytes]:
    """What the stages of preprocessing have made."""
    return {
        name: content
        for name, content in contents(lab.results / "one").items()
        if name.partition("/")[0] in STORES
    }


def test_a_killed_worker_changes_nothing_in_image_sites_and_patches(
    workers: DaskCluster, tmp_path: Path
):
    lab = Lab(tmp_path / "lab").prepare().sheet("one single ../data/one.npy")
    lab.recipe("single", SINGLE)
    np.save(lab.folder / "data" / "one.npy", large((1300, 1100), 24.0))
    alone = lab.copy(tmp_path / "alone")
    target = "results/one/samples.zarr"
    alone.run(target).must_succeed()

    command = lab.command("--config", f"dask_scheduler={workers.address}", "--", target)
    log = lab.results / "one" / "logs" / "find_sites.log"
    with (lab.folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            command, cwd=lab.folder, env=environment(), stdout=output, stderr=output
        )
        try:
            while process.poll() is None and not (log.exists() and workers.at_work()):
                time.sleep(0.2)
            assert process.poll() is None, "it ended before a worker had anything to do"
            workers.kill()
            process.wait(timeout=900)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, (lab.folder / "output.txt").read_text()[-4000:]
    one, other = results(alone), results(lab)
    assert {name.partition("/")[0] for name in one} == set(STORES)
    assert one.keys() == other.keys()
    assert not [name for name in one if one[name] != other[name]]
    assert sum(workers.seconds().values()) > 0
