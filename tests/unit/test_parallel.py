"""A Dask scheduler with two workers finds and cuts what this process alone does, to the byte."""

import time
from contextlib import closing

import dask
import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster

from vaescope import parallel, samples, sites, store
from vaescope.errors import UserError


def image() -> xr.Dataset:
    """Two frames of a square lattice, larger than a tile."""
    y, x = np.mgrid[:1200, :200].astype(np.float32)
    lattice = np.cos(2 * np.pi * y / 12) + np.cos(2 * np.pi * x / 12)
    random = np.random.default_rng(0)
    frames = np.exp(2 * lattice - 4) + random.normal(0, 0.02, (2, 1, 1200, 200))
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), frames.astype(np.float32))},
        {"time": [0, 1], "channel": ["HAADF"], "y": np.arange(1200.0), "x": np.arange(200.0)},
        {"pixel_size": 1.0, "pixel_unit": "px", "calibrated": False, "source_sha256": ["0"]},
    ).chunk({"time": 1, "y": 1024, "x": 1024})


@pytest.fixture
def cluster():
    """A scheduler with two workers, processes of their own."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made
    dask.config.set(scheduler=None)


@pytest.mark.slow
def test_sites_and_patches_come_from_the_workers_and_are_the_same(tmp_path, cluster, monkeypatch):
    store.write(image(), tmp_path / "image.zarr")

    def both() -> tuple[xr.Dataset, xr.Dataset]:
        monkeypatch.chdir(tmp_path)
        given = store.open("image.zarr")  # relative: the workers are elsewhere
        found = sites.find(given, {"method": "log", "spacing": 12.0}, threads=2)
        store.write(samples.extract(given, found, {"pixels": 16}, threads=2), "samples.zarr")
        return found, store.open("samples.zarr").load()

    alone = both()
    with closing(parallel.connect(cluster.scheduler_address)) as client:
        client.get_task_stream()  # from the first call on it is recorded
        shared = both()
        tasks = client.get_task_stream()
    names = {str(task["key"]).rpartition("/")[2].split("-")[0] for task in tasks}
    assert {"_tile", "_fit", "_sample"} <= names, names
    assert len({task["worker"] for task in tasks}) == 2
    assert alone[0].sizes["site"] > 1000
    for one, other in zip(alone, shared, strict=True):
        xr.testing.assert_identical(one, other)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "tcp://127.0.0.1"])
def test_a_scheduler_that_does_not_answer_is_named_soon(address):
    began, before = time.monotonic(), dask.config.get("scheduler", None)
    with pytest.raises(UserError) as caught:
        parallel.connect(address)
    assert time.monotonic() - began < 3 * parallel.PATIENCE
    assert "no Dask scheduler answers" in str(caught.value)
    assert f"one at `{address}`" in str(caught.value)
    assert "leave `dask_scheduler` out" in str(caught.value)
    assert dask.config.get("scheduler", None) == before
