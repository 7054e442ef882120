"""Positions are as good as the counts allow, and their errors say so."""

import json

import numpy as np
import pytest
from scipy import ndimage

from vaescope import columns, samples, simulate, sites
from vaescope.sites.refine import refine


def drawn(shape, table):
    """Noise-free Gaussians (y, x, amplitude, width) on a background of 5."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.full(shape, 5.0)
    for a, b, amplitude, width in table:
        image += amplitude * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * width**2))
    return image


def coverage(found, image):
    """Share of coordinates whose truth lies within one standard error, off the edge."""
    found = columns.with_edge(found, samples.extract(image, found))
    inside = found.where((found.truth_species >= 0) & ~found.near_edge, drop=True)
    pull = [((inside[c] - inside[f"truth_{c}"]) / inside[f"{c}_error"]).values for c in "yx"]
    pull = np.concatenate(pull)
    return np.mean(np.abs(pull[np.isfinite(pull)]) < 1)


@pytest.mark.parametrize("dose", [300, 2000, 20000])
def test_fitted_positions_reach_the_cramer_rao_bound_and_errors_cover_the_truth(dose):
    image = simulate.make(f"perovskite?dose={dose}", 1)
    found = sites.find(image, {})
    truth = json.loads(found.attrs["truth_scores"])
    # An efficient estimate has ratio 1; 1600 coordinates leave 2 % of chance, walls cost some.
    assert truth["rmse_over_bound"] < 1.1
    assert coverage(found, image) == pytest.approx(0.683, abs=0.05)


def test_camera_noise_is_weighted_as_it_is():
    image = simulate.make("square?size=400&dose=2000", 0)
    noise = np.random.default_rng(0).normal(0, 10, image.image.shape)
    image["image"] = image.image + noise.astype(np.float32)
    assert coverage(sites.find(image, {}), image) == pytest.approx(0.683, abs=0.06)


def test_errors_of_a_smoothed_image_do_not_count_its_pixels_as_independent():
    image = simulate.make("square?size=512&dose=2000", 0)
    smooth = ndimage.gaussian_filter(image.image.values, (0, 0, 1, 1))
    image["image"] = (image.image.dims, smooth)
    found = coverage(sites.find(image, {}), image)
    assert 0.55 < found < 0.8  # without the correlation it is 0.25


def test_overlapping_neighbours_do_not_pull_each_other():
    table = np.array([[30.2, 30.7, 40, 3.0], [30.9, 40.1, 15, 3.0], [39.0, 34.4, 25, 3.0]])
    image = drawn((70, 70), table)
    fit = refine(image, np.rint(table[:, :2]), width=2.5, spacing=9.4)
    np.testing.assert_allclose(fit.position, table[:, :2], atol=0.02)
    np.testing.assert_allclose(fit.amplitude, table[:, 2], rtol=0.02)
    np.testing.assert_allclose(fit.width, 3.0, rtol=0.02)
    np.testing.assert_allclose(fit.background, 5.0, atol=0.5)
    assert (fit.quality > 0.99).all()


@pytest.mark.parametrize("apart", [2.7, 3.0, 3.6, 5.0])
def test_columns_that_overlap_state_the_errors_that_they_have(apart):
    """Pairs at so many widths: their errors are those of both fitted together."""
    z = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        width, angle = random.uniform(2.0, 3.5), random.uniform(0, np.pi)
        across = apart * width / 2 * np.array([np.sin(angle), np.cos(angle)])
        cells = np.stack(np.meshgrid(*2 * [np.arange(26.0, 232, 28)], indexing="ij"), -1)
        middle = cells.reshape(-1, 2) + random.normal(0, 0.5, (64, 2))
        true = np.concatenate([middle + across, middle - across])
        y, x = np.mgrid[:256, :256]
        image = np.full((256, 256), 0.2)
        for row, column in true:
            image += np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
        counts = random.poisson(image * 100) / 100
        fit = refine(counts, true + random.normal(0, 0.2, true.shape), width, apart * width)
        z.append((fit.position - true) / fit.error)
    spread = 1.4826 * np.nanmedian(np.abs(np.concatenate(z)))
    assert 0.75 < spread < 1.15
    assert np.isfinite(np.concatenate(z)).mean() > 0.98


def test_a_sloping_background_does_not_pull_a_site():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(20, 190, 20), np.arange(20, 190, 20)), -1).reshape(-1, 2)
    truth = grid + rng.uniform(-1, 1, grid.shape)
    image = drawn((210, 210), np.column_stack([truth, np.full((len(grid), 2), [20, 3])]))
    image += 0.4 * np.arange(210)[:, None]  # 8 per spacing, where columns are 20 high
    fit = refine(image + rng.normal(0, 0.5, image.shape), np.rint(truth), 3.0, 20.0)
    middle = (np.abs(grid - 100) < 61).all(axis=1)
    assert abs(np.mean(fit.position[middle, 0] - truth[middle, 0])) < 0.05


def test_a_fit_that_finds_nothing_keeps_its_start_and_says_so():
    image = drawn((80, 80), [(40, 40, 30, 3)])
    image += np.random.default_rng(0).normal(0, 0.1, image.shape)
    image[8:30, 8:30] = 5.0 - drawn((22, 22), [(11, 11, 30, 3)])  # a hole instead of a site
    fit = refine(image, np.array([[40.0, 40.0], [19.0, 19.0]]), 3.0, 20.0)
    assert np.isfinite(fit.error[0]).all() and np.isfinite(fit.quality[0])
    assert np.isnan(fit.error[1]).all() and np.isnan(fit.quality[1])
    np.testing.assert_array_equal(fit.position[1], [19.0, 19.0])


def test_nothing_to_fit_is_no_error():
    assert refine(np.zeros((9, 9)), np.zeros((0, 2)), 2.0, 8.0).position.shape == (0, 2)


def test_two_starts_on_one_atom_become_one_site():
    image = simulate.make("square?size=200&dose=3000", 0)
    found = sites.find(image, {"width": 1.0, "threshold": 0.05})
    position = np.stack([found.y, found.x], axis=1)
    distance = np.hypot(*(position[:, None] - position[None]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 0.3 * found.attrs["spacing"]


@pytest.mark.parametrize("slope", [0.0, 0.02, 0.05])
def test_a_steady_slope_of_the_background_moves_no_site_not_even_at_the_border(slope):
    """Heights of a column per pixel: at the border, sites were drawn up the slope by 2 errors."""
    rng = np.random.default_rng(3)
    place = np.stack(np.meshgrid(*[np.arange(5, 200, 13.0)] * 2), -1).reshape(-1, 2)
    place = place + rng.uniform(-0.5, 0.5, place.shape)
    rows, columns = np.mgrid[:200, :200]
    image = slope * (0.6 * rows + 0.8 * columns) + rng.normal(0, 0.05, (200, 200))
    for y, x in place:
        image += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 2.4**2))
    found = refine(image, place, 2.4, 13.0)
    pull = (found.position - place) / found.error
    known = np.isfinite(pull).all(1)
    assert known.mean() > 0.97
    pull, place = pull[known], place[known]
    assert 0.85 < pull.std() < 1.15
    edge = (place < 13).any(1) | (place > 186).any(1)
    assert abs(pull[edge] @ [0.6, 0.8]).mean() < 1.1
