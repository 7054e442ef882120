"""Places that pin walls are found on movies in which they are known, and none where there are none;
what pinning is associated with is separated from what it is not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from known_walls import frames_of, registered, still
from scipy.spatial import cKDTree
from sklearn.metrics import roc_auc_score

from vaescope import simulate
from vaescope.walls.association import association, pixels_of, steps_of
from vaescope.walls.follow import follow
from vaescope.walls.pinning import PinningMap, motion_of, pinning_map

SIDE = 128
SEEDS = (0, 1)


@cache
def mapped(seed, pinning):
    # Walls are drawn from the truth: the less a tip blurs, the less there is to simulate.
    name = f"switching?size={SIDE}&frames=12&pinning={pinning}&noise=0&tip=0&width=1"
    movie = simulate.make(name, seed).load()
    rng = np.random.default_rng([seed, 5])
    frames, drift = frames_of(movie, 0.15, 0.015, rng), registered(movie)
    motion = motion_of(frames, follow(frames, drift), drift)
    pins = np.stack([movie.truth_pinning_y.values, movie.truth_pinning_x.values], axis=1)
    return motion, pinning_map(motion, (SIDE, SIDE), rng), pins


def scores(pinning, pins):
    """Log odds of visited pixels near a pinning site and far from all, and which are which."""
    away = cKDTree(pins).query(np.argwhere(pinning.visited))[0]
    use = (away < 3) | (away > 6)
    return pinning.log_odds[pinning.visited][use], away[use] < 3


def test_pinning_sites_are_found_where_they_are():
    found, true = zip(*(scores(*mapped(seed, 12)[1:]) for seed in SEEDS), strict=True)
    assert roc_auc_score(np.concatenate(true), np.concatenate(found)) > 0.93
    for seed in SEEDS:
        pinning = mapped(seed, 12)[1]
        assert pinning.p_value < 0.05 and pinning.prior > 0.002
        sure = np.argwhere(np.nan_to_num(pinning.probability) > 0.9)
        away = cKDTree(mapped(seed, 12)[2]).query(sure)[0]
        assert len(sure) and np.mean(away < 7) > 0.7


def test_without_pinning_sites_nothing_pins():
    p_values = []
    for seed in SEEDS:
        motion, pinning, _ = mapped(seed, 0)
        assert np.nanmax(pinning.probability) < 0.9
        assert motion.tension > 10 and np.median(motion.field) == pytest.approx(-1.5, abs=0.3)
        p_values.append(pinning.p_value)
    assert min(p_values) > 0.05


def test_where_no_wall_has_been_nothing_is_said():
    pinning = mapped(0, 12)[1]
    assert np.isnan(pinning.probability[~pinning.visited]).all()
    assert (pinning.log_odds[~pinning.visited] == 0).all() and pinning.visited.any()
    nothing = pinning_map(motion_of([[], []], follow([[], []], still(2)), still(2)), (20, 30))
    assert np.isnan(nothing.probability).all() and np.isnan(nothing.p_value)


def test_pinning_is_associated_with_the_sites_that_pin_and_with_no_others():
    chosen, others = [], []
    for seed in SEEDS:
        _, pinning, pins = mapped(seed, 12)
        found = association(pinning, pixels_of([pins], (SIDE, SIDE)), "defects")
        assert found.ratio > 3 and found.pixels > 20
        chosen.append(found.p_value)
        rng = np.random.default_rng(seed)
        for _ in range(30):
            there = rng.uniform(0, SIDE, (12, 2))
            others.append(association(pinning, pixels_of([there], (SIDE, SIDE)), "").p_value)
    assert max(chosen) < 0.02
    assert np.mean(np.array(others) < 0.05) < 0.15 and np.nanmean(others) == pytest.approx(
        0.5, abs=0.2
    )


def test_the_level_of_the_test_holds_for_smooth_maps_and_smooth_candidates():
    """Both are alike over 10 px, which a test of single pixels would take for a relation."""
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    p_values = []
    for _ in range(60):
        odds, other = (gaussian_filter(rng.normal(size=(64, 64)), 5, mode="wrap") for _ in "ab")
        pinning = PinningMap(1 / (1 + np.exp(-odds)), odds, np.ones((64, 64)), 0.1, float("nan"))
        p_values.append(association(pinning, other > other.std(), "").p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.13
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.15)


def test_a_candidate_that_walls_never_visit_is_not_tested():
    pinning = mapped(0, 12)[1]
    nothing = association(pinning, np.zeros((SIDE, SIDE), bool), "steps")
    assert nothing.pixels == 0 and np.isnan(nothing.p_value)


def test_steps_of_the_surface_are_seen_and_a_smooth_surface_has_none():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    hills = 3 * np.sin(x / 25) * np.cos(y / 30) + 0.05 * rng.normal(size=(96, 96))
    seen = np.ones((96, 96), bool)
    assert steps_of(hills, seen).mean() < 0.01
    found = steps_of(hills + 5 * (x + 0.3 * y > 50), seen)
    on = np.abs(x + 0.3 * y - 50) < 1.5
    assert found[on].mean() > 0.9 and found[np.abs(x + 0.3 * y - 50) > 8].mean() < 0.01
