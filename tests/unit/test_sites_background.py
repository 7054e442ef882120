"""Columns on steps and low frequencies that outweigh them are found, and the report says so."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import sites
from vaescope.judge.of_choices import of_choices
from vaescope.sites import background, scale

SIDE, SPACING, WIDTH = 220, 14.0, 2.6


def columns(rng):
    """A square lattice at a random angle: image, and columns (column, 2)."""
    turn = rng.uniform(0, 2)
    a = SPACING * np.array([np.cos(turn), np.sin(turn)])
    i, j = (n.ravel()[:, None] for n in np.mgrid[-30:31, -30:31])
    place = SIDE / 2 + i * a + j * a[::-1] * [1, -1]
    place = place[((place > -10) & (place < SIDE + 10)).all(1)]
    line = np.arange(SIDE)
    y, x = (np.exp(-((line - at[:, None]) ** 2) / (2 * WIDTH**2)) for at in place.T)
    return y.T @ x, place


def step(rng, times):
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    turn = rng.uniform(0, np.pi)
    return times / (1 + np.exp(-(y * np.sin(turn) + x * np.cos(turn) + rng.uniform(-20, 20))))


def waves(rng, times, spacings=1.7):
    noise = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), spacings * SPACING)
    return times * noise / noise.std()


def as_image(pixels):
    pixels = np.asarray(pixels, np.float32)[None, None]
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), pixels)}, coords={"channel": ["c"]}, attrs={}
    )


def judged(found, truth):
    """Least of precision and recall, and the median error (px), off the edge."""
    place = np.stack([found.y.values, found.x.values], 1)

    def inside(points):
        return points[((points > 8) & (points < SIDE - 9)).all(1)]

    apart = cKDTree(place).query(inside(truth))[0]
    other = cKDTree(truth).query(inside(place))[0]
    return min((apart < 4).mean(), (other < 4).mean()), np.median(apart)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", [(step, 3), (step, 20), (waves, 3)])
def test_columns_on_a_strong_background_are_found_where_they_are(fault, seed):
    rng = np.random.default_rng([seed, fault[1], 7])
    image, truth = columns(rng)
    pixels = image + fault[0](rng, fault[1]) + rng.normal(0, 0.05, image.shape)
    found = sites.find(as_image(pixels))
    share, error = judged(found, truth)
    assert share > 0.97
    assert error < 0.3
    assert found.attrs["spacing"] == pytest.approx(SPACING, rel=0.1)
    finding = of_choices(as_image(pixels), found.attrs)[0]
    assert finding.kind == "uneven background"
    assert "background" in finding.remedy


@pytest.mark.parametrize("fault", ["none", "slope", "half vacuum", "dim half", "hot pixels"])
def test_an_ordinary_image_keeps_its_background(fault):
    rng = np.random.default_rng(5)
    image, _ = columns(rng)
    if fault == "slope":
        image = image + np.linspace(0, 8, SIDE)
    elif fault == "half vacuum":
        image[:, : SIDE // 2] = 0
    elif fault == "dim half":
        image[: SIDE // 2] *= 0.3
    elif fault == "hot pixels":
        image[rng.random(image.shape) < 1e-3] = 40
    found = sites.find(as_image(image + rng.normal(0, 0.1, image.shape)), {"refine": False})
    assert "background_window" not in found.attrs


def test_what_was_not_measured_is_no_step():
    rng = np.random.default_rng(6)
    image, _ = columns(rng)
    known = np.ones(image.shape, bool)
    known[:, 150:] = False
    part = np.where(known, image + 5, 0) + rng.normal(0, 0.05, image.shape)
    lengths = scale.Scale(SPACING, WIDTH, True)
    assert background.judge([part], [known], lengths).window == 0
    assert background.judge([part], None, lengths).window > 0


def test_the_background_of_a_frame_does_not_depend_on_its_chunks():
    rng = np.random.default_rng(7)
    image = columns(rng)[0] + step(rng, 5)
    found = background.judge([image], None, scale.Scale(SPACING, WIDTH, True))
    whole = found.subtracted(image)
    for chunks in ((50, 77), (220, 40)):
        parted = found.from_frame(da.from_array(image, chunks=chunks)).compute()
        inner = (slice(40, -40), slice(40, -40))
        np.testing.assert_allclose(parted[inner], whole[inner])
