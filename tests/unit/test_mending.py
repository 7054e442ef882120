"""Torn latents: one structure drawn two ways up is found out, two structures are not."""

import numpy as np
from scipy import ndimage

from vaescope.train import mending

SIDE, STEP = 24, 2 * np.pi / 12


def drawn(content: np.ndarray) -> np.ndarray:
    """An arrow, longer with the second number of content, lying as the first number says."""
    axis = np.linspace(-1, 1, SIDE)
    x, y = np.meshgrid(axis, axis)
    out = []
    for turn, size in content:
        long = 0.5 + 0.05 * size
        picture = np.exp(-((y / 0.12) ** 2) - (x / long) ** 2)
        picture += np.exp(-((y / 0.35) ** 2) - ((x - 0.4) / 0.15) ** 2)
        out.append(ndimage.rotate(picture, np.degrees(turn), reshape=False, order=1)[None])
    return np.array(out, np.float32)


def contents(turns: np.ndarray) -> np.ndarray:
    return np.column_stack([turns, np.random.default_rng(0).normal(size=len(turns))])


def test_one_structure_drawn_two_ways_up_is_turned_to_one():
    turns = np.where(np.arange(240) % 3 == 0, np.pi / 2, 0.0)
    found = mending._turns(contents(turns), drawn, STEP)
    assert found is not None
    apart = np.angle(np.exp(1j * (np.abs(found) - turns)))
    assert np.abs(apart).max() < 0.1  # the third that lies across is turned, the others stay


def test_a_structure_drawn_one_way_up_is_left_alone():
    turns = np.random.default_rng(1).normal(0, 0.03, 200)
    assert mending._turns(contents(turns), drawn, STEP) is None


def test_two_structures_have_no_way_up_in_common():
    def two(content: np.ndarray) -> np.ndarray:
        cross = drawn(content * [0, 1]) + drawn(content * [0, 1] + [np.pi, 0])
        cross = cross + drawn(content * [0, 1] + [np.pi / 2, 0])
        return np.where((content[:, 0] > 0.5)[:, None, None, None], 1.5 * cross, drawn(content))

    turns = np.where(np.arange(200) % 2 == 0, 1.0, 0.0)
    assert mending._turns(contents(turns), two, STEP) is None
