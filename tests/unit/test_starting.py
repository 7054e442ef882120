"""Members with classes that start from trained members without: one training of the pose."""

import csv

import numpy as np
import pytest
import torch
from pictures import COMMA, DUMBBELL, as_patches, spots, turn
from safetensors.torch import load_file

from vaescope import train
from vaescope.ensemble import map_latents
from vaescope.errors import UserError
from vaescope.models.settings import ModelSettings
from vaescope.recipes import resolve_recipe
from vaescope.scores.truth import matched_accuracy
from vaescope.train.schedule import TrainingSchedule

SHARED = {"batch": 48, "hidden": 64, "turns": 12}
FREE = {"variant": "rvae", "steps": 216, **SHARED}
JOINT = {"variant": "jrvae", "classes": 2, "steps": 360, "start_from": "rvae", **SHARED}


def fit(patches, folder, settings, members=(0, 1), start=None):
    train.fit(
        patches,
        settings,
        members=list(members),
        seed=3,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        start=start,
        log=lambda text: None,
    )
    return folder / "members"


@pytest.fixture(scope="module")
def two_kinds():
    random = np.random.default_rng(1)
    kind = random.integers(0, 2, 240)
    angle = random.uniform(-np.pi, np.pi, 240)
    pictures = np.stack(
        [spots(turn((COMMA, DUMBBELL)[k], a), 18) for k, a in zip(kind, angle, strict=True)]
    )
    return as_patches(pictures + 0.05 * random.standard_normal(pictures.shape)), kind


def test_classes_are_found_from_a_pose_that_is_trained_once(two_kinds, tmp_path):
    patches, kind = two_kinds
    first = fit(patches, tmp_path / "rvae", FREE)
    second = fit(patches, tmp_path / "jrvae", JOINT, start=first)
    latents = map_latents(second, patches)
    assert matched_accuracy(latents["consensus_class"].values, kind) > 0.97
    with (second / "history.csv").open(newline="") as table:
        steps = [int(row["step"]) for row in csv.DictReader(table)]
    begin = TrainingSchedule(ModelSettings.from_recipe(JOINT)).activation_step
    assert begin < min(steps) <= begin + 20
    assert max(steps) == JOINT["steps"]


def test_a_killed_training_goes_on_from_its_checkpoint_and_not_from_the_start(
    two_kinds, tmp_path, monkeypatch
):
    patches, _ = two_kinds
    short = {**SHARED, "hidden": 16, "turns": 6}
    first = fit(patches, tmp_path / "rvae", FREE | short | {"steps": 20}, members=[0])
    joint = JOINT | short | {"steps": 300}
    whole = fit(patches, tmp_path / "whole", joint, members=[0], start=first)
    step = train.fitting.Fitting.one_step

    def killed(self):
        if self.step == 230:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(train.fitting.Fitting, "one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(patches, tmp_path / "parts", joint, members=[0], start=first)
    monkeypatch.undo()
    resumed = fit(patches, tmp_path / "parts", joint, members=[0], start=first)
    one, other = (load_file(f / "member-0.safetensors") for f in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_weights_of_another_architecture_are_refused_in_words(two_kinds, tmp_path):
    patches, _ = two_kinds
    small = FREE | {"steps": 2, "hidden": 16}
    first = fit(patches, tmp_path / "rvae", small, members=[0])
    with pytest.raises(UserError, match="built otherwise"):
        fit(patches, tmp_path / "jrvae", JOINT, members=[0], start=first)
    with pytest.raises(UserError, match="cannot be read"):
        fit(patches, tmp_path / "jrvae", JOINT, members=[0, 1], start=first)


BASE = """
sites: {method: log}
models:
  rvae: {variant: rvae, steps: 40}
  jrvae: {variant: jrvae, steps: 60, start_from: rvae, classes: auto}
"""


@pytest.mark.parametrize(
    ("change", "starts"),
    [
        ("{}", "rvae"),
        ("{jrvae: {steps: 900, classes: 3, class_core: 1}}", "rvae"),
        ("{rvae: {steps: 900}}", "rvae"),
        ("{rvae: null}", None),
        ("{rvae: {latent: 3}}", None),
        ("{jrvae: {strain: true}}", None),
        ("{jrvae: {start_from: null}}", None),
    ],
)
def test_a_model_starts_only_from_one_that_differs_in_classes_alone(tmp_path, change, starts):
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "own.yaml").write_text(f"extends: base\nmodels: {change}\n")
    assert resolve_recipe("own", [tmp_path]).models["jrvae"].start_from == starts


def test_a_model_to_start_from_that_no_recipe_has_is_refused_in_words(tmp_path):
    (tmp_path / "own.yaml").write_text(BASE.replace("from: rvae", "from: rvea"))
    with pytest.raises(UserError, match="rvae"):
        resolve_recipe("own", [tmp_path])
