"""Windows instead of atoms: where they lie, what they hold, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sites_detect import as_image

from vaescope import samples, simulate, sites
from vaescope.errors import UserError


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@given(st.integers(20, 90), st.integers(20, 90), st.integers(4, 20), st.integers(1, 12))
def test_windows_lie_in_the_image_a_stride_apart_with_equal_margins(height, width, side, stride):
    image = as_image(noise(1, 1, height, width))
    found = sites.find(image, {"method": "windows", "window": side, "stride": stride})
    for axis, length in (("y", height), ("x", width)):
        low, high = float(found[axis].min()), float(found[axis].max())
        assert low >= (side - 1) / 2 and high <= length - 1 - (side - 1) / 2
        assert low == pytest.approx(length - 1 - high)
        # One more would not have fitted in.
        assert high - low + stride > length - side
        places = np.unique(found[axis])
        assert np.allclose(np.diff(places), stride)
    cut = samples.extract(image, found)
    assert cut.attrs["size"] == side
    assert cut.sizes["site"] == found.sizes["site"]
    assert cut.attrs["method"] == "windows"


def test_a_window_is_what_the_image_holds_there():
    image = as_image(noise(1, 1, 40, 50))
    found = sites.find(image, {"method": "windows", "window": 9, "stride": 1})
    cut = samples.extract(image, found, {"size": 9, "normalise": "none"})
    y, x = int(found.y[77]), int(found.x[77])
    raw = image.image.values[0, 0, y - 4 : y + 5, x - 4 : x + 5]
    np.testing.assert_allclose(cut.patch.values[77, 0], raw, atol=1e-5)


def test_random_windows_are_the_same_in_every_run_and_differ_between_frames():
    image = as_image(noise(2, 1, 60, 60))
    settings = {"method": "windows", "window": 12, "count": 30}
    one, other = sites.find(image, settings), sites.find(image, settings)
    np.testing.assert_array_equal(one.y, other.y)
    first, second = (one.y.values[one.frame.values == k] for k in (0, 1))
    assert len(first) == len(second) == 30
    assert not np.allclose(first, second)


def test_unasked_the_window_follows_the_crystal_and_its_truth():
    image = simulate.make("perovskite?size=256", 0)
    found = sites.find(image, {"method": "windows"})
    assert 40 < found.attrs["window"] < 100
    assert set(np.unique(found.truth_phase)) == {0, 1}
    above = found.truth_phase.values[found.y.values < 90]
    assert (above == 0).all()


def test_windows_of_a_simulation_without_any_column_have_no_truth():
    image = simulate.make("square?size=64&spacing=200&width=1", 3)
    assert image.sizes["truth_site"] == 0
    found = sites.find(image, {"method": "windows", "window": 16, "spacing": 10})
    assert found.sizes["site"] and "truth_angle" not in found


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"window": 200}, "no window fits"), ({"count": 0}, "count"), ({"stride": 0.5}, "stride")],
)
def test_windows_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(UserError, match=words):
        sites.find(as_image(noise(1, 1, 64, 64)), {"method": "windows", **wrong})
