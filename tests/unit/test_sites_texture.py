"""A crystal on an amorphous support: its columns are sites, the texture of the support is not."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import sites
from vaescope.judge.of_choices import of_choices
from vaescope.sites.order import order, texture

SIDE, SPACING, WIDTH = 240, 15.0, 2.8


def lattice(turn, honeycomb=False):
    a = SPACING * np.array([np.cos(turn), np.sin(turn)])
    i, j = (n.ravel()[:, None] for n in np.mgrid[-30:31, -30:31])
    if honeycomb:
        b = SPACING * np.array([np.cos(turn + np.pi / 3), np.sin(turn + np.pi / 3)])
        cells = SIDE / 2 + 3**0.5 * (i * a + j * b)
        place = np.concatenate([cells, cells + (a + b) / 3**0.5])
    else:
        place = SIDE / 2 + i * a + j * a[::-1] * [1, -1]
    return place[((place > -10) & (place < SIDE + 10)).all(1)]


def drawn(place, height=1.0):
    y, x = np.mgrid[:SIDE, :SIDE]
    height = np.broadcast_to(height, len(place))
    image = np.zeros((SIDE, SIDE))
    for (b, a), high in zip(place, height, strict=True):
        image += high * np.exp(-((y - b) ** 2 + (x - a) ** 2) / (2 * WIDTH**2))
    return image


def as_image(rng, pixels):
    counts = rng.poisson((pixels + 1) * 400)[None, None].astype(np.float32)
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), counts)}, coords={"channel": ["c"]}, attrs={}
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius", [55, 90])
def test_texture_of_a_tenth_of_a_column_makes_no_sites(radius, seed):
    rng = np.random.default_rng([seed, radius])
    place = lattice(rng.uniform(0, 2))
    place = place[np.hypot(*(place - SIDE / 2).T) < radius]
    speckle = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 0.9 * WIDTH)
    image = as_image(rng, drawn(place) + 0.1 * speckle / speckle.std())
    found = sites.find(image, {"refine": False})
    near = cKDTree(place).query(np.stack([found.y, found.x], 1))[0] < 0.35 * SPACING
    assert near.mean() >= 0.95 - 1 / len(near)
    assert near.sum() >= 0.95 * len(place)
    (finding,) = of_choices(image, found.attrs)
    assert finding.kind == "texture left out" and "threshold" in finding.remedy
    every = sites.find(image, {"refine": False, "threshold": 0.15})
    assert every.sizes["site"] > 1.5 * found.sizes["site"]


def test_dim_layers_vacancies_and_bright_single_atoms_stay():
    rng = np.random.default_rng(0)
    place = lattice(0.3)
    place = place[rng.random(len(place)) > 0.05]
    height = np.where(place[:, 0] < SIDE / 2, 0.25, 1.0)
    alone = np.array([[40.0, 200.0], [200.0, 33.0]])
    image = as_image(rng, drawn(place, height) + drawn(alone, 1.2))
    found = sites.find(image, {"refine": False})
    assert "texture" not in found.attrs
    inside = place[((place > 3) & (place < SIDE - 4)).all(1)]
    assert (cKDTree(np.stack([found.y, found.x], 1)).query(inside)[0] < 5).mean() > 0.99


def test_order_is_whole_in_a_lattice_half_in_a_honeycomb_and_low_in_disorder():
    rng = np.random.default_rng(1)
    random = rng.uniform(0, SIDE, (256, 2))
    apart = np.ones(len(random), bool)
    for first, second in cKDTree(random).query_pairs(0.6 * SPACING):
        apart[second] &= not apart[first]
    for place, low, high in (
        (lattice(0.5), 0.95, 1.0),
        (lattice(0.5, honeycomb=True), 0.4, 0.6),
        (random[apart], 0.0, 0.35),
    ):
        own, around = order(place, SPACING)
        assert low <= own.mean() <= high
        assert around.shape == own.shape == (len(place),)


@pytest.mark.parametrize("seed", range(3))
def test_a_honeycomb_half_of_whose_vectors_repeat_is_a_crystal_too(seed):
    rng = np.random.default_rng(seed)
    place = lattice(rng.uniform(0, 2), honeycomb=True)
    place = place[place[:, 0] < SIDE / 2]
    speckle = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), WIDTH)
    image = as_image(rng, drawn(place) + 0.05 * speckle / speckle.std())
    found = sites.find(image, {"refine": False})
    there = np.stack([found.y, found.x], 1)
    assert (cKDTree(place).query(there)[0] < 0.35 * SPACING).mean() >= 0.97
    whole = place[((place > SPACING / 2) & (place < SIDE - SPACING / 2)).all(1)]
    assert (cKDTree(there).query(whole)[0] < 0.35 * SPACING).mean() >= 0.97


def test_a_support_with_a_strong_texture_is_a_caution():
    image = xr.Dataset(coords={"channel": ["c"]})
    said = {h: of_choices(image, {"texture": 30, "texture_height": h})[0] for h in (0.1, 0.3)}
    assert said[0.1].severity == "note" and said[0.3].severity == "care"
    assert "under the crystal" in said[0.3].means


def test_nothing_is_texture_where_there_is_no_crystal():
    rng = np.random.default_rng(2)
    place, height = rng.uniform(0, 300, (200, 2)), rng.uniform(0.1, 1, 200)
    assert not texture(place, height, 15.0).any()
