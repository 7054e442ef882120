"""Simulated cards: their suits, angles and shears are what they say they are."""

import numpy as np
import pytest

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.simulate import cards


def test_suits_have_equal_ink_and_stay_inside():
    stack = simulate.make("cards3?count=200", 0)
    images, label = stack["image"].values[:, 0], stack["truth_label"].values
    ink = np.array([images[label == k].sum((1, 2)).mean() for k in range(4)])
    assert np.ptp(ink) / ink.mean() < 0.01
    edge = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    assert edge.max() < 0.02
    assert list(np.bincount(label)) == [50] * 4


def test_a_card_is_turned_counter_clockwise_by_its_angle():
    import torch

    from vaescope.models import pose

    p = cards.CardParameters(count=16, rotation=120.0, shear=0.0)
    hand = cards.deal(p, np.random.default_rng(1))
    upright = cards.deal(
        cards.CardParameters(count=16, rotation=0.0, shear=0.0), np.random.default_rng(1)
    )
    angle = torch.as_tensor(hand["angle"], dtype=torch.float32)
    turned = pose.resample(
        torch.from_numpy(upright["images"])[:, None], pose.affine(angle, None, None)
    )
    assert np.abs(turned[:, 0].numpy() - hand["images"]).mean() < 0.01


def test_a_shear_closes_the_right_angle_without_a_turn():
    p = cards.CardParameters(count=64, rotation=0.0, shear=30.0)
    hand = cards.deal(p, np.random.default_rng(2))
    axis = (np.arange(p.size) + 0.5) / p.size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    # Clubs have a mirror axis: what leans them is the shear alone.
    clubs = hand["label"] == 0
    ink = hand["images"][clubs]
    lean = (ink * -x * y).sum((1, 2)) / (ink * (x**2 + y**2)).sum((1, 2))
    shear = hand["shear"][clubs]
    assert np.corrcoef(lean, shear)[0, 1] ** 2 > 0.999
    assert np.abs(lean[np.abs(shear).argmin()]) < 0.05


def test_labelled_and_held_out_cards_are_marked():
    stack = simulate.make("cards4?count=40&labelled=20&held_out=12", 0)
    known, label = stack["truth_known_label"].values, stack["truth_label"].values
    held = stack["truth_held_out"].values
    assert (known >= 0).sum() == 20 and (known[known >= 0] == label[known >= 0]).all()
    assert held.sum() == 12 and (known[held > 0] == -1).all()
    easy = np.degrees(np.abs(stack["truth_angle"].values[known >= 0]))
    assert easy.max() <= 12
    assert list(np.bincount(label[known >= 0])) == [5] * 4


def test_the_same_seed_gives_the_same_cards_and_another_gives_others():
    one, two, other = (simulate.make("cards4?count=20", seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one["image"].values, two["image"].values)
    assert not np.array_equal(one["image"].values, other["image"].values)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cards5", "Did you mean `cards"),
        ("cards4?suits=5", "no such parameter"),
        ("cards4?count=3", "out of range"),
        ("cards4?count=20.5", "whole number"),
    ],
)
def test_impossible_cards_are_refused_in_words(name, said):
    with pytest.raises(UserError, match=said):
        simulate.make(name, 0)
