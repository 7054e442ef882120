"""Simulated crystals are what they claim to be."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.errors import UserError


def table(image, name):
    return image[name].values


def positions(image):
    return np.stack([table(image, "truth_y"), table(image, "truth_x")], axis=1)


def inner(image, margin):
    last = image.sizes["y"] - 1
    p = positions(image)
    return ((p > margin) & (p < last - margin)).all(axis=1)


def test_the_same_seed_gives_the_same_image_and_another_seed_another():
    first, again = (simulate.make("square?size=96", 3) for _ in range(2))
    other = simulate.make("square?size=96", 4)
    assert first.identical(again)
    assert not np.array_equal(first.image, other.image)


def test_counts_in_the_image_are_those_of_its_columns_and_background():
    image = simulate.make("square?size=240&spacing=24&dose=5000&background=0.1", 0)
    peak = 5000 / (2 * np.pi * 3.0**2)
    expected = 5000 / 24**2 + 0.1 * peak  # per pixel
    assert float(image.image.mean()) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("name", ["square?angle=20", "hexagonal?angle=-50", "perovskite?seed=1"])
def test_a_neighbour_lies_where_the_angle_says(name):
    """Lattice vector a points along (-sin t, cos t) in (y, x): counter-clockwise on the screen."""
    image = simulate.make(name.replace("?seed=1", "?size=400"), 1)
    p, t = positions(image), table(image, "truth_angle")
    phase, species = table(image, "truth_phase"), table(image, "truth_species")
    chosen = inner(image, 40) & (species == 0) & (phase == 0)
    step = 24.0 * np.stack([-np.sin(t), np.cos(t)], axis=1)
    distance, nearest = cKDTree(p).query(p[chosen] + step[chosen])
    same = species[nearest] == 0
    # Bending changes the spacing by up to 4 %; only columns at the wall lack their neighbour.
    assert np.mean((distance < 1.2) & same) > 0.9


def test_angles_span_tens_of_degrees_and_every_phase_has_both_grains():
    image = simulate.make("perovskite", 0)
    angle, phase = np.degrees(table(image, "truth_angle")), table(image, "truth_phase")
    assert np.ptp(angle) > 25
    for one in (0, 1):
        assert np.ptp(angle[phase == one]) > 25
        assert 0.3 < np.mean(phase == one) < 0.7


def test_b_columns_of_phase_1_are_displaced_along_the_lattice_vector_a():
    image = simulate.make("perovskite?grain=0&bend=0&polar=0.1&angle=30", 2)
    p, phase, species = positions(image), table(image, "truth_phase"), table(image, "truth_species")
    chosen = inner(image, 60) & (species == 1)
    a = p[species == 0]
    _, near = cKDTree(a).query(p[chosen], k=4)
    offset = p[chosen] - a[near].mean(axis=1)
    along = offset @ np.array([-np.sin(np.radians(30)), np.cos(np.radians(30))])
    across = offset @ np.array([np.cos(np.radians(30)), np.sin(np.radians(30))])
    polar = phase[chosen] == 1
    np.testing.assert_allclose(along[polar], 2.4, atol=1e-6)
    np.testing.assert_allclose(along[~polar], 0.0, atol=1e-6)
    np.testing.assert_allclose(across, 0.0, atol=1e-6)


def test_the_bound_of_a_lone_column_is_its_width_over_the_root_of_its_counts():
    image = simulate.make("square?size=128&spacing=60&dose=4000&background=0.001", 0)
    bound = table(image, "truth_bound")[inner(image, 20)]
    np.testing.assert_allclose(bound, 3.0 / np.sqrt(4000), rtol=0.03)


def test_four_times_the_dose_halves_the_bound():
    low, high = (simulate.make(f"perovskite?size=128&dose={dose}", 0) for dose in (500, 2000))
    np.testing.assert_allclose(low.truth_bound, 2 * high.truth_bound, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "species"),
    [
        ("perovskite?ratio=0&ratio1=0", {0: [0], 1: [0]}),
        ("perovskite?ratio=0&grain=0", {0: [0], 1: [0, 1]}),
        ("strained?ratio=0", {0: [0]}),
        ("misfit?ratio=0", {0: [0], 1: [0, 1]}),
        ("misfit?ratio1=0", {0: [0, 1], 1: [0]}),
    ],
)
def test_columns_without_counts_are_no_part_of_the_truth(name, species):
    image = simulate.make(f"{name}&size=128", 0)
    assert np.isfinite(image.truth_bound).all()
    for phase, there in species.items():
        here = image.truth_phase.values == phase
        assert list(np.unique(image.truth_species.values[here])) == there


def test_a_plus_sign_in_a_number_is_no_space():
    _, parameters = simulate.parse("square?dose=1e+4&angle=+5")
    assert parameters.dose == 1e4 and parameters.angle == 5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("perovskit", ["perovskite", "hexagonal", "Did you mean"]),
        ("square?doze=3", ["doze", "dose", "Did you mean `dose`"]),
        ("square?dose=lots", ["dose", "lots", "number"]),
        ("square?size=1e9", ["size", "64", "8192"]),
        ("square?size=100.5", ["whole"]),
        ("square?dose=nan", ["dose"]),
        ("__import__('os')", ["perovskite"]),
        ("square?size=8192&spacing=4", ["4.2e+06", "unit cells", "spacing"]),
        ("mos2-movie?size=500&spacing=4&frames=1000", ["unit cells", "frames"]),
        ("graphene-movie?size=64&spacing=4&frames=1000&shift=20", ["unit cells", "shift"]),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(name, words):
    with pytest.raises(UserError) as error:
        simulate.make(name, 0)
    for word in words:
        assert word in str(error.value)
