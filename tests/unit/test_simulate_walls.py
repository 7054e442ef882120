"""Simulated domain walls lie where their truth says, turn as it says, and the microscope blurs,
shakes and moves them as it was set to."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.errors import UserError

SHAPES = ("random", "stripes", "circles")


def made(**parameters):
    seed = parameters.pop("seed", 0)
    text = "&".join(f"{key}={value}" for key, value in parameters.items())
    return simulate.make(f"walls?size=128&{text}", seed).load()


def points(image):
    return np.stack([image.truth_y.values, image.truth_x.values], axis=1)


def scored(image):
    """The points that lie neither at the rim nor near another wall."""
    return points(image)[~image.truth_apart.values]


def curves(image):
    """The pieces of walls without a gap: their points, directions and curvatures."""
    place, wall = points(image), image.truth_wall.values
    step = np.linalg.norm(np.diff(place, axis=0), axis=1)
    cuts = np.flatnonzero((step > 0.5) | (np.diff(wall) != 0)) + 1
    for part in np.split(np.arange(len(place)), cuts):
        yield place[part], image.truth_direction.values[part], image.truth_curvature.values[part]


def at(picture, place):
    return ndimage.map_coordinates(picture.astype(float), place.T, order=3)


def test_circles_have_the_curvature_of_their_radius_and_turn_once():
    image = made(domains="circles", length=20, seed=3)
    whole = 0
    for place, _, curvature in curves(image):
        closed = np.linalg.norm(place[0] - place[-1]) < 0.2
        if closed:
            radius = np.linalg.norm(place - place.mean(0), axis=1)
            assert np.ptp(radius) < 0.01 and curvature * radius.mean() == pytest.approx(1, abs=0.01)
            turn = (curvature * 2 * np.pi * radius.mean() / len(place)).sum()
            assert turn == pytest.approx(2 * np.pi, rel=0.01)
            whole += 1
    assert whole


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("drift", [0, 8])
def test_direction_and_curvature_are_those_of_the_curve(shape, drift):
    image = made(domains=shape, drift=drift, length=16, seed=1)
    for place, direction, curvature in curves(image):
        if len(place) < 50:
            continue
        chord = place[2:] - place[:-2]
        step = np.linalg.norm(chord, axis=1)
        assert step.max() < 0.25
        off = direction[1:-1] - np.arctan2(chord[:, 0], chord[:, 1])
        assert np.abs(np.angle(np.exp(1j * off))).max() < 0.01
        turned = np.angle(np.exp(1j * (direction[2:] - direction[:-2])))
        calm = np.abs(curvature[1:-1]) < 0.15
        assert np.abs(turned / step - curvature[1:-1])[calm].max() < 0.01


@pytest.mark.parametrize("shape", SHAPES)
def test_the_normal_points_into_the_positive_domain(shape):
    image = made(domains=shape, seed=2)
    direction = image.truth_direction.values
    normal = np.stack([np.cos(direction), -np.sin(direction)], axis=1)
    keep = ~image.truth_apart.values
    place = points(image)
    response, domain = image.truth_response.values[0], image.truth_domain.values[0]
    for side in (1, -1):
        there = (place + 3 * side * normal)[keep]
        assert (side * at(response, there) > 0.5).all()
        y, x = np.rint(there).astype(int).T
        assert (domain[y, x] == (side > 0)).all()


@pytest.mark.parametrize(("width", "tip"), [(1.5, 1.5), (0.6, 2.0), (3.0, 0.5)])
def test_the_profile_is_the_tanh_blurred_by_the_tip(width, tip):
    image = made(domains="stripes", length=50, width=width, tip=tip, seed=5)
    straight = (np.abs(image.truth_curvature.values) < 0.003) & ~image.truth_apart.values
    direction = image.truth_direction.values[straight]
    normal = np.stack([np.cos(direction), -np.sin(direction)], axis=1)
    assert straight.sum() > 100
    distance = np.arange(-60, 60, 0.02)
    law = ndimage.gaussian_filter1d(np.tanh(distance / width), tip / 0.02)
    for off in (-3.0, -1.0, 0.0, 0.7, 2.0):
        place = points(image)[straight] + off * normal
        expected = np.interp(off, distance, law)
        assert at(image.truth_response.values[0], place) == pytest.approx(expected, abs=0.02)


def test_the_zero_of_the_response_is_shifted_by_the_curvature_and_the_tip():
    """Blur moves a curved wall towards its centre by about κ tip² / 2."""
    image = made(domains="circles", length=25, tip=2.5, width=1.0, seed=4)
    keep = ~image.truth_apart.values
    direction, curvature = image.truth_direction.values[keep], image.truth_curvature.values[keep]
    normal = np.stack([np.cos(direction), -np.sin(direction)], axis=1)
    slope = np.gradient(image.truth_response.values[0])
    place = scored(image)
    steep = sum(at(part, place) * normal[:, axis] for axis, part in enumerate(slope))
    shift = -at(image.truth_response.values[0], place) / steep
    assert keep.any()
    assert shift == pytest.approx(curvature * 2.5**2 / 2, rel=0.15)


def test_noise_has_its_level_in_both_quadratures_and_no_phase():
    image = made(noise=0.4, contrast=0.8, seed=6)
    along, across, _ = image.image.values[0]
    along = along - image.truth_response.values[0]
    assert image.truth_response.max() == pytest.approx(0.8, abs=0.01)
    for part in (along, across):
        assert part.mean() == pytest.approx(0, abs=0.02)
        assert part.std() == pytest.approx(0.4, rel=0.03)
    assert abs(np.corrcoef(along.ravel(), across.ravel())[0, 1]) < 0.03


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = made(seed=7), made(seed=7), made(seed=8)
    assert first.identical(again)
    assert not np.array_equal(first.truth_domain.values, other.truth_domain.values)


def test_noise_and_contrast_leave_the_domains_as_they_are():
    plain, noisy = made(noise=0.1, seed=9), made(noise=0.8, contrast=0.5, crosstalk=0.3, seed=9)
    assert np.array_equal(points(plain), points(noisy))


@pytest.mark.parametrize("share", [0, 1])
def test_a_single_domain_has_no_walls(share):
    image = made(share=share)
    assert image.sizes["truth_site"] == 0
    assert (image.truth_domain == share).all()
    assert np.abs(image.truth_response.values - (2 * share - 1)).max() < 1e-4


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_positive_domains_cover_their_share(share):
    covered = [
        made(share=share, length=6, seed=seed).truth_domain.values.mean() for seed in range(4)
    ]
    assert np.mean(covered) == pytest.approx(share, abs=0.06)


def test_frames_show_the_same_walls_moved_by_the_drift():
    image = made(frames=3, drift=3, seed=10, noise=0.05)
    frame, wall = image.truth_frame.values, image.truth_wall.values
    moved = np.stack([image.truth_drift_y, image.truth_drift_x], axis=1)
    assert np.abs(moved[0]).max() == 0 and np.linalg.norm(moved[1]) > 0.5
    for later in (1, 2):
        tree = cKDTree(points(image)[frame == 0])
        place = points(image)[frame == later] - moved[later]
        inner = ((place > 8) & (place < 119)).all(axis=1)
        distance, which = tree.query(place[inner])
        assert distance.max() < 0.1
        assert (wall[frame == 0][which] == wall[frame == later][inner]).all()
        keep = (frame == later) & ~image.truth_apart.values
        assert np.abs(at(image.truth_response.values[later], points(image)[keep])).max() < 0.25


def test_the_topography_leaks_into_the_signal_by_its_crosstalk():
    image = made(noise=0, crosstalk=0.3, seed=11)
    along, across, height = image.image.values[0].astype(float)
    share = np.hypot(along - image.truth_response.values[0], across)
    assert np.sqrt((share**2).mean()) == pytest.approx(0.3, rel=0.1)
    slope = np.abs(ndimage.gaussian_filter(np.gradient(height, axis=1), 1.5))
    assert np.corrcoef(ndimage.gaussian_filter(share, 1.5).ravel(), slope.ravel())[0, 1] > 0.9


def test_an_irregular_tip_leaves_the_walls_where_they_are():
    off = []
    for seed in range(4):
        image = made(domains="stripes", length=40, irregular=0.8, seed=seed)
        off.append(at(image.truth_response.values[0], scored(image)).mean())
    assert np.abs(off).max() < 0.25  # both sides of a stripe cancel but for the tip's skewness


@pytest.mark.parametrize(
    ("name", "words"),
    [("walls?domains=squares", "random or stripes or circles"), ("walls?noise=-1", "from 0 to")],
)
def test_values_that_there_are_not_are_refused(name, words):
    with pytest.raises(UserError, match=words):
        simulate.make(name)


def test_a_movie_that_would_not_fit_in_memory_is_refused():
    with pytest.raises(UserError, match="too large"):
        simulate.make("walls?size=2048&frames=1000")
