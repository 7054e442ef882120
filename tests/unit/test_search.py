"""What is said and drawn of a finished search: scores, findings, words, figures, report."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import fake_results
import numpy as np
import pytest
import search_results
import xarray as xr
from PIL import Image

from vaescope.explore import best_found
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.explore.outcome import RANDOM, SEARCH, Outcome
from vaescope.figures import (
    Look,
    explored_clip,
    explored_course,
    explored_histories,
    explored_maps,
    house,
    load,
)
from vaescope.judge import of_search
from vaescope.report.methods import methods
from vaescope.results import Results, layout


@pytest.fixture(scope="module")
def plane() -> xr.Dataset:
    return search_results.latent_plane()


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    folder = fake_results.make(tmp_path_factory.mktemp("film"), models=("rvae",))
    search_results.add(folder, search_results.of_sites(folder))
    return folder


def kinds(explored: xr.Dataset) -> set[str]:
    return {finding.kind for finding in of_search.of_search(explored)}


def test_the_best_value_is_the_largest_that_was_evaluated(plane):
    found = Outcome(plane)
    assert found.values[found.best] == np.nanmax(plane["value"])
    assert of_search.numbers(plane)["best_value"] == np.nanmax(plane["value"])


def test_regret_counts_only_what_could_be_proposed(plane):
    assert Outcome(plane).regret() == pytest.approx(0, abs=0.05)
    truth = plane["truth"].values.copy()
    outside = ~plane["allowed"].values
    truth[outside] += 100
    assert Outcome(plane.assign(truth=("candidate", truth))).regret() == Outcome(plane).regret()


def test_evaluations_needed_are_those_until_the_median_is_there(plane):
    found = Outcome(plane)
    course = found.course(SEARCH)
    assert course is not None
    needed = found.needed(SEARCH, float(course.median[-1]))
    assert course.median[int(needed) - 1] == course.median[-1]
    assert course.median[int(needed) - 2] < course.median[-1]
    assert np.isnan(found.needed(RANDOM, 1e9))


def test_a_grid_is_known_with_gaps_and_scattered_places_are_none(plane):
    rows, columns, flat = Outcome(plane).grid()
    assert len(rows) == len(columns) == 30
    assert len(set(flat)) == 900
    some = plane.isel(candidate=np.flatnonzero(plane["allowed"].values))
    assert Outcome(some).grid() is not None
    lost = (plane["place"][:, 1] < 0) & (plane["place"][:, 1] > -0.7)  # whole rows, three of 30
    rest = plane.isel(candidate=np.flatnonzero(~lost.values))
    rows, _, flat = Outcome(rest).grid()
    assert rest.sizes["candidate"] == 27 * 30
    assert len(rows) == 30
    np.testing.assert_array_equal(flat, Outcome(plane).grid()[2][~lost.values])
    scattered = plane["place"] + np.random.default_rng(0).normal(0, 0.3, plane["place"].shape)
    assert Outcome(plane.assign(place=scattered)).grid() is None


def test_a_good_search_has_no_finding_of_its_end(plane):
    rng = np.random.default_rng(0)
    sd = plane["sd"] * 0 + 0.1
    mean = plane["mean"] * 0 + plane["truth"] + 0.1 * rng.normal(size=plane["mean"].shape)
    assert not kinds(plane.assign(mean=mean, sd=sd))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda d: d.assign(sd=d["sd"] / 20), "bands too narrow"),
        (lambda d: d.assign(sd=d["sd"] * 50), "bands too wide"),
        (lambda d: d.assign(mean=-d["mean"], value=d["value"] - 1), "nothing learned"),
        (lambda d: d.assign(expected_regret=d["expected_regret"] * 0 + 0.5), "ended early"),
        (
            lambda d: d.assign(best=d["best"].copy(data=d["best"].values[::-1])),
            "a baseline is better",
        ),
        (lambda d: d.assign(value=d["value"].where(d["step"] % 9 > 0)), "evaluations failed"),
        (lambda d: d.assign_attrs(deep_kernel="It does."), "deep kernel over-fits"),
        (lambda d: d.assign(allowed=d["allowed"] & (d["place"][:, 0] < 0)), "optimum is not real"),
    ],
)
def test_what_is_doubtful_is_found(plane, change, kind):
    assert kind in kinds(change(plane.assign_coords(step=np.arange(plane.sizes["step"]))))


def test_predictions_are_not_doubted_for_what_is_not_real_nor_for_few_values(plane):
    rng = np.random.default_rng(0)
    mean = plane["mean"] * 0 + plane["truth"] + 0.1 * rng.normal(size=plane["mean"].shape)
    good = plane.assign(mean=mean, sd=plane["sd"] * 0 + 0.1)
    unreal = good["place"][:, 0] < 0
    wild = good.assign(
        support=("candidate", np.where(unreal, 0.1, 1.0)),
        truth=good["truth"].where(~unreal, 9 - good["truth"]),
    )
    assert not kinds(wild) & {"nothing learned", "bands too narrow"}
    # 26 of 30 within two standard deviations is what luck does to bands that hold.
    rest = np.setdiff1d(np.flatnonzero(good["allowed"]), good["point"])[:30]
    few = good["truth"].where(np.isin(np.arange(good.sizes["candidate"]), rest))
    few[rest] = good["mean"][-1, rest] + np.where(np.arange(30) < 4, 0.3, 0.05)
    assert "bands too narrow" not in kinds(good.assign(truth=few))


def test_a_search_that_found_the_optimum_has_learned_something(plane):
    assert Outcome(plane).regret() <= 0.02
    assert "nothing learned" not in kinds(plane.assign(mean=-plane["mean"]))


def test_an_optimum_at_the_rim_is_found(plane):
    best = Outcome(plane).points[Outcome(plane).best]
    places = plane["place"].values
    near = places[:, 0] <= places[best, 0] + 0.01
    cut = plane.assign(allowed=("candidate", plane["allowed"].values & near))
    assert "optimum at the rim" in kinds(cut)
    assert "optimum at the rim" not in kinds(plane)


def test_an_upper_bound_is_no_rival(plane):
    best = plane["best"].copy()
    best[1] += 5
    names = ["this search", "gradient ascent", "grid"]
    assert "a baseline is better" not in kinds(
        plane.assign(best=best).assign_coords(strategy=names)
    )


def test_the_answer_is_said_in_words(plane, film):
    said = " ".join(of_search.words(plane))
    assert "The largest sum of the curl found is" in said
    assert "latent 1 =" in said
    assert "Why it ended: the limit of evaluations." in said
    of_sites = " ".join(of_search.words(Results(film).explored))
    assert "of what was not measured lies within two" in of_sites
    assert "Sites taken at random" in of_sites
    several = Results(film).explored.assign_attrs(parts="low, the mean; top, the peak height")
    assert "among the first spectra: low, the mean; top, the peak height." in " ".join(
        of_search.words(several)
    )
    assert not of_search.words(None)


def test_figures_are_drawn_of_a_plane_and_of_sites(plane, film, tmp_path):
    other = fake_results.make(tmp_path, models=("rvae",))
    search_results.add(other, plane)
    with house():
        for folder in (film, other):
            scene = load(Results(folder), ["rvae"], Look(), "version")
            maps, course = explored_maps.maps(scene), explored_course.course(scene)
            assert maps is not None
            assert course is not None
            names = set(maps.figure_data.files(maps.name))
            assert names == {"search-maps.csv", "search-maps-order.csv"}
            titles = [axes.get_title(loc="left") for axes in maps.figure.axes]
            assert any(title.startswith("true") for title in titles)
            assert "search-course.csv" in course.figure_data.files(course.name)


def test_patches_without_a_place_have_no_map_and_failures_have_crosses(film, tmp_path):
    folder = shutil.copytree(film, tmp_path / "stack")
    explored = Results(film).explored.load()
    lost = explored.assign(value=explored["value"].where(explored["point"] % 5 > 0))
    with house():
        for changed, mapped in ((lost, True), (lost.assign(place=0 * lost["place"]), False)):
            shutil.rmtree(folder / layout.EXPLORED)
            search_results.add(folder, changed)
            scene = load(Results(folder), ["rvae"], Look(), "version")
            drawn = explored_maps.maps(scene), explored_clip.search_clip(scene)
            assert explored_course.course(scene) is not None
            assert all(("Crosses" in one.caption) if one else not mapped for one in drawn)
            assert all(one is None for one in drawn) != mapped


@pytest.mark.parametrize(("latents", "panels"), [(1, 1), (3, 3), (8, 6)])
def test_searches_of_any_number_of_latents_are_drawn_along_each(latents, panels, tmp_path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    explored = search_results.latent_space(latents)
    search_results.add(folder, explored)
    with house():
        scene = load(Results(folder), ["rvae"], Look(), "version")
        drawn, clip = explored_maps.maps(scene), explored_clip.search_clip(scene)
        assert explored_course.course(scene) is not None
    assert drawn is not None
    assert clip is not None
    labels = {axes.get_xlabel() for axes in drawn.figure.axes} - {""}
    assert labels == {f"latent {k + 1}" for k in range(panels)}
    assert ("of which the first 6 are drawn" in drawn.caption) == (latents > 6)
    shown = drawn.figure.axes[0]
    best = float(explored["value"].max())
    assert shown.get_ylim()[0] < float(explored["value"].min())
    assert shown.get_ylim()[1] > best


def test_along_an_axis_the_largest_of_those_that_could_be_proposed_leads(plane):
    found = Outcome(plane)
    at = found.leaders(0, found.truth)
    along = found.places[:, 0]
    assert (np.diff(along[at]) > 0).all()
    outside = ~found.allowed
    for candidate in at:
        beside = np.abs(along - along[candidate]) < 1e-9  # a column of the grid
        if (beside & ~outside).any():
            beside &= ~outside
        assert found.truth[candidate] == found.truth[beside].max()
    single = Outcome(search_results.latent_space(1))
    assert np.array_equal(single.leaders(0, single.truth), np.arange(900))


def test_the_best_curves_of_a_function_are_drawn(tmp_path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    explored = search_results.latent_plane()
    time = np.linspace(0, 3, 40)
    curves = np.stack([np.cos(k * time) for k in (3, 4, 5)])
    settings = ObjectiveSettings.of({"quantity": "function", "function": f"{__file__}:own"})
    best = best_found.of_curves(curves, time, settings, ("time", "s"))
    points = explored["point"].values[np.argsort(-explored["value"].values)[:3]]
    search_results.add(folder, explored.assign(best).assign(best_candidate=("rank", points)))
    with house():
        drawn = explored_histories.histories(load(Results(folder), ["rvae"], Look(), "version"))
    assert drawn is not None
    labels = [axes.get_xlabel() for axes in drawn.figure.axes]
    assert labels == ["", "time (s)", "time (s)"]
    said = drawn.figure.axes[0].texts[0].get_text()
    assert said.startswith(f"1: {explored['value'].values.max():.4g} at (")


def test_without_a_truth_no_error_is_drawn(tmp_path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    search_results.add(folder, search_results.latent_plane(truth=False))
    with house():
        drawn = explored_maps.maps(load(Results(folder), ["rvae"], Look(), "version"))
    assert drawn is not None
    titles = [axes.get_title(loc="left") for axes in drawn.figure.axes]
    assert not any("true" in title or "error" in title for title in titles)


def test_methods_name_the_search_and_its_sources(film):
    recipe = fake_results.RECIPE | {"explore": {"method": "active", "start": 12}}
    fake_results.judge(film, ["rvae"])
    explored = Results(film).explored
    assert explored is not None
    text = methods(Results(film).facts, recipe, search=dict(explored.attrs))
    assert "was measured site by site" in text.plain
    assert "the first 12 of them far apart" in text.plain
    latents = {"features": "the latents", "transformed": "log", "method": "bo"}
    text = methods(Results(film).facts, recipe, search=dict(explored.attrs) | latents)
    assert "in the latents was fitted to the logarithms of 60 evaluations" in text.plain
    assert "BoTorch" in text.bibtex


def test_a_movie_shows_every_kept_step(film):
    with house():
        clip = explored_clip.search_clip(load(Results(film), ["rvae"], Look(), "version"))
    assert clip is not None
    with Image.open(io.BytesIO(clip.data)) as movie:
        assert getattr(movie, "n_frames", 1) == search_results.latent_plane().sizes["kept"]


def test_the_best_histories_are_drawn_with_what_they_leave_behind(plane, tmp_path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    time = np.linspace(0, 3, 50)
    field = np.stack([100 * np.cos(6 * time), 80 * np.sin(6 * time)])
    polarisation = np.random.default_rng(0).normal(size=(2, 2, 6, 6))
    explored = plane.assign(
        best_field=(("rank", "time"), field),
        best_loop=(("rank", "time"), np.tanh(field / 50)),
        best_curl=(("rank", "time"), np.abs(field)),
        best_polarisation=(("rank", "component", "y", "x"), polarisation),
        best_candidate=("rank", plane["point"].values[:2]),
        time=("time", time),
    )
    search_results.add(folder, explored)
    with house():
        drawn = explored_histories.histories(load(Results(folder), ["rvae"], Look(), "version"))
    assert drawn is not None
    rows = drawn.figure_data.files(drawn.name)["search-histories.csv"].splitlines()
    assert len(rows) == 1 + 2 * len(time)


@pytest.mark.parametrize("axes", [1, 2, 3, 5])
def test_an_optimum_in_the_middle_is_not_at_the_rim(axes):
    places = np.random.default_rng(0).uniform(-1, 1, (3000, axes)) * np.arange(1, axes + 1)
    found = Outcome(
        xr.Dataset({"place": (("candidate", "axis"), places)}, {"axis": list("abcde"[:axes])})
    )
    size = np.abs(places / np.arange(1, axes + 1)).max(1)
    assert not of_search._on_rim(found, int(np.argmin(size)))
    assert of_search._on_rim(found, int(np.argmax(size)))


def test_a_search_that_measured_everything_is_compared_with_nothing():
    places = np.indices((20, 20)).reshape(2, -1).T.astype(float)
    made = search_results.search(places, ("y", "x"), method="active")
    assert any("random" in line for line in of_search.words(made))
    seen = np.isin(np.arange(400), made["point"].values)
    made = made.assign(truth=("candidate", np.where(seen, made["truth"], np.nan)))
    found = Outcome(made)
    assert not found.compares
    assert found.better_baselines() == []
    assert not any("random" in line for line in of_search.words(made))
