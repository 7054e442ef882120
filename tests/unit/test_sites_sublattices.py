"""What stands between strong columns is found where it repeats, and nothing is made up."""

import numpy as np
import pytest
from scipy import ndimage
from test_sites_detect import as_image

from vaescope import sites
from vaescope.sites.brightness import kinds
from vaescope.sites.matching import match
from vaescope.strain.maps import map_strain

SIDE, NEAREST, WIDTH = 256, 12.0, 2.4
CELLS = {
    "square": (2**0.5 * np.eye(2), ((0, 0, 1.0), (0.5, 0.5, None))),
    "hexagonal": (
        3**0.5 * np.array([[1, 0], [0.5, 0.75**0.5]]),
        ((0, 0, 1.0), (1 / 3, 1 / 3, None)),
    ),
}


def columns(cell, ratio, rng):
    vectors, motif = CELLS[cell]
    turn = rng.uniform(0, 2 * np.pi)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    steps = np.mgrid[-30:31, -30:31].reshape(2, -1).T + rng.uniform(0, 1, 2)
    place, strength = [], []
    for a, b, strong in motif:
        if strong is None and not ratio:
            continue
        xy = SIDE / 2 + NEAREST * (steps + np.array([a, b])) @ vectors @ turned.T
        place.append(xy)
        strength.append(np.full(len(xy), ratio if strong is None else strong))
    place, strength = np.concatenate(place), np.concatenate(strength)
    near = ((place > -NEAREST) & (place < SIDE + NEAREST)).all(1)
    return place[near], strength[near]


def expected(place, strength, width=WIDTH):
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for (row, column), high in zip(place, strength, strict=True):
        part = np.ix_(abs(y[:, 0] - row) < 6 * width, abs(x[0] - column) < 6 * width)
        square = (y[part] - row) ** 2 + (x[part] - column) ** 2
        image[part] += high * np.exp(-square / (2 * width**2))
    return image


def f1(found, truth):
    def inner(each):
        return ((each > NEAREST / 2) & (each < SIDE - 1 - NEAREST / 2)).all(1)

    index = match(found, truth, 0.35 * NEAREST)
    hit = np.isin(np.arange(len(truth)), index)
    precision, recall = (index >= 0)[inner(found)].mean(), hit[inner(truth)].mean()
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("ratio", [0.2, 0.55])
def test_both_sublattices_are_found_and_numbered_by_brightness(cell, ratio):
    rng = np.random.default_rng(1)
    place, strength = columns(cell, ratio, rng)
    image = as_image(rng.poisson(300 * (expected(place, strength) + 0.3)))
    found = sites.find(image, {})
    position = np.stack([found.y, found.x], 1)
    number = found.sublattice.values
    assert f1(position[number == 0], place[strength == 1]) > 0.98
    assert f1(position[number == 1], place[strength < 1]) > 0.98
    assert found.sublattice.attrs["scale"] == "categorical"
    if found.attrs["strong_sublattices"] == 1:
        # Patches and strain keep the lengths of the strong lattice.
        assert found.attrs["nearest"] == pytest.approx(NEAREST, rel=0.05)
        alone = sites.find(image, {"sublattices": "none"})
        assert "sublattice" not in alone
        assert found.attrs["spacing"] == pytest.approx(alone.attrs["spacing"])
        strain = map_strain(image, found)
        seen = np.isfinite(strain.strain.values[0]).all(1)
        assert seen[number == 0].mean() > 0.5 and not seen[number == 1].any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("fault", ["none", "tails", "streaks", "correlated", "texture", "wide"])
def test_a_lattice_of_one_kind_has_no_second(cell, fault):
    rng = np.random.default_rng(2)
    place, strength = columns(cell, 0, rng)
    image = expected(place, strength, 4.0 if fault == "wide" else WIDTH)
    if fault == "tails":
        image += 0.2 * expected(place, strength, 2.5 * WIDTH)
    if fault == "streaks":
        tail = np.exp(-np.arange(40) / (2 * WIDTH))
        image = 0.6 * image + 0.4 * ndimage.convolve1d(
            image, tail[::-1] / tail.sum(), 1, origin=-19
        )
    if fault == "texture":
        speckle = ndimage.gaussian_filter(rng.normal(size=image.shape), WIDTH)
        image += 0.08 * speckle / speckle.std() + 0.3
    counts = rng.poisson(400 * (np.maximum(image, 0) + 0.3)).astype(float)
    if fault == "correlated":
        counts = ndimage.gaussian_filter(counts, 1.0)
    found = sites.find(as_image(counts), {})
    assert "sublattice" not in found
    position = np.stack([found.y, found.x], 1)
    assert f1(position, place) > 0.98


def test_dopants_are_no_sublattice():
    rng = np.random.default_rng(3)
    place, _ = columns("square", 0, rng)
    height = np.where(rng.random(len(place)) < 0.3, 0.5, 1.0) + rng.normal(0, 0.03, len(place))
    assert not kinds(height, place).any()
    place, strength = columns("square", 0.5, rng)
    height = strength + rng.normal(0, 0.03, len(place))
    np.testing.assert_array_equal(kinds(height, place), (strength < 1).astype(int))


def test_a_dim_dopant_in_a_place_of_the_lattice_is_a_site():
    rng = np.random.default_rng(4)
    place, strength = columns("square", 0, rng)
    dim = rng.random(len(place)) < 0.03
    strength[dim] = 0.4
    image = as_image(rng.poisson(600 * (expected(place, strength) + 0.2)))
    found = sites.find(image, {})
    assert "sublattice" not in found
    assert f1(np.stack([found.y, found.x], 1), place) > 0.99
