"""Noise of the scan is told from strain, and neither from nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from vaescope.judge import along_scan, profiles, scan
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


def said_of(found: dict[str, scan.Shares]):
    """The one finding about maps of one method, or None."""
    said = along_scan.of_scan({"neighbours": found})
    assert len(said) < 2
    return said[0] if said else None


def grid(columns: int = 20, rows: int = 24, jitter: float = 0.02, seed: int = 0):
    """Points (site, 2) of a square lattice along the scan, and the number of each one's column."""
    at = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)
    noise = np.random.default_rng(seed).normal(0, jitter, at.shape)
    return (at + noise) * STEP, at[:, 0]


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
    assert said_of(found) is None


@pytest.mark.parametrize("seed", range(3))
def test_shifted_scan_lines_slant_rows_alone_and_are_called_noise(seed):
    points = crystal(seed=seed)
    course = smooth(seed, 40.0)
    points[:, 0] += course[np.rint(points[:, 1]).astype(int)]
    found = mapped(points)
    assert found["x along y"].row > 0.7 and found["x along y"].abrupt("row")
    assert abs(found["y along x"].row) < 0.2 and abs(found["y along x"].column) < 0.2
    said = said_of(found)
    assert "Image rows are shifted" in said.says and "x along y" in said.says
    assert said.severity == "care" and "turned by 90°" in said.remedy


@pytest.mark.parametrize("seed", range(3))
def test_a_start_of_lines_after_the_flyback_is_told_as_such(seed):
    points = crystal(seed=seed)
    points[:, 0] += 3.0 * np.exp(-points[:, 0] / 25.0)
    found = mapped(points)
    assert found["strain xx"].column > 0.7 and found["strain xx"].start > 0.5
    said = said_of(found)
    assert "flyback" in said.says and "strain xx" in said.says and said.severity == "care"


@pytest.mark.parametrize("seed", range(3))
def test_a_true_gradient_is_slow_and_may_be_the_specimens(seed):
    points = crystal(seed=seed)
    points[:, 0] += 0.03 * (points[:, 0] - SIDE / 2) ** 2 / SIDE
    found = mapped(points)
    assert found["strain xx"].column > 0.7 and not found["strain xx"].abrupt("column")
    said = said_of(found)
    assert said.severity == "note" and "or the specimen" in said.means and "strain xx" in said.says


@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_across_the_image_is_not_the_scans(seed):
    points = crystal(seed=seed)
    across = (points - SIDE / 2) @ np.array([1.0, 1.0]) / np.sqrt(2)
    points += (0.03 * across**2 / SIDE)[:, None] * np.array([1.0, 1.0]) / np.sqrt(2)
    found = mapped(points)
    assert found["strain xx"].elsewhere > 0.2
    assert said_of(found) is None


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
    assert said_of(again) == said_of(found)


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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [2, 3])
def test_what_keeps_step_with_the_columns_of_atoms_is_not_headed_a_ripple(seed, steps):
    """Neighbouring columns of a zigzag are displaced up and down: every second one is alike."""
    points, column = grid(seed=seed)
    noise = np.random.default_rng(seed).normal(0, 0.2, len(points))
    found = scan.shares(points, (column % steps == 0) + noise, STEP)
    said = said_of({"y offset": found})
    assert found.column_period == steps and found.row_period == 0
    assert said.severity == "note" and "speaks for the crystal" in said.means
    assert "column to column" in said.says and "90°" in said.remedy


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wave", [1.87, 2.3, 2.7, 4.4, 5.3])
def test_a_ripple_that_slips_against_the_columns_of_atoms_is_one(seed, wave):
    points, _ = grid(seed=seed)
    noise = np.random.default_rng(seed).normal(0, 0.2, len(points))
    course = np.sin(2 * np.pi * points[:, 0] / STEP / wave + seed)
    found = scan.shares(points, course + noise, STEP)
    said = said_of({"y offset": found})
    assert found.column_period == 0 and found.column_step == 0
    assert said.severity == "care" and "ripple along the scan lines" in said.says


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cuts", [(6,), (10,), (7, 10)])
def test_a_boundary_along_the_columns_is_a_step_and_no_ripple(seed, cuts):
    points, column = grid(seed=seed)
    noise = np.random.default_rng(seed).normal(0, 0.3, len(points))
    found = scan.shares(points, np.searchsorted(cuts, column, "right") % 2 + noise, STEP)
    said = said_of({"angle": found})
    assert found.column_step == 1 and found.column_period == 0
    assert said.severity == "note" and "step along a column" in said.says
    assert "a ripple it is not" in said.means


def test_a_slope_and_noise_are_neither_steps_nor_periodic():
    rng = np.random.default_rng(3)
    for _ in range(200):
        noise = rng.normal(size=(int(rng.integers(8, 40)), 2))
        assert profiles.period(noise) == 0 or len(noise) < 12
        slope = np.linspace(0, 1, len(noise))[:, None] + 0.05 * noise
        assert profiles.period(slope) == 0 and not profiles.stepped(slope)


def test_all_maps_of_all_methods_make_one_finding_that_names_each_once():
    one, other = (scan.Shares(v, 0.0, 0.0, 0.0, 0.05, 0.0) for v in (0.7, 0.9))
    zigzag = scan.Shares(0.0, 0.0, 0.97, 0.9, 0.05, 0.0, column_period=2)
    maps = {"strain yy": one, "y offset": zigzag}
    (said,) = along_scan.of_scan({"strain: GPA": maps, "rvae": maps | {"strain yy": other}})
    assert "strain yy (70–90 %)" in said.says and "y offset (97 %)" in said.says
    assert said.says.count("strain yy") == 1 and said.says.count("y offset") == 1
    assert said.severity == "care" and "detrend_lines" not in said.remedy


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kept", [(9, 10), (5, 6, 7), (20,)])
def test_lost_rows_do_not_bring_a_zigzag_out_of_step(seed, kept):
    """Of every second row alike, rows are missing where scan lines were lost."""
    points, _ = grid(seed=seed)
    points = points[:, ::-1]
    row = np.rint(points[:, 1] / STEP).astype(int)
    noise = np.random.default_rng(seed).normal(0, 0.2, len(points))
    left = ~np.isin(row, kept)
    found = scan.shares(points[left], (row % 2 + noise)[left], STEP)
    assert found.row_period == 2 and found.column_period == 0
    assert said_of({"y offset": found}).severity == "note"


@pytest.mark.parametrize("seed", range(3))
def test_of_few_rows_no_ripple_is_claimed_and_no_lattice(seed):
    points, _ = grid(columns=24, rows=9, seed=seed)
    row = np.rint(points[:, 1] / STEP).astype(int)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.2, len(points))
    shifted = scan.shares(points, rng.permutation(np.arange(9.0))[row] + noise, STEP)
    assert shifted.row_extent == pytest.approx(9, abs=0.5) and shifted.narrow("row")
    assert not shifted.narrow("column")
    if not shifted.row_period and not shifted.row_step and shifted.abrupt("row"):
        said = said_of({"y offset": shifted})
        assert said.severity == "care" and "too few rows of atoms" in said.says
        assert "shifted or scaled" not in said.says
    zigzag = said_of({"y offset": scan.shares(points, row % 2 + noise, STEP)})
    assert zigzag.severity == "note" and "fewer than a dozen rows" in zigzag.says
    assert "speaks for the crystal" not in zigzag.means
