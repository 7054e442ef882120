"""Scale and shear of models that were trained, if only for a few steps, are seen everywhere.

Their stores are those of the real stages: nothing gives them names, units or kinds of scale here.
"""

import fake_results
import numpy as np
import pandas as pd
import pytest

from vaescope import ensemble, quantities, store, train
from vaescope.exchange import table
from vaescope.explorer.model_columns import ModelColumns
from vaescope.figures import Look, maps
from vaescope.figures.scene import load
from vaescope.judge import scan
from vaescope.results import Results
from vaescope.workflow.tables import write_table

MODELS = {"svae": {"variant": "svae"}, "sheared": {"variant": "rvae", "shear": True}}
QUICK = {"latent": 1, "steps": 4, "hidden": 8, "turns": 4, "batch": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = fake_results.make(tmp_path_factory.mktemp("pose"), shape=(110, 130), models=())
    patches = store.open(made / "samples.zarr")
    for name, settings in MODELS.items():
        members = made / name / "members"
        train.fit(
            patches,
            settings | QUICK,
            members=range(2),
            seed=0,
            out=members,
            checkpoints=made / name / "checkpoints",
            log=lambda _: None,
        )
        (members / "history.csv").rename(made / name / "history.csv")
        found = ensemble.map_latents(members, patches, name=name)
        store.write(found, made / name / "latents.zarr")
    return made


@pytest.mark.parametrize(
    ("model", "variable", "header", "spread", "factor"),
    [
        ("svae", "consensus_scale", "svae_scale", "svae_scale_spread", 1.0),
        (
            "sheared",
            "consensus_shear",
            "sheared_shear_deg",
            "sheared_shear_spread_deg",
            180 / np.pi,
        ),
    ],
    ids=["scale", "shear"],
)
def test_a_part_of_the_pose_that_a_model_has_is_drawn_tested_offered_and_written(
    folder, tmp_path, model, variable, header, spread, factor
):
    results = Results(folder)
    latents = store.open(folder / model / "latents.zarr").load()
    values = factor * latents[variable].values
    assert np.ptp(values) > 0
    (own,) = (one for one in quantities.of(latents) if one.name == variable)
    assert own.column == header and own.mapped and own.group == quantities.POSE
    np.testing.assert_allclose(own.values, values)
    assert own.error is not None and own.error.column == spread
    scene = load(results, [model], Look(), "v")
    (view,) = scene.views
    (drawn,) = (c for c in maps.mapped(scene, view) if c.quantity.column == header)
    np.testing.assert_allclose(drawn.values, values)
    assert spread in {c.quantity.column for c in maps.spreads(scene, view)}
    assert own.label in scan.of_latents(latents)
    rows = latents["site"].values
    offered = {c.header: c for c in ModelColumns(scene, view, rows).columns()}
    np.testing.assert_allclose(offered[header].values[rows], values)
    assert spread in offered
    assert {header, spread} <= {one.column for one in table.columns_of(results, [model])}
    write_table(latents, tmp_path / "latents.csv")
    np.testing.assert_allclose(pd.read_csv(tmp_path / "latents.csv")[header], values, rtol=1e-5)
