"""Missing numbers are filled and counted; images without content are refused."""

import numpy as np
import pytest
from reading import atoms

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import clean, lazy


def load(folder, data, **settings):
    np.save(folder / "a.npy", data)
    return read.load([folder / "a.npy"], settings)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_isolated_gaps_are_filled_from_their_neighbours_and_counted(tmp_path, bad):
    y, x = np.mgrid[:40, :50]
    smooth = np.sin(y / 9.0) + np.cos(x / 8.0)
    holed = smooth.copy()
    holed[[3, 20, 20, 39], [4, 30, 31, 49]] = bad
    image = load(tmp_path, holed)
    np.testing.assert_array_equal(image["measured"][0], np.isfinite(holed))
    # Within what the surface changes over a pixel or two.
    np.testing.assert_allclose(image["image"][0, 0], smooth, atol=0.15)
    untouched = np.isfinite(holed)
    np.testing.assert_array_equal(
        image["image"].values[0, 0][untouched], smooth.astype(np.float32)[untouched]
    )


def test_gaps_at_a_seam_between_chunks_are_filled_as_anywhere_else(tmp_path, monkeypatch):
    data = atoms(60, 60)
    data[28:34, 27:36] = np.nan
    whole = load(tmp_path, data)["image"].values
    monkeypatch.setattr(lazy, "SIDE", 16)
    pieces = load(tmp_path, data)["image"]
    assert len(pieces.data.chunks[3]) == 4
    np.testing.assert_allclose(pieces.values, whole, rtol=1e-6)


def test_tiny_heights_keep_their_digits_when_gaps_are_filled(tmp_path):
    heights = atoms() * 1e-12 + 3e-7
    heights[5, 5] = np.nan
    image = load(tmp_path, heights)["image"].values[0, 0]
    assert heights[~np.isnan(heights)].min() <= image[5, 5] <= np.nanmax(heights)


def test_a_small_signal_on_a_large_offset_survives_float32(tmp_path):
    counts = np.full((20, 20), 4_000_000_000, np.uint32) + np.arange(400, dtype=np.uint32).reshape(
        20, 20
    )
    image = load(tmp_path, counts)
    np.testing.assert_array_equal(image["image"].values.ravel(), np.arange(400))
    assert image.attrs["subtracted_offset"] == [4_000_000_000.0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((20, 20)), "constant.*every pixel is 0"),
        (np.full((20, 20), 7, np.uint8), "constant.*every pixel is 7"),
        (np.full((20, 20), np.nan), "every pixel is NaN"),
        (np.full((20, 20), np.inf), "NaN or infinite"),
        (np.where(np.arange(400).reshape(20, 20) < 300, np.nan, atoms(20, 20)), "75.0%.*measured"),
        (np.arange(150.0).reshape(10, 15), "not understood|too small"),
        (np.arange(300.0).reshape(15, 20), "too small.*15 × 20.*16 pixels"),
        (np.arange(400.0).reshape(20, 20) * 1e60, "beyond float32"),
    ],
)
def test_images_without_content_are_refused_with_what_was_found(tmp_path, data, words):
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path, data)
    assert "a.npy" in str(caught.value)


def test_a_constant_channel_is_left_out_unless_the_recipe_names_it(tmp_path):
    data = np.stack([atoms(), np.zeros((48, 64)), atoms(seed=1)], -1)
    image = load(tmp_path, data)
    assert list(image["channel"].values) == ["red", "blue"]
    assert image.attrs["constant_channels_left_out"] == ["green"]
    with pytest.raises(UserError, match="constant"):
        load(tmp_path, data, channel="green")


def test_statistics_are_those_of_numpy():
    import dask.array as da

    data = np.random.default_rng(0).normal(size=(3, 2, 30, 40))
    data[0, 1, 3, 4] = np.nan
    facts = clean.statistics(da.from_array(data, chunks=(1, 1, 16, 16)))
    np.testing.assert_allclose(facts.low, np.nanmin(data, (0, 2, 3)))
    np.testing.assert_allclose(facts.high, np.nanmax(data, (0, 2, 3)))
    np.testing.assert_allclose(facts.total, np.nansum(data, (0, 2, 3)))
    assert facts.count == 3600
    assert list(facts.finite) == [3600, 3599]
