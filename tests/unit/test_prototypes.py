"""Patches laid onto pictures and prototypes: poses and structures found without any network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import COMMA, spots

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.models import register
from vaescope.models.settings import ModelSettings
from vaescope.scores import labelled
from vaescope.scores.truth import matched_accuracy
from vaescope.train import prototypes

SMALL = st.floats(-0.3, 0.3)
POSE = st.tuples(st.floats(-3.1, 3.1), SMALL, SMALL, SMALL, SMALL)


@given(POSE)
def test_a_pose_is_read_off_its_matrix(pose):
    given_pose = torch.tensor([pose], dtype=torch.float64)
    found = register.poses_of(register.matrices(given_pose))
    assert torch.allclose(found, given_pose, atol=1e-6)


@given(POSE, POSE)
def test_maps_are_undone_by_their_inverses(one, other):
    first, second = (
        register.matrices(torch.tensor([p], dtype=torch.float64)) for p in (one, other)
    )
    both = register.after(second, first)
    back = register.after(register.inverse(second), both)
    assert torch.allclose(back, first, atol=1e-9)


def picture(side=24):
    return torch.tensor(spots(COMMA, side), dtype=torch.float32)[None, None]


@settings(max_examples=15, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(-0.15, 0.15), st.floats(-0.15, 0.15))
def test_a_pose_is_found_from_nothing(angle, stretch, shear):
    truth = torch.tensor([[angle, stretch, shear, 0.0, 0.0]])
    patch = register.shown(picture(), truth)
    freedom = register.Freedom.of(True, 1, 0.2, 0.0)
    _, start = register.nearest(patch, picture(), freedom, 0.05)
    found = register.refined(patch, picture(), start[:, 0, 0], freedom, 0.01, "spline")
    error = found - truth
    error[:, 0] = torch.atan2(error[:, 0].sin(), error[:, 0].cos())
    assert error.abs().max() < 0.02


def test_structures_shear_along_the_axes_of_their_pictures():
    random = torch.Generator().manual_seed(0)
    along = torch.randn(200, generator=random) * 0.1
    direction = torch.tensor([0.6, 0.8])  # of xx and xy, any
    poses = torch.zeros(200, 5)
    poses[:, 0] = torch.rand(200, generator=random)
    poses[:, 1:3] = along[:, None] * direction + torch.tensor([0.03, -0.02])
    found = prototypes.along_axes(torch.zeros(200, dtype=torch.long), poses)
    assert found[:, 1].abs().max() < 0.01
    assert abs(np.corrcoef(found[:, 2], along)[0, 1]) > 0.999
    turned = found[:, 0] - poses[:, 0]
    assert turned.std() < 0.02  # one frame turned for all


@pytest.fixture(scope="module")
def dealt():
    """Cards of all suits turned by up to 120 degrees and sheared by up to 20, and their start."""
    cards = simulate.cards.deal(
        simulate.cards.CardParameters(count=480, size=28), np.random.default_rng(1)
    )
    freedom = register.Freedom.of(True, 1, 0.2, 0.0)
    random = torch.Generator().manual_seed(0)
    start = prototypes.find(torch.from_numpy(cards["images"])[:, None], 12, freedom, random)
    return cards, start


def test_the_suits_are_the_structures_that_differ_but_for_a_pose(dealt):
    cards, start = dealt
    assert start.structure.max() == 3  # nobody said that there are four
    assert matched_accuracy(start.structure.numpy(), cards["label"]) > 0.995


def test_angle_and_shear_follow_the_truth_without_a_network(dealt):
    cards, start = dealt
    label = cards["label"]
    error = labelled.angle_errors(start.pose[:, 0].numpy(), cards["angle"], label, [2])
    assert (np.abs(error) < np.radians(10)).mean() > 0.99
    assert np.degrees(np.median(np.abs(error))) < 0.5
    found = labelled.shear_correlations(start.pose[:, 2].numpy(), cards["shear"], label)
    assert found.min() > 0.995


def test_as_many_structures_are_left_as_there_are_classes(dealt):
    cards, _ = dealt
    patches = torch.from_numpy(cards["images"][:200])[:, None]
    freedom = register.Freedom.of(True, 1, 0.2, 0.0)
    start = prototypes.find(patches, 8, freedom, torch.Generator().manual_seed(1), classes=2)
    assert start.structure.max() < 2


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"variant": "vae", "prototypes": 4}, "not part of this model"),
        ({"variant": "jrvae", "classes": 6, "prototypes": 4}, "too few prototypes"),
    ],
)
def test_prototypes_are_refused_where_they_mean_nothing(given_settings, said):
    with pytest.raises(UserError, match=said):
        ModelSettings.from_recipe(given_settings)
