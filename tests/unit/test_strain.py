"""Strain and rotation are found as the lattice was given them, and their errors are true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import deformation, simulate, sites
from vaescope.simulate import strained
from vaescope.strain import grains, maps, neighbours, reference, truth
from vaescope.workflow.tables import write_table

SIDE = 320  # px of the made-up images of points
small = st.floats(-0.03, 0.03)


def grid(carry: np.ndarray, step: float = 12.0, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Points (site, 2) as (x, y) of a square lattice carried by a deformation, within an image."""
    counts = np.arange(-30, 31)
    index = np.stack(np.meshgrid(counts, counts, indexing="ij"), -1).reshape(-1, 2)
    points = (index * step) @ carry.T + SIDE / 2
    points = points[((points > 4) & (points < SIDE - 5)).all(1)]
    return points + np.random.default_rng(seed).normal(0, noise, points.shape)


def measured(points: np.ndarray, error: float | np.ndarray) -> neighbours.Deformed:
    """Deformations of one grain, NaN for sites that are not of it."""
    (grain,) = grains.find_grains(points, np.zeros(len(points), int))
    error = np.broadcast_to(error, points.shape)
    own = grain.sites
    return spread(neighbours.fit(grain.lattice, points[own], error[own], 2.0), own, len(points))


def spread(found: neighbours.Deformed, own: np.ndarray, count: int) -> neighbours.Deformed:
    """What is known of some sites, among all."""
    whole = np.full((count, 2, 2), np.nan)
    covariance = np.full((count, 2, 2, 2), np.nan)
    whole[own], covariance[own] = found.deformation, found.covariance
    return neighbours.Deformed(
        whole, covariance, found.count, found.misfit, found.widened, found.rows
    )


def stores(points: np.ndarray, error: float, image: np.ndarray | None = None) -> tuple:
    """Image and sites in the form of their stores."""
    if image is None:
        image = np.zeros((SIDE, SIDE), np.float32)
    table = {"x": points[:, 0], "y": points[:, 1], "frame": np.zeros(len(points), int)}
    table |= {"x_error": np.full(len(points), error), "y_error": np.full(len(points), error)}
    found = xr.Dataset({k: ("site", v) for k, v in table.items()})
    found = found.assign_coords(site=np.arange(len(points)))
    found.attrs = {"width": 2.0, "periodic": True}
    picture = xr.Dataset({"image": (("time", "channel", "y", "x"), image[None, None])})
    return picture, found


@given(st.tuples(small, small, small), st.floats(-3, 3))
def test_a_deformation_is_the_product_of_its_strain_and_rotation(parts, angle):
    found, turn = deformation.split(deformation.join(np.array(parts), np.array(angle)))
    assert np.allclose(found, parts, atol=1e-9)
    assert np.isclose(np.exp(1j * turn), np.exp(1j * angle))


def test_the_signs_are_those_that_are_told():
    """x right, y down, rotations counter-clockwise as seen."""
    right, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert np.allclose(deformation.turning(np.pi / 2) @ right, -down)  # to the right goes up
    longer = deformation.join(np.array([0.02, 0.0, 0.0]), 0.0)
    assert (longer @ right)[0] == pytest.approx(np.exp(0.02)) and (longer @ down)[1] == 1.0
    sheared = deformation.join(np.array([0.0, 0.0, 0.02]), 0.0)
    assert np.linalg.norm(sheared @ (right + down)) > np.sqrt(2)  # from upper left to lower right
    assert np.linalg.norm(sheared @ (right - down)) < np.sqrt(2)


@settings(max_examples=15, deadline=None)
@given(st.tuples(small, small, small), st.floats(-0.6, 0.6))
def test_the_lattice_of_any_strained_and_turned_crystal_is_found(parts, angle):
    """Its vectors are those of the crystal, and relative to them no site is strained."""
    carry = deformation.join(np.array(parts), angle)
    points = grid(carry)
    (found,) = grains.find_grains(points, np.zeros(len(points), int))
    steps = found.lattice.vectors @ np.linalg.inv(carry).T / 12.0
    assert np.allclose(steps, np.rint(steps), atol=0.01)
    assert abs(np.linalg.det(np.rint(steps))) == 1
    fitted = measured(points, 0.01)
    value, _ = deformation.split(fitted.deformation)
    assert np.nanmax(np.abs(value - np.nanmedian(value, axis=0))) < 1e-6


def halves(jump: np.ndarray, noise: float) -> np.ndarray:
    """A crystal whose right half is carried by another deformation, in fixed places."""
    left = grid(np.eye(2), noise=noise)
    right = grid(jump, noise=noise, seed=1)
    return np.concatenate([left[left[:, 0] < 190], right[right[:, 0] > 200]])


def test_strain_of_a_part_of_the_image_counts_from_the_rest_within_its_errors():
    true = np.array([0.02, -0.01, 0.008])
    turn = 0.012
    points = halves(deformation.join(true, turn), 0.05)
    result = maps.map_strain(*stores(points, 0.05))
    own = result.sel({"method": "neighbours"})
    inside = (result["x"].values > 240) & np.isfinite(own["rotation"].values)
    count = inside.sum()
    assert count > 80
    mean = own["strain"].values[inside].mean(0)
    error = own["strain_error"].values[inside].mean(0)
    assert np.all(np.abs(mean - true) < 6 * error / np.sqrt(count) + 2e-4)
    assert own["rotation"].values[inside].mean() == pytest.approx(turn, abs=1e-3)
    assert result["reference"].values[points[:, 0] < 190].any()
    assert not result["reference"].values[points[:, 0] > 200].any()


def test_stated_errors_hold_two_thirds_of_the_errors():
    points = grid(deformation.turning(0.2), noise=0.08, seed=3)
    found = measured(points, 0.08)
    own = reference.of_covariance(found.deformation, found.covariance)
    value, _ = deformation.split(found.deformation)
    pull = (value - np.nanmedian(value, axis=0)) / own.strain_error
    share = np.mean(np.abs(pull[np.isfinite(pull)]) < 1)
    assert 0.63 < share < 0.73  # about 3000 numbers, but neighbours share noise


@pytest.mark.parametrize("stated", [0.02, 0.08])
def test_errors_that_are_stated_too_small_are_widened(stated):
    found = measured(grid(np.eye(2), noise=0.08, seed=4), stated)
    assert np.allclose(found.widened * stated, 0.08, rtol=0.15)


def test_noise_that_rows_share_is_told_apart_and_enters_the_errors():
    told, inside = [], []
    for seed in range(4):
        points = grid(np.eye(2), noise=0.03, seed=seed)
        rows = np.rint(points[:, 1]).astype(int)
        points[:, 0] += np.random.default_rng(60 + seed).normal(0, 0.15, rows.max() + 1)[rows]
        found = measured(points, 0.03)
        value, _ = deformation.split(found.deformation)
        own = reference.of_covariance(found.deformation, found.covariance)
        # Rows that slide shear the lattice: without what they share, the errors would be alike.
        assert np.nanmedian(own.strain_error[:, 2]) > 2 * np.nanmedian(own.strain_error[:, 0])
        assert found.rows[1] < 0.05
        told.append(found.rows[0])
        pull = (value[:, 2] - np.nanmedian(value[:, 2])) / own.strain_error[:, 2]
        inside.append(np.mean(np.abs(pull[np.isfinite(pull)]) < 1))
    assert np.mean(told) == pytest.approx(0.15, rel=0.2)
    assert 0.55 < np.mean(inside) < 0.8  # a hundred rows in all


def test_one_atom_out_of_place_does_not_strain_its_neighbours():
    points = grid(np.eye(2), noise=0.02, seed=7)
    middle = np.hypot(*(points - SIDE / 2).T).argmin()
    points[middle] += [2.0, 1.0]
    found = measured(points, 0.02)
    value, _ = deformation.split(found.deformation)
    near = np.hypot(*(points - SIDE / 2).T) < 30
    assert np.nanmax(np.abs(value[near])) < 0.03  # 2 px of 12 would be 0.08


def test_a_shift_of_every_other_site_is_no_strain():
    """A polar displacement of one sublattice leaves the lattice as it is."""
    index = np.stack(np.meshgrid(np.arange(26), np.arange(26), indexing="ij"), -1).reshape(-1, 2)
    points = index * 12.0 + 8 + np.where(index.sum(1) % 2, 0.8, 0.0)[:, None] * [1.0, 0.3]
    found = measured(points, 0.05)
    value, turn = deformation.split(found.deformation)
    assert np.nanmax(np.abs(value)) < 1e-6 and np.nanmax(np.abs(turn)) < 1e-6


def waved(length: float, across: bool, weak: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, their errors and true exx of a crystal under a wave of strain of so many spacings;
    every other site is worse known by a factor."""
    index = np.stack(np.meshgrid(np.arange(26), np.arange(26), indexing="ij"), -1).reshape(-1, 2)
    points = index * 12.0 + 8
    x, y = points.T
    wave = 2 * np.pi / (12.0 * length)
    moved = 0.01 * x * np.cos(wave * y) if across else 0.01 * np.sin(wave * x) / wave
    true = 0.01 * np.cos(wave * (y if across else x))
    error = np.where(index.sum(1) % 2, weak, 1.0)[:, None] * [0.05, 0.05]
    return np.column_stack([x + moved, y]), error, true


@pytest.mark.parametrize("weak", [1.0, 1.5])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("length", [12.0, 6.0])
def test_a_wave_of_strain_is_damped_as_the_stated_resolution_damps_it(length, across, weak):
    """Along it and across it, and whichever sublattice is better known: exp(-2 pi² s²/length²)."""
    points, error, true = waved(length, across, weak)
    (found,) = grains.find_grains(points, np.zeros(len(points), int))
    fitted = measured(points, error)
    plain = 12.0 * np.rint(found.lattice.vectors / 12.0)
    own = (fitted.deformation @ found.lattice.vectors.T @ np.linalg.inv(plain.T))[:, 0, 0]
    inside = ((points > 48) & (points < SIDE - 48)).all(1) & np.isfinite(own)
    assert inside.sum() > 200
    seen = np.polyfit(true[inside], own[inside], 1)[0]
    wanted = np.exp(-2 * (np.pi * neighbours.RESOLUTION / length) ** 2)
    assert seen == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize("kind", ["scan noise", "two species"])
def test_scan_noise_and_other_brightness_are_no_strain(kind):
    """Of strains that are all 0, two standard errors hold 95 %."""
    beyond = []
    for seed in (40, 41):
        name = "misfit?misfit=0&angle=3" if kind == "two species" else "strained?scan_noise=0.4"
        image = simulate.make(f"{name}&size=256&dose=1000", seed)
        own = maps.map_strain(image, sites.find(image, {})).sel({"method": "neighbours"})
        pull = np.abs(own["strain"].values / own["strain_error"].values)
        beyond.append(np.mean(pull[np.isfinite(pull)] > 2))
    assert np.mean(beyond) < 0.07  # some 900 numbers of shared noise


def test_errors_grow_where_strain_changes_within_the_resolution():
    """About a dislocation's core, and nowhere else."""
    image = simulate.make("dislocation?size=256&dose=5000", 3)
    own = maps.map_strain(image, sites.find(image, {})).sel({"method": "neighbours"})
    error = own["strain_error"].values.mean(1)
    away = np.hypot(own["x"].values - 127.5, own["y"].values - 127.5)
    known = np.isfinite(error)
    assert np.median(error[known & (away < 40)]) > 3 * np.median(error[known & (away > 80)])


def test_sites_with_too_few_neighbours_are_not_known_and_disorder_has_no_strain():
    points = grid(np.eye(2))
    lonely = points[np.argsort(np.hypot(*(points - SIDE / 2).T))[1:9]]
    kept = np.array([p for p in points if not (p == lonely).all(1).any()])
    found = measured(kept, 0.05)
    middle = np.hypot(*(kept - SIDE / 2).T).argmin()
    assert np.isnan(found.deformation[middle]).all()
    rng = np.random.default_rng(0)
    result = maps.map_strain(*stores(rng.uniform(5, SIDE - 5, (400, 2)), 0.05))
    assert result.attrs["ordered"] is False and "lattice" in result.attrs["why"]
    assert result.sizes["site"] == 400


def test_the_gradient_of_a_dislocation_is_that_of_its_displacement():
    rng = np.random.default_rng(0)
    z = rng.uniform(-50, 50, 200) + 1j * rng.uniform(-50, 50, 200)
    for field in (
        lambda z: strained.edge_field(z, 24.0, 0.3),
        lambda z: strained.edge_row(z, -24.0, 120.0, 0.3),
    ):
        _, gradient = field(z)
        step = 1e-4
        x = (field(z + step)[0] - field(z - step)[0]) / (2 * step)
        y = (field(z + 1j * step)[0] - field(z - 1j * step)[0]) / (2 * step)
        numeric = np.stack([np.stack([x.real, y.real], -1), np.stack([x.imag, y.imag], -1)], -2)
        assert np.allclose(gradient, numeric, atol=1e-6)


def test_a_circuit_around_a_dislocation_fails_to_close_by_its_burgers_vector():
    """The sum of the differences of a unique displacement is 0; here it is b, and 0 elsewhere."""
    circle = 20 * np.exp(1j * np.linspace(-np.pi + 1e-9, np.pi - 1e-9, 2001))
    for middle, closure in ((0.0, 24.0), (60.0 + 5j, 0.0)):
        path = circle + middle
        _, gradient = strained.edge_field(path, 24.0, 0.3)
        steps = np.diff(path)
        mean = (gradient[1:] + gradient[:-1]) / 2
        moved = np.einsum("nij,nj->i", mean, np.stack([steps.real, steps.imag], 1))
        assert np.allclose(moved, [closure, 0.0], atol=0.01)


@pytest.fixture(scope="module")
def uniform() -> tuple[xr.Dataset, xr.Dataset]:
    """A crystal with a gradient of strain, its sites and their strain."""
    image = simulate.make("strained?size=256&exx=1&exy=1&gradient=6&dose=4000", 1)
    found = sites.find(image, {})
    return found, maps.map_strain(image, found)


def test_neighbours_and_phases_find_the_strain_that_was_simulated(uniform):
    _, result = uniform
    scores = truth.scores(result)
    assert list(scores) == ["neighbours", "GPA"]
    true = result["truth_strain_from_reference"].values
    assert np.nanstd(true[:, 0]) > 0.01  # there is something to find
    for method in scores:
        off, _, known = truth.pulls(result, method)
        # The bound of a position, 0.07 px, over some spacings of 17 px.
        assert scores[method]["rmse_strain"] < 0.3, method
        assert 0.55 < scores[method]["coverage_strain"] < 0.85, method
        for part in (0, 2):
            slope = np.polyfit(true[known, part], off[known, part], 1)[0]
            assert part == 2 or abs(slope) < 0.05  # xx as large as it is, with its sign
    assert scores["neighbours"]["rmse_rotation"] < 0.15


def test_a_coherent_film_is_strained_upright_alone_and_the_truth_says_so():
    image = simulate.make("misfit?size=256&misfit=3&dose=4000", 0)
    upright = image["truth_strain_yy"].values
    film = image["truth_phase"].values == 0
    assert np.allclose(image["truth_strain_xx"].values, 0, atol=1e-12)
    assert np.allclose(upright[film], np.log(1 + 0.03 * 1.3 / 0.7)) and not upright[~film].any()
    found = sites.find(image, {})
    result = maps.map_strain(image, found)
    above = (found["y"].values < 100) & np.isfinite(result["rotation"].values[0])
    below = (found["y"].values > 156) & np.isfinite(result["rotation"].values[0])
    yy = result["strain"].sel({"method": "neighbours", "component": "yy"}).values
    apart = yy[above].mean() - yy[below].mean()
    assert apart == pytest.approx(np.log(1 + 0.03 * 1.3 / 0.7), abs=0.002)


def test_the_rows_of_a_table_are_sites(uniform, tmp_path):
    found, result = uniform
    write_table(result, tmp_path / "strain.csv")
    read = pd.read_csv(tmp_path / "strain.csv")
    np.testing.assert_array_equal(read["site"], found["site"])
    yy = 100 * result["strain"].sel({"method": "neighbours", "component": "yy"}).values
    np.testing.assert_allclose(read["strain_neighbours_yy_percent"], yy, rtol=1e-6, atol=1e-9)
    turn = np.degrees(result["rotation_error"].sel({"method": "GPA"}).values)
    np.testing.assert_allclose(read["rotation_gpa_error_deg"], turn, rtol=1e-6)
