"""Simulated domains switch as the field, the walls and the pinning sites make them."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.errors import UserError


@cache
def made(seed=0, **parameters):
    text = "&".join(f"{key}={value}" for key, value in parameters.items())
    return simulate.make(f"switching?size=112&{text}", seed).load()


def points(movie, frame):
    """Which points of walls are those of a frame, their places and normals (y, x)."""
    which = np.flatnonzero(movie.truth_frame.values == frame)
    place = np.stack([movie.truth_y.values, movie.truth_x.values], axis=1)[which]
    direction = movie.truth_direction.values[which]
    return which, place, np.stack([np.cos(direction), -np.sin(direction)], axis=1)


def displacement(movie, frame):
    which, place, _ = points(movie, frame)
    return place, movie.truth_displacement.values[which]


@pytest.mark.parametrize("drift", [0, 2])
def test_walls_of_the_next_frame_lie_where_the_displacement_says(drift):
    movie = made(seed=3, frames=5, drift=drift)
    off = np.stack([movie.truth_drift_y.values, movie.truth_drift_x.values], axis=1)
    for frame in range(4):
        which, place, normal = points(movie, frame)
        moved = movie.truth_displacement.values[which]
        there = place + moved[:, None] * normal + off[frame + 1] - off[frame]
        inside = ((there > 2) & (there < 109)).all(axis=1) & np.isfinite(moved)
        _, after, _ = points(movie, frame + 1)
        away = cKDTree(after).query(there[inside])[0]
        assert inside.mean() > 0.8 and away.max() < 0.1
    assert np.isnan(displacement(movie, 4)[1]).all()


def test_a_straight_free_wall_moves_at_the_speed_that_was_set():
    movie = made(seed=1, frames=6, pinning=0, domains="stripes", length=60, speed=2)
    for frame in range(5):
        which, _, _ = points(movie, frame)
        moved = movie.truth_displacement.values[which]
        straight = np.abs(movie.truth_curvature.values[which]) < 0.002
        calm = straight & ~movie.truth_apart.values[which] & np.isfinite(moved)
        assert calm.sum() > 50
        # The positive domain grows, and the normal points into it.
        assert np.median(moved[calm]) == pytest.approx(-2, abs=0.15)


def test_the_opposite_field_moves_walls_the_other_way():
    movie = made(seed=1, frames=3, pinning=0, domains="stripes", length=60, field=-0.12)
    assert np.nanmedian(displacement(movie, 1)[1]) > 1


@pytest.mark.parametrize(("pins", "reach"), [("wells", 1.0), ("fields", 5.0)])
def test_walls_are_held_at_pinning_sites_and_nowhere_else(pins, reach):
    # A well holds the wall at its centre, a field of its own in front of it.
    near, far, none = [], [], []
    for seed in range(2):
        movie = made(seed=seed, frames=8, pins=pins, pinning=6, domains="stripes", length=40)
        sites = np.stack([movie.truth_pinning_y.values, movie.truth_pinning_x.values], axis=1)
        free = made(seed=seed, frames=8, pinning=0, domains="stripes", length=40)
        for frame in range(2, 7):
            place, moved = displacement(movie, frame)
            away = cKDTree(sites).query(place)[0]
            near += list(np.abs(moved[away < reach]))
            far += list(np.abs(moved[away > 20]))
            none += list(np.abs(displacement(free, frame)[1]))
        assert free.sizes["pin"] == 0
    assert np.nanmedian(near) < 0.5 * np.nanmedian(far)
    assert np.nanmedian(far) == pytest.approx(1.5, abs=0.3)
    assert np.nanmean(np.array(none) < 0.3) < 0.05


def test_the_switched_share_is_that_of_the_domains():
    movie = made(seed=4, frames=5)
    domain = movie.truth_domain.values
    share = (domain[1:] != domain[:-1]).mean((1, 2))
    assert np.allclose(movie.truth_switched.values[:-1], share) and share.min() > 0.002
    assert np.isnan(movie.truth_switched.values[-1])


def test_walls_keep_their_numbers_and_new_domains_have_new_ones():
    movie = made(seed=5, frames=6, nuclei=2, pinning=0, domains="circles", length=14, share=0.15)
    numbers = [set(movie.truth_wall.values[points(movie, frame)[0]]) for frame in range(6)]
    assert len(numbers[0] & numbers[1]) >= len(numbers[0]) / 2
    born = set().union(*numbers) - numbers[0]
    assert born and min(born) > max(numbers[0])
    place = {}
    for frame in range(6):
        which, at, _ = points(movie, frame)
        for number in numbers[frame]:
            own = at[movie.truth_wall.values[which] == number]
            if number in place:  # the middle of the same domain stays about where it was
                assert cKDTree(own).query(place[number])[0].min() < 6
            place[number] = own


def test_the_same_seed_gives_the_same_movie():
    again = simulate.make("switching?size=112&frames=5", 4).load()
    assert made(seed=4, frames=5).identical(again)
    assert not made(seed=5, frames=5).image.equals(again.image)


def test_a_movie_that_would_take_hours_is_refused():
    with pytest.raises(UserError, match=r"too long.*fewer `frames`"):
        simulate.make("switching?size=2048&frames=400&field=0.001")
    with pytest.raises(UserError, match=r"`pins` has no such value.*wells or fields"):
        simulate.make("switching?pins=holes")
