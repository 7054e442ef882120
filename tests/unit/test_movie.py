"""What becomes of the atoms of a movie, in numbers and in pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_results import RECIPE, make
from PIL import Image

from vaescope import figures, report, store
from vaescope.errors import UserError
from vaescope.figures import animation
from vaescope.results import Results
from vaescope.scores import of_movie, truth
from vaescope.structure import follow, movie
from vaescope.workflow.tables import write_movie

CHAIN = np.array([[0.96, 0.03, 0.01], [0.10, 0.85, 0.05], [0.0, 0.2, 0.8]])


def walk(tracks: int, frames: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Class, frame and track of every site of a Markov chain, in no order."""
    rng = np.random.default_rng(seed)
    label = np.empty((tracks, frames), int)
    label[:, 0] = rng.integers(0, 3, tracks)
    for k in range(1, frames):
        chance = CHAIN[label[:, k - 1]].cumsum(1)
        label[:, k] = (rng.random((tracks, 1)) > chance).sum(1)
    track, frame = np.mgrid[:tracks, :frames]
    order = rng.permutation(track.size)
    return label.ravel()[order], frame.ravel()[order], track.ravel()[order]


def test_the_transition_matrix_of_a_markov_chain_is_found_within_its_errors():
    label, frame, track = walk(400, 25)
    pairs = movie.successive(track, frame)
    assert len(pairs) == 400 * 24
    found = movie.transitions(label, track, pairs, 3, np.random.default_rng(0))
    apart = (found.probability - CHAIN) / found.error
    assert np.abs(apart).max() < 3.5
    assert np.sqrt((apart**2).mean()) < 1.6
    assert found.count.sum() == len(pairs)
    # Nearly 10 000 steps: the errors are honest only if they are small.
    assert found.error.max() < 0.02
    np.testing.assert_allclose(found.dwell, 1 / (1 - np.diag(CHAIN)), rtol=0.12)
    assert (np.abs(found.dwell - 1 / (1 - np.diag(CHAIN))) < 3.5 * found.dwell_error).all()


def test_errors_of_transitions_cover_the_truth_about_two_times_in_three():
    inside = []
    for seed in range(30):
        label, frame, track = walk(60, 12, seed)
        pairs = movie.successive(track, frame)
        found = movie.transitions(label, track, pairs, 3, np.random.default_rng(seed))
        inside.append(np.abs(found.probability - CHAIN) < found.error)
    assert 0.55 < np.mean(inside) < 0.85


def test_a_change_never_seen_still_has_an_error():
    label = np.zeros(20, int)
    track, frame = np.repeat(np.arange(4), 5), np.tile(np.arange(5), 4)
    pairs = movie.successive(track, frame)
    found = movie.transitions(label, track, pairs, 2, np.random.default_rng(0))
    assert found.probability[0, 1] == 0 and 0.01 < found.error[0, 1] < 0.1
    assert np.isinf(found.dwell[0])
    assert np.isnan(found.probability[1]).all() and np.isnan(found.error[1]).all()


def test_links_over_a_gap_are_no_steps_of_one_frame():
    track, frame = np.array([0, 0, 0, 1]), np.array([2, 0, 1, 3])
    assert movie.successive(track, frame).tolist() == [[1, 2], [2, 0]]
    frame = np.array([4, 0, 1, 3])
    assert movie.successive(track, frame).tolist() == [[1, 2]]
    assert len(movie.successive(track, frame, adjacent=False)) == 2


def test_populations_count_every_frame_and_their_errors_know_that_sites_of_a_track_are_one_atom():
    rng = np.random.default_rng(0)
    tracks, frames = 200, 10
    of_track = (rng.random(tracks) < 0.3).astype(int)  # no atom ever changes
    track, frame = (v.ravel() for v in np.mgrid[:tracks, :frames])
    found = movie.populations(of_track[track], frame, track, frames, 2, rng)
    share = of_track.mean()
    np.testing.assert_allclose(found.share[:, 1], share)
    np.testing.assert_array_equal(found.count.sum(1), tracks)
    binomial = np.sqrt(share * (1 - share) / tracks)
    np.testing.assert_allclose(found.error[:, 1], binomial, rtol=0.15)


def test_an_empty_frame_has_no_population():
    found = movie.populations(
        np.zeros(2, int), np.array([0, 2]), np.zeros(2, int), 3, 2, np.random.default_rng(0)
    )
    assert np.isnan(found.share[1]).all() and found.share[0, 0] == 1


def test_angles_are_continuous_along_a_track_and_no_further():
    frame = np.tile(np.arange(6), 2)
    track = np.repeat([7, 3], 6)
    true = np.concatenate([np.linspace(0, 2.5, 6), np.linspace(1, -1.5, 6)])
    period = 2 * np.pi / 4
    angle = (true + period / 2) % period - period / 2
    order = np.random.default_rng(0).permutation(12)
    found = movie.unwrapped(angle[order], track[order], frame[order], 4)
    for one in (3, 7):
        mine = track[order] == one
        apart = (found - true[order])[mine]
        np.testing.assert_allclose(apart, apart[0], atol=1e-9)
        start = mine & (frame[order] == 0)
        np.testing.assert_allclose(found[start], angle[order][start])


def test_defects_are_scored_by_the_class_that_most_of_their_sites_have():
    defect = np.array([0] * 80 + [1] * 10 + [2] * 10)
    found = np.array([0] * 40 + [3] * 40 + [1] * 10 + [1] * 2 + [2] * 8)
    latents = xr.Dataset(
        {"consensus_class": ("site", found), "truth_defect": ("site", defect)},
        attrs={"truth_defect_names": ["lattice", "dopant", "next to it"]},
    )
    scores = truth.scores(latents, 1)
    assert scores["defect_f1_lattice"] == 1.0  # two classes for one kind are no error
    assert scores["defect_f1_dopant"] == pytest.approx(20 / 22)
    assert scores["defect_f1_next_to_it"] == pytest.approx(16 / 18)
    assert scores["defect_macro_f1"] == pytest.approx(np.mean([1, 20 / 22, 16 / 18]))
    unknown = latents.assign(truth_defect=("site", np.full(100, -1)))
    assert truth.scores(unknown, 1) == {}


FRAMES = 7


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a movie whose sites stand still, so that their tracks are known."""
    results = tmp_path_factory.mktemp("filmed")
    folder = make(results, "film", frames=FRAMES, shape=(96, 120), pictures=8)
    sites = store.open(folder / "sites.zarr").load()
    count = int((sites["frame"] == 0).sum())
    sites["track"] = ("site", np.tile(np.arange(count), FRAMES))
    time = ("time", 0.5 * np.arange(FRAMES), {"units": "s", "long_name": "time"})
    sites = sites.assign_coords(time=time)
    sites.attrs["tracks"] = count
    store.write(sites, folder / "sites.zarr")
    image = store.open(folder / "image.zarr").load().assign_coords(time=time)
    store.write(image, folder / "image.zarr")
    for model in ("rvae", "jrvae"):
        latents = store.open(folder / model / "latents.zarr").load()
        track = sites["track"].values[latents["site"].values]
        latents = latents.assign_coords(track=("site", track))
        members = latents.sizes.get("member", 4)
        latents["member_kept"] = ("member", np.ones(members, bool))
        every = np.repeat(latents["consensus_content"].values[None], members, 0)
        latents["content"] = (("member", "site", "latent"), every)
        latents["mode"] = ("site", (every[0, :, 0] > 0).astype(int))
        if "consensus_class" in latents:
            share = latents["consensus_class_probability"].values
            every = np.repeat(share[None], members, 0)
            latents["class_probability"] = (("member", "site", "class"), every)
        store.write(latents, folder / model / "latents.zarr")
        write_movie(follow(latents, sites), folder / model / "movie", {})
    return folder


def test_the_tables_of_a_movie_say_what_its_store_says(filmed: Path):
    found = store.open(filmed / "jrvae" / "movie" / "movie.zarr").load()
    populations = pd.read_csv(filmed / "jrvae" / "movie" / "populations.csv")
    assert len(populations) == found.sizes["time"] * found.sizes["class"]
    assert populations["time"].max() == 0.5 * (FRAMES - 1)
    np.testing.assert_allclose(populations.groupby("frame")["population"].sum(), 1, atol=1e-6)
    changes = pd.read_csv(filmed / "jrvae" / "movie" / "transitions.csv")
    assert changes["change_count"].sum() == found.attrs["links"]
    tracks = pd.read_csv(filmed / "jrvae" / "movie" / "tracks.csv")
    assert {"track", "first_frame", "last_frame", "class_changes", "content_sd_2"} <= set(tracks)
    assert (tracks["length"] == FRAMES).all()
    # A model without classes has the modes of its latents.
    modes = pd.read_csv(filmed / "rvae" / "movie" / "populations.csv")
    assert set(modes["class_name"]) >= {"mode 1", "mode 2"}
    np.testing.assert_allclose(modes.groupby("frame")["population"].sum(), 1, atol=1e-6)


def test_a_recipe_may_ask_for_modes_where_there_are_classes(filmed: Path):
    latents, sites = (store.open(filmed / n).load() for n in ("jrvae/latents.zarr", "sites.zarr"))
    found = follow(latents, sites, {"categories": "modes"})
    assert found.attrs["kinds"] == "mode" and follow(latents, sites).attrs["kinds"] == "class"
    np.testing.assert_array_equal(found["kind"].values, latents["mode"].values)
    assert found["class_name"].values.tolist()[:2] == ["mode 1", "mode 2"]
    # Members that place every site alike do not disagree.
    assert found["population_spread"].max() == 0
    with pytest.raises(UserError, match="categories"):
        follow(latents, sites, {"categories": "colours"})


def test_changes_are_scored_between_true_atoms():
    frame, atom = np.tile(np.arange(4), 3), np.repeat(np.arange(3), 4)
    defect = np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0])
    latents = xr.Dataset(
        {
            "truth_defect": ("site", defect),
            "truth_track": ("site", atom),
            "frame": ("site", frame),
        }
    )

    def score(label: np.ndarray, latents: xr.Dataset = latents) -> dict[str, float]:
        return of_movie.score(xr.Dataset({"kind": ("site", label)}), latents)

    perfect = score(defect)
    assert perfect["change_recall"] == perfect["change_precision"] == 1
    assert perfect["n_true_changes"] == 2 and perfect["defect_macro_f1_of_movie"] == 1
    late = defect.copy()
    late[2] = 0  # the first change is seen a frame too late
    found = score(late)
    assert found["change_recall"] == found["change_precision"] == 0.5
    still = np.repeat([0, 0, 1], 4)
    assert score(still)["change_recall"] == 0
    assert score(defect, latents.drop_vars("truth_defect")) == {}


def test_of_one_frame_there_is_nothing_to_follow(tmp_path: Path):
    folder = make(tmp_path, "still", pictures=8)
    sites, latents = (store.open(folder / n) for n in ("sites.zarr", "jrvae/latents.zarr"))
    nothing = follow(latents, sites)
    assert nothing.attrs[movie.NOTHING] == "one frame" and not nothing.data_vars
    write_movie(nothing, folder / "jrvae" / "movie", {})
    assert [file.name for file in (folder / "jrvae" / "movie").iterdir()] == ["movie.zarr"]
    manifest = figures.draw(Results(tmp_path / "still"), RECIPE, ["jrvae"])
    names = {figure["name"] for figure in manifest["figures"]}
    assert not [name for name in names if "frames" in name or "movie" in name]


def test_a_movie_has_maps_at_five_times_curves_a_matrix_and_a_clip(filmed: Path):
    manifest = figures.draw(Results(filmed), RECIPE, ["rvae", "jrvae"])
    drawn = {figure["name"]: figure for figure in manifest["figures"]}
    for name in ("frames-angle", "frames-latent-1", "trajectories"):
        assert f"rvae-{name}" in drawn and f"jrvae-{name}" in drawn
    for name, word in (
        ("frames-classes", "over time"),
        ("populations", "over time"),
        ("movie", ""),
    ):
        assert word in drawn[f"jrvae-{name}"]["title"]
        assert "lasses" in drawn[f"jrvae-{name}"]["title"]
        assert "odes" in drawn[f"rvae-{name}"]["title"]
    assert drawn["jrvae-transitions"]["title"] == "From class to class"
    assert drawn["rvae-transitions"]["title"] == "From mode to mode"
    clip = filmed / "figures" / "latest" / "jrvae-movie.gif"
    with Image.open(clip) as picture:
        assert picture.n_frames == FRAMES
        assert picture.info["loop"] == 0
    assert clip.stat().st_size < animation.MOST_BYTES
    again = figures.draw(Results(filmed), RECIPE, ["rvae", "jrvae"])
    assert again["version"] == manifest["version"], "the same clip twice is the same file"
    report.write_report(Results(filmed), RECIPE, ["rvae", "jrvae"], {"dataset": "film"})
    page = (filmed / "report.html").read_text()
    assert "data:image/gif;base64," in page and "The classes as a movie" in page


def test_a_clip_of_noise_is_made_smaller_until_it_is_small_enough(monkeypatch):
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 255, (80, 80, 3), np.uint8)) for _ in range(8)]
    whole = animation._gif(noise, 1.0, 64, 0.1)
    monkeypatch.setattr(animation, "MOST_BYTES", len(whole) // 5)
    shrunk, shown = animation.small_enough(noise, 0.1)
    assert len(shrunk) <= len(whole) // 5
    with Image.open(io.BytesIO(shrunk)) as picture:
        assert picture.n_frames == shown
    assert json.loads(json.dumps(shown)) <= 8
