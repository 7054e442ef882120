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
from vaescope.train.ways_up import one_way

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


def test_noise_does_not_keep_means_of_one_structure_apart():
    noisy = simulate.cards.CardParameters(count=480, size=28, noise=0.3)
    cards = simulate.cards.deal(noisy, np.random.default_rng(2))
    patches = torch.from_numpy(cards["images"])[:, None]
    freedom = register.Freedom.of(True, 1, 0.2, 0.0)
    start = prototypes.find(patches, 12, freedom, torch.Generator().manual_seed(0))
    assert matched_accuracy(start.structure.numpy(), cards["label"]) > 0.97
    error = labelled.angle_errors(start.pose[:, 0].numpy(), cards["angle"], cards["label"], [2])
    assert (np.abs(error) < np.radians(10)).mean() > 0.97


def lozenge(corner):
    """A rhombus that is no square, one of whose corners lies nearer: 1 / ``corner`` as far."""
    from matplotlib.path import Path

    points = [(0, 1), (0.75, 0), (0, -corner), (-0.75, 0), (0, 1)]
    return simulate.cards.inked(Path(points, closed=True))


def test_a_rhombus_is_not_laid_across_itself():
    shapes = [lozenge(1.0), lozenge(0.5)]
    sheared = simulate.cards.CardParameters(count=240, size=28)
    for seed in range(2):
        cards = simulate.cards.deal(sheared, np.random.default_rng(seed), shapes)
        patches = torch.from_numpy(cards["images"])[:, None]
        freedom = register.Freedom.of(True, 1, 0.2, 0.0)
        start = prototypes.find(patches, 8, freedom, torch.Generator().manual_seed(seed))
        found, label = start.pose[:, 0].numpy(), cards["label"]
        error = labelled.angle_errors(found, cards["angle"], label, [0])
        assert (np.abs(error) < np.radians(10)).mean() > 0.99


@pytest.mark.parametrize(("fold", "turns"), [(2, 2), (3, 3), (4, 4)])
def test_patches_averaged_in_several_ways_are_brought_to_one(fold, turns):
    random = torch.Generator().manual_seed(fold)
    way = torch.randint(turns, (160,), generator=random)
    poses = torch.zeros(160, 5)
    poses[:, 0] = way * (2 * np.pi / fold)
    patches = register.shown(picture().expand(160, -1, -1, -1), poses)
    patches = patches + 0.2 * torch.randn(patches.shape, generator=random)
    # All are said to lie as they are, so that their mean is all ways at once.
    found = one_way(patches, torch.zeros(160, dtype=torch.long), torch.zeros(160, 5), 1)
    left = torch.polar(torch.ones(160), found[:, 0] - poses[:, 0])
    assert left.mean().abs() > 0.98


def test_a_symmetric_structure_has_no_ways_to_bring_together():
    random = torch.Generator().manual_seed(0)
    rhombus = torch.from_numpy(simulate.cards.blurred(lozenge(1.0), 28)[9::18, 9::18])[:28, :28]
    patches = rhombus + 0.3 * torch.randn(160, 1, 28, 28, generator=random)
    poses = torch.zeros(160, 5)
    assert torch.equal(one_way(patches, torch.zeros(160, dtype=torch.long), poses, 1), poses)


def test_noise_has_as_many_independent_numbers_as_pixels():
    random = torch.Generator().manual_seed(0)
    white = 0.1 * torch.randn(400, 1, 16, 16, generator=random)
    found = prototypes.PatchNoise.of(white)
    assert found.sd == pytest.approx(0.1, rel=0.02)
    assert found.independent == pytest.approx(256, rel=0.1)
    common = torch.randn(400, 30, generator=random) @ torch.randn(30, 256, generator=random)
    assert prototypes.PatchNoise.of(common.reshape(400, 1, 16, 16)).independent < 40


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
