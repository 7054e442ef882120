"""The drift between frames is found with its error, on the height or, without it, on the signal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from vaescope import simulate
from vaescope.walls.registration import register, shift


def field_of(side, scale, rng):
    values = ndimage.gaussian_filter(rng.normal(size=(side, side)), scale, mode="wrap")
    return values / values.std()


def pair(seed, by, noise=0.2, size=128):
    """A surface seen twice, displaced by some px."""
    rng = np.random.default_rng(seed)
    side = size + 96
    surface = 4 * field_of(side, 20, rng) + field_of(side, 6, rng) + 0.3 * field_of(side, 2, rng)
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
        found = shift(*pair(seed, by), seen, seen)
        assert found is not None
        apart = found.moved - by
        off.append(apart)
        z.append(apart @ np.linalg.solve(found.covariance, apart))
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
    found = shift(first, second, seen, lost)
    assert found is not None
    assert np.abs(found.moved - (1.2, -0.7)).max() < 0.1
    assert np.sqrt(found.covariance.max()) < 0.1


def test_nothing_in_common_is_no_shift():
    rng = np.random.default_rng(0)
    seen = np.ones((128, 128), bool)
    noise = [rng.normal(size=(128, 128)) for _ in range(2)]
    assert shift(*noise, seen, seen) is None
    assert shift(np.ones((128, 128)), noise[0], seen, seen) is None
    assert shift(noise[0], noise[0], ~seen, seen) is None
    assert shift(noise[0], noise[0][:100], seen, seen[:100]) is None


def test_hills_do_not_hide_the_shift_and_unlike_surfaces_have_none():
    """Of few large features the correlation is nearly as high elsewhere as at the shift."""
    heights = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        grains = [field_of(220, scale, rng) for scale in (19, 6)]
        surface = 3 * grains[0] + 0.7 * grains[1]
        pair = [surface[y : y + 192, x : x + 192] for y, x in ((14, 14), (11, 16))]
        heights.append([each + 0.05 * rng.normal(size=each.shape) for each in pair])
    seen = np.ones((192, 192), bool)
    for first, second in heights:
        found = shift(first, second, seen, seen)
        assert found is not None and np.abs(found.moved - (3, -2)).max() < 0.1
    for (first, _), (_, second) in pairwise(heights):
        assert shift(first, second, seen, seen) is None


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


def distorted(seed: int, field: str, size: int = 192) -> tuple[list[np.ndarray], np.ndarray]:
    """A surface seen twice, and by how much its places (y, x, 2) are displaced in the second."""
    rng = np.random.default_rng(seed)
    surface = field_of(size + 64, 4, rng)
    y, x = np.mgrid[:size, :size].astype(float)
    moved = {
        "rigid": (0.7 + 0 * y, -1.2 + 0 * x),
        "stretch": (0.8 + 0.02 * (y - size / 2), 0 * x),
        "creep": (0.7 + 2 * np.exp(-y / 60), -1.2 + 2 * (y / size) ** 2),
        "line": (0 * y, 1.5 * np.sin(np.pi * x / size)),
    }[field]
    first, second = (
        ndimage.map_coordinates(surface, [y + 32 - by[0], x + 32 - by[1]], order=3)
        for by in ((0, 0), moved)
    )
    noisy = [each + 0.1 * rng.normal(size=each.shape) for each in (first, second)]
    return noisy, np.stack(moved, axis=-1)


@pytest.mark.parametrize("field", ["stretch", "creep", "line"])
def test_a_frame_that_the_scanner_distorts_is_displaced_place_by_place(field):
    seen = [np.ones((192, 192), bool)] * 2
    for seed in range(3):
        heights, true = distorted(seed, field)
        flat = [np.zeros((192, 192))] * 2
        found = register(flat, seen, heights)
        assert found.source == ["height"] and found.fields[0] is not None
        inner = np.argwhere(np.ones((192, 192), bool))[::97].astype(float)
        inner = inner[((inner > 30) & (inner < 162)).all(axis=1)]
        moved, covariance = found.displaced(0, inner)
        # What is at p in the second frame was displaced by true(p), so that it lay at p - true(p).
        there = (inner + moved).T
        off = moved - np.stack(
            [ndimage.map_coordinates(true[..., axis], there, order=1) for axis in (0, 1)], axis=1
        )
        assert np.sqrt(np.mean(off**2)) < 0.1
        z = off / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        assert (np.abs(z) > 3).mean() < 0.1
        back = found.displaced_back(0, inner + moved)[0]
        assert np.abs(back + moved).max() < 0.05


def test_a_frame_displaced_as_a_whole_has_no_field():
    seen = [np.ones((192, 192), bool)] * 2
    for seed in range(6):
        heights, _ = distorted(seed, "rigid")
        found = register([np.zeros((192, 192))] * 2, seen, heights)
        assert found.fields == [None]
        assert np.abs(found.step[0] - (0.7, -1.2)).max() < 0.03


def test_walls_that_move_are_no_distortion_but_widen_the_error():
    """Without a height, a wall that moves displaces parts of the picture."""
    y, x = np.mgrid[:160, :160].astype(float)
    rng = np.random.default_rng(0)
    base = field_of(160, 3, rng)
    frames = [
        base + 3 * np.tanh((np.hypot(y - 70, x - 80) - radius) / 2) for radius in (30.0, 34.0)
    ]
    found = register(frames, [np.ones((160, 160), bool)] * 2)
    assert found.source == ["in-phase"] and found.fields == [None]
