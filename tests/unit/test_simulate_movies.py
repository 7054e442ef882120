"""Atoms in simulated movies keep their tracks, and go when the beam takes them."""

import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.simulate import graphene, layers


def frames(image):
    """Per frame: track -> (y, x, species, defect)."""
    columns = [
        image[f"truth_{k}"].values for k in ("frame", "track", "y", "x", "species", "defect")
    ]
    out = [{} for _ in range(image.sizes["time"])]
    for frame, track, y, x, species, defect in zip(*columns, strict=True):
        assert track not in out[frame]
        out[frame][track] = (y, x, species, defect)
    return out


def inner(frame, margin, size=256):
    return {
        track: atom
        for track, atom in frame.items()
        if margin < atom[0] < size - 1 - margin and margin < atom[1] < size - 1 - margin
    }


def moves(before, after):
    """Tracks in both frames -> how far they moved, px."""
    both = before.keys() & after.keys()
    return {k: np.hypot(after[k][0] - before[k][0], after[k][1] - before[k][1]) for k in both}


def test_a_movie_has_frames_and_each_of_them_its_own_truth():
    image = simulate.make("graphene-movie?frames=6&dose=1e5", 1)
    assert image.image.dims == ("time", "channel", "y", "x")
    assert image.sizes["time"] == 6 and set(image.truth_frame.values) == set(range(6))
    assert image.truth_track.dtype.kind == image.truth_frame.dtype.kind == "i"
    for index, frame in enumerate(frames(image)):
        counts = ndimage.gaussian_filter(image.image.values[index, 0], 1.0)
        peaks = np.argwhere(counts == ndimage.maximum_filter(counts, 5))
        atoms = np.array([atom[:2] for atom in inner(frame, 10).values()])
        assert np.median(cKDTree(peaks).query(atoms)[0]) < 0.6
        assert cKDTree(peaks).query(atoms)[0].max() < 2.0


def test_without_a_beam_the_same_atoms_stay_and_the_specimen_drifts():
    image = simulate.make("graphene-movie?frames=8&loss=0&hops=0&jitter=0&shift=1.5", 2)
    seen = frames(image)
    for before, after in itertools.pairwise(seen):
        assert inner(before, 12).keys() <= after.keys()
        moved = np.array(list(moves(before, after).values()))
        np.testing.assert_allclose(moved, moved[0], atol=1e-9)
    first, last = seen[0], seen[-1]
    # Seven steps of 1.5 px, half of each at random.
    assert 4 < np.median(list(moves(first, last).values())) < 18


def test_silicon_hops_to_a_neighbouring_place_and_keeps_its_track():
    image = simulate.make(
        "graphene-movie?frames=10&loss=0&hops=1&jitter=0&shift=0&silicon=0.02&fourfold=0.3", 3
    )
    seen = frames(image)
    hopped = 0
    for before, after in itertools.pairwise(seen):
        for track, distance in moves(before, after).items():
            assert before[track][2] == after[track][2]
            if before[track][3] == graphene.SILICON3 and before[track][0] > 20:
                hopped += 1
                assert distance * 10 * image.attrs["pixel_size"] == pytest.approx(1.42, abs=0.5)
            if before[track][3] == graphene.SILICON4:
                assert distance == 0
    assert hopped > 10


def test_what_is_lost_does_not_come_back_and_holes_grow():
    image = simulate.make("graphene-movie?frames=12&loss=0.1&shift=0&hops=0", 4)
    seen = [inner(frame, 12) for frame in frames(image)]
    for before, after in itertools.pairwise(seen):
        assert inner(after, 20).keys() <= before.keys()
    assert len(seen[-1]) < 0.9 * len(seen[0])
    lost = seen[0].keys() - seen[-1].keys()
    # Most losses are at the rim of the hole that was there from the start.
    edge = np.array([a[:2] for a in seen[0].values() if a[3] == graphene.EDGE])
    gone = np.array([seen[0][k][:2] for k in lost])
    away = cKDTree(edge).query(gone)[0]
    rest = cKDTree(edge).query(np.array([a[:2] for a in seen[0].values()]))[0]
    assert np.median(away) < 0.6 * np.median(rest)


def test_sulphur_goes_atom_by_atom():
    image = simulate.make("mos2-movie?frames=10&loss=0.05&vacancies=0&divacancies=0&shift=0", 5)
    seen = [inner(frame, 12) for frame in frames(image)]
    lacking = [
        {k: 1 if a[3] == layers.SINGLE else 0 for k, a in frame.items() if a[2] == layers.PAIR}
        for frame in seen
    ]
    assert sum(lacking[0].values()) == 0
    for before, after in itertools.pairwise(lacking):
        assert all(after[k] >= before[k] for k in before.keys() & after.keys())
    safe = inner(seen[0], 25).keys() & lacking[0].keys()
    left = np.mean([2 - lacking[-1].get(k, 2) for k in safe]) / 2
    assert left == pytest.approx(0.95**9, abs=0.12)
