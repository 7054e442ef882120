"""The drift between frames is found with its error, on the height or, without it, on the signal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from vaescope import simulate
from vaescope.walls.registration import register, shift


def field(side, scale, rng):
    values = ndimage.gaussian_filter(rng.normal(size=(side, side)), scale, mode="wrap")
    return values / values.std()


def pair(seed, by, noise=0.2, size=128):
    """A surface seen twice, displaced by some px."""
    rng = np.random.default_rng(seed)
    side = size + 96
    surface = 4 * field(side, 20, rng) + field(side, 6, rng) + 0.3 * field(side, 2, rng)
    k = 2 * np.pi * np.fft.fftfreq(side)
    turn = np.exp(-1j * (k[:, None] * by[0] + k[None] * by[1]))
    other = np.fft.ifft2(np.fft.fft2(surface) * turn).real
    cut = slice(48, 48 + size)
    return [each[cut, cut] + noise * rng.normal(size=(size, size)) for each in (surface, other)]


@pytest.mark.parametrize("by", [(0.4, -0.6), (3.3, 7.8), (-11.7, 0.25)])
def test_the_shift_is_found_to_a_fraction_of_a_pixel_with_its_error(by):
    seen = np.ones((128, 128), bool)
    z, off = [], []
    for seed in range(12):
        found, covariance = shift(*pair(seed, by), seen, seen)
        off.append(found - by)
        z.append((found - by) @ np.linalg.solve(covariance, found - by))
    assert np.abs(np.mean(off, axis=0)).max() < 0.02
    assert np.sqrt(np.mean(np.square(off))) < 0.06
    assert 1 < np.mean(z) < 5  # chi square with two degrees of freedom; errors from 25 parts


def test_a_band_without_measurement_and_lines_that_jumped_change_little():
    first, second = pair(1, (1.2, -0.7))
    seen = np.ones((128, 128), bool)
    lost = seen.copy()
    lost[60:80] = False
    second = np.where(lost, second, 1e3)
    second[5] = np.nan
    found, covariance = shift(first, second, seen, lost)
    assert np.abs(found - (1.2, -0.7)).max() < 0.1
    assert np.sqrt(covariance.max()) < 0.1


def test_nothing_in_common_is_no_shift():
    rng = np.random.default_rng(0)
    seen = np.ones((128, 128), bool)
    noise = [rng.normal(size=(128, 128)) for _ in range(2)]
    assert shift(*noise, seen, seen) is None
    assert shift(np.ones((128, 128)), noise[0], seen, seen) is None
    assert shift(noise[0], noise[0], ~seen, seen) is None
    assert shift(noise[0], noise[0][:100], seen, seen[:100]) is None


def test_the_height_is_used_where_it_shows_the_drift_and_the_signal_otherwise():
    movie = simulate.make("walls?size=128&frames=4&drift=1.5", 2).load()
    signals, _, heights = (list(movie.image.values[:, k].astype(float)) for k in range(3))
    seen = [np.ones((128, 128), bool)] * 4
    true = np.stack([movie.truth_drift_y.values, movie.truth_drift_x.values], axis=1)
    found = register(signals, seen, heights)
    assert found.source == ["height"] * 3
    assert np.abs(found.offset - true).max() < 0.1
    # A frame that drifts by 1.5 of its 128 rows is longer than the specimen by 1.2 %.
    steps = np.diff(true, axis=0)
    assert (np.abs(found.step - steps) < 4 * found.error + 0.015 * np.abs(steps)).all()
    rng = np.random.default_rng(0)
    flat = [rng.normal(size=(128, 128)) for _ in range(4)]
    for heights in (None, flat):
        found = register(signals, seen, heights)
        assert found.source == ["in-phase"] * 3
        assert np.abs(found.offset - true).max() < 0.3
    nothing = register(flat, seen)
    assert nothing.source == ["none"] * 3 and (nothing.step == 0).all()
    assert (nothing.error == 4).all()


def test_stripes_leave_the_drift_along_them_unknown():
    x = np.arange(160.0)
    rng = np.random.default_rng(0)
    stripes = [
        np.tanh(4 * np.sin(2 * np.pi * (x - by) / 18))[None] + 0.1 * rng.normal(size=(160, 160))
        for by in (0, 1.3)
    ]
    seen = [np.ones((160, 160), bool)] * 2
    found = register(stripes, seen)
    if found.source == ["in-phase"]:
        assert found.step[0, 1] == pytest.approx(1.3, abs=0.05)
        assert found.error[0, 0] > 5 * found.error[0, 1]
    else:
        assert (found.error == 4).all()


def test_a_frame_that_the_scanner_distorts_has_the_error_of_a_single_place():
    """Stretched by 2 % along the slow axis, places lie up to 1.3 px beside the mean shift."""
    seen = [np.ones((128, 128), bool)] * 2
    rows, columns = np.mgrid[:128, :128].astype(float)
    local = 0.8 + (rows[:, 0] - 64) * 0.02  # px, of places along the slow axis
    beyond = []
    for seed in range(6):
        first, second = pair(seed, (0.8, -0.5), noise=0.05)
        stretched = (rows - 64) * 0.98 + 64
        second = ndimage.map_coordinates(second, [stretched, columns], order=3, mode="nearest")
        both = [register([first, second], seen, rigid=rigid) for rigid in (True, False)]
        off = [abs(found.step[0, 0] - local) / found.error[0, 0] for found in both]
        beyond.append([(one > 3).mean() for one in off])
    of_the_mean, of_a_place = np.mean(beyond, axis=0)
    assert of_the_mean > 0.5
    assert of_a_place < 0.25
