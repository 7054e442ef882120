"""No atom is lost, doubled or made of noise."""

import json
import tracemalloc

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import simulate, sites
from vaescope.errors import UserError
from vaescope.sites import detect
from vaescope.sites.scale import Scale
from vaescope.sites.select import select

CRYSTAL = simulate.make("perovskite?size=256&dose=400", 0)
FRAME = CRYSTAL.image.values[0, 0].astype(float)
LENGTHS = Scale(spacing=17.0, width=3.0, periodic=True)
FILTER = detect.laplacian(LENGTHS)
WHOLE, WHOLE_DEPTHS = detect.candidates(da.from_array(FRAME, chunks=-1), LENGTHS, FILTER)


def as_image(pixels):
    """(height, width) or (time, channel, height, width) as an image without a pixel size."""
    pixels = np.asarray(pixels, np.float32)
    if pixels.ndim == 2:
        pixels = pixels[None, None]
    names = [f"c{k}" for k in range(pixels.shape[1])]
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), pixels)},
        coords={"channel": names},
        attrs={"pixel_size": 1.0, "pixel_unit": "px", "calibrated": False},
    )


def scores(found):
    return json.loads(found.attrs["truth_scores"])


@settings(max_examples=12, deadline=None)
@given(
    tile=st.integers(23, 300),
    chunks=st.tuples(st.integers(17, 256), st.integers(17, 256)),
    threads=st.sampled_from([1, 2]),
)
def test_seams_neither_lose_nor_double_an_atom(tile, chunks, threads):
    """Tiles, chunks and threads are matters of memory and speed: the result is the same."""
    frame = da.from_array(FRAME, chunks=chunks)
    found, depths = detect.candidates(frame, LENGTHS, FILTER, threads=threads, tile=tile)
    np.testing.assert_array_equal(found.y, WHOLE.y)
    np.testing.assert_array_equal(found.x, WHOLE.x)
    np.testing.assert_array_equal(found.height, WHOLE.height)
    np.testing.assert_array_equal(np.sort(depths), np.sort(WHOLE_DEPTHS))
    part = select(found, depths, LENGTHS, area=2000.0)
    whole = select(WHOLE, WHOLE_DEPTHS, LENGTHS, area=2000.0)
    one, score, two, score_of_whole = part.sites, part.score, whole.sites, whole.score
    np.testing.assert_array_equal(one.y, two.y)
    np.testing.assert_array_equal(score, score_of_whole)


def test_memory_is_bounded_by_the_tile_not_by_the_image():
    side = 2048
    frame = da.random.default_rng(0).normal(size=(side, side), chunks=256)
    whole_mb = side**2 * 8 / 1e6
    tracemalloc.start()
    detect.candidates(frame, LENGTHS, FILTER, tile=256)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak_mb < 0.6 * whole_mb


@pytest.mark.parametrize("method", ["log", "maxima"])
@pytest.mark.parametrize("dose", [100, 2000])
def test_every_column_is_found_and_nothing_else(method, dose):
    image = simulate.make(f"perovskite?size=256&dose={dose}", 1)
    found = scores(sites.find(image, {"method": method}))
    assert found["precision"] > 0.99
    # The weak sublattice has 55 electrons a column at the low dose: a few drown.
    assert found["recall"] > (0.96 if dose == 100 else 0.99)


@pytest.mark.parametrize(
    "name",
    [
        "square?size=128&spacing=5&width=1.1&dose=300",
        "hexagonal?size=400&spacing=60&width=11&dose=5000",
        "hexagonal?size=200&dose=80",
    ],
)
def test_no_tuning_is_needed_from_a_few_to_sixty_pixels(name):
    found = scores(sites.find(simulate.make(name, 0), {"refine": False}))
    assert found["precision"] > 0.98
    assert found["recall"] > 0.95


def test_dark_atoms_are_found_when_asked_for():
    image = simulate.make("hexagonal?size=200", 0)
    image["image"] = 300 - image.image
    found = sites.find(image, {"polarity": "dark"})
    assert scores(found)["recall"] == 1.0
    # Contrast of dark atoms is negative, their background that of the image.
    assert np.nanmedian(found.amplitude) < 0 < np.nanmedian(found.background)


def test_the_dim_side_of_an_interface_is_not_lost():
    image = simulate.make("square?size=256&dose=8000&background=0.05", 0)
    dim = np.where(np.arange(256) < 128, 0.25, 1.0)
    image["image"] = image.image * dim[:, None].astype(np.float32)
    assert scores(sites.find(image, {"refine": False}))["recall"] > 0.97


def test_an_empty_region_beside_a_crystal_stays_empty():
    image = simulate.make("square?size=256", 0)
    rng = np.random.default_rng(0)
    pixels = image.image.values.copy()
    pixels[..., 128:] = rng.poisson(4, pixels[..., 128:].shape)
    found = sites.find(as_image(pixels), {"refine": False})
    assert int((found.x > 140).sum()) <= 1
    assert int((found.x < 118).sum()) > 40


def test_hot_and_missing_pixels_are_not_atoms():
    image = simulate.make("square?size=256", 0)
    rng = np.random.default_rng(0)
    pixels = image.image.values.copy()
    pixels[..., rng.random(pixels.shape[2:]) < 1e-3] = 1e5
    pixels[..., 5, :] = np.nan
    image["image"] = (("time", "channel", "y", "x"), pixels)
    found = scores(sites.find(image, {}))
    assert found["precision"] > 0.98
    assert found["recall"] > 0.98
    assert found["rmse_over_bound"] < 1.5


def test_lonely_atoms_are_found_and_noise_is_not():
    rng = np.random.default_rng(1)
    place = rng.uniform(20, 280, (40, 2))
    y, x = np.mgrid[:300, :300]
    expected = 10.0 + sum(25 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18) for a, b in place)
    found = sites.find(as_image(rng.poisson(expected)), {})
    nearest = np.hypot(found.y.values[:, None] - place[:, 0], found.x.values[:, None] - place[:, 1])
    assert np.mean(nearest.min(axis=1) < 3) > 0.9  # of the sites, are atoms
    assert np.mean(nearest.min(axis=0) < 3) > 0.8  # of the atoms, some of which overlap


@pytest.mark.parametrize(
    ("pixels", "word"),
    [
        (np.full((64, 64), 3.0), "constant"),
        (np.full((64, 64), np.nan), "constant"),
        (np.random.default_rng(0).poisson(20, (200, 200)), "noise"),
        (np.random.default_rng(0).normal(size=(8, 200)), "too small"),
    ],
)
def test_an_image_without_sites_is_refused_in_words(pixels, word):
    with pytest.raises(UserError, match=word):
        sites.find(as_image(pixels), {})
