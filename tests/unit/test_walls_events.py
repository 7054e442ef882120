"""Walls that appear, vanish, merge and split are seen as such, with the significance of it."""

from __future__ import annotations

import numpy as np
import pytest
from known_walls import circle, line, still

from vaescope.walls.events import events_of
from vaescope.walls.follow import follow
from vaescope.walls.signal import Signal
from vaescope.walls.switched import switched

SIDE = 100
SEEN = np.ones((SIDE, SIDE), bool)


def signal(walls, noise=0.15, seed=0):
    """The response of round positive domains."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    domain = np.zeros((SIDE, SIDE), bool)
    for wall in walls:
        centre = wall.place.mean(axis=0)
        radius = np.linalg.norm(wall.place - centre, axis=1).mean()
        domain |= np.hypot(y - centre[0], x - centre[1]) < radius
    along, across = noise * rng.normal(size=(2, SIDE, SIDE)) + np.stack(
        [np.where(domain, 1.0, -1.0), np.zeros((SIDE, SIDE))]
    )
    return Signal(along, SEEN, noise, 0.0, across)


def events(*frames, noise=0.15):
    drift = still(len(frames))
    shown = [signal(walls, noise, k) for k, walls in enumerate(frames)]
    changes = [
        switched(shown[k], shown[k + 1], drift.step[k], drift.covariance[k])
        for k in range(len(frames) - 1)
    ]
    return events_of(frames, follow(frames, drift), drift, changes)


def test_domains_that_appear_and_vanish():
    there = circle((30, 30), 9)
    found = events([there], [there, circle((70, 60), 8)], [circle((70, 60), 8)])
    assert [event.what for event in found] == ["creation", "annihilation"]
    assert found[0].frame == 0 and found[0].before == () and found[0].after == (1,)
    assert found[0].place == pytest.approx([70, 60], abs=0.5)
    assert found[1].frame == 1 and found[1].before == (0,) and found[1].after == ()
    assert all(event.happened for event in found)


def test_domains_that_merge_and_split():
    apart = [circle((40, 40), 9), circle((40, 62), 9)]
    joint = [circle((40, 51), 20)]
    found = events(apart, joint, apart)
    assert [event.what for event in found] == ["merging", "splitting"]
    for event in found:
        assert event.place == pytest.approx([40, 51], abs=1.5) and event.happened
    assert found[0].before == (0, 1) and len(found[0].after) == 1


def test_what_crosses_the_rim_is_no_event_and_neither_is_rest():
    assert (
        events([circle((30, 30), 9), line(60, SIDE)], [circle((30, 31), 9), line(61, SIDE)]) == []
    )
    assert events([circle((30, 30), 9), circle((96, 50), 9)], [circle((30, 30), 9)]) == []


def test_a_wall_that_only_the_finder_made_up_has_no_significance():
    there = circle((30, 30), 9)
    drift = still(2)
    shown = [signal([there], 0.8, k) for k in range(2)]
    change = switched(*shown, drift.step[0], drift.covariance[0])
    frames = [[there], [there, circle((70, 60), 8)]]
    found = events_of(frames, follow(frames, drift), drift, [change])
    assert [event.what for event in found] == ["creation"] and not found[0].happened
