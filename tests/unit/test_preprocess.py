"""Corrections remove what they are meant to remove, and do not depend on where chunks end."""

import json

import numpy as np
import pytest
from reading import atoms

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import lazy


def corrected(folder, data, **steps):
    np.save(folder / "a.npy", data)
    return read.load([folder / "a.npy"], {"preprocess": steps})


def test_everything_is_off_by_default(tmp_path):
    data = atoms().astype(np.float32)
    image = corrected(
        tmp_path,
        data,
        background=None,
        flat_field=None,
        detrend_lines=False,
        hot_pixels=None,
        align_frames=False,
    )
    np.testing.assert_array_equal(image["image"][0, 0], data)
    assert json.loads(image.attrs["preprocess"]) == []


@pytest.mark.parametrize(
    "steps",
    [{"background": 5}, {"background": 30}, {"hot_pixels": 1e9}, {"detrend_lines": "linear"}],
)
def test_seams_between_chunks_leave_no_trace(tmp_path, monkeypatch, steps):
    data = atoms(100, 130)
    whole = corrected(tmp_path, data, **steps)["image"].values
    monkeypatch.setattr(lazy, "SIDE", 48)
    pieces = corrected(tmp_path, data, **steps)["image"]
    assert len(pieces.data.chunks[3]) == 3
    np.testing.assert_allclose(pieces.values, whole, atol=1e-3)


def test_the_background_goes_and_the_atoms_stay(tmp_path):
    y, x = np.mgrid[:96, :96]
    pattern = np.cos(2 * np.pi * y / 8) * np.cos(2 * np.pi * x / 8)
    image = corrected(tmp_path, pattern + 5e-3 * (y - 48.0) ** 2, background=12)
    middle = image["image"].values[0, 0, 30:66, 30:66]
    assert np.corrcoef(middle.ravel(), pattern[30:66, 30:66].ravel())[0, 1] > 0.99
    assert json.loads(image.attrs["preprocess"]) == [{"step": "background", "sigma": 12.0}]


def test_a_flat_field_takes_away_uneven_illumination(tmp_path):
    light = np.linspace(1, 3, 64)[None] * np.ones((48, 1))
    np.save(tmp_path / "flat.npy", light * 10)
    image = corrected(tmp_path, atoms() * light, flat_field="flat.npy")
    np.testing.assert_allclose(image["image"][0, 0], atoms() * light.mean(), rtol=1e-5)
    np.save(tmp_path / "flat.npy", light[:40])
    with pytest.raises(UserError, match=r"40 × 64.*48 × 64"):
        corrected(tmp_path, atoms(), flat_field="flat.npy")
    np.save(tmp_path / "flat.npy", light - 1)
    with pytest.raises(UserError, match="above zero"):
        corrected(tmp_path, atoms(), flat_field="flat.npy")


def test_hot_pixels_are_clipped_and_others_are_not_touched(tmp_path):
    y, x = np.mgrid[:60, :60]
    smooth = 100 + 20 * np.sin(y / 6) * np.sin(x / 6)
    smooth += np.random.default_rng(0).normal(0, 1, smooth.shape)
    hot = smooth.copy()
    hot[[5, 30, 59], [7, 31, 0]] = [5000, -5000, 900]
    image = corrected(tmp_path, hot, hot_pixels=8)["image"].values[0, 0]
    changed = image != hot.astype(np.float32)
    assert changed.sum() == 3
    assert abs(image - smooth).max() < 10


def test_true_takes_the_offset_of_each_scan_line_and_linear_its_slope_as_well(tmp_path):
    lines = np.arange(48.0)[:, None] + np.linspace(-3, 3, 64)
    left = corrected(tmp_path, lines, detrend_lines=True)["image"].values[0, 0]
    np.testing.assert_allclose(left, np.broadcast_to(np.linspace(-3, 3, 64), (48, 64)), atol=1e-5)
    left = corrected(tmp_path, lines, detrend_lines="linear")["image"].values[0, 0]
    np.testing.assert_allclose(left, 0, atol=1e-5)


@pytest.mark.parametrize(("kind", "slope"), [(True, 0.0), ("median", 0.0), ("linear", 0.7)])
def test_offsets_between_scan_lines_are_removed(tmp_path, kind, slope):
    offsets = np.random.default_rng(0).normal(0, 500, (48, 1))
    lines = atoms() + offsets + slope * np.arange(64)
    image = corrected(tmp_path, lines, detrend_lines=kind)["image"].values[0, 0]
    assert np.median(image, axis=1).std() < 15
    fitted = np.polyfit(np.arange(64), image.T, 1)[0]
    assert abs(fitted).max() < 0.5


def test_a_drifting_series_is_brought_to_rest(tmp_path):
    from scipy.ndimage import gaussian_filter, shift

    scene = gaussian_filter(np.random.default_rng(0).normal(size=(120, 120)), 2) * 1000
    drift = np.array([[0, 0], [1.5, -2.0], [3.0, -4.5], [2.0, -7.25]])
    frames = np.stack([shift(scene, by, order=3) for by in drift])[:, 20:100, 20:100]
    image = corrected(tmp_path, frames, align_frames=True)
    found = image["frame_shift"]
    assert found.dims == ("time", "axis")
    # Registration to a twentieth of a pixel; the windows of 80 pixels differ at their edges.
    np.testing.assert_allclose(found, -drift, atol=0.25)
    rest = image["image"].values[:, 0, 15:-15, 15:-15]
    for frame in rest[1:]:
        assert np.corrcoef(frame.ravel(), rest[0].ravel())[0, 1] > 0.99


def test_a_single_frame_needs_no_alignment(tmp_path):
    image = corrected(tmp_path, atoms(), align_frames=True)
    assert "frame_shift" not in image
    np.testing.assert_allclose(image["image"][0, 0], atoms(), rtol=1e-6)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"sharpen": 3}, "unknown setting `ingest.preprocess.sharpen`"),
        ({"background": -1}, "background.*from 0.1 to 100000 px"),
        ({"background": True}, "background.*a number"),
        ({"hot_pixels": "many"}, "hot_pixels.*a number"),
        ({"detrend_lines": "cubic"}, "detrend_lines"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, steps, words):
    with pytest.raises(UserError, match=words):
        corrected(tmp_path, atoms(), **steps)


def test_steps_are_done_in_the_order_of_the_instrument_whatever_the_recipe_says(tmp_path):
    image = corrected(tmp_path, atoms(), background=9, hot_pixels=50)
    done = [step["step"] for step in json.loads(image.attrs["preprocess"])]
    assert done == ["hot_pixels", "background"]
