"""Modes of the latents and ways between them: known crowds are found, ways stay on sites."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from vaescope.structure import interior, mode_paths, modes


def crowds(sizes, seed=0, apart=6.0, latent=2):
    """Round crowds in a row, (site, latent), and which crowd each site belongs to."""
    random = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(sizes)), sizes)
    content = random.standard_normal((len(kind), latent)) * 0.4
    content[:, 0] += apart * kind
    return content, kind


def pictures(content):
    """A spot as bright as the crowd's number, off the middle: what is drawn inside one is alike."""
    out = np.zeros((len(content), 1, 12, 12))
    out[:, 0, 6, 9] = np.round(content[:, 0] / 6)
    return out


def found_in(content):
    noise = np.random.default_rng(9).normal(0, 0.02, (len(content), 1, 12, 12))
    take = lambda rows: pictures(content[rows]) + noise[rows]  # noqa: E731
    return modes.find(content, take, pictures)


def test_crowds_are_found_largest_first_even_a_rare_one():
    content, kind = crowds([300, 600, 15])
    label = found_in(content).label
    assert label.max() == 2
    held = label >= 0
    assert held.mean() > 0.95
    assert (kind[held] == np.array([1, 0, 2])[label[held]]).all()


def test_one_crowd_is_one_mode_and_the_way_goes_along_the_first_latent():
    content = np.random.default_rng(1).standard_normal((500, 2)) * [3.0, 0.5]
    noise = np.random.default_rng(9).normal(0, 0.02, (500, 1, 12, 12))
    found = modes.find(
        content,
        lambda rows: pictures(content[rows]) + noise[rows],
        pictures,
    )
    assert len(found.content) == 1
    assert found.path_ends.tolist() == [[-1, -1]]
    assert np.ptp(found.path[0, :, 0]) > 8


def test_a_way_follows_the_sites_where_a_straight_line_would_leave_them():
    random = np.random.default_rng(2)
    turn = np.concatenate([random.normal(0, 0.1, 200), random.normal(np.pi, 0.1, 200)])
    turn = np.concatenate([turn, np.linspace(0, np.pi, 60)])
    content = np.stack([np.cos(turn), np.sin(turn)], 1) + random.normal(0, 0.02, (460, 2))
    ways, _ = mode_paths.paths(content, np.array([0, 200]))
    radius = np.linalg.norm(ways[0], axis=1)
    assert radius.min() > 0.85  # the straight line passes through the origin
    steps = np.linalg.norm(np.diff(ways[0], axis=0), axis=1)
    assert steps.max() / steps.min() < 1.2


def test_crowds_without_any_site_between_are_joined_all_the_same():
    content, _ = crowds([50, 50, 50], apart=100.0)
    found = found_in(content)
    assert (
        sorted(map(tuple, found.path_ends.tolist())) == [(0, 1), (1, 2)]
        or len(found.path_ends) == 2
    )
    assert np.isfinite(found.path).all()


def test_one_structure_that_lies_in_two_places_of_the_latents_is_one_mode():
    content, kind = crowds([120, 80, 60])
    noise = np.random.default_rng(4).normal(0, 0.02, (260, 1, 12, 12))

    def draw(points):
        out = np.zeros((len(points), 1, 12, 12))
        place = np.clip(np.round(points[:, 0] / 6).astype(int), 0, 2)
        out[place == 0, 0, 5, 9] = 1.0  # right of the middle
        out[place == 1, 0, 2, 5] = 1.0  # the same, a quarter turned
        out[place == 2, 0, 5, 9] = 2.0  # brighter
        return out

    found = modes.find(content, lambda rows: draw(content[rows]) + noise[rows], draw)
    assert found.label.max() == 1
    assert (found.label == np.array([0, 0, 1])[kind]).all()


def test_a_structure_between_two_others_does_not_make_them_one():
    content, kind = crowds([120, 80, 60])
    noise = np.random.default_rng(5).normal(0, 0.05, (260, 1, 12, 12))
    # Brightness in steps of twice 2.5 standard deviations: neighbours are alike, the ends are not.
    bright = np.array([1.0, 1.5, 1.25])

    def draw(points):
        out = np.zeros((len(points), 1, 12, 12))
        place = np.clip(np.round(points[:, 0] / 6).astype(int), 0, 2)
        out[:, 0, 6, 9] = bright[place]
        return out

    found = modes.find(content, lambda rows: draw(content[rows]) + noise[rows], draw)
    middle = found.label[np.searchsorted(kind, [0, 1])]
    assert middle[0] != middle[1]


def test_real_patches_beside_a_mode_are_its_own():
    content, kind = crowds([100, 40])
    found = found_in(content)
    for k in range(len(found.content)):
        own = found.example[k][found.example[k] >= 0]
        assert (found.label[own] == k).all()
        drawn = found.example_patch[k, 0, 0, 6, 9]
        assert abs(drawn - round(content[own[0], 0] / 6)) < 0.2
    assert kind[found.example[0]].tolist() == [0] * modes.EXAMPLES


def test_many_sites_are_looked_at_by_a_part_of_them():
    content, kind = crowds([4000, 3000])
    label = found_in(content).label
    held = label >= 0
    assert len(label) == 7000
    assert (kind[held] == label[held]).mean() > 0.99


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 60),
    latent=st.integers(1, 4),
    seed=st.integers(0, 1000),
    same=st.booleans(),
)
def test_any_content_has_modes_and_a_way(count, latent, seed, same):
    content = np.random.default_rng(seed).standard_normal((count, latent)) * (0 if same else 1)
    found = found_in(content)
    assert found.label.shape == (count,)
    assert found.label.min() >= -1 and found.label.max() < len(found.content)
    assert found.path.shape[1:] == (mode_paths.STEPS, latent)
    assert np.isfinite(found.path).all() and np.isfinite(found.decoded).all()


@pytest.mark.parametrize("latent", [1, 3])
def test_shapes_of_what_is_stored(latent):
    content, _ = crowds([60, 60], latent=latent)
    found = found_in(content)
    stored = found.variables(("channel", "py", "px"))
    count = len(found.content)
    assert stored["mode_patch"][1].shape == (count, modes.EXAMPLES, 1, 12, 12)
    assert stored["path_decoded"][1].shape[:2] == stored["path_content"][1].shape[:2]


def windows(seed=0, side=48, wall=5, latent=3):
    """Windows (site,) on a grid over four stripes, each a crowd of its own; those on a wall, `wall`
    windows wide, mix both sides. Gives content, frame, position and stripe."""
    random = np.random.default_rng(seed)
    y, x = (each.ravel() for each in np.mgrid[:side, :side])
    corner = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]], float)[:, :latent]
    stripe = np.minimum(x * 4 // side, 3)
    middle = (stripe + 1) * side / 4
    share = np.clip(0.5 + (middle - x - 0.5) / wall, 0, 1)
    share[stripe == 3] = 1
    before = np.clip(0.5 + (x + 0.5 - stripe * side / 4) / wall, 0, 1)
    before[stripe == 0] = 1
    after = np.minimum(stripe + 1, 3)
    content = share[:, None] * corner[stripe] + (1 - share)[:, None] * corner[after]
    content += (1 - before)[:, None] * (corner[np.maximum(stripe - 1, 0)] - corner[stripe])
    content += random.normal(0, 0.15, content.shape)
    return content, np.zeros(len(x)), np.stack([y, x], 1) * 10.0, stripe


@pytest.mark.parametrize("seed", range(3))
def test_windows_that_walls_cross_do_not_join_domains(seed):
    content, frame, position, stripe = windows(seed)
    take = lambda rows: np.zeros((len(rows), 1, 12, 12))  # noqa: E731
    inside = interior.inside(content, frame, position)
    found = modes.find(content, take, lambda c: np.zeros((len(c), 1, 12, 12)), False, inside=inside)
    assert len(found.content) == 4
    assert (
        len(modes.find(content, take, lambda c: np.zeros((len(c), 1, 12, 12)), False).content) < 4
    )
    assert adjusted_rand_score(stripe[inside], found.label[inside]) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_windows_of_one_domain_are_one_mode(seed):
    _, frame, position, _ = windows(seed)
    content = np.random.default_rng(seed).standard_normal((len(frame), 3))
    content[:, 0] += position[:, 1] / 60  # a slope across the image
    take = lambda rows: np.zeros((len(rows), 1, 12, 12))  # noqa: E731
    inside = interior.inside(content, frame, position)
    found = modes.find(content, take, lambda c: np.zeros((len(c), 1, 12, 12)), False, inside=inside)
    assert len(found.content) == 1
