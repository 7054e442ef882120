"""Two columns in one blob are found as two; an elongated column stays one."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from vaescope import sites
from vaescope.judge.of_choices import of_shape
from vaescope.sites.pairs import shape_of

SIDE, WIDTH = 220, 2.6


def middles(rng, spacing):
    """Square lattice (site, 2) at a random angle."""
    turn = rng.uniform(0, np.pi)
    a = spacing * np.array([np.cos(turn), np.sin(turn)])
    i, j = (n.ravel()[:, None] for n in np.mgrid[-25:26, -25:26])
    place = SIDE / 2 + i * a + j * a[::-1] * [1, -1]
    return place[((place > -20) & (place < SIDE + 20)).all(1)]


def columns(place, long=WIDTH, angle=0.0):
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for b, a in place:
        along = (x - a) * np.cos(angle) + (y - b) * np.sin(angle)
        across = (y - b) * np.cos(angle) - (x - a) * np.sin(angle)
        image += np.exp(-((along / long) ** 2 + (across / WIDTH) ** 2) / 2)
    return image


def pairs(rng, ratio, cell=3.0, second=1.0):
    """Image with ``second`` the height of one column of each pair, and the columns (column, 2)."""
    apart = ratio * WIDTH
    middle, turn = middles(rng, cell * apart), rng.uniform(0, np.pi)
    half = apart / 2 * np.array([np.sin(turn), np.cos(turn)])
    image = columns(middle - half) + second * columns(middle + half)
    return image, np.concatenate([middle - half, middle + half])


def as_image(rng, pixels, dose):
    counts = rng.poisson((pixels + 0.1) * dose)[None, None].astype(np.float32)
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), counts)}, coords={"channel": ["c"]}, attrs={}
    )


def agreement(found, truth):
    """Share of the true columns off the edge that have a site, and of the sites a column."""
    place = np.stack([found.y.values, found.x.values], 1)

    def off_edge(points):
        return points[((points > 8) & (points < SIDE - 9)).all(1)]

    shares = [
        (cKDTree(there).query(off_edge(here))[0] < 2.0).mean()
        for here, there in ((truth, place), (place, truth))
    ]
    return min(shares)


@pytest.mark.parametrize(
    ("ratio", "cell", "second", "dose"),
    [(2.6, 2.5, 1.0, 100), (2.6, 3.5, 1.0, 30), (3.0, 3.0, 0.7, 100), (3.5, 3.0, 1.0, 20)],
)
def test_both_columns_of_a_pair_are_found(ratio, cell, second, dose):
    rng = np.random.default_rng(int(10 * ratio))
    image, truth = pairs(rng, ratio, cell, second)
    found = sites.find(as_image(rng, image, dose))
    assert agreement(found, truth) >= 0.98
    assert found.attrs["pairs"] == pytest.approx(ratio * WIDTH, rel=0.05)
    assert [finding.kind for finding in of_shape(found.attrs)] == ["pairs of columns"]


@pytest.mark.parametrize("fault", ["astigmatism", "astigmatism, saturated", "none"])
def test_a_single_column_is_not_split(fault):
    rng = np.random.default_rng(3)
    place = middles(rng, 17.0)
    image = columns(place, WIDTH if fault == "none" else 1.5 * WIDTH, rng.uniform(0, np.pi))
    if "saturated" in fault:
        image = np.minimum(image, 0.6)
    found = sites.find(as_image(rng, image, 100))
    assert agreement(found, place) == 1.0
    assert "pairs" not in found.attrs
    kinds = [finding.kind for finding in of_shape(found.attrs)]
    assert kinds == ([] if fault == "none" else ["elongated sites"])


def test_pairs_too_close_to_be_resolved_are_named_with_the_remedy():
    rng = np.random.default_rng(4)
    image, _ = pairs(rng, 2.2)
    found = sites.find(as_image(rng, image, 200))
    (finding,) = of_shape(found.attrs)
    assert finding.kind in ("unresolved pairs", "elongated sites")
    assert "spacing" in finding.remedy


def test_the_shape_is_that_of_the_columns_and_not_of_their_noise():
    rng = np.random.default_rng(5)
    image, truth = pairs(rng, 3.0)
    middle = (truth[: len(truth) // 2] + truth[len(truth) // 2 :]) / 2
    spacing = 3 * 3.0 * WIDTH
    seen = shape_of(image + rng.normal(0, 0.3, image.shape), middle, spacing, 4.0)
    assert seen.two
    assert seen.distance == pytest.approx(3 * WIDTH, rel=0.05)
    assert seen.width == pytest.approx(WIDTH, rel=0.1)


def test_a_few_sites_are_not_judged():
    assert not shape_of(np.zeros((40, 40)), np.full((3, 2), 20.0), 10.0, 2.0).likely_two
