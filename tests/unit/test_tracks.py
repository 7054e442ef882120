"""The same atom is followed from frame to frame, and nothing else is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from movies import honeycomb, movie
from test_sites_detect import as_image

from vaescope import sites, store
from vaescope.errors import UserError
from vaescope.sites import tracks
from vaescope.sites.matching import links, match_frames

SPACING = 10.0
MOVIE = movie(frames=8, side=120)
FOUND = sites.find(MOVIE, {})


def scattered(
    seed: int, frames: int = 12, missed: float = 0.05, drift: float = 2.0
) -> tuple[np.ndarray, ...]:
    """Frame, place, identity of atoms of a honeycomb that drifts; some are missed now and then."""
    rng = np.random.default_rng(seed)
    grid = honeycomb(120, SPACING)
    path = np.cumsum(rng.normal(0, drift, (frames, 2)), axis=0)
    parts = []
    for frame in range(frames):
        there = np.flatnonzero(rng.random(len(grid)) > missed)
        place = grid[there] + path[frame] + rng.normal(0, 0.3, (len(there), 2))
        parts.append(np.column_stack([np.full(len(there), frame), place, there]))
    table = np.concatenate(parts)
    return table[:, 0].astype(int), table[:, 1:3], table[:, 3].astype(int), path - path[0]


def purity_and_pieces(track: np.ndarray, identity: np.ndarray) -> tuple[float, float]:
    """Share of tracks of one atom alone, and tracks per atom."""
    alone = [len(np.unique(identity[track == k])) == 1 for k in np.unique(track)]
    return float(np.mean(alone)), len(np.unique(track)) / len(np.unique(identity))


def test_a_drift_of_a_fifth_of_a_spacing_per_frame_is_taken_out_and_atoms_are_followed():
    frame, place, identity, path = scattered(0)
    moved = tracks.drift(frame, place, 0.4 * SPACING, np.zeros((11, 2)), 12)
    # The median over some hundred atoms off by 0.3 px leaves about 0.03 px per step.
    assert np.abs(moved - path).max() < 0.3
    track = tracks.link(frame, place - moved[frame], 0.4 * SPACING, gap=2)
    pure, pieces = purity_and_pieces(track, identity)
    assert pure == 1.0
    assert pieces < 1.02  # gaps of three frames and more, one in some thousands, cut a track


def test_without_closing_gaps_every_missed_atom_ends_a_track():
    frame, place, identity, path = scattered(1)
    track = tracks.link(frame, place - path[frame], 0.4 * SPACING, gap=0)
    pure, pieces = purity_and_pieces(track, identity)
    assert pure == 1.0
    assert pieces > 1.3  # one in twenty is missed in each of ten frames


@pytest.mark.parametrize(("missing", "same"), [(1, True), (2, True), (3, False)])
def test_a_gap_is_closed_up_to_its_number_of_missed_frames(missing: int, same: bool):
    frame = np.array([0, missing + 1])
    track = tracks.link(frame, np.ones((2, 2)), 2.0, gap=2)
    assert (track[0] == track[1]) is np.bool_(same)


def test_an_atom_that_appears_begins_a_track_and_one_that_vanishes_ends_its_own():
    frame = np.array([0, 0, 1, 1, 2, 2])
    place = np.array([[0.0, 0], [20, 0], [0, 1], [20, 0], [0, 2], [50, 50]])
    track = tracks.link(frame, place, 4.0, gap=1)
    assert track[0] == track[2] == track[4]
    assert track[1] == track[3] != track[5]
    np.testing.assert_array_equal(np.unique(track), [0, 1, 2])


def test_a_drift_beyond_the_largest_step_is_known_from_the_image():
    # 6 px per frame is more than half a bond: only what is no lattice (atoms amiss) can tell.
    rng = np.random.default_rng(3)
    place = rng.uniform(0, 120, (60, 2))
    step = np.array([6.0, -5.0])
    grid = np.mgrid[:120, :120].astype(float)
    images = []
    for k in range(3):
        moved = place + k * step
        spots = [np.exp(-((grid[0] - y) ** 2 + (grid[1] - x) ** 2) / 8) for y, x in moved]
        images.append(np.sum(spots, axis=0))
    image = as_image(np.stack(images)[:, None])
    guess = tracks.correlated(image)
    np.testing.assert_allclose(guess, [step, step], atol=0.3)
    frame = np.repeat(np.arange(3), 60)
    everywhere = np.concatenate([place + k * step for k in range(3)])
    found = tracks.drift(frame, everywhere, 3.0, guess, 3)
    np.testing.assert_allclose(found[2], 2 * step, atol=1e-6)


def test_a_blank_frame_stops_nothing():
    image = as_image(np.stack([MOVIE.image.values[0, 0], np.zeros((120, 120))])[:, None])
    assert np.isfinite(tracks.correlated(image)).all()
    moved = tracks.drift(np.zeros(3, int), np.ones((3, 2)), 1.0, np.zeros((1, 2)), 2)
    np.testing.assert_array_equal(moved, 0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 5), count=st.integers(0, 12))
def test_tracks_depend_on_no_order_and_hold_one_site_of_a_frame(seed, frames, count):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, frames, count)
    place = rng.uniform(0, 12, (count, 2))  # crowded: many could be linked to many
    track = tracks.link(frame, place, 4.0, gap=2)
    order = rng.permutation(count)
    np.testing.assert_array_equal(tracks.link(frame[order], place[order], 4.0, gap=2), track[order])
    pairs = set(zip(track.tolist(), frame.tolist(), strict=True))
    assert len(pairs) == count, "no two sites of one frame in a track"
    assert set(track.tolist()) == set(range(track.max(initial=-1) + 1))


def test_the_atoms_of_a_movie_are_followed_as_they_truly_move():
    scores = json.loads(FOUND.attrs["truth_scores"])
    assert scores["recall"] > 0.98 and scores["precision"] > 0.98
    assert scores["link_recall"] > 0.97
    assert scores["link_precision"] > 0.99
    assert scores["track_purity"] > 0.99
    assert (FOUND.track_length.values == np.bincount(FOUND.track)[FOUND.track]).all()
    assert FOUND.drift.dims == ("time", "axis")
    assert FOUND.time.attrs["units"] == "s"
    assert list(FOUND.attrs["truth_defect_names"])[1] == "dopant"


def test_a_honeycomb_has_the_spacing_of_its_bonds_not_of_its_cell():
    assert FOUND.attrs["spacing"] == pytest.approx(10.0, rel=0.06)


def test_tracks_survive_the_store(tmp_path):
    store.write(FOUND, tmp_path / "sites.zarr")
    again = store.open(tmp_path / "sites.zarr")
    np.testing.assert_array_equal(again.track, FOUND.track)


def test_one_image_has_no_tracks_and_asking_for_them_is_refused():
    single = MOVIE.isel(time=slice(0, 1))
    single = single.drop_vars([v for v in single.variables if str(v).startswith("truth")])
    assert "track" not in sites.find(single, {"refine": False})
    assert "track" not in sites.find(MOVIE, {"refine": False, "track": False})
    with pytest.raises(UserError, match="followed from frame to frame"):
        sites.find(single, {"track": True, "refine": False})
    with pytest.raises(UserError, match="no atoms"):
        sites.find(MOVIE, {"method": "windows", "track": True})
    for wrong in ({"track": "yes"}, {"track_gap": -1}, {"track_step": 0}):
        with pytest.raises(UserError, match="track"):
            sites.find(single, wrong)


def test_sites_are_matched_within_their_own_frame():
    found = np.array([[1.0, 1], [5, 5], [1, 1]])
    truth = np.array([[5.0, 5], [1, 1]])
    index = match_frames(found, truth, (np.array([0, 1, 1]), np.array([1, 0])), 1.0)
    np.testing.assert_array_equal(index, [1, 0, -1])


def test_scores_of_links_count_misses_switches_and_false_links():
    # Two atoms in three frames; the second frame swaps their tracks.
    frame = np.array([0, 0, 1, 1, 2, 2])
    truth = np.array([0, 1, 0, 1, 0, 1])
    index, every = np.arange(6), np.ones(6, bool)
    right = links(truth, frame, index, (truth, frame), (every, every))
    assert right["link_recall"] == right["link_precision"] == right["track_purity"] == 1
    assert right["identity_switches"] == 0 and right["n_true_links"] == 4
    swapped = np.array([0, 1, 1, 0, 1, 0])
    wrong = links(swapped, frame, index, (truth, frame), (every, every))
    assert wrong["link_recall"] == wrong["link_precision"] == 0.5
    assert wrong["track_purity"] == pytest.approx(4 / 6)
    assert wrong["identity_switches"] == 2
    missed = links(truth[:5], frame[:5], index[:5], (truth, frame), (every[:5], every))
    assert missed["link_recall"] == 0.75 and missed["link_precision"] == 1


def test_a_movie_without_a_bound_is_scored_without_one():
    assert "truth_bound" not in MOVIE
    scores = json.loads(FOUND.attrs["truth_scores"])
    assert "bound" not in scores and scores["position_rmse"] < 0.1
    assert isinstance(FOUND, xr.Dataset)
