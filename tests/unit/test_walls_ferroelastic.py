"""180° walls and ferroelastic walls differ by what differs between their two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vaescope.walls import Wall
from vaescope.walls.ferroelastic import sides

SIZE = 128
Y, X = np.mgrid[:SIZE, :SIZE].astype(float)


def straight(x: float) -> Wall:
    """A wall along y with the positive domain at larger x."""
    place = np.stack([np.arange(SIZE)[::-1] * 1.0, np.full(SIZE, x)], axis=1)
    none = np.zeros(SIZE)
    return Wall(place, False, np.full(SIZE, -np.pi / 2), *(none for _ in range(8)))


def texture(seed: int) -> np.ndarray:
    rough = gaussian_filter(np.random.default_rng(seed).normal(size=(SIZE, SIZE)), 2.0)
    return rough / rough.std()


WALLS = [straight(40.0), straight(88.0)]
SEEN = np.ones((SIZE, SIZE), bool)


@pytest.mark.parametrize("seed", range(4))
def test_alike_sides_are_those_of_a_180_degree_wall(seed):
    pictures = {"strength": 1 + 0.1 * texture(seed), "out-of-phase": 0.1 * texture(seed + 50)}
    for each in sides(WALLS, pictures, {"height": texture(seed + 100)}, SEEN):
        assert np.nanmedian(each.ferroelastic) < 0.5
        assert (each.ferroelastic > 0.95).mean() < 0.08


@pytest.mark.parametrize("seed", range(4))
def test_a_step_or_a_crease_makes_a_wall_ferroelastic(seed):
    crease = np.where(X > 40, 0.3 * (X - 40), 0.0)  # at the first wall
    step = np.where(X > 88, 0.5, 0.0)  # at the second
    pictures = {"lateral": 1 + 0.1 * texture(seed) + step}
    first, second = sides(
        WALLS, pictures, {"height": 0.3 * texture(seed + 100) + crease}, SEEN, ("lateral",)
    )
    assert np.nanmedian(first.ferroelastic) > 0.9
    assert np.nanmedian(np.abs(first.differences["height"])) > 3
    assert np.nanmedian(np.abs(first.differences["lateral"])) < 3
    assert np.nanmedian(second.ferroelastic) > 0.9


def test_nothing_is_said_where_nothing_was_measured():
    seen = SEEN.copy()
    seen[:, 30:50] = False
    first, second = sides(WALLS, {"strength": texture(0)}, {}, seen)
    assert np.isnan(first.ferroelastic).all()
    assert np.isfinite(second.ferroelastic).any()
    assert sides([], {"strength": texture(0)}, {}, SEEN) == []


def test_a_response_on_a_background_makes_no_wall_ferroelastic():
    stronger = np.where((X > 40) & (X < 88), 1.5, 0.5)  # in the state between the walls
    walls = [WALLS[0], turned_round(WALLS[1])]
    for each in sides(walls, {"strength": stronger + 0.1 * texture(0)}, {}, SEEN):
        assert np.nanmedian(each.ferroelastic) < 0.5


def turned_round(wall: Wall) -> Wall:
    """The wall with the positive domain on its other side."""
    return replace(wall, place=wall.place[::-1], direction=wall.direction[::-1] + np.pi)
