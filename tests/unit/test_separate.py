"""The number of classes: gaps between groups are found by members that see alike or differ."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.ensemble import consensus
from vaescope.scores.truth import matched_accuracy
from vaescope.structure import class_numbers
from vaescope.structure.class_numbers import ClassNumber
from vaescope.train.separate import APART, ENOUGH, class_shares, separated
from vaescope.train.valleys import valley


def kinds_in(sizes, rng, apart=7.0):
    """Round groups at random places at least so many of their widths apart: sites, kind."""
    middles = np.zeros((0, 2))
    while len(middles) < len(sizes):
        place = rng.uniform(-1, 1, 2) * apart * (1 + len(sizes) ** 0.5)
        if not len(middles) or np.linalg.norm(middles - place, axis=1).min() > apart:
            middles = np.concatenate([middles, place[None]])
    kind = np.repeat(np.arange(len(sizes)), sizes)
    return middles[kind] + rng.standard_normal((len(kind), 2)), kind


def seen_by(content, rng, members=6, noise=0.15):
    """What members make of content: turned, mirrored, scaled, bent, each with noise of its own."""
    out = []
    for _ in range(members):
        axes, _ = np.linalg.qr(rng.standard_normal((2, 2)))
        bent = content @ axes * rng.uniform(0.3, 3)
        size = np.abs(bent).max()
        bent = bent + 0.15 * size * np.stack([(bent[:, 1] / size) ** 2, 0 * bent[:, 0]], 1)
        out.append(bent + noise * bent.std() * 0.1 * rng.standard_normal(bent.shape))
    return out


def test_built_kinds_are_counted_in_19_of_20_runs_whatever_frame_a_member_has():
    right = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(25, 160, 1 + seed % 6).tolist()
        content, kind = kinds_in(sizes, rng)
        found = separated(seen_by(content, rng, members=3))
        right.append(found.count == len(sizes) and matched_accuracy(found.label, kind) > 0.98)
    assert np.mean(right) >= 0.95


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 80), min_size=1, max_size=4))
def test_whatever_the_sites_the_answer_holds_together(seed, sizes):
    rng = np.random.default_rng(seed)
    content, _ = kinds_in([20, *sizes], rng)
    members = seen_by(content, rng, members=3)
    found = separated(members)
    sizes = np.bincount(found.label)
    assert len(sizes) == found.count and (np.diff(sizes) <= 0).all()  # largest first
    row = found.number.tolist().index(found.count)
    assert found.count == 1 or found.separation[row] >= APART
    assert found.found_again[row] >= ENOUGH
    turned = [np.column_stack([-3 * member[:, 1], 3 * member[:, 0]]) + 5 for member in members]
    assert (separated(turned).label == found.label).mean() > 0.99  # frames mean nothing


def one_kind(shape, rng, count):
    uniform = rng.uniform(-1, 1, (count, 2))
    if shape == "square":
        return uniform
    if shape == "bar":
        return uniform * [6, 1]
    if shape == "bow":
        turn = 1.5 * uniform[:, :1]
        return np.concatenate([np.sin(turn), np.cos(turn)], 1) + 0.15 * rng.normal(size=(count, 2))
    if shape == "skew":
        return rng.exponential(size=(count, 2))
    return rng.normal(size=(count, 2))


def test_a_continuous_variation_is_one_class_in_19_of_20_runs():
    counts = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shape = ("round", "square", "bar", "bow", "skew")[seed % 5]
        content = one_kind(shape, rng, 150 if seed % 2 else 500)
        counts.append(separated(seen_by(content, rng, members=3)).count)
    assert np.mean(np.array(counts) == 1) >= 0.95


def test_members_that_share_their_chance_clumps_do_not_make_classes_of_them():
    """They are trained on the same sites: that all draw one border is no evidence of a gap."""
    rng = np.random.default_rng(5)
    content = rng.uniform(-1, 1, (300, 2))
    assert separated([content] * 8).count == 1


@pytest.mark.parametrize("rare", [14, 24])
def test_rare_kinds_stay(rare):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        content, _ = kinds_in([320, 260, rare], rng, apart=10)
        found = separated(seen_by(content, rng))
        assert found.count == 3
        assert (found.label == 2).sum() == pytest.approx(rare, abs=2)


def test_a_kind_that_few_members_see_is_none_and_one_that_most_see_is():
    rng = np.random.default_rng(2)
    content, kind = kinds_in([200, 150, 60], rng, apart=10)
    blind = content.copy()  # the third kind lies in the first
    blind[kind == 2] = content[kind == 0].mean(0) + rng.standard_normal((60, 2))
    members = [content] * 2 + [blind] * 4
    assert separated([m + 0.01 * rng.standard_normal(m.shape) for m in members]).count == 2
    members = [content] * 5 + [blind] * 3
    assert separated([m + 0.01 * rng.standard_normal(m.shape) for m in members]).count == 3


def test_beyond_the_range_it_says_at_least():
    rng = np.random.default_rng(4)
    content, _ = kinds_in([60] * 7, rng)
    found = separated([content], most=5)
    assert found.count == 5 and found.more
    assert found.number.tolist() == [1, 2, 3, 4, 5]
    assert not separated([content], most=7).more


def test_more_sites_than_are_looked_at_are_all_sorted():
    rng = np.random.default_rng(4)
    content, kind = kinds_in([5000, 4000, 60], rng)
    found = separated(seen_by(content, rng, members=3))
    assert found.count == 3
    assert matched_accuracy(found.label, kind) > 0.99
    share = class_shares(content, found.label)
    assert matched_accuracy(share.argmax(1), kind) > 0.99
    np.testing.assert_allclose(share.sum(1), 1)


def test_a_valley_is_counted_in_deviations_of_chance():
    rng = np.random.default_rng(0)
    assert valley(rng.normal(size=200), 7 + rng.normal(size=200)).deeper > 8
    assert valley(rng.normal(size=200), 1 + rng.normal(size=200)).deeper == 0
    line = rng.uniform(size=400)
    assert valley(line[line < 0.5], line[line >= 0.5]).deeper < APART
    points = valley(np.zeros(18), np.ones(50))  # half of the smaller one is its middle
    assert points.deeper == pytest.approx(2**0.5 * 3) and points.filled == 0


def test_the_share_of_its_neighbours_is_the_chance_of_a_site():
    content = np.concatenate([np.zeros((30, 1)), np.ones((30, 1))])
    content += 0.1 * np.random.default_rng(0).standard_normal(content.shape)
    label = np.repeat([0, 1], 30)
    label[0] = 1  # its neighbours say otherwise
    share = class_shares(content, label)
    assert share[0, 0] == 1.0
    assert share[30:, 1].min() == 1.0


def latents_of(found, requested="auto", shown=None):
    shown = found.count if shown is None else shown
    return xr.Dataset(
        {**class_numbers.variables(found), "class_count": ("class", np.ones(shown))},
        attrs={"classes_asked": requested},
    )


def test_one_sentence_answers():
    rng = np.random.default_rng(1)
    found = separated(seen_by(kinds_in([150, 150], rng)[0], rng))
    assert ClassNumber.of(latents_of(found)).says == "The data support 2 classes."
    one = ClassNumber.of(latents_of(found, 4, 2))
    assert one.says == "The data support 2 classes; 4 were requested."
    one = ClassNumber.of(latents_of(found, 4, 3))
    assert one.says == "The data support 2 classes; 4 were requested, and 3 are shown."
    assert "100 % of the members" in one.reason and "(3.2 needed)" in one.reason
    single = separated([rng.normal(size=(200, 2))])
    one = ClassNumber.of(latents_of(single))
    assert one.says == "The data support 1 class." and "No gap" in one.reason
    most = separated([kinds_in([60] * 7, rng)[0]], most=5)
    assert ClassNumber.of(latents_of(most)).says == "The data support at least 5 classes."
    assert ClassNumber.of(xr.Dataset()) is None


class _Says:
    """What ``gather`` reads of a member without a pose."""

    def __init__(self, content, classes, elbo):
        self.parts = {}
        self.content, self.content_sd = content, np.full(content.shape, 0.01)
        self.class_probability = np.eye(classes)[np.zeros(len(content), int)]
        self.elbo = np.full(len(content), elbo)


def test_classes_that_are_counted_are_those_of_the_consensus():
    rng = np.random.default_rng(3)
    content, kind = kinds_in([140, 120, 100], rng)
    members = [_Says(c, 10, -k) for k, c in enumerate(seen_by(content, rng, members=4))]
    voting = np.array([True, True, True, False])
    view = consensus.gather(members, [None] * 4, voting, 1, 1.0, count=True)
    assert view.class_probability.shape == (4, 360, 3)
    assert matched_accuracy(view.consensus_class, kind) > 0.99
    assert view.separated.count == 3 and view.dissolved == 0
    assert view.asked_stability.min() > 0.95
