"""What walls do as wholes is mapped from the stores of an image and its sites, and back again."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import xarray as xr

from vaescope import simulate, store
from vaescope.errors import UserError
from vaescope.sites.settings import Walls
from vaescope.sites.wall_curves import variables, walls_of
from vaescope.sites.wall_maps import map_walls, read_defects
from vaescope.sites.walls import every_wall
from vaescope.workflow.tables import write_table


@cache
def mapped(name, seed=1):
    movie = simulate.make(name, seed).load()
    sites = every_wall(movie, Walls())
    return movie, sites, map_walls(movie, sites)


MOVIE = "switching?size=112&frames=4&drift=0.7&speed=2.5&length=14&pinning=6"


def test_what_switched_follows_the_truth():
    movie, _, found = mapped(MOVIE)
    true = movie.truth_switched.values[:-1]
    assert np.abs(found.switched_share.values - true).max() < 0.25 * true.max()
    assert found.happened.values.all() and (found.compared_share.values > 0.9).all()
    off = found.drift.values - np.diff(
        np.stack([movie.truth_drift_y.values, movie.truth_drift_x.values], axis=1), axis=0
    )
    assert np.abs(off).max() < 0.1 and found.drift.attrs["sources"] == ["height"] * 3
    assert found.free_motion.values == pytest.approx([-2.5] * 3, abs=0.8)


def test_every_wall_of_every_frame_has_a_row():
    _, sites, found = mapped(MOVIE)
    frames = walls_of(sites, 4)
    assert found.sizes["row"] == sum(len(walls) for walls in frames) > 4
    lengths = [wall.length for walls in frames for wall in walls]
    assert found.wall_length.values == pytest.approx(lengths)
    last = found.wall_frame.values == 3
    assert np.isnan(found.wall_displacement.values[last]).all()
    assert np.isfinite(found.wall_displacement.values[~last]).mean() > 0.5
    longest = found.wall_length.values > 60
    numbers = [set(found.wall_number.values[longest & (found.wall_frame == k)]) for k in range(4)]
    assert numbers[0] & numbers[3]  # a long wall goes through the movie under one number


def test_the_curves_come_back_from_the_store_of_sites(tmp_path):
    _, sites, found = mapped(MOVIE)
    store.write(sites, tmp_path / "sites.zarr")
    store.write(found, tmp_path / "walls.zarr")
    again = store.open(tmp_path / "sites.zarr").load()
    frames = walls_of(again, 4)
    back = xr.Dataset(variables(frames))
    for name in back:
        assert np.array_equal(back[name].values, sites[name].values), name
    held = store.open(tmp_path / "walls.zarr").load()
    assert held.pinning.attrs["p_value"] == pytest.approx(found.pinning.attrs["p_value"])
    write_table(held, tmp_path / "walls.csv", over="row")
    text = (tmp_path / "walls.csv").read_text("utf-8").splitlines()
    assert len(text) == 1 + found.sizes["row"] and text[0].startswith("row,")


def test_a_single_image_has_its_walls_and_nothing_about_time():
    _, _, found = mapped("walls?size=96", 2)
    assert found.sizes["row"] and "pinning" not in found and "switched" not in found
    assert "wall_displacement" not in found and found.sizes["time"] == 1


def test_noise_has_neither_walls_nor_events_nor_switching():
    _, _, found = mapped("walls?size=96&contrast=0&frames=3", 3)
    assert found.sizes["row"] == 0 and found.sizes["event_number"] == 0
    assert not found.happened.values.any()
    assert np.isnan(found.pinning.values).all() and np.isnan(found.roughness.values).all()


def test_defects_of_the_user_are_a_candidate(tmp_path):
    movie, sites, _ = mapped(MOVIE)
    pins = np.stack([movie.truth_pinning_y.values, movie.truth_pinning_x.values], axis=1)
    path = tmp_path / "defects.csv"
    path.write_text("x,y,kind\n" + "".join(f"{x},{y},a\n" for y, x in pins), "utf-8")
    assert read_defects(path) == pytest.approx(pins)
    found = map_walls(movie, sites, defects=read_defects(path))
    known = ["steps of the surface", "defects", "ferroelastic walls"]
    assert found.candidate.values.tolist() == known
    path.write_text("row,column\n1,2\n", "utf-8")
    with pytest.raises(UserError, match=r"defects.csv.*columns `y` and `x`"):
        read_defects(path)


def test_sites_without_curves_are_refused():
    movie, sites, _ = mapped("walls?size=96", 2)
    with pytest.raises(UserError, match="no curves of domain walls"):
        map_walls(movie, sites.drop_dims("curve_point"))
