"""The roughness exponent of self-affine walls is found within its error."""

from __future__ import annotations

import numpy as np
import pytest
from known_walls import circle, correlated, line, wall

from vaescope.walls.roughness import roughness

STEP = 0.5


def rough(zeta, length, rms, error, rng):
    """A self-affine wall along x, seen with errors."""
    count = int(length / STEP)
    wave = 2 * np.pi * np.fft.rfftfreq(8 * count, STEP)
    size = np.zeros(len(wave))
    size[1:] = wave[1:] ** -(0.5 + zeta)
    size[wave > np.pi / 2] = 0
    phases = rng.normal(size=(2, len(wave)))
    u = np.fft.irfft(size * (phases[0] + 1j * phases[1]), 8 * count)[:count]
    u = (u - u.mean()) * rms / u.std() + error * correlated(count, STEP, False, rng)
    x = np.arange(count) * STEP
    direction = np.arctan2(np.gradient(u), np.gradient(x))
    return wall(np.stack([60 + u, x], axis=1), False, direction, np.zeros(count), error)


@pytest.mark.parametrize(("zeta", "error"), [(0.5, 0.1), (0.67, 0.3), (0.74, 0.1), (1.0, 0.2)])
def test_the_exponent_is_found_within_its_error(zeta, error):
    z, found = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        made = roughness([rough(zeta, 260, 3, error, rng) for _ in range(4)])
        found.append(made.exponent)
        z.append((made.exponent - zeta) / made.error)
        assert made.walls >= 3 and made.length > 700
    assert np.mean(found) == pytest.approx(zeta, abs=0.1)
    assert 0.5 < np.sqrt(np.mean(np.square(z))) < 1.7


def test_the_noise_of_positions_is_not_taken_for_roughness():
    rng = np.random.default_rng(1)
    smooth = [rough(1.0, 400, 1.0, 0.5, rng) for _ in range(4)]
    found = roughness(smooth)
    assert abs(found.exponent - 1.0) < 3 * found.error
    high = found.wave > 0.25
    assert found.factor[high].mean() == pytest.approx(found.floor[high].mean(), rel=0.4)


def test_without_long_walls_there_is_no_exponent():
    for walls in ([], [circle((30, 30), 6)], [line(20, size=40)]):
        found = roughness(walls)
        assert np.isnan(found.exponent) and np.isnan(found.error) and found.walls == 0
