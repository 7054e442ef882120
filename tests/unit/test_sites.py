"""The table of sites: what is in it, and what is refused."""

import json

import numpy as np
import pytest
from test_sites_detect import as_image

from vaescope import columns, samples, simulate, sites, store
from vaescope.errors import UserError
from vaescope.sites.matching import match

IMAGE = simulate.make("perovskite?size=256", 0)
FOUND = sites.find(IMAGE, {})
INSIDE = ~columns.with_edge(FOUND, samples.extract(IMAGE, FOUND)).near_edge


def test_a_site_has_position_error_and_truth_in_pixels_and_nanometres():
    for name in ("y", "x", "amplitude", "width", "background", "y_error", "x_error", "score"):
        assert FOUND[name].dims == ("site",)
        assert FOUND[name].attrs["long_name"] and FOUND[name].attrs["units"]
    np.testing.assert_allclose(FOUND.y_physical, FOUND.y * IMAGE.attrs["pixel_size"])
    assert FOUND.y_physical.attrs["units"] == "nm"
    assert (FOUND.truth_species.values[INSIDE] >= 0).all()
    assert FOUND.attrs["width"] == pytest.approx(3.0, rel=0.05)
    assert FOUND.attrs["height"] == FOUND.attrs["width_px"] == 256


def test_amplitudes_tell_the_sublattices_apart():
    inside = FOUND.where(INSIDE & (FOUND.truth_phase == 0), drop=True)
    a = inside.amplitude.where(inside.truth_species == 0).median()
    b = inside.amplitude.where(inside.truth_species == 1).median()
    assert float(b / a) == pytest.approx(0.55, rel=0.08)


def test_an_image_without_pixel_size_stays_in_pixels():
    found = sites.find(as_image(IMAGE.image.values), {})
    assert "y_physical" not in found
    assert "truth_scores" not in found.attrs


def test_sites_survive_the_store(tmp_path):
    store.write(FOUND, tmp_path / "sites.zarr")
    again = store.open(tmp_path / "sites.zarr")
    np.testing.assert_array_equal(again.y, FOUND.y)
    assert json.loads(again.attrs["truth_scores"])["recall"] > 0.98


def test_every_frame_is_searched_and_named():
    first, second = (simulate.make("square?size=160", seed).image.values[0, 0] for seed in (0, 1))
    stack = np.stack([first, second, first])[:, None]
    found = sites.find(as_image(stack), {})
    alone = sites.find(as_image(first), {})
    for frame in (0, 2):
        assert int((found.frame == frame).sum()) == alone.sizes["site"]


def test_the_channel_can_be_chosen_by_name_or_number():
    atoms = simulate.make("square?size=160", 0).image.values[0, 0]
    noise = np.random.default_rng(0).normal(size=atoms.shape)
    image = as_image(np.stack([noise, atoms])[None])
    by_name = sites.find(image, {"channel": "c1", "refine": False})
    by_number = sites.find(image, {"channel": 1, "refine": False})
    assert by_name.identical(by_number)
    assert by_name.attrs["channel"] == "c1"
    assert by_name.sizes["site"] > 20
    with pytest.raises(UserError, match="0: c0, 1: c1"):
        sites.find(image, {"channel": "dark field"})


def test_the_result_does_not_depend_on_chunks_or_threads():
    chunked = IMAGE.chunk({"y": 50, "x": 77})
    assert sites.find(chunked, {}, threads=2).identical(FOUND)


def test_a_given_spacing_is_used():
    found = sites.find(IMAGE, {"spacing": 24.0, "refine": False})
    assert found.attrs["spacing"] == 24.0
    assert FOUND.attrs["spacing"] == pytest.approx(24 / 2**0.5, rel=0.04)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "magic"}, ["magic", "log", "maxima"]),
        ({"metod": "log"}, ["metod", "method"]),
        ({"polarity": "grey"}, ["bright, dark"]),
        ({"threshold": 2}, ["threshold", "0 to 1"]),
        ({"spacing": -3}, ["spacing"]),
        ({"width": "wide"}, ["width"]),
        ({"spacing": float("nan")}, ["spacing"]),
    ],
)
def test_wrong_settings_are_refused_with_the_right_ones(settings, words):
    with pytest.raises(UserError) as error:
        sites.find(IMAGE, settings)
    for word in words:
        assert word in str(error.value)


def test_truth_is_matched_one_to_one():
    truth = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    found = np.array([[0.5, 0.0], [0.2, 0.1], [10.0, 1.0], [40.0, 0.0]])
    np.testing.assert_array_equal(match(found, truth, 3.0), [-1, 0, 1, -1])
    assert len(match(found[:0], truth, 3.0)) == 0
