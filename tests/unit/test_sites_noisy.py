"""A crystal whose columns drown in noise is found by its lattice, and noise makes none."""

import numpy as np
import pytest
from scipy import ndimage
from test_sites_detect import as_image

from vaescope import sites
from vaescope.errors import UserError
from vaescope.judge.of_choices import of_choices
from vaescope.sites import bragg, noisy
from vaescope.sites.matching import match
from vaescope.sites.shrinkage import shrunk

SIDE, SPACING = 384, 18.0


def honeycomb(rng, side=SIDE, keep=lambda place: place[:, 0] > -np.inf):
    turn = rng.uniform(0, np.pi)
    a, b = (
        3**0.5 * SPACING * np.array([np.cos(turn + t), np.sin(turn + t)]) for t in (0, np.pi / 3)
    )
    i, j = (n.ravel()[:, None] for n in np.mgrid[-40:41, -40:41])
    cells = side / 2 + rng.uniform(0, SPACING, 2) + i * a + j * b
    place = np.concatenate([cells, cells + (a + b) / 3])
    place = place[((place >= 0) & (place < side - 0.5)).all(1)]
    return place[keep(place)]


def counts(rng, place, contrast, background=40.0):
    image = np.zeros((SIDE, SIDE))
    row, column = np.rint(place).astype(int).T
    np.add.at(image, (np.minimum(row, SIDE - 1), np.minimum(column, SIDE - 1)), 1.0)
    width = SPACING / 4
    image = 2 * np.pi * width**2 * ndimage.gaussian_filter(image, width, mode="constant")
    return rng.poisson(background + contrast * background**0.5 * image)


@pytest.mark.parametrize("seed", range(3))
def test_columns_fainter_than_the_noise_of_a_pixel_are_found(seed):
    rng = np.random.default_rng(seed)
    place = honeycomb(rng)
    image = as_image(counts(rng, place, 0.45))
    found = sites.find(image, {})
    assert found.attrs["spacing"] == pytest.approx(SPACING, rel=0.06)
    position = np.stack([found.y, found.x], 1)
    index = match(position, place, 0.35 * SPACING)
    inside = ((place > SPACING / 2) & (place < SIDE - SPACING / 2)).all(1)
    hit = np.isin(np.arange(len(place)), index)
    assert hit[inside].mean() > 0.97
    own = ((position > SPACING / 2) & (position < SIDE - SPACING / 2)).all(1)
    assert (index >= 0)[own].mean() > 0.96
    error = (position - place[index])[(index >= 0) & own]
    said = np.stack([found.y_error, found.x_error], 1)[(index >= 0) & own]
    assert 0.6 < np.sqrt((error**2).mean() / (said**2).mean()) < 1.5
    kinds = {finding.kind for finding in of_choices(image, found.attrs)}
    assert "columns in noise" in kinds


@pytest.mark.parametrize("seed", range(3))
def test_the_lattice_does_not_go_on_where_the_crystal_ends(seed):
    rng = np.random.default_rng(seed)
    place = honeycomb(rng, keep=lambda place: place[:, 0] < SIDE / 2)
    found = sites.find(as_image(counts(rng, place, 0.5)), {})
    assert (found.y.values > SIDE / 2 + SPACING).sum() <= 0.05 * len(place)
    assert found.sizes["site"] > 0.85 * len(place)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_crystal(seed):
    rng = np.random.default_rng(seed)
    for image in (
        rng.normal(size=(256, 256)),
        rng.poisson(0.3, (200, 300)).astype(float),
        rng.normal(size=(256, 256)) + rng.normal(size=(256, 1)),
        rng.normal(size=(256, 256)) + 8 * ndimage.gaussian_filter(rng.normal(size=(256, 256)), 6),
    ):
        assert not bragg.crystals(image)
    with pytest.raises(UserError, match="noise"):
        sites.find(as_image(rng.normal(size=(256, 256))), {})


def test_bright_columns_are_left_to_the_search_one_by_one():
    rng = np.random.default_rng(0)
    image = counts(rng, honeycomb(rng), 4.0).astype(float)
    assert noisy.crystal([image], np.inf) is None


def test_lattice_vectors_of_a_crystal():
    rng = np.random.default_rng(5)
    (found, *_) = bragg.crystals(counts(rng, honeycomb(rng), 0.6).astype(float))
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 3**0.5 * SPACING, rtol=0.01)
    assert abs(np.linalg.det(found.vectors)) == pytest.approx(1.5 * 3**0.5 * SPACING**2, rel=0.01)


def test_positions_lie_between_place_and_fit_by_what_columns_move():
    rng = np.random.default_rng(1)
    home = rng.uniform(0, 300, (400, 2))
    place = home + rng.normal(0, 20**-0.5, home.shape)  # as sure as a mean over twenty
    for moved, most in ((0.0, 0.3), (2.0, 0.95)):
        true = home + rng.normal(0, moved, home.shape)
        fitted = true + rng.normal(0, 1.0, home.shape)
        position, error = shrunk(place, fitted, np.ones_like(place))
        missed = np.sqrt(((position - true) ** 2).mean())
        assert missed < most < 1
        assert 0.5 < missed / np.sqrt((error**2).mean()) < 1.3
