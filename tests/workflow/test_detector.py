"""A learned detector: trained once for all datasets that ask for the same."""

from __future__ import annotations

import json

import pytest
import xarray as xr
from lab import SINGLE, Lab

from vaescope.learned.settings import DetectorSettings

BUNDLED = DetectorSettings().digest()

LEARNED = (
    SINGLE
    + """\
sites:
  method: model
  detector: {simulate: [square], images: 8, steps: 60, members: 2, channels: 4}
"""
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Two datasets with one detector, one with a bundled one, found sites; one that needs none."""
    lab = Lab(tmp_path_factory.mktemp("learned") / "lab").prepare()
    lab.recipe("learned", LEARNED)
    lab.recipe("too", "extends: learned\nsites: {polarity: bright}\nseed: 3\n")
    lab.recipe("bundled", SINGLE + "sites: {method: model}\n")
    lab.sheet(
        "one learned ../data/one.npy",
        "two too ../data/two.npy",
        "three single ../data/one.npy",
        "four bundled ../data/one.npy",
    )
    lab.run(*(f"results/{name}/sites.zarr" for name in ("one", "two", "four"))).must_succeed()
    return lab


def test_two_datasets_share_one_detector(learned: Lab):
    folders = list((learned.results / ".detectors").iterdir())
    assert len(folders) == 1
    members = folders[0] / "members"
    assert sorted(file.name for file in members.glob("[!.]*")) == [
        "detector.json",
        "member-0.safetensors",
        "member-1.safetensors",
    ]
    for name in ("one", "two"):
        sites = xr.open_zarr(learned.results / name / "sites.zarr", consolidated=False)
        assert sites.attrs["method"] == "model"
        assert (sites["score_spread"] >= 0).all() and sites.sizes["site"] > 50


def test_a_detector_that_comes_with_the_package_is_not_trained(learned: Lab):
    sites = xr.open_zarr(learned.results / "four" / "sites.zarr", consolidated=False)
    assert sites.attrs["detector"] == BUNDLED and sites.attrs["detector_bundled"]
    assert sites.sizes["site"] > 50
    other = xr.open_zarr(learned.results / "one" / "sites.zarr", consolidated=False)
    assert not other.attrs["detector_bundled"] and other.attrs["detector_trained"]
    planned = learned.run("-n", "--forceall", "results/four/sites.zarr").must_succeed().output
    assert "train_detector" not in planned and "find_sites" in planned


def test_a_second_run_does_nothing_and_others_do_not_depend_on_it(learned: Lab):
    assert not learned.ran("results/one/sites.zarr", "results/two/sites.zarr")
    assert ".detectors" not in learned.run("-n", "results/three/sites.zarr").output
    planned = learned.run("-n", "--forceall", "results/three/sites.zarr").must_succeed().output
    assert "train_detector" not in planned


def test_only_its_own_settings_train_a_detector_again(learned: Lab):
    learned.recipe("learned", LEARNED.replace("simulate: [square]", "simulate: [hexagonal]"))
    planned = learned.run("-n", "results/one/sites.zarr").must_succeed().output
    assert "train_detector" in planned
    learned.recipe("learned", LEARNED.replace("sites:", "sites:\n  threshold: 0.7"))
    planned = learned.run("-n", "results/one/sites.zarr").must_succeed().output
    assert "train_detector" not in planned and "find_sites" in planned
    learned.recipe("learned", LEARNED)


def test_a_simulation_that_cannot_train_a_detector_is_refused_with_its_name(learned: Lab):
    learned.recipe("wrong", LEARNED.replace("[square]", "[cards1]"))
    learned.sheet(*learned.rows[:2], "five wrong ../data/one.npy")
    assert learned.run("results/.problems/4").code != 0
    page = (learned.results / "index.html").read_text()
    assert "a detector cannot be trained on this simulation" in page and "cards1" in page
    files = learned.results.glob(".detectors/*/members/*.json")
    known = [json.loads(file.read_text())["settings"]["simulate"] for file in files]
    assert ["square"] in known and ["cards1"] not in known
