"""Sites lie on what was measured, are placed by it alone, and patches do not reach beyond it."""

import numpy as np
import pytest
from drawn_images import WITH_GAPS
from scipy.spatial import cKDTree

from vaescope import read, samples, sites
from vaescope.read import clean
from vaescope.sites.refine import refine

SPACING, SIGMA = 14.0, 2.4


def lattice(height, width, seed=0, noise=0.06):
    """An image on a background of 2, and the places (site, 2) of its columns."""
    rng = np.random.default_rng(seed)
    grid = np.mgrid[-3 : height / SPACING + 3, -3 : width / SPACING + 3].reshape(2, -1).T * SPACING
    turn = rng.uniform(0, 0.5)
    carry = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([height, width]) / 2
    place = (grid - middle) @ carry + middle + rng.uniform(-3, 3, 2)
    place = place[((place > -8) & (place < [height + 8, width + 8])).all(1)]
    y, x = np.arange(height)[:, None], np.arange(width)
    image = 2 + rng.normal(0, noise, (height, width))
    for a, b in place:
        image += np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * SIGMA**2))
    return image, place


def gap_of(kind, shape):
    gap = np.zeros(shape, bool)
    y, x = np.indices(shape)
    if kind == "frame":
        gap[:30] = gap[:, :25] = gap[:, -20:] = True
    elif kind == "corners":
        gap |= (y + 0.4 * x < 40) | (y + 0.4 * x > shape[0] + 0.4 * shape[1] - 50)
    elif kind == "stopped":
        gap[60:] = True
    else:
        gap[[20, 21, 75, 110]] = True
    return gap


@pytest.mark.parametrize("value", [0.0, np.nan], ids=["zero", "NaN"])
@pytest.mark.parametrize("kind", ["frame", "corners", "stopped", "lines"])
def test_sites_of_the_measured_part_are_all_found_and_placed_within_their_errors(
    tmp_path, kind, value
):
    image, place = lattice(160, 180)
    gap = gap_of(kind, image.shape)
    image[gap] = value
    np.save(tmp_path / "a.npy", image)
    store = read.load([tmp_path / "a.npy"])
    found = sites.find(store, {})
    position = np.stack([found["y"], found["x"]], 1)
    apart, nearest = cKDTree(place).query(position)
    measured = store["measured"].values[0]
    row, column = np.rint(position).astype(int).T
    assert measured[row, column].all()
    # Columns that lie wholly on what was measured.
    inner = place[((place > 6) & (place < [153, 173])).all(1)]
    row, column = np.rint(inner).astype(int).T
    clear = [not gap[a - 5 : a + 6, b - 5 : b + 6].any() for a, b in zip(row, column, strict=True)]
    missed = cKDTree(position).query(inner[clear])[0] > 1
    assert not missed.any()
    error = np.hypot(found["y_error"], found["x_error"]).values
    known = np.isfinite(error)
    assert np.quantile(apart[known], 0.95) < 0.3
    assert np.median(apart[known] / error[known]) < 1.5
    assert len(np.unique(nearest)) == len(nearest) and (apart < 4).mean() > 0.98


def test_a_fit_uses_measured_pixels_alone():
    image, place = lattice(90, 90, noise=0.02)
    place = place[((place > 3) & (place < 86)).all(1)]
    at = ((place > 20) & (place < 70)).all(1)
    inner = place[at]
    measured = np.ones(image.shape, bool)
    measured[np.rint(inner[:, 0]).astype(int) + 2] = (
        False  # a line through every site, some pixels off its middle
    )
    spoilt = np.where(measured, image, 9.0)
    start = place + 0.7
    truth = refine(image, start, SIGMA, SPACING).where(at)
    masked = refine(spoilt, start, SIGMA, SPACING, measured).where(at)
    blind = refine(spoilt, start, SIGMA, SPACING).where(at)
    assert np.abs(masked.position - inner).max() < 0.25
    assert np.abs(blind.position - inner).max() > 1
    assert (masked.error[:, 0] > truth.error[:, 0]).all()


def test_no_patch_reaches_into_what_was_not_measured(tmp_path):
    image, _ = lattice(160, 180)
    image[gap_of("frame", image.shape)] = 0
    np.save(tmp_path / "a.npy", image)
    store = read.load([tmp_path / "a.npy"])
    found = sites.find(store, {})
    cut = samples.extract(store, found, {"normalise": "image"})
    half = cut.attrs["size"] / 2
    assert cut.sizes["site"] > 10
    for axis, low, high in (("y", 30, 160), ("x", 25, 160)):
        assert cut[axis].min() - half > low - 1.5 and cut[axis].max() + half < high + 1.5
    # The frame, at 0, is no part of what an image is normalised by.
    assert np.quantile(cut["patch"], 0.01) == pytest.approx(0, abs=0.1)
    assert cut["norm_offset"].min() > 1.5


def test_a_lost_line_costs_no_patch(tmp_path):
    image, _ = lattice(160, 180)
    whole = sites.find(load(tmp_path, image), {})
    count = samples.extract(load(tmp_path, image), whole, {}).sizes["site"]
    image[80] = image[79]
    store = load(tmp_path, image)
    assert not store["measured"].values[0, 80].any()
    cut = samples.extract(store, sites.find(store, {}), {})
    assert abs(cut.sizes["site"] - count) <= 2


def load(folder, data):
    np.save(folder / "a.npy", data)
    return read.load([folder / "a.npy"])


@pytest.mark.parametrize("name", ["turned", "scan stopped, last line", "drift corrected"])
def test_no_site_is_made_up_where_nothing_was_measured(tmp_path, name):
    frame, gap = WITH_GAPS[name](np.random.default_rng(4))
    store = load(tmp_path, frame)
    found = sites.find(store, {})
    row, column = np.rint([found["y"], found["x"]]).astype(int)
    assert not gap[row, column].any() and len(row) > 10


def beside_a_gap(seed, noise=0.1, width=2.5, spacing=12.0, side=90):
    """Errors over stated errors (site, axis) across and along the straight border of a gap, of the
    columns within four widths of it; others are hidden in the gap."""
    rng = np.random.default_rng(seed)
    turn, across = rng.uniform(0, 2 * np.pi, 2)
    index = np.stack(np.meshgrid(*[np.arange(-9, 10)] * 2, indexing="ij"), -1).reshape(-1, 2)
    c, s = np.cos(turn), np.sin(turn)
    place = spacing * index @ np.array([[c, -s], [s, c]]) + side / 2 + rng.uniform(-6, 6, 2)
    normal = np.array([np.cos(across), np.sin(across)])
    rows, columns = np.indices((side, side))
    border = rng.uniform(0, 20)
    depth = border - (np.stack([rows, columns], -1) - side / 2) @ normal
    image = rng.normal(0, noise, (side, side))
    for y, x in place:
        image += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))
    filled = clean.fill_gaps(np.where(depth > 0, image, np.nan)[None], float(image.mean()))[0]
    place = place[((place > 4) & (place < side - 5)).all(1)]
    apart = border - (place - side / 2) @ normal
    place, apart = place[apart > 0.5], apart[apart > 0.5]
    fit = refine(filled, place + rng.normal(0, 0.3, place.shape), width, spacing, depth > 0)
    near = (apart < 4 * width) & ((place > 12) & (place < side - 13)).all(1)
    near &= np.isfinite(fit.error[:, 0])
    axes = np.stack([normal, [-normal[1], normal[0]]], 1)
    stated = np.sqrt(fit.error**2 @ axes**2)
    return (((fit.position - place) @ axes) / stated)[near]


def test_stated_errors_beside_gaps_are_right():
    """Tails of columns hidden in a gap push no site beside it."""
    pull = np.concatenate([beside_a_gap(seed) for seed in range(60)])
    assert len(pull) > 150
    np.testing.assert_allclose(np.sqrt((pull**2).mean()), 1, atol=0.15)
    assert np.abs(pull.mean(0)).max() < 0.35  # −0.9 across the border, where they do
