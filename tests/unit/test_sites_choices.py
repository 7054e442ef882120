"""Bright or dark, and in which channel: chosen from the image, with the reason."""

import numpy as np
import pytest
import xarray as xr

from vaescope import simulate, sites
from vaescope.judge.of_choices import of_choices
from vaescope.sites import polarity, scale

NAMES = [
    "square?size=200&spacing=16&width=3",
    "hexagonal?size=200&dose=60",
    "graphene?size=200",
    "perovskite?size=200",
]


def as_image(*channels, names=("BF", "HAADF", "ADF")):
    pixels = np.stack(channels)[None].astype(np.float32)
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), pixels)},
        coords={"channel": list(names[: len(channels)])},
        attrs={},
    )


def drawn(name, seed=0):
    return simulate.make(name, seed).image.values[0, 0].astype(float)


def kinds(image, found):
    return [finding.kind for finding in of_choices(image, found.attrs)]


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_found_whether_bright_or_dark(name):
    pixels = drawn(name)
    bright, dark = as_image(pixels), as_image(pixels.max() - pixels)
    ours, theirs = sites.find(bright), sites.find(dark)
    assert (ours.attrs["polarity"], theirs.attrs["polarity"]) == ("bright", "dark")
    assert ours.sizes == theirs.sizes
    np.testing.assert_allclose(ours.y, theirs.y, atol=1e-2)
    assert np.nanmedian(theirs.amplitude) < 0
    assert kinds(bright, ours) == []
    assert kinds(dark, theirs) == ["dark columns"]


def test_what_the_recipe_says_is_done():
    image = as_image(300 - drawn(NAMES[0]))
    found = sites.find(image, {"polarity": "bright", "refine": False})
    assert found.attrs["polarity"] == "bright"
    assert kinds(image, found) == []


def test_a_pattern_that_has_no_polarity_is_taken_as_bright_with_a_caution():
    y, x = np.mgrid[:160, :160] * 2 * np.pi / 16
    rng = np.random.default_rng(0)
    image = as_image(np.cos(y) + np.cos(x) + rng.normal(0, 0.1, y.shape))
    found = sites.find(image, {"refine": False})
    assert found.attrs["polarity"] == "bright"
    assert kinds(image, found) == ["bright or dark"]


def test_noise_has_no_polarity():
    rng = np.random.default_rng(0)
    part = rng.poisson(20, (300, 300)).astype(float)
    assert polarity.choose([part], scale.estimate([part])).name == "bright"


def test_the_channel_with_bright_columns_is_preferred_and_the_reason_said():
    pixels = drawn(NAMES[0])
    rng = np.random.default_rng(1)
    dark = pixels.max() - pixels + rng.normal(0, 3, pixels.shape)
    image = as_image(dark, pixels)
    found = sites.find(image)
    assert found.attrs["channel"] == "HAADF"
    assert found.sizes == sites.find(as_image(pixels)).sizes
    (finding,) = of_choices(image, found.attrs)
    assert "HAADF" in finding.says and "BF" in finding.says and "channel" in finding.remedy
    asked = sites.find(image, {"channel": 0, "refine": False})
    assert (asked.attrs["channel"], asked.attrs["polarity"]) == ("BF", "dark")
    # Dark columns are wanted: they are those of the first.
    assert sites.find(image, {"polarity": "dark", "refine": False}).attrs["channel"] == "BF"


def test_the_first_channel_stays_where_another_is_no_clearer():
    pixels = drawn(NAMES[0])
    rng = np.random.default_rng(2)
    image = as_image(pixels, pixels + rng.normal(0, 1, pixels.shape), rng.normal(size=pixels.shape))
    found = sites.find(image, {"refine": False})
    assert found.attrs["channel"] == "BF"
    assert kinds(image, found) == []
