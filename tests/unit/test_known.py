"""What a model is told, and what it is not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from pictures import COMMA, DUMBBELL, as_patches, spots, turned_commas

from vaescope import train
from vaescope.ensemble import map_latents
from vaescope.errors import UserError
from vaescope.models.settings import ModelSettings
from vaescope.train.data import Codec, gather

SHORT = {"steps": 40, "batch": 16, "hidden": 16, "turns": 6}


def commas(count=60, **truth):
    random = np.random.default_rng(0)
    pictures = np.stack([spots(COMMA, 14) for _ in range(count)])
    return as_patches(pictures + 0.05 * random.standard_normal(pictures.shape), **truth)


def settings(**given):
    return ModelSettings.from_recipe({**SHORT, **given})


@how(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=30))
def test_classes_become_one_hot_and_come_back(values):
    column = np.array(values, float)
    data = gather(commas(len(values), kind=column), settings(variant="cvae", condition=["kind"]))
    assert (data.conditions.sum(1) == 1).all()
    levels = np.array(data.codec.conditions[0]["levels"])
    np.testing.assert_array_equal(levels[data.conditions.argmax(1)], column)
    again = Codec.from_dict(data.codec.as_dict())
    np.testing.assert_array_equal(again.encode({"kind": column}), data.conditions)


def test_numbers_are_standardised():
    dose = np.random.default_rng(1).random(60) * 40
    data = gather(commas(dose=dose), settings(variant="cvae", condition=["dose"]))
    assert data.conditions.shape == (60, 1)
    assert data.conditions.mean() == pytest.approx(0, abs=1e-6)
    assert data.conditions.std() == pytest.approx(1, abs=1e-6)


def test_a_model_that_is_told_nothing_does_not_change_with_the_truth():
    chosen = settings(variant="rvae")
    one, two = (gather(commas(label=np.full(60, k)), chosen) for k in (0, 1))
    assert one.digest() == two.digest()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variant": "cvae", "condition": ["mood"]}, "no variable `mood`"),
        ({"variant": "dae", "target": "clean"}, "no variable `clean`"),
        ({"variant": "cvae", "condition": ["part"]}, "not known for every patch"),
        ({"variant": "ssvae", "classes": 2, "labels": "label"}, "do not suit 2 classes"),
        ({"variant": "vae", "target": "label"}, "neither a picture nor a curve"),
    ],
)
def test_what_cannot_be_told_is_refused_in_words(changes, said):
    part = np.where(np.arange(60) % 2, np.nan, 1.0)
    patches = commas(label=np.arange(60) % 5, part=part)
    with pytest.raises(UserError, match=said):
        gather(patches, settings(**changes))


@pytest.mark.parametrize(
    ("variant", "missing"),
    [("cvae", "condition"), ("ssrvae", "classes"), ("dae", "target")],
)
def test_a_variant_without_what_makes_it_is_refused(variant, missing):
    with pytest.raises(UserError, match=f"`{variant}` needs {missing}"):
        settings(variant=variant)


def test_labels_in_part_are_told_in_part():
    label = np.arange(60) % 2
    known = np.where(np.arange(60) < 10, label, -1)
    chosen = settings(variant="ssvae", classes=2, labels="known")
    data = gather(commas(known=known), chosen)
    np.testing.assert_array_equal(data.labels, known)
    few = settings(variant="ssvae", classes=2, labels="label", labels_per_class=3)
    told = gather(commas(label=label), few).labels
    assert list(np.bincount(told[told >= 0])) == [3, 3]
    other = gather(commas(label=label), few, seed=1).labels
    assert not np.array_equal(told, other)


def fit(patches, chosen, folder, **more):
    train.fit(
        patches,
        chosen,
        members=[0, 1],
        seed=0,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        log=lambda text: None,
        **more,
    )
    return map_latents(folder / "members", patches)


def test_few_labels_name_the_classes(tmp_path):
    random = np.random.default_rng(3)
    kind = random.integers(0, 2, 200)
    pictures = np.stack([spots((COMMA, DUMBBELL)[k], 14) for k in kind])
    known = np.where(np.arange(200) < 12, kind, -1)
    patches = as_patches(
        pictures + 0.1 * random.standard_normal(pictures.shape), known=known, label=kind
    )
    chosen = {**SHORT, "variant": "ssvae", "classes": 2, "labels": "known", "steps": 200}
    found = fit(patches, chosen, tmp_path)
    assert (found["consensus_class"].values == kind).mean() > 0.97


def test_held_out_patches_are_mapped_but_not_trained_on(tmp_path):
    held = (np.arange(60) >= 40).astype(int)
    patches = commas(held=held)
    chosen = {**SHORT, "variant": "vae", "held_out": "held"}
    assert len(train.training_data(patches, ModelSettings.from_recipe(chosen), 0)) == 40
    assert fit(patches, chosen, tmp_path).sizes["site"] == 60


def test_planes_are_decoded_as_the_grid_of_the_figures_is(tmp_path):
    patches = commas()
    found = fit(patches, {**SHORT, "variant": "rvae", "latent": 3}, tmp_path)
    assert found["plane_latents"].values.tolist() == [[1, 2], [1, 3], [2, 3]]
    plane = found.isel(plane=0, plane_told=0, end=0)
    drawn = plane["plane_decoded"].assign_coords(
        plane_step_x=plane["plane_x"].values, plane_step_y=plane["plane_y"].values
    )
    grid = found["decoded_grid"]
    between = drawn.interp(plane_step_x=grid["grid_column"], plane_step_y=grid["grid_row"])
    apart = (between.transpose(*grid.dims) - grid).std() / grid.std()
    assert float(apart) < 0.1  # by the curvature between two decoded pictures
    assert found.attrs["reference_member"] in found.attrs["members_kept"]


def test_smoothness_needs_neighbours(tmp_path):
    patches = commas().assign_coords(frame=("site", np.arange(60)))
    with pytest.raises(UserError, match="no neighbours to be smooth with"):
        fit(patches, {**SHORT, "variant": "vae", "smoothness": 1.0}, tmp_path)


def test_a_users_physics_changes_what_is_learned(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "def centred(reconstruction, latents):\n"
        "    return 1e3 * latents['content'].square().sum(-1)\n"
    )
    patches, _ = turned_commas(60, 12)
    chosen = {**SHORT, "variant": "vae", "steps": 80, "stochastic": False}
    plain = fit(patches, chosen, tmp_path / "plain")
    pressed = fit(patches, {**chosen, "physics_loss": f"{file}:centred"}, tmp_path / "pressed")
    assert pressed["content"].values.std() < 0.3 * plain["content"].values.std()
    asked = fit(
        patches,
        chosen,
        tmp_path / "asked",
        physics_loss=lambda pictures, latents: 1e3 * latents["content"].square().sum(-1),
    )
    np.testing.assert_allclose(asked["content"].values, pressed["content"].values, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("x = 1", "loss", "names no function"),
        ("import no_such_thing", "loss", "cannot be run"),
        ("", "not a name", "names no function"),
    ],
)
def test_a_physics_file_that_cannot_be_used_is_refused(tmp_path, text, name, said):
    from vaescope import user_function

    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=said):
        user_function.load(f"{tmp_path / 'mine.py'}:{name}", "physics_loss")


def test_a_symmetric_structure_has_its_angle_in_one_sector(tmp_path):
    patches, _ = turned_commas(80, 12)
    found = fit(patches, {**SHORT, "variant": "rvae", "symmetry": 4}, tmp_path)
    assert found.attrs["symmetry"] % 4 == 0
    assert torch.tensor(found["consensus_angle"].values).abs().max() <= np.pi / 4 + 1e-6
