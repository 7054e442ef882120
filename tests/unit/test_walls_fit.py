"""Walls are found to a fraction of a pixel, with errors that hold, and not where there are none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vaescope import simulate, walls
from vaescope.walls import Signal, Wall, WallFinding
from vaescope.walls.signal import level_of, noise_of

SIZE, CENTRE, RADIUS = 96, np.array([47.3, 48.6]), 22.0
WIDTH = ("width", "width_error")


def picture(distance: np.ndarray, noise: float, seed: int, width: float, tip: float) -> Signal:
    """Piezoresponse of walls at a signed distance (y, x) in px, positive in the positive domain."""
    rng = np.random.default_rng(seed)
    clean = gaussian_filter(np.tanh(distance / width), tip)
    along, across = rng.normal(0, noise, (2, *clean.shape))
    seen = np.ones(clean.shape, bool)
    along = clean + along
    return Signal(along, seen, noise_of(along, seen), level_of(along, seen), across)


def disc(noise: float, seed: int, sign: int = 1, width: float = 1.5, tip: float = 1.5) -> Signal:
    y, x = np.mgrid[:SIZE, :SIZE]
    distance = RADIUS - np.hypot(y - CENTRE[0], x - CENTRE[1])
    return picture(sign * distance, noise, seed, width, tip)


@cache
def found(noise: float, seed: int, sign: int = 1, finder: str = "zero") -> list[Wall]:
    return walls.find(disc(noise, seed, sign), WallFinding(finder=finder))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_disc_is_one_closed_wall_around_the_positive_domain(sign):
    (wall,) = found(0.15, 0, sign)
    away = wall.place - CENTRE
    assert wall.closed
    assert wall.length == pytest.approx(2 * np.pi * RADIUS, abs=0.5)
    assert wall.steps.max() <= 1.0
    normal = np.stack([np.cos(wall.direction), -np.sin(wall.direction)], axis=1)  # (y, x)
    inwards = -away / np.linalg.norm(away, axis=1, keepdims=True)
    assert (sign * normal * inwards).sum(1) == pytest.approx(np.ones(len(away)), abs=0.02)
    assert wall.curvature == pytest.approx(np.full(len(away), sign / RADIUS), abs=0.015)


@pytest.mark.parametrize(("noise", "least"), [(0.15, 0.07), (0.4, 0.16), (0.8, 0.3)])
def test_positions_hold_what_their_errors_say(noise, least):
    apart, error = [], []
    for seed in range(4):
        (wall,) = found(noise, seed)
        apart.append(np.linalg.norm(wall.place - CENTRE, axis=1) - RADIUS)
        error.append(wall.normal_error)
    apart, error = np.concatenate(apart), np.concatenate(error)
    assert np.sqrt((apart**2).mean()) < least
    assert 0.5 < (np.abs(apart) < error).mean() < 0.86


def test_width_and_contrast_are_those_of_the_wall():
    (wall,) = walls.find(disc(0.1, 3, width=2.0, tip=1.0), WallFinding(tip=1.0))
    assert np.abs(wall.width[0] - 2.0) < 3 * wall.width_error[0] < 0.6
    assert wall.contrast == pytest.approx(np.full(len(wall.contrast), 2.0), abs=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_a_width_found_without_the_tip_is_as_unsure_as_it_says(seed):
    name = "walls?size=160&noise=0.15&domains=stripes&length=20"
    found = walls.find(walls.signal_of(simulate.make(name, seed).load(), 0), WallFinding())
    width, error = (np.median([np.median(getattr(w, n)) for w in found]) for n in WIDTH)
    assert abs(width - 1.5) < 3 * error < 1.5


def test_the_mean_over_a_wall_has_the_error_that_error_length_says():
    shift = []
    for seed in range(8):
        (wall,) = found(0.4, seed)
        apart = np.linalg.norm(wall.place - CENTRE, axis=1) - RADIUS
        share = np.minimum(1, wall.error_length / wall.length)
        shift.append(apart.mean() / np.sqrt((wall.normal_error**2 * share).mean()))
    assert 0.3 < np.sqrt(np.mean(np.square(shift))) < 2.0


def test_canny_finds_the_wall_of_a_clean_picture():
    lengths = [wall.length for wall in found(0.15, 0, 1, "canny")]
    assert sum(lengths) == pytest.approx(2 * np.pi * RADIUS, rel=0.1)


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("kind", ["white", "smooth", "lines"])
@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_walls(kind, seed, across):
    rng = np.random.default_rng(seed)
    two = rng.normal(size=(2, SIZE, SIZE))
    if kind == "smooth":
        two = gaussian_filter(two, (0, 2, 2))
    if kind == "lines":
        two += 0.5 * rng.normal(size=(2, SIZE, 1))
    seen = np.ones((SIZE, SIZE), bool)
    signal = Signal(two[0], seen, noise_of(two[0], seen), 0.0, two[1] if across else None)
    assert walls.find(signal, WallFinding()) == []


@pytest.mark.parametrize("noise", [0.02, 0.15, 0.5])
@pytest.mark.parametrize("seed", range(2))
def test_a_large_single_domain_has_no_walls(noise, seed):
    rng = np.random.default_rng(seed)
    varied = 1 + 0.1 * gaussian_filter(rng.normal(size=(200, 200)), 3) * 6 * np.sqrt(np.pi)
    along, across = rng.normal(0, noise, (2, 200, 200))
    seen = np.ones(along.shape, bool)
    along = varied + along
    signal = Signal(along, seen, noise_of(along, seen), level_of(along, seen), across)
    assert walls.find(signal, WallFinding()) == []


def test_two_states_on_a_background_larger_than_they_are_have_their_wall():
    signal = disc(0.15, 0)
    lifted = signal.in_phase + 2.0
    found = walls.find(replace(signal, in_phase=lifted, level=2.0), WallFinding())
    assert len(found) == 1
    assert found[0].length == pytest.approx(2 * np.pi * RADIUS, abs=1)


def test_a_single_domain_has_no_walls():
    y, _ = np.mgrid[:SIZE, :SIZE]
    assert walls.find(picture(200.0 + y, 0.3, 0, 1.5, 1.5), WallFinding()) == []


def test_walls_end_at_what_was_not_measured():
    signal = disc(0.15, 0)
    seen = signal.measured.copy()
    seen[40:52] = False
    lost = np.where(seen, signal.in_phase, np.nan)
    found = walls.find(
        Signal(lost, seen, signal.noise, signal.level, signal.out_of_phase), WallFinding()
    )
    assert len(found) == 2
    for wall in found:
        assert not wall.closed
        assert seen[tuple(np.rint(wall.place).astype(int).T)].mean() > 0.95
        assert np.abs(np.linalg.norm(wall.place - CENTRE, axis=1) - RADIUS).max() < 1.0


def test_a_wall_is_where_the_response_changes_its_sign_however_strong_the_domains_are():
    y, x = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(0)
    distance = RADIUS - np.hypot(y - CENTRE[0], x - CENTRE[1])
    strong = 1.0 - 0.7 * (np.sin(x / 9.0) > 0)  # lamellae of two orientations
    clean = gaussian_filter(np.where(distance > 0, 0.4, -strong), 1.2)
    along, across = rng.normal(0, 0.05, (2, SIZE, SIZE))
    along = clean + along
    seen = np.ones(clean.shape, bool)
    signal = Signal(along, seen, noise_of(along, seen), level_of(along, seen), across)
    found = walls.find(signal, WallFinding())
    assert len(found) == 1
    assert signal.level == 0
