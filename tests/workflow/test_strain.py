"""Strain of a simulated film, through the whole workflow."""

from __future__ import annotations

import json

import pandas as pd
import xarray as xr
from lab import Lab

from vaescope.results import Results

RECIPE = """\
extends: strain
patches: {pixels: 16}
ensemble: {members: 2}
figures: {formats: [png], dpi: 40}
models:
  rvae: {steps: 30, hidden: 16, batch: 16, turns: 4, refine: 1, interpolation: bilinear}
"""


def test_strain_is_mapped_by_three_methods_with_one_zero(fresh: Lab):
    fresh.recipe("film", RECIPE)
    fresh.sheet("film film simulate:misfit?size=160&spacing=16&width=2&misfit=3&dose=4000")
    fresh.run().must_succeed()
    folder = fresh.results / "film"
    found = xr.open_zarr(folder / "strain.zarr", consolidated=False)
    assert list(found["method"].values) == ["neighbours", "GPA", "rvae"]
    assert found.attrs["ordered"] and int(found["reference"].sum()) > 10
    known = Results(folder).facts
    # The film stands 5.6 % taller than the substrate: both measures must find that.
    for method in ("neighbours", "GPA"):
        assert known.value(f"strain: {method}", "rmse_strain") < 1.5
    drawn = json.loads((folder / "figures" / "latest" / "figures.json").read_text())
    names = {figure["name"] for figure in drawn["figures"]}
    assert {"strain-maps", "strain-errors", "strain-truth", "rvae-strain"} <= names
    # A film that lies along the rows cannot be told from a scan that is distorted: it is said so.
    assert "scan-profiles" in names
    report = (folder / "report.html").read_text()
    assert "Has a step along a row of the image: strain yy" in report
    table = pd.read_csv(folder / "strain.csv")
    assert {
        "strain_neighbours_xx_percent",
        "strain_gpa_yy_error_percent",
        "rotation_rvae_deg",
    } <= set(table.columns)
    assert "Strain by neighbours&#39; vectors" in report


def test_windows_have_no_strain_and_no_job_for_it(fresh: Lab):
    fresh.recipe("looking", "extends: windows\npatches: {size: 20, pixels: 12}\n")
    fresh.sheet("one looking ../data/one.npy")
    planned = fresh.run("--dry-run").must_succeed().output
    assert "draw_figures" in planned and "map_strain" not in planned
