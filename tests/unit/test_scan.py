"""Noise of the scan is told from strain, and neither from nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from vaescope.judge import scan
from vaescope.quantities import CRITICISM, attributes
from vaescope.strain.maps import map_strain

STEP, SIDE = 12.0, 320


def crystal(angle: float = 0.1, seed: int = 0, noise: float = 0.05) -> np.ndarray:
    """Points (site, 2) as (x, y) of a turned square lattice with the noise of a measurement."""
    counts = np.arange(-40, 41)
    index = np.stack(np.meshgrid(counts, counts, indexing="ij"), -1).reshape(-1, 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (index * STEP) @ turn.T + SIDE / 2
    points = points[((points > 3) & (points < SIDE - 4)).all(1)]
    return points + np.random.default_rng(seed).normal(0, noise, points.shape)


def mapped(points: np.ndarray) -> dict[str, scan.Shares]:
    """Shares of the strain by the neighbours' vectors."""
    columns = {"x": points[:, 0], "y": points[:, 1], "frame": np.zeros(len(points), int)}
    columns |= {f"{axis}_error": np.full(len(points), 0.05) for axis in "xy"}
    found = xr.Dataset({name: ("site", values) for name, values in columns.items()})
    found = found.assign_coords(site=np.arange(len(points)))
    found.attrs = {"width": 2.0, "periodic": True}
    picture = np.zeros((1, 1, SIDE, SIDE), np.float32)
    image = xr.Dataset({"image": (("time", "channel", "y", "x"), picture)})
    return scan.of_strain(map_strain(image, found))["neighbours"]


def smooth(seed: int, period: float) -> np.ndarray:
    """A wavy course (SIDE,) of shifts in px with waves of some px and more."""
    rng = np.random.default_rng(seed)
    at = np.arange(SIDE)
    waves = [np.sin(2 * np.pi * at / (period * k) + rng.uniform(0, 6)) for k in (1.0, 1.3, 1.7)]
    return 0.4 * np.sum(waves, axis=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("angle", [0.0, 0.1])
def test_a_perfect_crystal_has_no_part_that_follows_the_scan(seed, angle):
    """Along the lattice's own rows too, where neighbours share the noise of their sites."""
    found = mapped(crystal(angle, seed))
    assert all(abs(each.row) < 0.2 and abs(each.column) < 0.2 for each in found.values())
    assert scan.in_words(found) == []


@pytest.mark.parametrize("seed", range(3))
def test_shifted_scan_lines_slant_rows_alone_and_are_called_noise(seed):
    points = crystal(seed=seed)
    course = smooth(seed, 40.0)
    points[:, 0] += course[np.rint(points[:, 1]).astype(int)]
    found = mapped(points)
    assert found["x along y"].row > 0.7 and found["x along y"].abrupt("row")
    assert abs(found["y along x"].row) < 0.2 and abs(found["y along x"].column) < 0.2
    said = scan.in_words(found)
    assert "noise of the scan" in said[0] and "x along y" in said[0]
    assert "turned by 90°" in said[-1]


@pytest.mark.parametrize("seed", range(3))
def test_a_start_of_lines_after_the_flyback_is_told_as_such(seed):
    points = crystal(seed=seed)
    points[:, 0] += 3.0 * np.exp(-points[:, 0] / 25.0)
    found = mapped(points)
    assert found["strain xx"].column > 0.7 and found["strain xx"].start > 0.5
    assert any("flyback" in words and "strain xx" in words for words in scan.in_words(found))


@pytest.mark.parametrize("seed", range(3))
def test_a_true_gradient_is_slow_and_may_be_the_specimens(seed):
    points = crystal(seed=seed)
    points[:, 0] += 0.03 * (points[:, 0] - SIDE / 2) ** 2 / SIDE
    found = mapped(points)
    assert found["strain xx"].column > 0.7 and not found["strain xx"].abrupt("column")
    said = scan.in_words(found)
    assert len(said) == 2 and "or by the specimen" in said[0] and "strain xx" in said[0]


@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_across_the_image_is_not_the_scans(seed):
    points = crystal(seed=seed)
    across = (points - SIDE / 2) @ np.array([1.0, 1.0]) / np.sqrt(2)
    points += (0.03 * across**2 / SIDE)[:, None] * np.array([1.0, 1.0]) / np.sqrt(2)
    found = mapped(points)
    assert found["strain xx"].elsewhere > 0.2
    assert scan.in_words(found) == []


def test_noise_of_the_scan_is_found_beside_another_grain():
    """Whose lattice differs by more than the scan distorts."""
    left, right = crystal(0.0, seed=1), crystal(0.35, seed=2)
    points = np.concatenate([left[left[:, 0] < SIDE / 2 - 4], right[right[:, 0] > SIDE / 2 + 4]])
    points[:, 0] += smooth(3, 40.0)[np.rint(points[:, 1]).astype(int)]
    found = mapped(points)
    assert found["x along y"].row > 0.6 and found["x along y"].notable("row")


def test_the_share_is_that_of_the_variance():
    """A map of two independent parts, one for each line, of 3 : 1 in variance."""
    rng = np.random.default_rng(5)
    points = np.stack(np.meshgrid(np.arange(30), np.arange(48)), -1).reshape(-1, 2).astype(float)
    values = np.sqrt(3) * rng.normal(size=48)[points[:, 1].astype(int)] + rng.normal(size=1440)
    found = scan.shares(points, values, 1.0)
    assert found is not None and found.row == pytest.approx(0.75, abs=0.12)
    assert abs(found.column) < 0.1
    turned = scan.shares(points[:, ::-1], values, 1.0)
    assert turned is not None and turned.column == pytest.approx(found.row, abs=0.02)


def test_angles_and_classes_count_by_their_parts_and_sites_of_other_frames_do_not():
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(np.arange(30), np.arange(30)), -1).reshape(-1, 2).astype(float)
    points = np.concatenate([points, points])
    frame = np.repeat([0, 1], 900)
    line = rng.uniform(-np.pi, np.pi, (2, 30))[frame, points[:, 1].astype(int)]
    axes = {"y": points[:, 1], "x": points[:, 0], "frame": frame}
    latents = xr.Dataset(
        {
            "consensus_angle": ("site", line / 4),
            "consensus_content": (("site", "latent"), rng.normal(size=(1800, 2))),
            "consensus_class": ("site", (points[:, 0] > 14).astype(int)),
        },
        coords={name: ("site", values) for name, values in axes.items()},
        attrs={"symmetry": 4, "spacing": 1.0},
    )
    found = scan.of_latents(latents)
    assert found["angle"].row > 0.8 and found["class"].column > 0.8
    assert abs(found["latent 1"].row) < 0.1 and abs(found["latent 2"].column) < 0.1
    stored = json.loads(json.dumps(scan.as_attribute(found)))
    again = scan.from_attribute(stored)
    assert scan.in_words(again) == scan.in_words(found)


@pytest.mark.parametrize("values", [np.ones(400), np.full(400, np.nan)])
def test_nothing_is_said_of_maps_that_do_not_vary_or_are_not_known(values):
    points = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1).reshape(-1, 2).astype(float)
    assert scan.shares(points, values, 1.0) is None
    assert scan.shares(points[:10], np.arange(10.0), 1.0) is None
    assert scan.of_latents(xr.Dataset()) == {}


def test_a_quantity_that_nobody_has_listed_is_tested_by_itself():
    """Scale and shear follow from their attributes; so does what a later version will find."""
    rng = np.random.default_rng(1)
    points = np.stack(np.meshgrid(np.arange(30), np.arange(30)), -1).reshape(-1, 2).astype(float)
    line = rng.normal(size=30)[points[:, 1].astype(int)]
    about = attributes("bending", "1/nm", "diverging")
    doubt = attributes("residual", "1", "sequential", group=CRITICISM)
    place = {"x": points[:, 0], "y": points[:, 1], "frame": 0 * line}
    latents = xr.Dataset(
        {
            "consensus_shear": ("site", line, attributes("shear", "rad", "diverging")),
            "consensus_scale": (
                "site",
                rng.normal(size=900),
                attributes("scale", "1", "sequential"),
            ),
            "bending": ("site", line, about),
            "residual": ("site", line, doubt),
        },
        coords={name: ("site", values) for name, values in place.items()},
        attrs={"spacing": 1.0, "model": "svae"},
    )
    found = scan.of_latents(latents)
    assert set(found) == {"shear", "scale", "bending"}
    assert found["shear"].row > 0.8 and found["bending"].row > 0.8 and found["scale"].row < 0.2
