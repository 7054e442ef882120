"""Patches are centred on their sites and can be turned back into raw signal."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from test_sites_detect import as_image

from vaescope import columns, samples, simulate, sites, store
from vaescope.errors import UserError

IMAGE = simulate.make("perovskite?size=300", 0)
FOUND = sites.find(IMAGE, {})


def places(yx, spacing=10.0, frame=0):
    """A table of sites at given positions."""
    yx = np.asarray(yx, float)
    return xr.Dataset(
        {
            "frame": ("site", np.full(len(yx), frame)),
            "y": ("site", yx[:, 0]),
            "x": ("site", yx[:, 1]),
        },
        coords={"site": np.arange(len(yx))},
        attrs={"spacing": spacing},
    )


@pytest.mark.parametrize("kind", ["image", "patch"])
def test_normalisation_can_be_undone(kind):
    raw = samples.extract(IMAGE, FOUND, {"normalise": "none"})
    cut = samples.extract(IMAGE, FOUND, {"normalise": kind})
    back = cut.patch * cut.norm_scale + cut.norm_offset
    np.testing.assert_allclose(back, raw.patch, rtol=1e-4, atol=1e-3)
    if kind == "patch":
        np.testing.assert_allclose(cut.patch.mean(("py", "px")), 0, atol=1e-5)
        np.testing.assert_allclose(cut.patch.std(("py", "px")), 1, rtol=1e-4)
    else:
        assert float(cut.patch.min()) > -0.3 and float(cut.patch.max()) < 2


def test_patches_are_centred_to_a_fraction_of_a_pixel():
    """A Gaussian at any fraction of a pixel looks the same: symmetric about the centre."""
    y, x = np.mgrid[:80, :80]
    for centre in ([40.0, 40.0], [40.3, 39.6], [39.5, 40.5]):
        image = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 18)
        for pixels in (32, 10):  # without and with smoothing before sampling
            settings = {"size": 30, "pixels": pixels, "normalise": "none"}
            patch = samples.extract(as_image(image), places([centre]), settings).patch[0, 0].values
            np.testing.assert_allclose(patch, patch[::-1, ::-1], atol=2e-3)
            np.testing.assert_allclose(patch, patch.T, atol=2e-3)


def test_samples_are_the_image_where_they_fall_on_pixels():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(60, 70)).astype(np.float32)
    settings = {"size": 9, "pixels": 9, "normalise": "none"}
    cut = samples.extract(as_image(image), places([[30, 20], [12, 50]]), settings)
    np.testing.assert_allclose(cut.py, np.arange(-4, 5), atol=1e-12)
    np.testing.assert_allclose(cut.patch[0, 0], image[26:35, 16:25], atol=1e-4)
    np.testing.assert_allclose(cut.patch[1, 0], image[8:17, 46:55], atol=1e-4)


def test_pixel_centring_rounds_the_position():
    image = np.random.default_rng(0).normal(size=(60, 70))
    settings = {"size": 9, "pixels": 9, "centre": "pixel"}
    rounded = samples.extract(as_image(image), places([[30.4, 19.7]]), settings)
    exact = samples.extract(as_image(image), places([[30, 20]]), settings)
    np.testing.assert_array_equal(rounded.patch, exact.patch)
    assert float(rounded.y[0]) == 30.4  # the site itself stays where it is


def test_seams_between_tiles_do_not_show(monkeypatch):
    whole = samples.extract(IMAGE, FOUND, {})
    monkeypatch.setattr("vaescope.samples.sampling._TILE", 64)
    tiled = samples.extract(IMAGE.chunk({"y": 70, "x": 33}), FOUND, {}, threads=2)
    np.testing.assert_allclose(tiled.patch, whole.patch, atol=1e-5)


def test_what_repeats_faster_than_the_samples_is_smoothed_away():
    stripes = np.tile([0.0, 1.0], (200, 100))
    cut = samples.extract(as_image(stripes), places([[100, 100]]), {"size": 90, "pixels": 15})
    assert float(cut.patch.std()) < 0.01


def test_patches_know_their_site_frame_truth_and_scale():
    cut = samples.extract(IMAGE, FOUND, {})
    table = columns.with_edge(FOUND, cut)
    np.testing.assert_array_equal(cut.site, FOUND.site[~table.near_edge.values])
    chosen = FOUND.sel(site=cut.site)
    for name in ("y", "x", "frame", "truth_angle", "truth_phase", "truth_species"):
        np.testing.assert_array_equal(cut[name], chosen[name])
    assert cut.attrs["size"] == pytest.approx(3.2 * FOUND.attrs["spacing"])
    assert cut.attrs["pitch"] == pytest.approx(cut.attrs["size"] / cut.sizes["px"])
    assert cut.attrs["pixel_unit"] == "nm"


def test_the_edge_depends_on_the_patch_and_not_on_the_sites():
    narrow, wide = (samples.extract(IMAGE, FOUND, {"size": size}) for size in (20, 100))
    assert narrow.sizes["site"] > wide.sizes["site"]
    assert float(narrow.y.min()) >= 11 and float(narrow.x.max()) <= 299 - 11
    assert "patch_size" not in FOUND.attrs and "near_edge" not in FOUND


def test_patches_are_smaller_where_the_image_would_lose_most_sites():
    """3.2 spacings, less where they would leave fewer than two in five sites, and 1.6 at least."""
    y, x = (each.ravel() for each in np.mgrid[5:60:10, 5:60:10])
    image = as_image(np.random.default_rng(0).normal(size=(64, 64)))
    for spacing, factor in ((6.0, 3.2), (10.0, 2.6), (13.0, 2.0), (30.0, 1.6)):
        found = places(np.stack([y, x], axis=1), spacing)
        assert samples.extract(image, found).attrs["size"] == pytest.approx(factor * spacing)


def test_samples_are_not_closer_than_pixels_unless_asked():
    image = as_image(np.random.default_rng(0).normal(size=(60, 60)))
    assert samples.extract(image, places([[30, 30]], 5.0), {}).sizes["px"] == 16
    assert samples.extract(image, places([[30, 30]], 5.0), {"pixels": 40}).sizes["px"] == 40


def test_all_channels_and_the_right_frame_are_cut():
    stack = np.random.default_rng(0).normal(size=(3, 2, 50, 50)).astype(np.float32)
    settings = {"size": 7, "pixels": 7, "normalise": "none"}
    cut = samples.extract(as_image(stack), places([[25, 25]], frame=2), settings)
    np.testing.assert_allclose(cut.patch[0], stack[2, :, 22:29, 22:29], atol=1e-4)


def test_patches_survive_the_store(tmp_path):
    cut = samples.extract(IMAGE, FOUND, {})
    store.write(cut, tmp_path / "samples.zarr")
    np.testing.assert_array_equal(store.open(tmp_path / "samples.zarr").patch, cut.patch)


def test_patches_of_many_frames_are_held_once():
    frames, side = 80, 64
    pixels = np.random.default_rng(0).random((frames, side, side)).astype(np.float32)
    image = as_image(pixels[0]).drop_vars("image")
    image["image"] = (("time", "channel", "y", "x"), pixels[:, None])
    image = image.chunk({"time": 1})
    grid = np.mgrid[17:47:3, 17:47:3].reshape(2, -1).T.astype(float)
    found = places(np.tile(grid, (frames, 1)), frame=np.repeat(np.arange(frames), len(grid)))
    samples.extract(image.isel(time=[0]), found.isel(site=slice(100)), {"size": 32, "pixels": 32})
    tracemalloc.start()
    made = samples.extract(image, found, {"size": 32, "pixels": 32})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Beside them: samples of some tiles, and sums in double precision of some rows.
    assert peak < 2.5 * made["patch"].nbytes


def test_constant_patches_stay_zero():
    image = np.zeros((60, 60))
    image[:5] = 1
    for kind in ("image", "patch"):
        settings = {"size": 9, "normalise": kind}
        cut = samples.extract(as_image(image), places([[30, 30]]), settings)
        assert float(np.abs(cut.patch).max()) < 1e-6


def test_too_large_a_patch_says_how_many_sites_there_were():
    with pytest.raises(UserError, match=rf"{FOUND.sizes['site']} sites.*smaller"):
        samples.extract(IMAGE, FOUND, {"size": 400})


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"pixel": 3}, "pixels"),
        ({"pixels": 2}, "4 to 1024"),
        ({"pixels": 20.5}, "4 to 1024"),
        ({"size": -1}, "size"),
        ({"normalise": "global"}, "image, unit, patch, signed, none"),
        ({"centre": "middle"}, "subpixel"),
    ],
)
def test_wrong_settings_are_refused_with_the_right_ones(settings, word):
    with pytest.raises(UserError, match=word):
        samples.extract(IMAGE, FOUND, settings)
