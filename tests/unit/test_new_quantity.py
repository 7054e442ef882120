"""What nobody has listed anywhere is drawn, tabulated and offered, in each place by itself.

A column of the sites (curvature) and parts of a model (scale, shear, and a bending of later
versions) are given to stores with nothing but their attributes.
"""

from pathlib import Path

import fake_results
import numpy as np
import pandas as pd
import pytest

from vaescope import store
from vaescope.exchange import table
from vaescope.explorer import sites as explorer_sites
from vaescope.explorer.model_columns import ModelColumns
from vaescope.figures import Look, maps
from vaescope.figures.scene import load
from vaescope.quantities import attributes
from vaescope.results import Results
from vaescope.workflow.tables import write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = fake_results.make(
        tmp_path_factory.mktemp("new"), shape=(90, 100), models=("rvae",), step=15.0
    )
    rng = np.random.default_rng(0)
    sites = store.open(made / "sites.zarr").load()
    count = sites.sizes["site"]
    about = attributes("curvature of the wall", "1/nm", "diverging", error="curvature_error")
    sites["curvature"] = ("site", rng.normal(size=count), about)
    about = attributes("standard error of the curvature", "1/nm")
    sites["curvature_error"] = ("site", rng.gamma(2, size=count), about)
    store.write(sites, made / "sites.zarr")
    latents = store.open(made / "rvae" / "latents.zarr").load()
    count = latents.sizes["site"]
    for name, units, scale in (
        ("consensus_scale", "1", "sequential"),
        ("consensus_shear", "rad", "diverging"),
        ("bending", "1/nm", "diverging"),
    ):
        error = f"{name.removeprefix('consensus_')}_spread"
        about = attributes(name.removeprefix("consensus_"), units, scale, error=error)
        latents[name] = ("site", rng.normal(size=count), about)
        latents[error] = ("site", rng.gamma(2, size=count), attributes("spread", units))
    rows = latents["site"].values
    column = sites["curvature"].values[rows], sites["curvature"].attrs
    latents = latents.assign_coords(curvature=("site", *column))
    store.write(latents, made / "rvae" / "latents.zarr")
    return made


NEW = {"rvae_scale", "rvae_shear_deg", "rvae_bending_1_nm"}
SPREADS = {"rvae_scale_spread", "rvae_shear_spread_deg", "rvae_bending_spread_1_nm"}


def test_it_has_a_map_and_a_map_of_its_spread(folder):
    scene = load(Results(folder), ["rvae"], Look(), "v")
    (view,) = scene.views
    drawn = {c.quantity.column: c for c in maps.mapped(scene, view)}
    assert set(drawn) >= NEW and "curvature_1_nm" not in drawn
    assert drawn["rvae_shear_deg"].label == "shear (°)"
    assert {c.quantity.column for c in maps.spreads(scene, view)} >= SPREADS
    figure = maps.of_sites(scene)
    assert figure is not None
    columns = figure.figure_data.tables[""].columns
    assert list(columns) == ["site", "frame", "y_px", "x_px", "curvature_1_nm"]
    np.testing.assert_array_equal(columns["curvature_1_nm"], scene.sites["curvature"])


def test_it_is_a_column_of_every_table_under_one_name(folder, tmp_path):
    columns = table.columns_of(Results(folder), ["rvae"])
    wanted = NEW | SPREADS | {"curvature_1_nm", "curvature_error_1_nm"}
    assert {column.column for column in columns} >= wanted
    for name in ("sites.zarr", "rvae/latents.zarr"):
        path = tmp_path / name.replace("/", "-")
        write_table(store.open(folder / name).load(), path)
        read = set(pd.read_csv(path))
        assert {"curvature_1_nm"} <= read and (name == "sites.zarr" or read >= NEW | SPREADS)


def test_the_explorer_offers_it(folder):
    scene = load(Results(folder), ["rvae"], Look(), "v")
    rows = scene.patches["site"].values
    offered = {column.header: column for column in explorer_sites.columns(scene, rows)}
    assert offered["curvature_1_nm"].error == "curvature_error"
    assert offered["curvature_1_nm"].label == "curvature of the wall"
    of_model = {c.header: c for c in ModelColumns(scene, scene.views[0], rows).columns()}
    assert set(of_model) >= NEW | SPREADS and "curvature_1_nm" not in of_model
    shear = scene.views[0].latents["consensus_shear"].values
    np.testing.assert_allclose(of_model["rvae_shear_deg"].values[rows], np.degrees(shear))
