"""Spectra are checked and corrected: counts, dead pixels, spikes, shifts, backgrounds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import read
from vaescope.errors import UserError

ENERGY = np.linspace(-20, 180, 201)


def save(path, spectra, energy=ENERGY, **more):
    np.savez(path, spectra=spectra, energy=energy, **more)
    return path


def corrected(path, **steps):
    return read.load_spectra(path, {"read": True, "preprocess": steps})


def lines(height=12, width=14, place=40.0, seed=0, scale=300.0):
    """Counts of a line on a level background, with its place varying by up to 6 channels."""
    rng = np.random.default_rng(seed)
    shift = rng.uniform(-6, 6, (height, width))
    shift -= shift.mean()
    shape = np.exp(-(((ENERGY - place - shift[..., None]) / 4) ** 2))
    return rng.poisson(20 + scale * shape).astype(float), shift


def test_whole_numbers_are_counts_and_others_are_not(tmp_path):
    made, _ = lines()
    spectra = corrected(save(tmp_path / "a.npz", made))
    assert spectra.attrs["counts"] == 1 and spectra["spectra"].attrs["units"] == "counts"
    assert corrected(save(tmp_path / "b.npz", made / 3)).attrs["counts"] == 0
    assert corrected(save(tmp_path / "c.npz", made - 25)).attrs["counts"] == 0
    assert corrected(save(tmp_path / "d.npz", made.astype("u2"))).attrs["counts"] == 1


def test_negative_counts_are_refused_where_the_recipe_calls_them_counts(tmp_path):
    path = save(tmp_path / "a.npz", lines()[0] - 25)
    with pytest.raises(UserError, match="counts cannot be negative") as error:
        read.load_spectra(path, {"read": True, "counts": True})
    assert "counts: false" in error.value.remedy and "a.npz" in str(error.value)


def test_what_is_not_finite_or_dead_was_not_measured(tmp_path):
    made, _ = lines()
    made[2, 3] = np.nan  # a spectrum that is missing
    made[5, 6, 100:104] = np.nan  # some channels
    made[7, 8] = 0  # a dead pixel
    made[9, 9] = 17
    spectra = corrected(save(tmp_path / "a.npz", made))
    missing = np.argwhere(~spectra["measured"].values[0])
    assert missing.tolist() == [[2, 3], [7, 8], [9, 9]]
    values = spectra["spectra"].values[0]
    assert np.isfinite(values).all() and spectra.attrs["filled_channels"] == 4
    np.testing.assert_allclose(values[2, 3], values[7, 8])
    assert abs(values[2, 3] - made[0].mean(0)).mean() < 15  # the mean spectrum
    np.testing.assert_allclose(values[5, 6, 100:104], made[5, 6, [99, 104]].mean(), atol=8)
    image = read.load(tmp_path / "a.npz", spectra={"read": True})
    np.testing.assert_array_equal(image["measured"].values, spectra["measured"].values)
    assert image["image"].values.min() > 0.8 * made[0].sum(-1).min()


def test_the_rest_of_a_stopped_scan_was_not_measured(tmp_path):
    made, _ = lines()
    made[8:] = 0
    spectra = corrected(save(tmp_path / "a.npz", made))
    assert spectra["measured"].values[0].all(1).tolist() == [True] * 8 + [False] * 4


def test_a_vacuum_without_counts_was_measured(tmp_path):
    made, _ = lines()
    y, x = np.mgrid[:12, :14]
    made[(y - 5) ** 2 + (x - 6) ** 2 > 16] = 0
    assert "measured" not in corrected(save(tmp_path / "a.npz", made))
    sparse = np.random.default_rng(0).poisson(0.01, made.shape)
    assert "measured" not in corrected(save(tmp_path / "b.npz", sparse))


@pytest.mark.parametrize(("value", "words"), [(np.nan, "no spectrum"), (3.0, "is constant")])
def test_spectra_without_content_are_refused(tmp_path, value, words):
    with pytest.raises(UserError, match=words):
        corrected(save(tmp_path / "a.npz", np.full((5, 6, 201), value)))


def test_crop_bin_and_normalise_are_recorded_and_can_be_undone(tmp_path):
    made, _ = lines()
    path = save(tmp_path / "a.npz", made)
    part = corrected(path, crop=[0, 99], bin=2)
    inside = made[..., 20:120]
    np.testing.assert_allclose(part["spectra"].values[0], inside[..., ::2] + inside[..., 1::2])
    assert part["energy"].values[:2].tolist() == [0.5, 2.5] and part.attrs["counts"] == 1
    assert [one["step"] for one in json.loads(part.attrs["preprocess"])] == ["crop", "bin"]
    for kind in ("area", "max"):
        one = corrected(path, normalise=kind)
        undone = one["spectra"] * one["normalised_by"]
        np.testing.assert_allclose(undone.values[0], made, rtol=1e-5)
        assert one.attrs["counts"] == 0
    np.testing.assert_allclose(one["spectra"].max("energy"), 1)
    level = corrected(save(tmp_path / "b.npz", made / 7), bin=2)
    np.testing.assert_allclose(
        level["spectra"].values[0], made[..., :200].reshape(12, 14, 100, 2).mean(-1) / 7, rtol=1e-5
    )


@pytest.mark.parametrize("steps", [{"crop": [500, 600]}, {"bin": 100}])
def test_corrections_that_leave_nothing_are_refused(tmp_path, steps):
    with pytest.raises(UserError, match="too few channels"):
        corrected(save(tmp_path / "a.npz", lines()[0]), **steps)


@pytest.mark.parametrize("seed", range(3))
def test_spikes_are_taken_out_and_lines_stay(tmp_path, seed):
    made, _ = lines(seed=seed, scale=2000)
    rng = np.random.default_rng(seed)
    struck = made.copy()
    hits = tuple(rng.integers(0, n, 40) for n in made.shape)
    struck[hits] += rng.uniform(2000, 20000, 40)
    done = corrected(save(tmp_path / "a.npz", struck), spikes=12)["spectra"].values[0]
    assert abs(done[hits] - made[hits]).max() < 900
    untouched = np.ones(made.shape, bool)
    untouched[hits] = False
    assert (done[untouched] != made[untouched]).mean() < 2e-3
    bias = (done[untouched] - made[untouched]).sum() / made.sum()
    assert abs(bias) < 2e-3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_spectra_with_spikes_are_counted_and_lines_are_none(tmp_path, share, seed):
    """Sharp lines of two channels, one of them in few spectra, and a hot channel are no spikes."""
    rng = np.random.default_rng(seed)
    made = lines(seed=seed)[0].astype(float)
    narrow = np.exp(-(((ENERGY + 15) / 1.2) ** 2))
    made += rng.poisson(400 * narrow * (rng.random((12, 14, 1)) < 0.3))
    made[..., 90] += 500
    struck = rng.random((12, 14)) < share
    for y, x in zip(*np.nonzero(struck), strict=True):
        made[y, x, rng.integers(5, 196)] += 3000
    found = corrected(save(tmp_path / "a.npz", made)).attrs["spiked"]
    if share:
        assert 0.4 * struck.mean() < found < 2 * struck.mean()
        assert corrected(save(tmp_path / "a.npz", made), spikes=10).attrs["spiked"] < 0.01
    else:
        assert found < 0.005


def test_sparse_counts_are_no_spikes(tmp_path):
    rate = 0.01 + 3 * np.exp(-(((ENERGY - 50) / 2) ** 2))
    made = np.random.default_rng(1).poisson(rate, (16, 16, 201))
    done = corrected(save(tmp_path / "a.npz", made), spikes=8)["spectra"].values[0]
    assert (done != made).sum() == 0
    made[3, 4, 120] = 60
    done = corrected(save(tmp_path / "a.npz", made), spikes=8)["spectra"].values[0]
    assert np.argwhere(done != made).tolist() == [[3, 4, 120]]


@pytest.mark.parametrize("seed", range(3))
def test_alignment_finds_the_shifts_of_a_line(tmp_path, seed):
    made, shift = lines(seed=seed)
    done = corrected(save(tmp_path / "a.npz", made), align="correlation")
    found = -done["aligned_by"].values[0]
    # The centre of a line of 300 × 4√π counts on a background, seen against the mean spectrum.
    assert np.sqrt(np.mean((found - shift) ** 2)) < 0.25
    assert done["aligned_by"].attrs["units"] == "1"
    width = done["spectra"].mean(("time", "y", "x")).values
    assert width.max() > 300  # 320 when every line lies on top of each other, 240 before


def test_the_zero_loss_peak_is_set_at_zero(tmp_path):
    made, shift = lines(place=0.0, scale=5000)
    done = corrected(save(tmp_path / "a.npz", made), align="zero-loss", align_within=15)
    found = -done["aligned_by"].values[0]
    assert np.sqrt(np.mean((found - shift) ** 2)) < 0.25
    assert ENERGY[done["spectra"].values[0].mean((0, 1)).argmax()] == 0
    far = save(tmp_path / "b.npz", made, energy=ENERGY + 400)
    with pytest.raises(UserError, match="no zero-loss peak"):
        corrected(far, align="zero-loss")


@settings(max_examples=15, deadline=None)
@given(power=st.floats(1.5, 5.0), level=st.floats(1.0, 300.0), seed=st.integers(0, 99))
def test_a_power_law_before_an_edge_is_subtracted_without_bias(power, level, seed):
    from vaescope.read.spectra.corrections import power_law

    energy = np.linspace(300, 600, 301)
    truth = level * (energy / 400) ** -power
    near = energy < 400
    made = np.random.default_rng(seed).poisson(truth, (400, 301))
    found = power_law(made[:, near], energy[near], energy)
    after = energy > 420
    spread = (found - truth)[:, after].std() / 20
    assert abs((found - truth)[:, after].mean()) < 5 * spread + 0.05 * truth[after].mean() / level


def test_the_background_model_is_the_one_of_the_recipe(tmp_path):
    energy = np.linspace(100, 300, 201)
    edge = 50.0 * (energy > 200)
    tails = {"power-law": 1e6 * energy**-2.0, "linear": 40 - 0.05 * energy, "constant": 30.0}
    for model, tail in tails.items():
        made = np.broadcast_to(tail + edge, (6, 7, 201)) * np.linspace(1, 2, 42).reshape(6, 7, 1)
        path = save(tmp_path / f"{model}.npz", made, energy)
        done = corrected(path, background={"window": [120, 190], "model": model})
        assert done["energy"].values[0] == (120 if model == "power-law" else 100)
        expected = (
            made[..., -len(done["energy"]) :]
            - (np.broadcast_to(tail, 201) * np.linspace(1, 2, 42).reshape(6, 7, 1))[
                ..., -len(done["energy"]) :
            ]
        )
        np.testing.assert_allclose(done["spectra"].values[0], expected, atol=0.02)
        assert done.attrs["counts"] == 0


def test_dark_and_gain_of_the_detector_are_taken_out(tmp_path):
    made, _ = lines()
    rng = np.random.default_rng(5)
    dark, gain = rng.uniform(5, 9, 201), rng.uniform(0.8, 1.2, 201)
    np.save(tmp_path / "dark.npy", dark)
    np.save(tmp_path / "gain.npy", 40 * gain)
    path = save(tmp_path / "a.npz", made * gain / gain.mean() + dark)
    done = corrected(path, dark="dark.npy", gain=str(tmp_path / "gain.npy"))
    np.testing.assert_allclose(done["spectra"].values[0], made, rtol=1e-3, atol=1e-3)
    np.save(tmp_path / "dark.npy", dark[1:])
    with pytest.raises(UserError, match="does not fit the spectra"):
        corrected(path, dark="dark.npy")


def test_results_do_not_depend_on_the_chunks(tmp_path, monkeypatch):
    from vaescope.read import lazy

    made, _ = lines()
    made[3, 4] = np.nan
    path = save(tmp_path / "a.npz", made)
    steps = {"align": "correlation", "background": {"window": [60, 100], "model": "linear"}}
    whole = corrected(path, **steps)
    monkeypatch.setattr(lazy, "WHOLE", 201 * 5)
    parts = corrected(path, **steps)
    assert len(parts["spectra"].chunks[2]) > 1
    np.testing.assert_allclose(whole["spectra"], parts["spectra"], rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(whole["measured"], parts["measured"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"image": "median"}, "`spectra.image`"),
        ({"preprocess": {"crop": [5, 1]}}, "crop` is no window"),
        ({"preprocess": {"background": {"window": [5]}}}, "window` is no window"),
        ({"preprocess": {"spike": 3}}, "unknown setting"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, words):
    from vaescope.read.spectra_settings import SpectraSettings

    with pytest.raises(UserError, match=words):
        SpectraSettings.of(wrong)
