"""What windows say of walls is what geometry says, with the errors of repeated measurements."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from vaescope.walls import descriptors
from vaescope.walls.domain_map import Areas, positive_share
from vaescope.walls.pieces import along, pieces_of
from vaescope.walls.signal import Signal
from vaescope.walls.wall import Wall

SIDE = 128
Y, X = np.mgrid[:SIDE, :SIDE].astype(float)


def wall(place, direction, curvature, closed=False, error=0.1, bent=0.01, correlated=6.0):
    """A wall with the same errors at all of its points."""
    every = np.ones(len(place))
    return Wall(
        place=np.asarray(place, float),
        closed=closed,
        direction=np.asarray(direction, float),
        curvature=np.asarray(curvature, float) * every,
        normal_error=error * every,
        curvature_error=bent * every,
        error_length=correlated * every,
        width=1.5 * every,
        width_error=0.1 * every,
        contrast=2 * every,
        contrast_error=0.1 * every,
    )


def line(angle=0.0, middle=(64.0, 64.0), length=80.0, **errors):
    """A straight wall that runs along an angle from x to y."""
    at = np.linspace(-length / 2, length / 2, int(2 * length) + 1)
    place = np.stack([middle[0] + at * np.sin(angle), middle[1] + at * np.cos(angle)], 1)
    return wall(place, np.full(len(at), angle), 0.0, **errors)


def circle(radius=20.0, middle=(64.0, 64.0), positive=True, **errors):
    """A round domain; around a positive one the direction runs so that inside is at the normal."""
    turn = np.linspace(0, 2 * np.pi, int(2 * np.pi * radius / 0.5), endpoint=False)
    turn = turn if positive else -turn
    place = np.stack([middle[0] + radius * np.sin(turn), middle[1] + radius * np.cos(turn)], 1)
    direction = turn + (np.pi / 2 if positive else -np.pi / 2)
    bend = 1 / radius if positive else -1 / radius
    return wall(place, np.angle(np.exp(1j * direction)), bend, closed=True, **errors)


def of(walls, centre=(64.0, 64.0), side=24.0):
    return descriptors.in_windows(pieces_of(walls), np.array([centre]), side)


def test_pieces_and_sites_lie_on_the_wall_at_equal_arc_length():
    ring = circle()
    assert ring.length == pytest.approx(2 * np.pi * 20, rel=1e-3)
    at = np.arange(0, ring.length, 4.0)
    found = along(ring, at)
    away = np.linalg.norm(found["place"] - 64, axis=1)
    np.testing.assert_allclose(away, 20, atol=0.01)
    turned = at / 20 + np.pi / 2
    np.testing.assert_allclose(np.exp(1j * found["direction"]), np.exp(1j * turned), atol=0.02)
    pieces = pieces_of([ring, line()])
    assert pieces.length.sum() == pytest.approx(ring.length + 80)
    inwards = (pieces.normal * (64 - pieces.place)).sum(1)[pieces.wall == 0]
    np.testing.assert_allclose(inwards, 20, rtol=1e-2)  # into the positive domain


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 2.0, -2.5])
def test_a_straight_wall_counts_as_many_sides_as_it_is_long(angle):
    found = of([line(angle)])
    crossing = 1 / max(abs(np.cos(angle)), abs(np.sin(angle)))
    assert found.count[0] == pytest.approx(crossing, rel=0.03)
    assert found.mean_curvature[0] == 0 and found.convexity[0] == pytest.approx(0.5)
    two = of([line(angle), line(angle, (64 + 6 * np.cos(angle), 64 - 6 * np.sin(angle)))])
    assert two.count[0] > found.count[0] + 0.7


@pytest.mark.parametrize("radius", [6.0, 9.0, 11.0])
def test_a_round_domain_has_the_curvature_of_its_circle(radius):
    for positive in (True, False):
        found = of([circle(radius, positive=positive, bent=1e-3)])
        sign = 1 if positive else -1
        assert found.count[0] == pytest.approx(2 * np.pi * radius / 24, rel=0.01)
        assert found.mean_curvature[0] == pytest.approx(sign / radius, rel=0.01)
        assert found.rms_curvature[0] == pytest.approx(1 / radius, rel=0.02)
        assert found.convexity[0] == pytest.approx(1.0 if positive else 0.0, abs=1e-6)


def test_windows_without_a_wall_say_so():
    found = of([line()], centre=(20.0, 64.0))
    assert found.count[0] == 0 and np.isnan(found.mean_curvature[0])
    none = descriptors.in_windows(pieces_of([]), np.array([[64.0, 64.0]]), 24)
    assert none.count[0] == 0 and np.isnan(none.convexity[0])


def shaken(first, rng, error, correlated):
    """The same wall measured again: its points move along their normals by noise correlated over
    the length given, its curvature by what follows from that."""
    count = len(first.place)
    step = first.length / count
    sd = correlated / (2 * np.sqrt(np.pi) * step)  # whose correlations add up to that length
    mode = "wrap" if first.closed else "reflect"
    noise = ndimage.gaussian_filter1d(rng.normal(size=count), sd, mode=mode)
    noise = error * noise * np.sqrt(2 * np.sqrt(np.pi) * sd)
    normal = np.stack([np.cos(first.direction), -np.sin(first.direction)], 1)
    return first.place + noise[:, None] * normal


@pytest.mark.parametrize("radius", [8.0, 20.0])
def test_errors_of_areas_and_lengths_are_those_of_repeated_measurements(radius):
    error, correlated, side = 0.3, 8.0, 24.0
    centre = np.array([[64.0, 64.0]]) if radius < 12 else np.array([[64.0, 84.0]])
    first = circle(radius, error=error, correlated=correlated)
    rng = np.random.default_rng(0)
    count, share = [], []
    seen = np.ones((SIDE, SIDE), bool)
    for _ in range(120):
        place = shaken(first, rng, error, correlated)
        again = circle(radius, error=error, correlated=correlated)
        again = wall(place, again.direction, again.curvature, closed=True)
        pieces = pieces_of([again])
        ideal = Signal(np.tanh((radius - np.hypot(Y - 64, X - 64)) / 1.5), seen, 0.1, 0.0)
        count.append(descriptors.in_windows(pieces, centre, side).count[0])
        share.append(Areas.of(positive_share(ideal, pieces), seen).mean(centre, side)[0][0])
    found = descriptors.in_windows(pieces_of([first]), centre, side)
    assert found.area_error[0] / side**2 == pytest.approx(np.std(share), rel=0.35)
    if radius < 12:  # of a circle as a whole: no end leaves the window
        # Noise along a wall lengthens it too; its error is that of the smooth wall.
        assert np.std(count) / 3 < found.count_error[0] < 2 * np.std(count)


@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_errors_of_curvatures_cover_the_truth(noise):
    """Of curvatures measured with errors correlated over 6 px, as many windows as they should lie
    within one standard error, and the share of noise in the square is taken out."""
    rng, hits, root = np.random.default_rng(1), [], []
    for _ in range(300):
        first = line(length=100, bent=noise, correlated=6.0)
        count = len(first.place)
        sd = 6.0 / (2 * np.sqrt(np.pi) * 0.5)
        off = ndimage.gaussian_filter1d(rng.normal(size=count), sd) * noise
        off = off * np.sqrt(2 * np.sqrt(np.pi) * sd)
        bent = wall(first.place, first.direction, 0.02 + off, bent=noise, correlated=6.0)
        found = of([bent])
        hits.append(abs(found.mean_curvature[0] - 0.02) < found.mean_curvature_error[0])
        root.append(found.rms_curvature[0])
    assert 0.58 < np.mean(hits) < 0.80
    assert np.sqrt(np.mean(np.square(root))) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.2])
def test_the_share_of_the_positive_domain_is_exact_to_a_fraction_of_a_pixel(angle):
    """A wall that moves by a tenth of a pixel moves the share by that much."""
    seen = np.ones((SIDE, SIDE), bool)
    normal = np.array([np.cos(angle), -np.sin(angle)])
    shares = []
    for shift in (0.0, 0.1, 0.5):
        middle = np.array([64.0, 64.0]) + shift * normal
        height = (Y - middle[0]) * normal[0] + (X - middle[1]) * normal[1]
        signal = Signal(np.tanh(height / 1.5), seen, 0.05, 0.0)
        pieces = pieces_of([line(angle, middle, 200)])
        areas = Areas.of(positive_share(signal, pieces), seen)
        share, measured = areas.mean(np.array([[64.0, 64.0]]), 24.0)
        assert measured[0] == 1
        shares.append(share[0])
    crossing = 1 / max(abs(np.cos(angle)), abs(np.sin(angle)))
    assert shares[0] == pytest.approx(0.5, abs=3e-3)
    for share, shift in zip(shares[1:], (0.1, 0.5), strict=True):
        assert shares[0] - share == pytest.approx(shift * crossing / 24, abs=2e-3)


def test_areas_of_squares_between_pixels_are_integrals():
    rng = np.random.default_rng(0)
    picture = rng.random((30, 40))
    areas = Areas.of(picture, np.ones(picture.shape, bool))
    fine = np.repeat(np.repeat(picture, 10, 0), 10, 1)
    for centre, side in (((12.3, 17.6), 8.0), ((9.0, 9.5), 5.4), ((15.25, 20.0), 1.0)):
        low, high = (round((c + 0.5 - side / 2) * 10) for c in centre), side * 10
        rows, columns = low
        expected = fine[rows : rows + round(high), columns : columns + round(high)].mean()
        found = areas.mean(np.array([centre]), side)[0][0]
        assert found == pytest.approx(expected, abs=0.02)


def test_what_was_not_measured_counts_for_nothing():
    picture = np.zeros((30, 30))
    picture[:, 15:] = 1
    seen = np.ones((30, 30), bool)
    seen[:, 20:] = False
    share, measured = Areas.of(picture, seen).mean(np.array([[14.5, 17.5]]), 10.0)
    assert measured[0] == pytest.approx(0.7)
    assert share[0] == pytest.approx(5 / 7)


def test_the_nearest_other_wall_is_no_part_of_the_same_circle():
    pieces = pieces_of([circle(20), line(middle=(20.0, 64.0))])
    place, ring = pieces.place, pieces.wall == 0
    gap, nearest = descriptors.nearest_other(pieces, place, pieces.wall, pieces.at)
    assert (pieces.wall[nearest[ring]] == 1).all()
    assert gap[ring].min() == pytest.approx(24, abs=0.1)
    alone = pieces_of([circle(20)])
    gap, _ = descriptors.nearest_other(alone, alone.place, alone.wall, alone.at)
    assert np.isnan(gap).all()


def test_a_wall_that_comes_back_is_near_itself():
    """A hairpin: two straight legs 8 px apart, joined far away."""
    leg = np.linspace(0, 80, 161)
    bow = np.linspace(-np.pi / 2, np.pi / 2, 26)[1:-1]
    there = np.stack([np.full(161, 60.0), 20 + leg], 1)
    round_ = np.stack([64 + 4 * np.sin(bow), 100 + 4 * np.cos(bow)], 1)
    back = np.stack([np.full(161, 68.0), 100 - leg], 1)
    place = np.concatenate([there, round_, back])
    direction = np.concatenate([np.zeros(161), bow + np.pi / 2, np.full(161, np.pi)])
    pieces = pieces_of([wall(place, direction, 0.0)])
    leg_end = np.flatnonzero(pieces.place[:, 1] < 40)
    gap, _ = descriptors.nearest_other(
        pieces, pieces.place[leg_end], pieces.wall[leg_end], pieces.at[leg_end]
    )
    np.testing.assert_allclose(gap, 8, atol=0.2)


def test_a_junction_is_where_two_walls_come_too_close_to_say_which_parts_are_joined():
    (one,) = descriptors.junctions(pieces_of([circle(10), circle(10, (64.0, 87.0))]))
    assert one == pytest.approx([64.0, 75.5], abs=1.5)
    assert not len(descriptors.junctions(pieces_of([circle(10), circle(10, (64.0, 94.0))])))


def test_a_junction_is_where_a_wall_ends_on_another():
    stem = line(np.pi / 2, (90.0, 64.0), 51.0)  # from 64.5 on down
    found = descriptors.junctions(pieces_of([line(), stem]))
    np.testing.assert_allclose(found, [[64, 64]], atol=1)
    assert not len(descriptors.junctions(pieces_of([line(middle=(30.0, 64.0)), circle(20)])))
    assert len(descriptors.junctions(pieces_of([line(), circle(20)]))) == 2
    assert not len(descriptors.junctions(pieces_of([])))


@pytest.mark.parametrize("noise", [0.15, 0.8])
def test_domains_far_from_walls_are_right_at_any_noise(noise):
    rng = np.random.default_rng(3)
    seen = np.ones((SIDE, SIDE), bool)
    height = 30 - np.hypot(Y - 64, X - 64)
    noisy = np.tanh(height / 1.5) + noise * rng.normal(size=height.shape)
    share = positive_share(Signal(noisy, seen, noise, 0.0), pieces_of([circle(30)]))
    assert np.abs(share - np.clip(0.5 + height, 0, 1)).mean() < 3e-3
