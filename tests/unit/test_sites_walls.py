"""Sites lie along domain walls, with errors that hold, and say what their surroundings are like."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from test_sites_detect import as_image

from vaescope import quantities, samples, simulate, sites, traits
from vaescope.errors import UserError
from vaescope.judge import of_wall_maps, of_walls

SETTINGS = {"method": "walls"}
MADE: dict[str, xr.Dataset] = {}


def found(name: str, seed: int = 0, **settings) -> xr.Dataset:
    """Sites of a simulated image, found once."""
    key = f"{name} {seed} {settings}"
    if key not in MADE:
        MADE[key] = sites.find(simulate.make(name, seed), SETTINGS | settings)
    return MADE[key]


@pytest.mark.parametrize(("noise", "rms", "r"), [(0.15, 0.12, 0.95), (0.4, 0.25, 0.9)])
def test_walls_are_found_to_a_fraction_of_a_pixel_with_errors_that_hold(noise, rms, r):
    scores = [
        json.loads(found(f"walls?size=128&noise={noise}", seed).attrs["truth_scores"])
        for seed in range(2)
    ]
    mean = {name: np.mean([one[name] for one in scores]) for name in scores[0]}
    assert mean["wall_recall"] > 0.98 and mean["wall_false"] < 0.01
    assert mean["wall_position_rms"] < rms
    assert 0.5 < mean["wall_position_coverage"] < 0.85
    assert mean["wall_curvature_r"] > r
    assert mean["switching_degree_rms"] < 0.02


def test_sites_lie_at_equal_arc_length_along_their_walls():
    table = found("walls?size=128", spacing=5.0)
    place = np.stack([table.y.values, table.x.values], 1)
    for wall in np.unique(table.wall.values):
        own = place[table.wall.values == wall]
        step = np.linalg.norm(np.diff(own, axis=0), axis=1)
        assert len(own) < 3 or (np.median(step) == pytest.approx(5.0, rel=0.15))
    assert table.attrs["spacing"] == 5.0 and table.attrs["directed"]


def test_directions_point_along_the_wall_with_the_positive_domain_at_the_normal():
    image = simulate.make("walls?size=128", 0)
    table = found("walls?size=128")
    direction = table.direction.values
    normal = np.stack([np.cos(direction), -np.sin(direction)], 1)
    place = np.stack([table.y.values, table.x.values], 1)
    inside, outside = (np.rint(place + side * 2 * normal).astype(int) for side in (1, -1))
    kept = ((inside >= 0) & (inside < 128) & (outside >= 0) & (outside < 128)).all(1)
    domain = image.truth_domain.values[0]
    assert domain[tuple(inside[kept].T)].mean() > 0.97
    assert domain[tuple(outside[kept].T)].mean() < 0.03


def test_errors_across_the_wall_are_split_into_rows_and_columns():
    table = found("walls?size=128")
    total = np.hypot(table.y_error, table.x_error)
    np.testing.assert_allclose(total, table.normal_error, rtol=1e-6)
    level = np.abs(np.sin(table.direction)) < 0.1
    assert (table.y_error[level] > 5 * table.x_error[level]).all()


def test_every_quantity_has_words_a_unit_and_where_it_has_one_an_error():
    table = found("walls?size=96&frames=2&drift=2")
    known = {quantity.name: quantity for quantity in quantities.of(table)}
    for name in (
        "curvature", "width", "contrast", "wall_count", "mean_curvature", "rms_curvature",
        "convexity", "switching_degree", "switching_change", "nearest_wall", "displacement",
    ):  # fmt: skip
        assert known[name].error is not None, name
    for name in ("wall_length", "tortuosity", "switching_significance", "pinned", "normal_error"):
        assert known[name].label
    assert known["mean_curvature"].unit == "1/nm" and known["wall_count"].unit in ("", "1")


def test_windows_on_a_grid_say_how_much_of_them_has_switched():
    name = "walls?size=128"
    for side in (16.0, 48.0):
        table = found(name, places="grid", window=side)
        assert not table.attrs["directed"] and table.attrs["regular"] and table.attrs["windows"]
        off = table.switching_degree - table.truth_switching_degree
        assert float(np.sqrt((off**2).mean())) < 0.02
        cut = samples.extract(simulate.make(name, 0), table, {"normalise": "signed"})
        assert cut.sizes["site"] == table.sizes["site"] and cut.attrs["size"] == side


def test_walls_that_stay_have_no_displacement_and_nothing_switches():
    table = found("walls?size=128&frames=3&drift=3")
    ratio = (table.displacement / table.displacement_error).values
    ratio = ratio[np.isfinite(ratio)]
    assert len(ratio) > 100 and ratio.std() < 1.3
    switched = (table.switching_change / table.switching_change_error).values
    assert (np.abs(switched[np.isfinite(switched)]) > 3).mean() < 0.03
    own, count = np.unique(table.wall.values[table.frame.values == 0]), 0
    for wall in own:
        count += set(table.frame.values[table.wall.values == wall]) == {0, 1, 2}
    assert count >= 0.6 * len(own)  # the same wall has one number in all frames
    assert table["drift"].dims == ("time", "axis")


@pytest.mark.parametrize("seed", range(3))
def test_in_noise_alone_there_are_no_walls_and_that_is_said(seed):
    table = found("walls?size=96&contrast=0", seed)
    assert table.sizes["site"] == 0 and table.attrs["walls"] == 0
    assert {"y", "x", "direction", "curvature", "wall", "normal_error"} <= set(table.variables)
    said = of_walls.of_walls(table)
    assert [one.kind for one in said] == ["no walls"]
    assert said[0].says == "No domain walls were found."


def test_an_image_without_piezoresponse_is_refused_with_the_remedy():
    with pytest.raises(UserError, match="piezoresponse") as error:
        sites.find(as_image(np.random.default_rng(0).random((40, 40))), SETTINGS)
    assert "ingest: piezoresponse: true" in str(error.value)


def test_walls_along_scan_lines_are_reported():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    jump = np.where(y < 50, -1.0, 1.0) + 0.1 * rng.normal(size=y.shape)
    round_ = np.tanh((25 - np.hypot(y - 48, x - 48)) / 1.5) + 0.1 * rng.normal(size=y.shape)
    kinds = []
    for picture in (jump, round_):
        image = as_image(picture).assign_coords(channel=["in-phase"])
        table = sites.find(image, SETTINGS)
        assert table.sizes["site"] > 10
        kinds.append({one.kind for one in of_walls.of_walls(table)})
    assert "walls along scan lines" in kinds[0]
    assert "walls along scan lines" not in kinds[1]


def test_density_and_length_of_walls_are_those_of_geometry():
    y, x = np.mgrid[:96, :96]
    rng = np.random.default_rng(0)
    ring = np.tanh((25 - np.hypot(y - 48, x - 48)) / 1.5) + 0.1 * rng.normal(size=y.shape)
    image = as_image(ring).assign_coords(channel=["in-phase"])
    numbers = of_walls.numbers(sites.find(image, SETTINGS))
    assert numbers["walls"] == 1
    assert numbers["wall_length_px"] == pytest.approx(2 * np.pi * 25, rel=0.02)
    assert numbers["wall_density_px"] == pytest.approx(2 * np.pi * 25 / 96**2, rel=0.02)


def maps(share, happened, p_value=0.5, ratio=1.0, association=0.5):
    """What the maps of walls of a movie say of the whole."""
    return xr.Dataset(
        {
            "switched_share": ("step", share),
            "switched_share_error": ("step", np.full(len(share), 0.002)),
            "happened": ("step", np.array(happened, np.int8)),
            "roughness": ("time", [0.7, 0.8, np.nan]),
            "roughness_error": ("time", [0.1, 0.2, np.nan]),
            "pinning": (("y", "x"), np.zeros((2, 2)), {"p_value": p_value}),
            "association_p_value": ("candidate", [association]),
            "association_ratio": ("candidate", [ratio]),
        },
        coords={"candidate": ["steps of the surface"]},
    )


def test_what_switched_and_what_pins_is_said_with_its_error():
    moving = maps([0.01, 0.107], [0, 1], p_value=1e-3, ratio=2.5, association=1e-4)
    numbers = of_wall_maps.numbers(moving)
    assert numbers["switched_share"] == 0.107 and numbers["switched_share_error"] == 0.002
    assert numbers["frames_switched"] == 1
    assert numbers["wall_roughness"] == pytest.approx(0.72)
    said = {one.kind: one.says for one in of_wall_maps.of_wall_maps(moving)}
    assert set(said) == {"pinning sites", "pinning goes with"}
    assert "2.5 times as often" in said["pinning goes with"]
    still = {one.kind for one in of_wall_maps.of_wall_maps(maps([0.0, 0.001], [0, 0]))}
    assert still == {"nothing switched"}
    assert of_wall_maps.numbers(None) == {} and of_wall_maps.of_wall_maps(None) == []


@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_a_latent_that_follows_the_contrast_is_reported_where_contrast_varies(spread):
    rng = np.random.default_rng(0)
    contrast = 2 + 2 * spread * rng.uniform(-1, 1, 200)
    content = np.stack([rng.normal(size=200), contrast + 0.1 * spread * rng.normal(size=200)], 1)
    latents = xr.Dataset(
        {
            "consensus_content": (("site", "latent"), content),
            "contrast": ("site", contrast, {"long_name": "contrast of the wall"}),
        },
        attrs=traits.WALLS.attributes(),
    )
    said = of_walls.of_wall_latents("rvae", latents)
    assert len(said) == (spread > 0.1)
    assert all(one.says.startswith("Latent 2 follows the contrast of the wall") for one in said)
    assert not of_walls.of_wall_latents("rvae", latents.assign_attrs(directed=False))


def test_windows_are_small_where_walls_lie_close_together():
    dense = found("walls?size=128&domains=stripes&length=7", 1)
    assert 12 <= dense.attrs["window"] <= 16
    assert found("walls?size=256&domains=circles&length=30&frames=1", 1).attrs["window"] == 26


def test_angles_that_are_not_those_of_walls_are_reported():
    rng = np.random.default_rng(0)
    direction = rng.uniform(-np.pi, np.pi, 200)
    for spread, said in ((0.1, 0), (1.0, 1)):
        latents = xr.Dataset(
            {
                "consensus_content": (("site", "latent"), rng.normal(size=(200, 2))),
                "consensus_angle": ("site", -direction + spread * rng.normal(size=200)),
                "direction": ("site", direction),
            },
            attrs=traits.WALLS.attributes(),
        )
        kinds = [one.kind for one in of_walls.of_wall_latents("rvae", latents)]
        assert kinds == ["angles are not those of walls"] * said


def test_a_picture_without_noise_has_walls_as_well():
    y, x = np.mgrid[:96, :96]
    for picture in (np.tanh((25 - np.hypot(y - 48, x - 48)) / 1.5), np.sign(x - 40.3)):
        table = sites.find(as_image(picture).assign_coords(channel=["in-phase"]), SETTINGS)
        assert table.attrs["walls"] == 1
        assert np.isfinite(table.normal_error).all()


@pytest.mark.parametrize("share", [0, 1])
def test_a_single_domain_has_no_wall_and_is_switched_as_a_whole_or_not(share):
    table = found(f"walls?size=96&share={share}", places="grid")
    assert table.attrs["walls"] == 0
    np.testing.assert_array_equal(table.switching_degree, share)


def test_walls_have_a_velocity_where_the_times_of_the_frames_are_known():
    image = simulate.make("switching?size=96&frames=3&pixel=4", 0)
    settings = {"method": "walls"}
    assert "velocity" not in sites.find(image, settings)
    seconds = ("time", [0.0, 2.0, 10.0], {"units": "s"})
    table = sites.find(image.assign_coords(time=seconds), settings)
    assert table.velocity.attrs["units"] == "nm/s"
    frame = table.frame.values
    for number, step in ((0, 2.0), (1, 8.0)):
        for name in ("", "_error"):
            own = table["velocity" + name].values[frame == number]
            moved = table["displacement" + name].values[frame == number]
            assert np.isfinite(own).any()
            np.testing.assert_allclose(own, 4 * moved / step)
    assert np.isnan(table.velocity.values[frame == 2]).all()


@pytest.mark.parametrize("noise", [0.15, 0.8])
def test_the_error_of_a_direction_covers_the_truth(noise):
    table = found(f"walls?size=160&noise={noise}", 7)
    off = np.angle(np.exp(1j * (table.direction - table.truth_direction).values))
    ratio = np.abs(off / table.direction_error.values)
    ratio = ratio[np.isfinite(ratio)]
    assert len(ratio) > 50
    assert 0.5 < (ratio < 1).mean() < 0.85
