"""Statistics of values that repeat."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vaescope import circular

PERIODS = st.sampled_from([60.0, 90.0, 180.0, 360.0, np.pi / 3, 2 * np.pi])


@given(st.floats(-1e4, 1e4), PERIODS)
def test_a_wrapped_angle_differs_by_whole_periods(angle, period):
    wrapped = circular.wrap(angle, period)
    assert -period / 2 <= wrapped <= period / 2
    turns = (angle - wrapped) / period
    assert turns == pytest.approx(np.round(turns), abs=1e-6)


def test_mean_and_spread_are_those_of_scipy():
    angle = np.random.default_rng(1).normal(88, 9, (5, 40))
    mean = circular.mean(angle, 180.0, axis=0)
    expected = stats.circmean(angle, high=90, low=-90, axis=0)
    assert np.allclose(circular.wrap(mean - expected, 180.0), 0, atol=1e-9)
    assert np.allclose(
        circular.spread(angle, 180.0, axis=0), stats.circstd(angle, high=180, low=0, axis=0)
    )


def test_a_mean_is_of_what_is_known():
    assert abs(circular.mean(np.array([170.0, np.nan, -170.0]), 360.0)) == pytest.approx(180)
    assert circular.mean(np.array([np.nan]), 360.0) == 0


def test_directions_that_cancel_out_have_a_finite_spread():
    assert np.isfinite(circular.spread(np.array([0.0, np.pi]), 2 * np.pi))
