"""Simulated plasmons follow size, shape and distance, and no direction is special."""

import numpy as np
import pytest
from scipy.special import k0, k1

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.simulate import dipoles, plasmons
from vaescope.simulate.bodies import Body, gap, scatter

CHANNELS = 128
ENERGY = plasmons.axis(CHANNELS)


def body(long, short, angle=0.0, rod=False, y=0.0, x=0.0, group=0):
    return Body(y, x, angle, long, short, rod, group)


def losses(bodies, y, x, pixel=3.0, **more):
    points = (np.atleast_1d(np.asarray(value, float)) for value in (y, x))
    return plasmons.losses(bodies, *points, pixel, CHANNELS, **{"tail": 0.0, **more})


def peak(spectrum, low=1.0, high=3.4):
    seen = (low < ENERGY) & (high > ENERGY)
    return ENERGY[seen][spectrum[seen].argmax()]


@pytest.fixture(scope="module")
def scene():
    return simulate.make("plasmons?size=40&particles=4&radius=4&energies=32&dose=1e6", 3).load()


def test_geometrical_factors_are_those_of_the_textbook():
    """Sphere 1/3; prolate spheroid of aspect 2: 0.1736 (C. F. Bohren & D. R. Huffman, table 5.1's
    formula, eq. 5.33); they add up to 1."""
    assert body(5, 5).depolarisation == pytest.approx([1 / 3] * 3)
    assert body(10, 5).depolarisation == pytest.approx([0.1736, 0.4132, 0.4132], abs=1e-4)


def test_a_small_sphere_resonates_where_epsilon_is_minus_two():
    """Drude with a core of 5: 8.9 eV / sqrt(5 + 2) = 3.364 eV; the plane at 8.9 / sqrt(6)."""
    small = dipoles.modes([body(1.0, 1.0)])
    assert small.energy == pytest.approx([3.364] * 3, abs=0.01)
    assert dipoles.resonance(np.array(0.5)) == pytest.approx(8.9 / np.sqrt(6))


@pytest.mark.parametrize("rod", [False, True])
def test_the_mode_along_a_particle_moves_red_with_aspect_ratio_and_with_size(rod):
    by_aspect = [
        peak(losses([body(5 * a**0.5, 5 * a**-0.5, rod=rod)], 0, 5 * a**0.5 + 1)[0])
        for a in (1.5, 2.0, 2.5, 3.0)
    ]
    assert (np.diff(by_aspect) < -0.1).all()
    by_size = [peak(losses([body(2 * s, s, rod=rod)], 0, 2 * s + 1)[0]) for s in (2, 5, 9)]
    assert by_size[2] < by_size[1] < by_size[0]


def test_the_mode_of_a_dimer_across_the_gap_lies_below_that_of_its_halves():
    for width in (1.0, 2.0):
        halves = [body(4, 4, x=s * (4 + width / 2)) for s in (-1, 1)]
        assert gap(*halves) == pytest.approx(width, abs=0.01)
        lowest = dipoles.modes([body(16, 16, x=s * (16 + 2 * width)) for s in (-1, 1)]).energy.min()
        assert lowest < dipoles.modes([body(16, 16)]).energy.min() - 0.1
    close, wide = (
        dipoles.modes([body(16, 16, x=s * (16 + w / 2)) for s in (-1, 1)]).energy.min()
        for w in (2, 20)
    )
    assert close < wide


def test_far_from_a_sphere_losses_fall_as_the_modified_bessel_functions():
    """F. J. García de Abajo, Rev. Mod. Phys. 82 (2010) 209: K1² + K0²/γ² of ωb/vγ for a dipole."""
    sphere, pixel = [body(2.0, 2.0)], 3.0
    b = np.array([12.0, 20.0, 30.0])
    energy = dipoles.modes([body(6.0, 6.0)]).energy[0]
    seen = losses(sphere, np.zeros(3), b, pixel)[:, abs(ENERGY - energy) < 0.1].sum(1)
    reach = energy * b * pixel / (197.327 * 0.5482 * 1.1957)
    law = k1(reach) ** 2 + k0(reach) ** 2 / 1.1957**2
    assert seen / seen[0] == pytest.approx(law / law[0], rel=0.1)


def test_losses_at_the_surface_decay_outward_and_the_volume_plasmon_is_inside_alone():
    x = np.arange(7.0, 30.0)
    outside = losses([body(6, 5)], 0 * x, x).sum(1)
    assert (np.diff(outside) < 0).all()
    volume = (ENERGY > 3.9) & (ENERGY < 4.05)
    inside, beyond = losses([body(6, 5)], [0, 0], [0, 9])[:, volume].sum(1)
    assert inside > 10 * beyond


def test_a_scene_that_is_turned_or_mirrored_has_the_same_spectra():
    bodies = [
        body(8, 4, 0.3),
        body(5, 5, 1.0, y=15, x=3, group=1),
        body(7, 3, 2.0, True, -14, 9, 2),
    ]
    bodies += [body(4, 3, 0.7, y=3, x=-18, group=3), body(4, 3, 0.7, y=-2, x=-26, group=3)]
    rng = np.random.default_rng(0)
    y, x = rng.uniform(-25, 25, (2, 50))
    here = losses(bodies, y, x)
    turn = 0.83
    cos, sin = np.cos(turn), np.sin(turn)

    def turned(y, x):
        return cos * y + sin * x, cos * x - sin * y

    # With y down, an angle counter-clockwise as seen falls by this turn.
    moved = [
        Body(*turned(b.y, b.x), b.angle - turn, b.long, b.short, b.rod, b.group) for b in bodies
    ]
    assert losses(moved, *turned(y, x)) == pytest.approx(here, rel=1e-6)
    mirrored = [Body(b.y, -b.x, -b.angle, b.long, b.short, b.rod, b.group) for b in bodies]
    assert losses(mirrored, y, -x) == pytest.approx(here, rel=1e-6)
    described, again = (
        plasmons.describe(scene, *at) for scene, at in ((bodies, (y, x)), (moved, turned(y, x)))
    )
    for key in described:
        assert again[key] == pytest.approx(described[key], abs=1e-6), key


def test_distances_are_those_of_the_outline():
    for one in (body(9, 4, 0.4), body(9, 4, 0.4, rod=True), body(5, 5)):
        assert one.distance(*one.outline.T) == pytest.approx(0, abs=1e-6)
        y, x = np.random.default_rng(1).uniform(-15, 15, (2, 200))
        fine = one.outline
        near = np.hypot(y[:, None] - fine[:, 0], x[:, None] - fine[:, 1]).min(1)
        # The outline is sampled at 96 points, half a pixel apart.
        assert abs(one.distance(y, x)) == pytest.approx(near, abs=0.35)
        assert ((one.thickness(y, x) > 0) == (one.distance(y, x) < 0)).all()
        u, v, weight = one.nodes
        assert weight.sum() == pytest.approx(1)
        assert (one.distance(*(np.stack([u, v], 1) @ one.axes).T) < 1e-6).all()


def test_spectra_are_poisson_counts_of_the_truth(scene):
    counts, expected = scene.spectra.values, scene.truth_spectrum.values
    assert (counts >= 0).all() and (counts == np.rint(counts)).all()
    residual = (counts - expected) / np.sqrt(expected)
    assert abs(residual.mean()) < 4 / np.sqrt(residual.size)
    assert residual.var() == pytest.approx(1, abs=0.03)


def test_a_scene_says_how_its_spectra_lie_and_what_is_true(scene):
    assert scene.spectra.dims == ("time", "spectrum_y", "spectrum_x", "energy")
    assert scene.image.shape == (1, 1, 40, 40) and scene.spectra.shape == (1, 40, 40, 32)
    assert (scene.energy.attrs["long_name"], scene.energy.attrs["units"]) == ("energy loss", "eV")
    assert [scene.attrs[k] for k in ("pitch_y", "pitch_x", "start_y", "start_x", "counts")] == [
        1, 1, 0, 0, 1,
    ]  # fmt: skip
    inside = scene.truth_particle.values >= 0
    assert ((scene.truth_distance.values < 0) == inside).all()
    # Metal is bright: every pixel well inside is above every one well outside, on average.
    image = scene.image.values[:, 0]
    assert image[scene.truth_distance.values < -1].mean() > 5 * image[~inside].mean()
    assert scene.identical(
        simulate.make("plasmons?size=40&particles=4&radius=4&energies=32&dose=1e6", 3).load()
    )


def test_objects_lie_apart_and_inside():
    rng = np.random.default_rng(2)
    bodies = scatter(
        lambda k: [body(6, 3, rng.uniform(0, 7), k % 2 == 0, group=k)], 9, 64, 3.0, rng
    )
    for k, one in enumerate(bodies):
        assert (one.outline > -0.6).all() and (one.outline < 63.6).all()
        assert all(gap(one, other) > 2.9 for other in bodies[:k])


def test_particles_that_do_not_fit_are_refused_with_a_remedy():
    with pytest.raises(UserError, match="fewer particles"):
        simulate.make("plasmons?size=16&particles=40&radius=5")
