"""Pictures compared as if they could be turned: turns found again, torn latents put together."""

import numpy as np
from pictures import COMMA, DUMBBELL, spots, turn

from vaescope.models import orbit
from vaescope.train.grouping import graph_groups, groups

TRIANGLE = np.array([[0.5, 0.0], [-0.3, 0.45], [-0.1, -0.6], [0.1, 0.1]])


def drawn(shape, angles, side=24):
    return np.stack([spots(turn(shape, a), side) for a in angles])[:, None]


def wrapped(angle, period=2 * np.pi):
    return (angle + period / 2) % period - period / 2


def test_the_turn_between_two_pictures_is_found():
    angles = np.linspace(-3, 3, 13)
    found = orbit.candidates(
        orbit.harmonics(drawn(COMMA, angles)), orbit.harmonics(drawn(COMMA, np.zeros(13)))
    )
    assert np.abs(wrapped(np.array([f[0] for f in found]) - angles)).max() < np.radians(1)


def test_a_turned_picture_is_no_other_picture():
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, 12)
    both = np.concatenate([drawn(COMMA, angles), drawn(TRIANGLE, angles)])
    distance = orbit.distances(orbit.harmonics(both))
    same = np.r_[np.zeros(12), np.ones(12)]
    alike = same[:, None] == same[None]
    assert distance[alike].max() < 0.3 * distance[~alike].min()


def test_turns_are_followed_from_picture_to_picture():
    # One structure that changes slowly, each time drawn another way up.
    random = np.random.default_rng(1)
    share = np.linspace(0, 1, 60)[:, None, None]
    angles = random.uniform(-np.pi, np.pi, 60)
    shapes = COMMA[None] * (1 - 0.3 * share) + np.array([0.1, 0.05]) * share
    pictures = np.concatenate([drawn(s, [a]) for s, a in zip(shapes, angles, strict=True)])
    circles = orbit.harmonics(pictures)
    found, component = orbit.transport(circles, orbit.neighbours(orbit.distances(circles)))
    error = wrapped(found - angles)
    error = wrapped(error - np.angle(np.exp(1j * error).mean()))
    assert np.degrees(np.abs(error)).max() < 15
    assert len(np.unique(component)) == 1


def test_a_structure_lying_across_shears_the_other_way():
    # The same shear, seen by pictures of which every third lies a quarter turn further.
    across = np.arange(30) % 3 == 0
    angles = np.where(across, np.pi / 2, 0.0) + np.random.default_rng(0).normal(0, 0.1, 30)
    circles = orbit.harmonics(drawn(COMMA, angles))
    graph = orbit.neighbours(orbit.distances(circles))
    found, _ = orbit.transport(circles, graph)
    sign = orbit.shear_signs(graph, found)
    assert (sign * sign[1] == np.where(across, -1, 1)).all()


def test_a_half_turn_of_a_symmetric_picture_is_one_of_its_turns():
    found = orbit.candidates(
        orbit.harmonics(drawn(DUMBBELL, [0.3])), orbit.harmonics(drawn(DUMBBELL, [0.0]))
    )[0]
    assert len(found) == 2
    assert np.abs(wrapped(found - 0.3, np.pi)).max() < np.radians(1)
    assert abs(found[0]) < abs(found[1])


def test_groups_survive_torn_latents():
    # Two structures, each in two far places of the latents and turned there: a mixture of two
    # normals would join what lies side by side.
    random = np.random.default_rng(2)
    kind = np.repeat([0, 1], 120)
    place = np.tile(np.repeat([0, 1], 60), 2)
    centre = np.array([[[-3.0, 0.0], [3.0, 0.1]], [[-3.0, 0.6], [3.0, -0.5]]])[kind, place]
    content = centre + 0.12 * random.standard_normal((240, 2))
    turned = np.array([[0.2, 2.0], [-1.0, 1.2]])[kind, place]

    def pictures(rows):
        near = ((rows[:, None] - content[None]) ** 2).sum(-1).argmin(1)
        return np.stack(
            [spots(turn(COMMA if kind[k] == 0 else TRIANGLE, turned[k]), 24)[None] for k in near]
        )

    distance = orbit.distances(orbit.harmonics(pictures(content)))
    found = graph_groups(distance, 2, 0)
    assert len(set(zip(found, kind, strict=True))) == 2
    steady = groups(content, pictures, 2, 0)
    assert steady.responsibility.shape == (240, 2)
    np.testing.assert_allclose(steady.responsibility.sum(1), 1, atol=1e-6)
