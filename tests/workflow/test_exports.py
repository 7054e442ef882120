"""Finished results in the forms of other tools, and the last words of a run."""

from __future__ import annotations

import json
from pathlib import Path

import crates
import numpy as np
import pandas as pd
import pytest
import zarr
from lab import Lab, Run

from vaescope import store


@pytest.fixture(scope="module")
def exported(finished: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Run]:
    """Everything exported of a finished dataset, while another one fails."""
    lab = finished.copy(tmp_path_factory.mktemp("exports") / "lab")
    np.save(lab.folder / "data" / "flat.npy", np.full((128, 128), 3.0))
    lab.sheet("one tiny ../data/one.npy", "flat single ../data/flat.npy")
    return lab, lab.run("--config", "export=all")


def test_table_and_crate_are_there_without_asking(finished: Lab):
    folder = finished.results / "one"
    read = pd.read_csv(folder / "export" / "sites.csv")
    assert len(read) == store.open(folder / "sites.zarr").sizes["site"]
    assert {
        "rvae_latent_1",
        "rvae_angle_deg",
        "jrvae_class",
        "strain_neighbours_xx_percent",
    } <= set(read)
    assert (folder / "ro-crate-metadata.json").is_file()
    assert not (folder / "export" / "image.hspy").exists()


def test_exports_that_are_asked_for_later_redo_nothing_else(exported: tuple[Lab, Run]):
    lab, run = exported
    counted = run.output.partition("Job stats:")[2].partition("total")[0]
    rules = {line.split()[0] for line in counted.splitlines() if line.strip()[-1:].isdigit()}
    assert {"export_napari", "export_hyperspy", "write_crate"} <= rules
    made = store.open(lab.results / "one" / "image.zarr")["image"].values[0, 0]
    export = lab.results / "one" / "export"
    np.testing.assert_array_equal(zarr.open_group(export / "image.ome.zarr", mode="r")["0"], made)
    points = pd.read_csv(export / "points.csv")
    table = pd.read_csv(export / "sites.csv")
    np.testing.assert_allclose(points["axis-0"], table["y_px"], rtol=1e-5)
    assert "one: training" not in run.output


def test_hyperspy_opens_the_dataset(exported: tuple[Lab, Run]):
    import hyperspy.api as hs

    signal = hs.load(exported[0].results / "one" / "export" / "image.hspy")
    assert signal.metadata.General.title == "one"
    assert signal.metadata.vaescope.row.recipe == "tiny"
    sites = store.open(exported[0].results / "one" / "sites.zarr")
    offsets = signal.metadata.Markers.sites.get_current_kwargs()["offsets"]
    np.testing.assert_allclose(offsets[:, 1], sites["y"].values)


def test_the_crate_of_a_real_run_is_valid_and_has_the_exports(
    exported: tuple[Lab, Run], tmp_path: Path
):
    folder = exported[0].results / "one"
    assert crates.problems(folder, crates.cache(tmp_path / "cache")) == []
    document = json.loads((folder / "ro-crate-metadata.json").read_text())
    found = {entity["@id"]: entity for entity in document["@graph"]}
    assert {"export/sites.csv", "export/image.ome.zarr/", "export/image.hspy"} <= set(found)
    jobs = {key.removeprefix("#job-") for key in found if key.startswith("#job-")}
    logs = {log.stem for log in (folder / "logs").glob("*.log")}
    assert jobs == logs - {"write_crate"}, "every job but the crate's own"
    start, end = (found["#run"][key] for key in ("startTime", "endTime"))
    assert start < end


def test_the_run_ends_with_what_failed_why_and_where_to_look(exported: tuple[Lab, Run]):
    lab, run = exported
    assert run.code != 0
    end = run.output.partition("\nvaescope after ")[2].splitlines()
    assert "1 of 2 datasets finished" in end[0]
    assert end[1] == "1 of 2 datasets failed:"
    assert end[2].startswith("  - dataset `flat`: ") and "constant" in end[2]
    assert end[3] == f"    log: {lab.results / 'flat' / 'logs' / 'ingest.log'}"
    assert f"Results: {lab.results / 'index.html'}" in end


def test_new_reports_are_named_at_the_end(finished: Lab):
    end = finished.run_output.output.partition("\nvaescope after ")[2]
    assert "1 of 1 datasets finished, 1 of them in this run." in end
    assert f"New reports:\n  {finished.results / 'one' / 'report.html'}\n" in end


def test_one_export_can_be_asked_for_by_its_path(lab: Lab):
    lab.run("results/one/export/image.hspy").must_succeed()
    assert (lab.results / "one" / "export" / "image.hspy").is_file()
    assert not (lab.results / "one" / "export" / "image.ome.zarr").exists()
