"""Patches are cut of the channels and at the times that a recipe names, at the same place."""

import numpy as np
import pytest
import xarray as xr
from test_patches import places
from test_sites_detect import as_image

from vaescope import samples
from vaescope.errors import UserError

RAW = {"size": 9, "pixels": 9, "normalise": "none"}
CHANNELS = ["in-phase", "out-of-phase", "height"]


def movie(frames=3, side=60, seed=0, names=CHANNELS):
    """Noise in several frames and channels."""
    noise = np.random.default_rng(seed).normal(size=(frames, len(names), side, side))
    return as_image(noise).assign_coords(channel=list(names))


def test_channels_are_cut_by_name_in_the_order_of_the_recipe():
    image = movie(1)
    cut = samples.extract(image, places([[30, 30]]), RAW | {"channels": ["height", "in-phase"]})
    assert list(cut["channel"].values) == ["height", "in-phase"]
    np.testing.assert_allclose(cut.patch[0], image.image[0, [2, 0], 26:35, 26:35], atol=1e-4)


def test_a_channel_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UserError, match="lateral") as error:
        samples.extract(movie(1), places([[30, 30]]), RAW | {"channels": ["lateral"]})
    assert "in-phase, out-of-phase, height" in str(error.value)


def test_delays_are_channels_of_the_same_place():
    image = movie(3)
    found = places([[30, 30], [20, 25]], frame=1)
    cut = samples.extract(image, found, RAW | {"channels": ["in-phase"], "delay": [-1, 0, 1]})
    assert list(cut["channel"].values) == ["in-phase t-1", "in-phase t", "in-phase t+1"]
    np.testing.assert_allclose(cut.patch[0], image.image[:, 0, 26:35, 26:35], atol=1e-4)
    np.testing.assert_allclose(cut.patch[1], image.image[:, 0, 16:25, 21:30], atol=1e-4)


def test_drift_is_taken_out_of_delayed_patches():
    """A sample that drifts by a known shift shows the same patch at all times."""
    scene = movie(1, 90, names=["in-phase"]).image.values[0, 0]
    drift = np.array([[0, 0], [3, -2], [7, 4]])
    frames = [scene[20 - dy : 70 - dy, 20 - dx : 70 - dx] for dy, dx in drift]
    image = as_image(np.stack(frames)[:, None])
    found = places(np.array([[25.0, 25.0]]) + drift[1], frame=1)
    found["drift"] = (("time", "axis"), drift.astype(float))
    cut = samples.extract(image, found, RAW | {"delay": [-1, 0, 1]})
    for plane in cut.patch[0].values:
        np.testing.assert_allclose(plane, cut.patch[0, 0], atol=1e-4)
    without = samples.extract(image, found.drop_vars("drift"), RAW | {"delay": [-1, 0, 1]})
    assert np.abs(without.patch[0, 0] - without.patch[0, 1]).max() > 1


def test_sites_without_a_delayed_frame_are_left_out_and_counted():
    image = movie(3)
    each = [places([[30, 30]], frame=k).assign_coords(site=[k]) for k in range(3)]
    found = xr.concat(each, "site", combine_attrs="override")
    for delay, kept in (([-1, 0, 1], [1]), ([0, 1], [0, 1]), ([-1, 0], [1, 2])):
        cut = samples.extract(image, found, RAW | {"delay": delay})
        np.testing.assert_array_equal(cut.site, kept)
        assert cut.attrs["without_delay"] == 3 - len(kept)


def test_a_delay_in_a_single_image_is_refused_with_the_remedy():
    with pytest.raises(UserError, match="no site has a patch at every delay") as error:
        samples.extract(movie(1), places([[30, 30]]), RAW | {"delay": [0, 1]})
    assert "patches: delay" in str(error.value)


def test_a_sample_counts_as_measured_only_if_it_was_at_every_delay():
    image = movie(2)
    mask = np.ones((2, 60, 60), bool)
    mask[1, 28] = False
    image["measured"] = (("time", "y", "x"), mask)
    settings = RAW | {"size": 31, "pixels": 31, "delay": [0, 1]}
    cut = samples.extract(image, places([[30, 30]]), settings)
    assert not cut["measured"].values[0, 13].any()
    assert cut["measured"].values[0, :12].all()


def test_signed_channels_keep_their_zero_and_share_one_scale():
    rng = np.random.default_rng(1)
    domains = np.where(np.arange(80) < 20, -1.0, 1.0) * np.ones((80, 1))
    planes = [
        domains,
        0.05 * rng.normal(size=(80, 80)),
        np.abs(domains),
        40 + rng.normal(size=(80, 80)),
    ]
    image = as_image(np.stack(planes)[None]).assign_coords(
        channel=["in-phase", "out-of-phase", "amplitude", "height"]
    )
    settings = {"size": 9, "pixels": 9, "normalise": "signed"}
    cut = samples.extract(image, places([[40, 40]]), settings)
    np.testing.assert_allclose(cut.norm_offset[0, :3], 0)
    np.testing.assert_allclose(cut.norm_scale[0, :3], 1)
    assert float(cut.norm_offset[0, 3]) == pytest.approx(40, abs=0.3)
    np.testing.assert_allclose(cut.patch[0, 0], 1, atol=1e-3)


def test_a_signal_of_zero_does_not_change_the_scale_of_its_pair():
    ramp = 1e-3 * np.linspace(-1, 1, 80) * np.ones((80, 1))
    image = as_image(np.stack([ramp, 0 * ramp])[None]).assign_coords(
        channel=["in-phase", "out-of-phase"]
    )
    cut = samples.extract(
        image, places([[40, 40]]), {"size": 9, "pixels": 9, "normalise": "signed"}
    )
    np.testing.assert_allclose(cut.norm_scale[0], 1e-3, rtol=0.05)


@pytest.mark.parametrize("wrong", [{"delay": [0, 0]}, {"channels": ["height", "height"]}])
def test_nothing_is_cut_twice(wrong):
    with pytest.raises(UserError, match="only once"):
        samples.Patches.of(wrong)
