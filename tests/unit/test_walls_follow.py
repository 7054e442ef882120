"""Walls are followed between frames, and errors separate what moved from what did not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_walls import circle, line, moved, still, true_walls

from vaescope.walls import follow as following
from vaescope.walls.follow import displacement, follow


def joined(followed, name, frame=0):
    return np.concatenate([getattr(step, name) for step in followed.steps[frame]])


@pytest.mark.parametrize("error", [0.08, 0.25])
def test_displacements_of_walls_at_rest_scatter_by_their_error(error):
    z = []
    for seed in range(4):
        rng = np.random.default_rng([seed, 1])
        frames = [[moved(each, error, rng) for each in true_walls(seed)] for _ in range(2)]
        followed = follow(frames, still(2))
        z.append(joined(followed, "displacement") / joined(followed, "error"))
        assert np.nanmax(joined(followed, "pinned")) < 0.05  # nothing else moved
    z = np.concatenate(z)
    seen = z[np.isfinite(z)]
    assert len(seen) > 0.97 * len(z)
    assert np.sqrt(np.mean(seen**2)) == pytest.approx(1, abs=0.1)
    assert (np.abs(seen) > 3).mean() < 0.006


@pytest.mark.parametrize("error", [0.08, 0.25])
def test_stretches_at_rest_are_pinned_where_others_move_by_three_errors(error):
    hit, said, true = 0, 0, 0
    for seed in range(4):
        rng = np.random.default_rng([seed, 2])
        before, after, rest = [], [], []
        for each in true_walls(seed):
            count = len(each.place)
            own = np.repeat(rng.random(count // 40 + 1) < 0.5, 40)[:count]
            before.append(moved(each, error, rng))
            after.append(moved(each, error, rng, np.where(own, 0, 3 * error * np.sqrt(2))))
            rest.append(own)
        followed = follow([before, after], still(2))
        pinned = joined(followed, "pinned")
        own, seen = np.concatenate(rest), np.isfinite(pinned)
        found = pinned[seen] > 0.5
        hit, said, true = hit + (found & own[seen]).sum(), said + found.sum(), true + own.sum()
    assert hit / said > 0.95 and hit / true > 0.95


def test_a_drift_that_is_off_is_separated_from_walls_that_move():
    """Half the walls grow by three errors; the frame lies elsewhere by as much as its error."""
    hit, said, true = 0, 0, 0
    for seed in range(3):
        rng = np.random.default_rng([seed, 3])
        before, after, rest = [], [], []
        for each in true_walls(seed):
            own = np.repeat(rng.random(len(each.place) // 40 + 1) < 0.5, 40)[: len(each.place)]
            before.append(moved(each, 0.1, rng))
            grown = moved(each, 0.1, rng, np.where(own, 0, 3 * 0.1 * np.sqrt(2)))
            after.append(replace(grown, place=grown.place + np.array([0.3, -0.2])))
            rest.append(own)
        pinned = joined(follow([before, after], still(2, 0.3)), "pinned")
        own, seen = np.concatenate(rest), np.isfinite(pinned)
        found = pinned[seen] > 0.5
        hit, said, true = hit + (found & own[seen]).sum(), said + found.sum(), true + own.sum()
    assert hit / said > 0.95 and hit / true > 0.95


def test_displacement_is_positive_into_the_positive_domain_and_knows_the_drift():
    drift = np.array([3.0, -2.0])
    none = np.zeros((2, 2))
    grown = circle((53, 48), 22)
    found, error, met = displacement(circle((50, 50), 20), [grown], drift, none)
    assert np.allclose(found, -2, atol=0.02) and (met == 0).all()
    assert np.allclose(error, 0.1 * np.sqrt(2), rtol=0.02)
    hole = displacement(circle((50, 50), 20, positive=False), [grown], drift, none)
    assert np.isnan(hole[0]).all() and (hole[2] == -1).all()


def test_the_error_of_the_drift_counts_across_the_wall_alone():
    covariance = np.diag([0.0, 4.0])  # px²: unknown along x
    found, error, _ = displacement(line(50), [line(51)], np.zeros(2), covariance)
    inner = np.isfinite(found)
    assert inner.mean() > 0.9
    assert np.allclose(np.abs(found[inner]), 1) and np.allclose(error[inner], 0.1 * np.sqrt(2))
    _, error, _ = displacement(line(50), [line(51)], np.zeros(2), covariance[::-1, ::-1])
    assert np.allclose(error[inner], np.sqrt(4.02))


def test_walls_keep_their_number_while_they_move_appear_vanish_and_merge():
    small, large = circle((30, 30), 8), circle((30, 48), 8)
    merged = circle((30, 39), 17)
    frames = [
        [small, circle((80, 80), 10)],
        [circle((80, 80), 11), small, large],
        [circle((80, 80), 12), merged],
        [merged],
    ]
    number = follow(frames, still(4)).number
    assert number[0].tolist() == [0, 1]
    assert number[1].tolist() == [1, 0, 2]
    assert number[2][0] == 1 and number[2][1] in (0, 2)
    assert number[3].tolist() == [number[2][1]]


def test_frames_without_walls_are_followed_as_well():
    followed = follow([[], [circle((30, 30), 8)], []], still(3))
    assert [len(each) for each in followed.number] == [0, 1, 0]
    assert np.isnan(followed.steps[1][0].displacement).all()
    assert follow([], still(1)).number == []
    assert follow([[line(20)]], still(1)).steps == []


def test_of_two_walls_that_face_each_other_each_meets_its_own():
    before = [line(40, up=True), line(46, up=False)]
    after = [line(42, up=False), line(38, up=True)]
    followed = follow([before, after], still(2))
    assert followed.number[1].tolist() == [1, 0]
    first = followed.steps[0][0].displacement
    assert np.nanmedian(np.abs(first)) == pytest.approx(2)
    assert following.REACH > 6
