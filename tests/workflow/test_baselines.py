"""Classical methods beside the models, through the whole workflow."""

from __future__ import annotations

import csv
import json

import xarray as xr
from lab import TINY, Lab


def manifest(lab: Lab) -> set[str]:
    drawn = json.loads((lab.results / "one/figures/latest/figures.json").read_text())
    return {figure["name"] for figure in drawn["figures"] if figure["model"] == "baselines"}


def test_a_run_puts_the_methods_beside_the_models_on_a_page(lab: Lab):
    folder = lab.results / "one"
    found = xr.open_zarr(folder / "baselines.zarr", consolidated=False)
    patches = xr.open_zarr(folder / "samples.zarr", consolidated=False)
    assert list(found["baseline"].values) == ["pca", "kmeans"]
    assert (found["site"].values == patches["site"].values).all()
    assert found.attrs["clusters"] == 2  # as many as the classes of jrvae
    provenance = json.loads(found.attrs["provenance"])
    assert provenance["seed"] == 0 and provenance["settings"]["components"] == 4
    page = (folder / "comparison.html").read_text(encoding="utf-8")
    assert 'href="report.html"' in page
    assert 'href="comparison.html"' in (folder / "report.html").read_text(encoding="utf-8")
    assert manifest(lab) == {
        f"baselines-{name}" for name in ("maps", "embeddings", "angles", "components")
    }
    assert all(f'id="{name}"' in page for name in manifest(lab))
    with (folder / "comparison.csv").open(newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["rvae", "jrvae", "pca", "kmeans"]
    assert 0 <= float(rows["pca"]["angle_share"]) <= 1
    assert 0 < float(rows["kmeans"]["explained"]) < 1 and rows["kmeans"]["moran"] == ""


def test_other_methods_rerun_only_what_shows_them(lab: Lab):
    lab.recipe("tiny", TINY.replace("[pca, kmeans]", "[pca, gmm]"))
    names = ("run_baselines", "draw_figures", "write_comparison", "write_report", "write_crate")
    assert lab.ran() == {f"one/logs/{name}.log" for name in names} | {"logs/write_index.log"}
    found = xr.open_zarr(lab.results / "one" / "baselines.zarr", consolidated=False)
    assert list(found["baseline"].values) == ["pca", "gmm"]


def test_no_methods_leave_no_trace_in_the_report(lab: Lab):
    lab.recipe("tiny", TINY.replace("[pca, kmeans]", "[]"))
    ran = lab.ran()
    assert not [log for log in ran if "baselines" in log or "comparison" in log or "train" in log]
    assert "comparison.html" not in (lab.results / "one" / "report.html").read_text()
    assert manifest(lab) == set()


def test_a_misspelt_method_is_told_to_the_person(lab: Lab):
    lab.recipe("tiny", TINY.replace("[pca, kmeans]", "[pca, kmean]"))
    run = lab.run()
    assert run.code != 0
    assert "baselines.methods" in run.output and "Did you mean `kmeans`" in run.output
