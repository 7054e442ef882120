"""Figures of sites along domain walls: stretches of wall, latents beside descriptors, channels,
steps between frames."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import wall_results
import zarr

from vaescope.figures import (
    Look,
    channels,
    dataset,
    house,
    latent_quantities,
    load,
    maps,
    montage,
    movie_maps,
    voronoi,
    wall_maps,
    wall_motion,
)
from vaescope.quantities import Quantity
from vaescope.results import Results
from vaescope.traits import Traits


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    root = wall_results.make(tmp_path_factory.mktemp("walls"))
    with house():
        yield load(Results(root), ["rvae"], Look(), "version")


def quantity(values: np.ndarray, period: float | None = None) -> Quantity:
    scale = "sequential" if period is None else "cyclic"
    return Quantity("q", "q", "q", "q", "", scale, values, period=period)


@pytest.mark.parametrize("direction", [0.0, 0.4, -2.0])
def test_a_stretch_lies_along_its_wall(direction):
    (corners,) = voronoi.stretches(np.array([[10.0, 20.0]]), np.array([direction]), 8.0, 2.0)
    assert corners is not None
    oblong = shapely.Polygon(corners)
    assert oblong.area == pytest.approx(16)
    assert oblong.centroid.coords[0] == pytest.approx((20, 10))
    along = 3.9 * np.array([np.cos(direction), np.sin(direction)])
    assert oblong.contains(shapely.Point(20 + along[0], 10 + along[1]))


def test_a_site_whose_direction_is_not_known_has_no_stretch():
    found = voronoi.stretches(np.zeros((2, 2)), np.array([np.nan, 0.0]), 8.0, 2.0)
    assert found[0] is None
    assert found[1] is not None


def test_maps_show_the_image_between_the_walls(film):
    drawn = maps.maps(film, film.views[0], "cells")
    assert drawn is not None
    assert "along the walls" in drawn.title
    assert "stretch of wall" in drawn.caption
    panel = next(a for a in drawn.figure.axes if a.get_title("left").startswith("latent 1"))
    assert panel.images
    assert maps.maps(film, film.views[0], "points") is None


def test_sites_are_said_to_lie_along_walls(film):
    drawn = dataset.sites(film)
    assert drawn is not None
    assert "walls" in drawn.title
    assert "walls" in drawn.caption


def test_the_latent_plane_is_coloured_by_the_descriptors_of_sites(film):
    drawn = latent_quantities.latent_quantities(film, film.views[0])
    assert drawn is not None
    titles = {axes.get_title("left") for axes in drawn.figure.axes}
    assert "curvature (1/px)" in titles
    assert any(title.startswith("displacement") for title in titles)
    assert "wall" not in titles  # a number, no quantity
    table = drawn.figure_data.tables[""]
    assert table.rows == film.views[0].latents.sizes["site"]


def test_latents_explain_what_follows_them_and_nothing_else():
    rng = np.random.default_rng(0)
    content = rng.normal(size=(600, 2))
    follows = content[:, 0] ** 2 + 0.1 * rng.normal(size=600)
    assert latent_quantities.explained(content, quantity(follows)) > 0.8
    assert latent_quantities.explained(content, quantity(rng.normal(size=600))) < 0.1
    turn = 360 * content[:, 1]
    assert latent_quantities.explained(content * [1, 0], quantity(turn, 360.0)) < 0.1
    assert latent_quantities.explained(content / [4, 1], quantity(90 * content[:, 1], 360.0)) > 0.5
    few = np.full(600, np.nan)
    assert np.isnan(latent_quantities.explained(content, quantity(few)))


def test_every_channel_is_decoded_under_its_name(film):
    drawn = channels.decoded_channels(film, film.views[0])
    assert drawn is not None
    words = {text.get_text() for text in drawn.figure.texts}
    assert {"in-phase", "out-of-phase", "height"} <= words


def test_three_channels_that_are_no_colours_are_not_drawn_as_such(film):
    assert montage.pictures_of(film, np.arange(3)).shape[1] == 1


def test_walls_are_joined_through_their_sites_and_closed(film):
    found = wall_motion.courses(film, 0)
    assert len(found) == 3
    closed = sorted(np.allclose(course[0], course[-1]) for course in found)
    assert closed == [False, True, True]


def test_drift_is_taken_out_of_the_courses(film):
    drift = np.array([[0.0, 0.0], [3.0, -2.0], [0, 0], [0, 0]])
    moved = wall_motion.courses(film, 1)
    film.sites["drift"] = (("time", "axis"), drift)
    still = wall_motion.courses(film, 1)
    del film.sites["drift"]
    assert np.allclose(moved[0] - still[0], [3.0, -2.0])


def test_steps_beyond_their_errors_are_counted(film):
    drawn = wall_motion.motion(film)
    assert drawn is not None
    sites = film.sites
    ratio = np.abs(sites["displacement"] / sites["displacement_error"]).values
    ratio = ratio[np.isfinite(ratio)]
    assert f"{100 * (ratio > 3).mean():.3g} % of {len(ratio)}" in drawn.caption


def test_what_switched_is_mapped_step_by_step_with_its_share(film):
    drawn = wall_maps.switching(film)
    assert drawn is not None
    titles = [axes.get_title("left") for axes in drawn.figure.axes]
    assert "frame 1 to 2" in titles
    assert "3 of 3 steps" in drawn.caption
    table = drawn.figure_data.tables[""].columns
    assert np.array_equal(table["switched_share"], film.results.walls["switched_share"])


def test_windows_over_walls_are_mapped_as_windows(tmp_path):
    root = wall_results.make(tmp_path)
    grid = Traits(regular=True, windows=True).attributes()
    for name in ("sites", "samples"):
        zarr.open_group(root / f"{name}.zarr", mode="r+").attrs.update(grid)
    with house():
        scene = load(Results(root), ["rvae"], Look(), "version")
        assert scene.cell_kind == "windows"
        assert "wherever the walls may be" in dataset.sites(scene).caption
        assert "3 of 3 steps" in wall_maps.switching(scene).caption
        drawn = movie_maps.frames_latent(scene, scene.views[0])
        assert "at four times of the movie" in drawn.caption
        assert "window about its middle" in drawn.caption


def test_only_events_beyond_doubt_are_counted(film):
    drawn = wall_maps.course(film)
    assert drawn is not None
    assert "(1 of 2)" in drawn.caption
    assert drawn.figure_data.tables[""].columns["events"].sum() == 1


def test_the_map_of_pinning_says_how_sure_it_is_and_what_it_goes_with(film):
    drawn = wall_maps.pinning(film)
    assert drawn is not None
    assert "walls are pinned" in drawn.caption
    assert "steps of the surface" in drawn.caption


def test_pinning_that_chance_explains_is_not_called_so(film):
    about = film.results.walls["pinning"].attrs
    about["p_value"] = 0.4
    drawn = wall_maps.pinning(film)
    about["p_value"] = 0.01
    assert drawn is not None
    assert "not sure" in drawn.caption


def test_the_roughness_is_that_of_the_frame_in_which_it_is_known_best(film):
    drawn = wall_maps.roughness(film)
    assert drawn is not None
    assert "0.70 ± 0.10" in drawn.caption
    drawn.figure.canvas.draw()
    ticks = [t.get_text() for a in drawn.figure.axes for t in a.get_xticklabels()]
    assert not any("$" in tick for tick in ticks)
