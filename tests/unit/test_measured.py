"""What was not measured is known, and nothing else is taken for it; pixels become squares."""

import numpy as np
import pytest
from drawn_images import WHOLE, WITH_GAPS, crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import lazy
from vaescope.read.measured import constant_areas

SEEDS = range(6)


def load(folder, data, **chosen):
    np.save(folder / "a.npy", data)
    return read.load([folder / "a.npy"], chosen)


@pytest.mark.parametrize("name", WHOLE)
def test_data_of_one_value_are_data(name):
    for seed in SEEDS:
        frame = WHOLE[name](np.random.default_rng(seed))
        assert constant_areas(frame).mean() < 0.01, f"seed {seed}"


@pytest.mark.parametrize("name", WITH_GAPS)
def test_gaps_are_found_but_for_their_rim(name):
    for seed in SEEDS:
        frame, gap = WITH_GAPS[name](np.random.default_rng(seed))
        found = constant_areas(frame)
        assert (gap & ~found).sum() < 0.05 * gap.sum(), f"seed {seed}"
        assert (found & ~binary_dilation(gap, iterations=3)).mean() < 0.01, f"seed {seed}"


@pytest.mark.parametrize("vacuum", ["beside a straight surface", "around a particle"])
def test_no_column_at_the_border_of_a_vacuum_is_lost(vacuum):
    def disc(y, x):
        return np.hypot(y - 0.5, x - 0.5) < 0.35

    for seed in SEEDS:
        part = disc if vacuum == "around a particle" else lambda y, x: x < 0.5
        frame = crystal(np.random.default_rng(seed), 0, part)
        assert not (constant_areas(frame) & (frame > 0.05)).any()


def test_the_store_says_what_was_measured_and_fills_in_the_rest(tmp_path):
    frame, gap = WITH_GAPS["black frame"](np.random.default_rng(1))
    image = load(tmp_path, frame)
    measured = image["measured"].values[0]
    assert image["measured"].dims == ("time", "y", "x") and measured.dtype == bool
    assert not (measured & gap).any() and (~measured & ~gap).mean() < 0.1
    values = image["image"].values[0, 0]
    np.testing.assert_array_equal(values[measured], frame.astype(np.float32)[measured])
    assert values[gap].min() > 0.5  # not black any more
    assert "measured" not in load(tmp_path, frame[~gap.all(1)][:, ~gap.all(0)])


def test_samples_may_be_black_at_their_border(tmp_path):
    cards = np.zeros((20, 32, 32))
    cards[:, 5:27, 5:27] = np.random.default_rng(0).uniform(0.5, 1, (20, 22, 22))
    assert "measured" in load(tmp_path, cards)
    image = load(tmp_path, cards, unmeasured="nan")
    assert "measured" not in image
    np.testing.assert_array_equal(image["image"][:, 0], cards.astype(np.float32))


def test_a_frame_may_be_blank_if_others_are_not(tmp_path):
    film = np.stack([crystal(np.random.default_rng(3), 0.1)] * 3)
    film[1] = 0
    measured = load(tmp_path, film)["measured"].values
    assert measured[[0, 2]].all() and not measured[1].any()


def test_a_mask_does_not_depend_on_the_chunks(tmp_path, monkeypatch):
    frame, _ = WITH_GAPS["turned"](np.random.default_rng(2))
    whole = load(tmp_path, frame)["measured"].values
    monkeypatch.setattr(lazy, "SIDE", 32)
    np.testing.assert_array_equal(load(tmp_path, frame)["measured"].values, whole)


def test_an_image_of_which_hardly_anything_is_left_is_refused(tmp_path):
    frame = np.full((80, 90), np.nan)
    frame[:14, :14] = np.arange(196.0).reshape(14, 14)
    with pytest.raises(UserError, match=r"hardly anything .*97\.\d% .*unmeasured"):
        load(tmp_path, frame)


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(1.01, 5), along=st.sampled_from("yx"))
def test_oblong_pixels_become_squares_of_the_finer_side(tmp_path_factory, factor, along):
    folder = tmp_path_factory.mktemp("oblong")
    fine = np.mgrid[:120, :90]
    coarse = [np.arange(0, 119, factor), np.arange(90)]
    if along == "x":
        coarse = [np.arange(120), np.arange(0, 89, factor)]

    def wave(y, x):
        return np.sin(y / 9) + np.cos(x / 11)

    sides = {"y": 0.02, "x": 0.02} | {along: 0.02 * factor}
    data = wave(*np.meshgrid(*coarse, indexing="ij"))
    (folder / "a.json").write_text(
        f'{{"pixel_size_y": {sides["y"]}, "pixel_size_x": {sides["x"]}, "units": "nm"}}'
    )
    np.save(folder / "a.npy", data)
    image = read.load([folder / "a.npy"])
    assert image.attrs["pixel_size"] == pytest.approx(0.02)
    assert image.attrs["resampled_axis"] == along
    assert image.attrs["resampled_factor"] == pytest.approx(factor)
    got = image["image"].values[0, 0]
    assert abs(got.shape[0] - 120) <= factor + 1 and abs(got.shape[1] - 90) <= factor + 1
    inner = (slice(8, got.shape[0] - 8), slice(8, got.shape[1] - 8))
    true = wave(fine[0], fine[1])[: got.shape[0], : got.shape[1]]
    got = got[: true.shape[0], : true.shape[1]]
    np.testing.assert_allclose(got[inner], true[inner], atol=0.02)
    for axis in "yx":
        np.testing.assert_allclose(np.diff(image[axis]), 0.02, rtol=1e-4)


def test_what_was_not_measured_stays_so_among_squares(tmp_path):
    data = crystal(np.random.default_rng(0))
    data[30:40, 50:70] = np.nan
    (tmp_path / "a.json").write_text('{"pixel_size_y": 0.04, "pixel_size_x": 0.02, "units": "nm"}')
    measured = load(tmp_path, data)["measured"].values[0]
    assert not measured[60:79, 50:70].any()
    assert measured[:59].all() and measured[80:].all()


def test_pixels_that_are_lines_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"pixel_size_y": 0.9, "pixel_size_x": 0.02, "units": "nm"}')
    with pytest.raises(UserError, match=r"too oblong.*45 times as high as wide.*pixel_size"):
        load(tmp_path, crystal(np.random.default_rng(0)))
