"""Modes are divided by the intensities of their columns where these leave a gap, and not else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.structure import intensity, modes


def lattice(side=24, spacing=12.0):
    rows, columns = np.mgrid[:side, :side]
    return spacing * np.stack([rows.ravel(), columns.ravel() + 0.5 * (rows.ravel() % 2)], 1)


def doped(share, factor, rng, side=36, scatter=0.08, shading=0.3):
    """Places, intensities under uneven thickness, and which columns are dopants."""
    place = lattice(side)
    kind = rng.uniform(size=len(place)) < share
    wave = 1 + shading * np.sin(place[:, 0] / 80) * np.cos(place[:, 1] / 100)
    bright = np.where(kind, factor, 1.0) * wave * (1 + scatter * rng.standard_normal(len(place)))
    return place, bright, kind


@pytest.mark.parametrize(("share", "factor"), [(0.01, 2.0), (0.03, 0.4), (0.1, 2.0), (0.4, 0.4)])
def test_dopants_are_divided_from_the_others(share, factor):
    right = []
    for seed in range(10):
        place, bright, kind = doped(share, factor, np.random.default_rng(seed))
        part = intensity.divided(np.zeros(len(place), int), bright, place, np.zeros(len(place)))
        found = part == 1
        right.append(2 * (found & kind).sum() / max(found.sum() + kind.sum(), 1))
    assert np.median(right) > 0.97 and np.mean(np.array(right) > 0.85) >= 0.8


def one_kind(shape, rng, count):
    if shape == "normal":
        return 1 + 0.1 * rng.standard_normal(count)
    if shape == "outliers":
        return 1 + 0.08 * rng.standard_normal(count) * np.where(rng.uniform(size=count) < 0.1, 4, 1)
    if shape == "heavy":
        return 1 + 0.08 * rng.standard_t(3, count)
    if shape == "uniform":
        return rng.uniform(0.5, 1.5, count)
    if shape == "gradient":
        return 1 + np.linspace(0, 0.5, count) + 0.05 * rng.standard_normal(count)
    return np.exp(0.3 * rng.standard_normal(count))


@pytest.mark.parametrize(
    "shape", ["normal", "outliers", "heavy", "uniform", "gradient", "lognormal"]
)
def test_one_kind_stays_whole_in_19_of_20_runs(shape):
    parts = [
        intensity.parts(one_kind(shape, np.random.default_rng(seed), 40 + 45 * (seed % 20))).max()
        for seed in range(60)
    ]
    assert np.mean(np.array(parts) == 0) >= 0.95


def test_thickness_alone_divides_nothing():
    place, bright, _ = doped(0.0, 1.0, np.random.default_rng(3), shading=0.5)
    bright[place[:, 0] > 150] *= 2  # a step
    label = np.zeros(len(place), int)
    local = intensity.relative(bright, bright, place, label)
    assert intensity.parts(local).max() == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.booleans())
def test_whatever_the_intensities_every_site_has_a_part(seed, count, unknown):
    rng = np.random.default_rng(seed)
    bright = rng.standard_normal(count) * rng.choice([0, 1, 1e6], count)
    if unknown:
        bright[rng.uniform(size=count) < 0.5] = np.nan
    label = rng.integers(-1, 3, count)
    part = intensity.divided(label, bright, rng.uniform(0, 99, (count, 2)), np.zeros(count, int))
    assert part.shape == (count,) and part.min() >= 0
    assert (part[~np.isfinite(bright) | (label < 0)] == 0).all()


def test_a_mode_that_is_divided_keeps_its_votes_and_says_how_bright_it_is():
    rng = np.random.default_rng(1)
    place, bright, kind = doped(0.05, 2.0, rng)
    content = rng.standard_normal((len(place), 2))
    content[: len(place) // 3, 0] += 12  # two structures in the latents
    picture = lambda some: np.zeros((len(some), 1, 12, 12)) + some[:, :1, None, None]  # noqa: E731
    found = modes.find(
        content,
        lambda rows: picture(content[rows]),
        picture,
        turnable=False,
        columns=modes.ColumnIntensities(bright, place, np.zeros(len(place), int)),
        members=[content + 0.01 * rng.standard_normal(content.shape) for _ in range(3)],
    )
    assert len(found.content) == 4
    assert found.parent.tolist() in ([0, 1, 0, 1], [0, 1, 1, 0])
    rare = found.label >= 2
    assert (rare == kind).mean() > 0.995
    np.testing.assert_allclose(found.intensity[2:], 2, atol=0.25)
    assert found.stability.min() > 0.95 and found.agreement.min() >= 0
    stored = found.variables(("channel", "py", "px"))
    assert stored["mode_parent"][1].shape == stored["mode_stability"][1].shape == (4,)


def test_dim_columns_among_those_of_another_sublattice_are_compared_with_their_own():
    rng = np.random.default_rng(2)
    place, bright, kind = doped(0.04, 0.45, rng)
    weak, weak_bright, _ = doped(0.0, 1.0, rng)
    weak += [0, 6]
    content = rng.standard_normal((len(place) + len(weak), 2))
    content[: len(place), 0] += np.where(kind, 0, 12)  # a dim dopant looks like a weak column
    picture = lambda some: np.zeros((len(some), 1, 12, 12)) + some[:, :1, None, None]  # noqa: E731

    def found(sublattice):
        everything = np.concatenate([bright, 0.45 * weak_bright])
        positions = np.concatenate([place, weak])
        columns = modes.ColumnIntensities(
            everything, positions, np.zeros(len(positions), int), sublattice
        )
        take = lambda rows: picture(content[rows])  # noqa: E731
        return modes.find(content, take, picture, turnable=False, columns=columns)

    number = np.repeat([0, 1], [len(place), len(weak)])
    dopant = np.concatenate([kind, np.zeros(len(weak), bool)])
    without, with_ = found(None), found(number)
    assert len(without.content) == 2
    assert len(with_.content) == 3
    rare = with_.label == 2
    assert 2 * (rare & dopant).sum() / (rare.sum() + dopant.sum()) > 0.97
    of_weak, of_strong = with_.intensity[:2]
    assert of_weak == 1
    np.testing.assert_allclose(with_.intensity[2] / of_strong, 0.45, atol=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_a_few_bright_columns_among_thousands_are_divided(seed):
    random = np.random.default_rng(seed)
    values = 1 + 0.08 * random.standard_normal(4000)
    values[:160] += random.exponential(0.12, 160)  # a tail, as of contaminated places
    values[-24:] = 1.95 + 0.12 * random.standard_normal(24)
    part = intensity.parts(values)
    assert part.max() == 1
    assert part[-24:].mean() > 0.85 and part[:-24].sum() < 10


def test_contaminated_columns_do_not_hide_dopants_as_bright():
    scores = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        place, bright, _ = doped(0.0, 1.0, random, side=64, scatter=0.05)
        count = len(place)
        dopant = np.arange(count) < 16
        random.shuffle(dopant)
        dirty = ~dopant & (random.uniform(size=count) < 0.012)
        bright = bright * np.where(dopant, 2.0, np.where(dirty, random.uniform(1, 2.6, count), 1))
        evidence = -100 + 5 * random.standard_normal(count) - np.where(dirty, 30, 0)
        one = np.zeros(count, int)
        for known in (None, evidence):
            part = intensity.divided(one, bright, place, one, evidence=known)[~dirty] > 0
            right = (part & dopant[~dirty]).sum()
            scores.append(2 * right / max(part.sum() + dopant.sum(), 1))
    without, with_ = scores[::2], scores[1::2]
    assert min(with_) > 0.85 and min(without) < 0.5
