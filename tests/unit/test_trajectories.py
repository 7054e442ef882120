"""Simulated histories are those that their truths generate, and wrong ones are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.simulate import trajectories


def made(query="", seed=0):
    return simulate.make(f"trajectories{query}", seed).load()


def rows(dataset, name="truth_spectrum"):
    return dataset[name].values.reshape(-1, dataset.sizes["energy"])


def known(dataset, name):
    return dataset[f"truth_{name}"].values.ravel()


def test_defaults_are_7500_histories_of_900_of_1200_times():
    dataset = made()
    assert dataset.spectra.shape == (7500, 1, 1, 900)
    assert not dataset.attrs["calibrated"]  # histories have no place
    assert dataset.x.attrs["units"] == "px"
    time = dataset.energy.values
    assert time[0] == 0 and np.allclose(np.diff(time), 4 / 1199)
    left = (dataset.spectra - dataset.truth_spectrum).values
    assert left.std() == pytest.approx(0.02, rel=0.01)
    for name, (low, high) in {
        "growth": (-2.75, 2.75),
        "frequency": (2 * np.pi, 8 * np.pi / 3),
        "amplitude": (0, 0.75),
        "offset": (-0.5, 0.5),
    }.items():
        values = known(dataset, name)
        assert low <= values.min() < low + 0.01 * (high - low), name
        assert high - 0.01 * (high - low) < values.max() <= high, name


@pytest.mark.parametrize(("kind", "wave"), [("cosine", np.cos), ("sine", np.sin)])
def test_a_history_follows_from_growth_and_frequency_alone(kind, wave):
    dataset = made(f"?kind={kind}&count=50")
    whole = np.linspace(0, 4, 1200)
    alpha, omega = (known(dataset, name)[:, None] for name in ("growth", "frequency"))
    curve = np.exp(alpha * whole) * wave(omega * whole)
    low, high = curve.min(1, keepdims=True), curve.max(1, keepdims=True)
    curve = 2 * (curve - low) / (high - low) - 1
    assert np.abs(rows(dataset) - curve[:, :900]).max() < 1e-5


@pytest.mark.parametrize("degree", [2, 3, 6])
def test_a_legendre_history_is_a_scaled_sum_of_its_polynomials(degree):
    dataset = made(f"?kind=legendre&count=40&degree={degree}&noise=0")
    place = np.linspace(-1, 1, 1200)[:900]
    weights = np.stack([known(dataset, f"degree_{k}") for k in range(1, degree + 1)], 1)
    assert np.allclose((weights**2).sum(1), 1)
    shape = weights @ np.polynomial.legendre.legvander(place, degree)[:, 1:].T
    for curve, one in zip(rows(dataset), shape, strict=True):
        slope, level = np.polyfit(one, curve, 1)
        assert slope > 0
        assert np.abs(slope * one + level - curve).max() < 1e-5
    assert f"truth_degree_{degree + 1}" not in dataset


@given(
    count=st.integers(9, 60),
    steps=st.integers(16, 120),
    kind=st.sampled_from(["cosine", "sine", "legendre"]),
    wrong=st.floats(0, 1),
    degree=st.integers(2, 8),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_every_history_lies_between_its_ends_and_only_wrong_ones_lack_generators(
    count, steps, kind, wrong, degree, seed
):
    query = f"?count={count}&steps={steps}&kind={kind}&wrong={wrong!r}&degree={degree}"
    dataset = made(query, seed)
    assert dataset.spectra.shape[:3] == (count, 1, 1)
    assert dataset.sizes["energy"] == steps
    curves = rows(dataset)
    assert curves.shape == (count, steps)
    assert np.abs(curves).max() <= 1 + 1e-6
    is_wrong = known(dataset, "wrong") > 0
    assert is_wrong.sum() == round(wrong * count)
    names = [name for name in dataset if name.startswith("truth_")]
    for name in set(names) - {"truth_wrong", "truth_spectrum"}:
        assert np.array_equal(np.isnan(dataset[name].values.ravel()), is_wrong), name


def test_wrong_histories_take_the_place_of_others_and_change_no_other():
    good, mixed = made("?count=300&steps=60"), made("?count=300&steps=60&wrong=0.3")
    kinds = known(mixed, "wrong")
    assert np.array_equal(rows(good)[kinds == 0], rows(mixed)[kinds == 0])
    assert set(kinds) == {0, 1, 2, 3}
    assert mixed.attrs["truth_wrong_names"] == list(trajectories.BELONGS)
    jumps = np.abs(np.diff(rows(mixed), axis=1))
    assert (np.sort(jumps[kinds == 2])[:, -2:] == [0, 2]).all()
    # Noise jumps at every time, a fast oscillation turns far more often than those of the family.
    turns = (np.diff(np.sign(rows(mixed) - rows(mixed).mean(1, keepdims=True))) != 0).sum(1)
    assert turns[kinds == 3].min() > turns[kinds == 0].max()
    assert jumps[kinds == 1].mean() > 5 * jumps[kinds == 0].mean()


def test_a_constant_history_is_zero_not_nan():
    constant = np.full((2, 5), 0.3)
    constant[1, 3] += 1e-17
    assert np.array_equal(trajectories.scaled(constant), np.zeros((2, 5)))


@pytest.mark.parametrize(
    "query", ["?kind=square", "?wrong=1.5", "?count=0", "?steps=nan", "?degree=1", "?noise=-1"]
)
def test_parameters_out_of_range_are_refused(query):
    with pytest.raises(UserError):
        simulate.parse(f"trajectories{query}")
