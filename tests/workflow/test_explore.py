"""Searches through the whole workflow: to the report, and killed in between."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from lab import Lab
from test_spectra import discs

ACTIVE = """\
extends: spectra
patches: {cut: true, pixels: 8}
models:
  vae: null
  rvae: {variant: rvae, steps: 30, hidden: 16, turns: 4, latent: 2}
ensemble: {members: 2}
baselines: {methods: []}
figures: {formats: [png], dpi: 40}
explore:
  method: active
  evaluations: 40
  start: 12
  repeats: 2
  target: {quantity: height, range: [310, 320]}
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab in which the spectra of an image were measured one by one."""
    lab = Lab(tmp_path_factory.mktemp("searched") / "lab").prepare()
    np.savez(lab.folder / "data" / "both.npz", **discs(0))
    lab.recipe("measuring", ACTIVE)
    lab.sheet("film measuring ../data/both.npz")
    lab.run().must_succeed()
    return lab


def explored(lab: Lab, dataset: str) -> xr.Dataset:
    return xr.open_zarr(lab.results / dataset / "explore.zarr", consolidated=False).load()


def scores(lab: Lab, dataset: str) -> dict[str, float]:
    facts = json.loads((lab.results / dataset / "facts.json").read_text())
    return {one["name"]: one["value"] for one in facts["scores"] if one["about"] == "search"}


def test_spectra_measured_one_by_one_predict_the_others(searched: Lab):
    found = explored(searched, "film")
    assert found.sizes["step"] == 40
    assert len(set(found["point"].values.tolist())) == 40
    np.testing.assert_array_equal(found["value"], found["truth"].values[found["point"]])
    assert found["kept"].values[[0, -1]].tolist() == [12, 40]
    assert {"this search", "random"} <= set(found["strategy"].values.tolist())
    known = scores(searched, "film")
    assert known["evaluations"] == 40
    assert known["prediction_rmse"] < 0.8  # discs differ from the matrix
    assert 0.8 < known["inside_two_sd"] <= 1


def test_the_report_answers_and_shows_the_search(searched: Lab):
    folder = searched.results / "film"
    drawn = {file.name for file in (folder / "figures" / "latest").glob("search-*")}
    assert {"search-maps.png", "search-course.png", "search-movie.gif"} <= drawn
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "The peak height from 310 to 320" in report
    assert "of 40 of 600 sites was measured" in report
    assert 'id="search-step"' in report
    assert not (folder / "explore").exists()  # its checkpoints


def test_a_search_killed_between_steps_goes_on_and_ends_the_same(searched: Lab, tmp_path: Path):
    lab = searched.copy(tmp_path / "lab")
    shutil.rmtree(lab.results / "film" / "explore.zarr")
    for name in ("film/facts.json", "film/report.html", "index.html"):  # what needs it
        (lab.results / name).unlink()
    checkpoints = lab.results / "film" / "explore" / "checkpoints"
    assert lab.kill_when(lambda: any(checkpoints.glob("*/*.safetensors")))
    assert not (lab.results / "film" / "explore.zarr").exists()
    lab.run("results/film/explore.zarr").must_succeed()
    xr.testing.assert_allclose(
        explored(lab, "film").drop_attrs(), explored(searched, "film").drop_attrs(), rtol=1e-9
    )


BO = """\
extends: trajectories
models:
  vae: {steps: 200, hidden: 32}
ensemble: {members: 2}
baselines: {methods: []}
figures: {formats: [png], dpi: 40}
explore:
  method: bo
  evaluations: 16
  start: 8
  repeats: 1
  objective: {side: 6, duration: 0.6, defects: 2}
  space: {candidates: 100, surface: true, support: refuse}
"""


def test_the_latent_space_of_histories_is_searched(tmp_path: Path):
    lab = Lab(tmp_path / "lab").prepare()
    lab.recipe("searching", BO)
    lab.sheet("curves searching simulate:trajectories?count=300&steps=60")
    lab.run().must_succeed()
    found = explored(lab, "curves")
    assert found.sizes["candidate"] == 100
    assert 8 <= found.sizes["step"] <= 16
    np.testing.assert_allclose(
        found["value"], found["truth"].values[found["point"].values], rtol=1e-4
    )
    assert found["allowed"].values[found["point"].values].all()
    assert 0 < found["allowed"].values.mean() < 1  # corners of the plane hold no history
    names = found["strategy"].values.tolist()
    assert "search in the generators" in names
    assert names[0] == "this search"
    drawn = {file.name for file in (lab.results / "curves/figures/latest").glob("*.png")}
    searched = {f"search-{name}.png" for name in ("maps", "course", "histories")}
    latent = {f"vae-{name}.png" for name in ("decoded-grid", "latent-quantities", "criticism")}
    assert searched | latent | {"spectra.png", "thumbnail.png"} <= drawn
    assert not {name for name in drawn if "map" in name} - searched  # histories have no place
    report = (lab.results / "curves" / "report.html").read_text(encoding="utf-8")
    assert "300 spectra without a place" in report
    assert "follow the row" not in report and "1 × 1 pixels" not in report
    assert "sum of the absolute curl of the polarisation" in report
