"""A sample is a site with views: the patch about it, and its spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import samples, sites, store
from vaescope.ensemble.lengths import lengths_of
from vaescope.errors import UserError
from vaescope.models.parts import AXIS


def image_of(height: int, width: int, frames: int = 1, seed: int = 0) -> xr.Dataset:
    signal = np.random.default_rng(seed).normal(size=(frames, 1, height, width))
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), signal.astype(np.float32))},
        coords={"channel": ["signal"], "y": np.arange(height), "x": np.arange(width)},
    )


def spectra_of(
    height: int, width: int, pitch: float = 1, times: int = 1, channels: int = 8
) -> xr.Dataset:
    counts = np.random.default_rng(1).poisson(20, (times, height, width, channels))
    first = (pitch - 1) / 2
    return xr.Dataset(
        {
            "spectra": (
                ("time", "y", "x", "energy"),
                counts.astype(np.float32),
                {"long_name": "counts", "units": "1"},
            ),
            "truth_shift": (("time", "y", "x"), counts.mean(-1)),
            "truth_phase": (("time", "y", "x"), counts[..., 0] % 3),
        },
        coords={"energy": ("energy", 400 + 0.5 * np.arange(channels), {"units": "eV"})},
        attrs={"pitch_y": pitch, "pitch_x": pitch, "start_y": first, "start_x": first},
    )


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(5, 12),
    width=st.integers(5, 12),
    pitch=st.sampled_from([1, 2, 3]),
    block=st.sampled_from([1, 2, 3]),
)
def test_every_pixel_or_block_is_a_sample_in_the_order_of_y_then_x(height, width, pitch, block):
    image = image_of(height * pitch, width * pitch)
    spectra = spectra_of(height, width, pitch)
    found = sites.find(image, {"method": "pixels", "bin": block}, spectra=spectra)
    rows, columns = height // block, width // block
    row, column = np.divmod(np.arange(rows * columns), columns)
    np.testing.assert_array_equal(found["row"], row * block)
    np.testing.assert_array_equal(found["column"], column * block)
    # The middle of a block of spectrum pixels, each as large as `pitch` pixels of the image.
    np.testing.assert_allclose(found["y"], (row + 0.5) * block * pitch - 0.5)
    cut = samples.extract(image, found, {}, spectra=spectra)
    recorded = cut["spectrum"]
    whole = spectra["spectra"].values[0, : rows * block, : columns * block]
    means = whole.reshape(rows, block, columns, block, -1).mean((1, 3))
    np.testing.assert_allclose(recorded.values.reshape(rows, columns, -1), means, rtol=1e-5)
    known = spectra["truth_shift"].values[0, : rows * block, : columns * block]
    known = known.reshape(rows, block, columns, block).mean((1, 3))
    np.testing.assert_allclose(cut["truth_shift"], known.ravel(), rtol=1e-5)
    phase = spectra["truth_phase"].values[0, : rows * block : block, : columns * block : block]
    np.testing.assert_array_equal(cut["truth_phase"], phase.ravel())


def test_windows_are_odd_and_their_middle_is_the_pixel_of_the_site():
    image, spectra = image_of(20, 24), spectra_of(20, 24)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {}, spectra=spectra)
    side = cut.sizes["px"]
    assert side % 2 == 1
    assert cut.sizes["site"] == 20 * 24  # those at the edge are padded
    raw = cut["patch"] * cut["norm_scale"] + cut["norm_offset"]
    middle = raw.values[:, 0, side // 2, side // 2]
    np.testing.assert_allclose(middle.reshape(20, 24), image["image"].values[0, 0], atol=1e-5)


def test_turned_images_have_turned_patches_about_every_site():
    image, spectra = image_of(21, 21), spectra_of(21, 21)
    turned = image.copy(deep=True)
    turned["image"].values[0, 0] = np.rot90(image["image"].values[0, 0])

    def patches(one: xr.Dataset) -> np.ndarray:
        found = sites.find(one, {"method": "pixels"}, spectra=spectra)
        cut = samples.extract(one, found, {}, spectra=spectra)
        return cut["patch"].values[:, 0].reshape(21, 21, *cut["patch"].shape[2:])

    expected = np.rot90(np.rot90(patches(image), axes=(0, 1)), axes=(2, 3))
    np.testing.assert_allclose(patches(turned), expected, atol=1e-5)


def test_samples_of_spectra_alone_have_no_patch():
    image, spectra = image_of(9, 7), spectra_of(9, 7)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {"cut": False}, spectra=spectra)
    assert "patch" not in cut and cut["spectrum"].shape == (63, 8)
    assert cut["energy"].attrs["units"] == "eV"
    np.testing.assert_array_equal(cut["row"], found["row"])


def test_spectra_are_as_recorded_and_divisors_are_kept():
    image, spectra = image_of(9, 7), spectra_of(9, 7)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {"cut": False}, spectra=spectra)
    recorded = spectra["spectra"].values[0].reshape(63, 8)
    np.testing.assert_array_equal(cut["spectrum"].values, recorded)
    area = spectra["spectra"].mean("energy")
    divided = spectra.assign(spectra=spectra["spectra"] / area, normalised_by=area)
    cut = samples.extract(image, found, {"cut": False}, spectra=divided)
    np.testing.assert_allclose(cut["spectrum"] * cut["spectrum_scale"], recorded, rtol=1e-5)


def test_dead_pixels_are_no_samples():
    image, spectra = image_of(9, 7), spectra_of(9, 7)
    measured = np.ones((1, 9, 7), bool)
    measured[0, 2, 3] = False
    spectra["measured"] = (("time", "y", "x"), measured)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {"cut": False}, spectra=spectra)
    assert cut.sizes["site"] == 62 and 2 * 7 + 3 not in cut["site"].values


def test_each_frame_of_a_stack_has_its_own_spectrum():
    image, spectra = image_of(8, 8, frames=12), spectra_of(1, 1, times=12)
    found = sites.find(image, {"method": "frames"})
    cut = samples.extract(image, found, {"normalise": "none"}, spectra=spectra)
    recorded = cut["spectrum"]
    np.testing.assert_allclose(recorded, spectra["spectra"].values[:, 0, 0], rtol=1e-5)
    with pytest.raises(UserError, match="not one spectrum for each frame"):
        samples.extract(image, found, {}, spectra=spectra.isel(time=slice(0, 5)))


def test_a_site_between_pixels_has_the_spectrum_in_which_it_lies():
    image, spectra = image_of(60, 60), spectra_of(6, 6, pitch=10)
    found = sites.find(image, {"method": "windows", "window": 20, "stride": 7})
    cut = samples.extract(image, found, {}, spectra=spectra)
    row, column = (np.floor((cut[a].values + 0.5) / 10).astype(int) for a in ("y", "x"))
    recorded = cut["spectrum"]
    np.testing.assert_allclose(recorded, spectra["spectra"].values[0, row, column], rtol=1e-5)


def test_a_store_of_both_views_is_written_and_read(tmp_path):
    image, spectra = image_of(12, 12), spectra_of(12, 12)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {}, spectra=spectra)
    store.write(cut, tmp_path / "samples.zarr")
    again = store.open(tmp_path / "samples.zarr").load()
    np.testing.assert_array_equal(again["spectrum"], cut["spectrum"])
    np.testing.assert_array_equal(again["patch"], cut["patch"])


def test_what_cannot_be_is_refused_with_a_remedy():
    image, spectra = image_of(9, 7), spectra_of(9, 7)
    with pytest.raises(UserError, match=r"spectra: read: true"):
        sites.find(image, {"method": "pixels"})
    with pytest.raises(UserError, match=r"smaller `sites: bin`"):
        sites.find(image, {"method": "pixels", "bin": 8}, spectra=spectra)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    with pytest.raises(UserError, match="no view"):
        samples.extract(image, found, {"cut": False})
    spectra["measured"] = (("time", "y", "x"), np.zeros((1, 9, 7), bool))
    with pytest.raises(UserError, match="no site lies on a measured spectrum"):
        samples.extract(image, found, {}, spectra=spectra)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (np.linspace(400, 500, 51), (2.0, "nm")),
        (np.linspace(900, 400, 51), (-10.0, "nm")),
        (np.r_[0:8:20j, 8:-8:40j, -8:0:20j], (1.0, "channel")),
    ],
)
def test_a_shift_is_in_units_of_the_axis_unless_it_sweeps_there_and_back(axis, expected):
    made = xr.Dataset(coords={"energy": ("energy", axis, {"units": "nm"})})
    length, unit = lengths_of(made)[AXIS]
    assert (pytest.approx(length), unit) == expected


@pytest.mark.parametrize("count", [2, 30])
def test_patches_with_one_spectrum_each_are_frames_whatever_the_method(count):
    image, spectra = image_of(17, 17, count), spectra_of(1, 1, 17, count)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {}, spectra=spectra)
    assert found.attrs["method"] == "frames" and not cut.attrs["placed"]
    assert cut["patch"].shape == (count, 1, 17, 17)
    np.testing.assert_array_equal(cut["spectrum"], spectra["spectra"][:, 0, 0])


def test_samples_say_from_which_file_their_spectra_are():
    image, spectra = image_of(20, 20), spectra_of(20, 20)
    spectra.attrs |= {"source_files": ["eels.dm4"], "source_sha256": ["1f"]}
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {}, spectra=spectra)
    assert cut.attrs["spectra_source_files"] == ["eels.dm4"]
    assert cut.attrs["spectra_source_sha256"] == ["1f"]
