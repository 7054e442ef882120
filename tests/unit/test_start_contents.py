"""A curved family of curves is laid out flat before a model is trained on it."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsRegressor

from vaescope import simulate, train
from vaescope.ensemble import encode
from vaescope.ensemble.members import load_members
from vaescope.errors import UserError
from vaescope.models.input_scaling import principal_axes
from vaescope.models.settings import ModelSettings
from vaescope.train.data import gather
from vaescope.train.start_contents import lay_out

PLAIN = {
    "variant": "spectrum-vae",
    "shift": False,
    "gain": False,
    "background": False,
    "encoder": "components",
    "decoder": "basis",
    "basis": 16,
    "hidden": 128,
    "steps": 1500,
}
GENERATORS = ("growth", "frequency")


def histories(count, seed=0, steps=90):
    made = simulate.make(f"trajectories?count={count}&steps={steps}", seed).load()
    rows = made.spectra.values.reshape(count, -1)
    truth = np.stack([made[f"truth_{name}"].values.ravel() for name in GENERATORS], 1)
    return rows, truth, made.energy.values


def samples(rows, axis):
    """A store of samples with these spectra."""
    attributes = {"long_name": "field", "units": "1"}
    return xr.Dataset(
        {"spectrum": (("site", "energy"), rows.astype(np.float32), attributes)},
        coords={
            "site": np.arange(len(rows)),
            "energy": ("energy", axis, {"long_name": "time", "units": "1"}),
        },
    )


def explained(place, truth):
    """R² of each generator, predicted by neighbours in ``place`` of the last fifth from others."""
    apart = len(place) * 4 // 5
    model = KNeighborsRegressor(10, weights="distance").fit(place[:apart], truth[:apart])
    left = truth[apart:] - model.predict(place[apart:])
    return 1 - (left**2).mean(0) / truth[apart:].var(0)


def test_histories_are_laid_out_as_the_plane_of_their_generators():
    rows, truth, _ = histories(4000)
    for seed in (0, 1):
        place = lay_out(rows, 2, seed)
        assert place.shape == (4000, 2)
        assert (place**2).mean() == pytest.approx(1, abs=0.1)
        assert explained(place, truth).min() > 0.96


@pytest.mark.parametrize("wrong", [0.1, 0.3])
def test_histories_that_do_not_belong_do_not_bend_the_plane(wrong):
    made = simulate.make(f"trajectories?count=4000&steps=90&wrong={wrong}", 0).load()
    rows = made.spectra.values.reshape(4000, -1)
    belongs = made.truth_wrong.values.ravel() == 0
    truth = np.stack([made[f"truth_{name}"].values.ravel() for name in GENERATORS], 1)
    place = lay_out(rows, 2)
    assert explained(place[belongs], truth[belongs]).min() > 0.96
    alone = lay_out(rows[belongs], 2)
    matrix = np.linalg.lstsq(place[belongs], alone, rcond=None)[0]
    off = alone - alone.mean(0) - (place[belongs] - place[belongs].mean(0)) @ matrix
    assert (off**2).mean() < 0.02


def test_a_sheet_that_is_rolled_up_is_unrolled():
    random = np.random.default_rng(0)
    turn, across = random.uniform(3, 12, 1500), random.uniform(0, 20, 1500)
    rolled = np.stack([turn * np.cos(turn), across, turn * np.sin(turn)], 1)
    rows = rolled @ random.normal(size=(3, 40)) + random.normal(0, 0.01, (1500, 40))
    length = 0.5 * (turn * np.hypot(1, turn) + np.arcsinh(turn))
    place = lay_out(rows, 2)
    assert max(abs(np.corrcoef(length, place.T)[0, 1:])) > 0.95


@given(
    sites=st.integers(16, 60),
    numbers=st.integers(1, 12),
    dimensions=st.integers(1, 10),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_any_rows_have_a_finite_layout(sites, numbers, dimensions, seed):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(sites, numbers)).astype(np.float32)
    rows[: sites // 2] += 1e3  # two parts that nothing joins
    rows[1] = rows[0]
    for given_rows in (rows, np.zeros_like(rows)):
        place = lay_out(given_rows, dimensions, seed)
        assert place.shape == (sites, dimensions)
        assert np.isfinite(place).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The encodings of one training from random contents and one from a layout."""
    rows, truth, axis = histories(1500)
    patches, found = samples(rows, axis), {}
    for start in ("random", "isomap"):
        out = tmp_path_factory.mktemp(start)
        own = {**PLAIN, "start_content": start}
        train.fit(
            patches,
            own,
            members=[0],
            seed=0,
            out=out / "members",
            checkpoints=out / "checkpoints",
            log=lambda text: None,
        )
        member = load_members(out / "members")[0]
        found[start] = encode.encode(member, gather(patches, member.model.settings))
    return rows, truth, found


def test_generators_follow_from_the_latents_of_a_model_that_starts_from_a_layout(trained):
    rows, truth, found = trained
    error = {
        start: float(np.sqrt(((each.reconstruction[:].reshape(rows.shape) - rows) ** 2).mean()))
        for start, each in found.items()
    }
    assert error["isomap"] < 0.04  # of which noise is 0.02
    assert error["isomap"] < 0.8 * error["random"]
    assert explained(found["isomap"].content, truth).min() > 0.9


@pytest.mark.parametrize(
    "other",
    [
        {"variant": "spectrum-vae"},
        {**PLAIN, "classes": 3, "refine": 0},
        {**PLAIN, "latent": 20},
        {"variant": "rvae"},
        {"variant": "dualvae"},
        {**PLAIN, "gain": True},
    ],
)
def test_a_layout_of_more_than_the_content_is_refused(other):
    with pytest.raises(UserError, match=r"laid out|layout"):
        ModelSettings.from_recipe({**other, "start_content": "isomap"})


def test_an_encoder_of_components_is_given_spectra():
    with pytest.raises(UserError, match="given spectra"):
        ModelSettings.from_recipe({"variant": "vae", "encoder": "components"})


def test_components_are_those_above_the_noise_and_small_ones_are_enlarged():
    random = np.random.default_rng(0)
    shapes = np.linalg.qr(random.normal(size=(50, 3)))[0].T * [[100.0], [10.0], [1.0]]
    rows = 7 + random.normal(size=(3000, 3)) @ shapes + random.normal(0, 0.1, (3000, 50))
    mean, axes = principal_axes(rows)
    assert axes.shape == (50, 3)
    spread = ((rows - mean) @ axes).std(0)
    assert spread == pytest.approx([1, 10**-0.5, 0.1], rel=0.1)


def test_the_layout_of_a_member_is_the_same_again():
    rows, _, _ = histories(300)
    assert np.array_equal(lay_out(rows, 2, 5), lay_out(rows, 2, 5))
