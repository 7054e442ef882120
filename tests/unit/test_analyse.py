"""From members to maps: symmetry, gauge, alignment, consensus, criticism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import COMMA, DUMBBELL, ring, spots, turn

from vaescope import circular
from vaescope.ensemble import align, orientation, predictive_checks, stability
from vaescope.ensemble.consensus import gather
from vaescope.ensemble.encode import Encoding, Estimate
from vaescope.ensemble.gauge import Gauge, direction
from vaescope.ensemble.variables import of_members
from vaescope.models.likelihoods import mean_square_over_noise
from vaescope.models.pixel_noise import PixelNoise
from vaescope.models.pose_parts import ANGLE, PARTS
from vaescope.scores import truth


def picture(places, angle=0.0, weights=None):
    return spots(turn(places, angle), 28, 0.12, weights)[None]


@pytest.mark.parametrize(
    ("places", "n"), [(COMMA, 1), (DUMBBELL, 2), (ring(3), 3), (ring(4), 4), (ring(6), 6)]
)
def test_the_symmetry_of_a_structure_is_found(places, n):
    random = np.random.default_rng(0)
    seen = np.stack([picture(places, a) for a in random.uniform(-3, 3, 8)])
    seen = seen + 0.02 * random.standard_normal(seen.shape)
    assert orientation.order(orientation.self_similarity(seen)) == n


@pytest.mark.parametrize(("corner", "n"), [(90, 4), (60, 6)])
def test_a_crystal_shows_its_symmetry_wherever_the_window_lies(corner, n):
    side, period = 32, 9.0
    y, x = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    waves = np.radians([0, corner, 2 * corner] if n == 6 else [0, corner])
    off_centre = sum(
        np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / period + phase)
        for a, phase in zip(waves, (0.4, 1.9, 0.8), strict=False)
    )
    seen = np.asarray(off_centre)[None, None]
    assert orientation.order(orientation.self_similarity(seen, anywhere=True)) == n
    stripes = np.cos(2 * np.pi * x / period + 0.4)[None, None]
    assert orientation.order(orientation.self_similarity(stripes, anywhere=True)) == 2


@pytest.mark.parametrize(
    ("places", "n"), [(COMMA, 1), (DUMBBELL, 2), (ring(3), 3), (ring(4), 4), (ring(6), 6)]
)
@pytest.mark.parametrize("degrees", [-100, -21, 0, 7, 55, 170])
def test_the_turn_of_a_canonical_picture_is_measured(places, n, degrees):
    turned = orientation.drift(picture(places, np.radians(degrees))[None], picture(places), n)
    error = circular.wrap(turned - np.radians(degrees), 2 * np.pi / n)
    assert np.degrees(np.abs(error)) < 1.0


def test_sites_of_two_sublattices_of_one_crystal_have_one_orientation():
    # A body-centred square lattice of two species, seen from either of them.
    steps = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)], float) * 0.55
    half = steps + 0.275
    weights = np.r_[np.ones(len(steps)), 0.35 * np.ones(len(half))]
    from_a = picture(np.vstack([steps, half]), 0.0, weights)
    from_b = picture(np.vstack([steps - 0.275, steps]), 0.0, weights)
    turned = orientation.drift(from_b[None], from_a, 4)
    assert np.degrees(np.abs(turned)) < 1.5


@pytest.mark.parametrize("degrees", [0, 12, -31, 44])
def test_the_zero_of_the_angle_lies_along_the_lattice(degrees):
    steps = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)], float) * 0.5
    seen = picture(steps, np.radians(degrees))
    error = circular.wrap(direction(seen, 4) - np.radians(degrees), 2 * np.pi / 4)
    assert np.degrees(abs(error)) < 1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.floats(0.1, 5.0))
def test_procrustes_undoes_turns_mirrors_scales_and_shifts(seed, latent, scale):
    random = np.random.default_rng(seed)
    reference = random.standard_normal((50, latent))
    rotation, _ = np.linalg.qr(random.standard_normal((latent, latent)))
    content = scale * reference @ rotation + random.standard_normal(latent)
    matrix, share = align.procrustes(content, reference)
    found = (content - content.mean(0)) @ matrix
    np.testing.assert_allclose(found, reference - reference.mean(0), atol=1e-8)
    assert share == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 4, 6]), st.floats(-3, 3))
def test_the_constant_between_the_angles_of_two_members_is_found(seed, n, offset):
    random = np.random.default_rng(seed)
    reference = circular.wrap(random.uniform(-np.pi, np.pi, 60), 2 * np.pi / n)
    angle = circular.wrap(reference - offset, 2 * np.pi / n)
    how = align.angle_offset(angle, reference, n)
    error = circular.wrap(align.apply_angle(angle, *how, n) - reference, 2 * np.pi / n)
    assert np.abs(error).max() < 1e-6


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_classes_are_matched_under_any_naming(order):
    reference = np.eye(5)[np.arange(60) % 5]
    probability = reference[:, list(order)]
    np.testing.assert_array_equal(
        probability[:, align.match_classes(probability, reference)], reference
    )


def test_a_member_in_a_poor_optimum_has_no_vote():
    elbo = np.array([100.0, 101, 99.5, 100.4, 60.0, 100.2])
    np.testing.assert_array_equal(align.sound(elbo), [True, True, True, True, False, True])


SHEAR = next(part for part in PARTS if part.name == "shear")


def encodings(count=80, members=4, seed=0, jitter=0.05):
    """Members that see the same sites in frames of their own."""
    random = np.random.default_rng(seed)
    content = random.standard_normal((count, 2)) * [2.0, 1.0]
    angle = random.uniform(-np.pi, np.pi, count)
    kind = (content[:, 0] > 0).astype(int)
    out = []
    for _ in range(members):
        rotation, _ = np.linalg.qr(random.standard_normal((2, 2)))
        order = random.permutation(2)
        out.append(
            Encoding(
                content=content @ rotation + jitter * random.standard_normal(content.shape),
                content_sd=np.full((count, 2), 0.1),
                elbo=random.normal(100, 0.1, count),
                reconstruction=np.zeros((count, 1, 4, 4)),
                canonical=np.zeros((count, 1, 4, 4)),
                noise=PixelNoise.constant(np.ones(1)),
                turns=np.arange(8) * np.pi / 4,
                turn_weight=np.eye(8)[np.round(angle / (np.pi / 4)).astype(int) % 8],
                parts={
                    "angle": Estimate(
                        circular.wrap(
                            angle + random.uniform(-3, 3) + jitter * random.standard_normal(count),
                            2 * np.pi,
                        ),
                        np.full(count, 0.02),
                        ANGLE,
                    )
                },
                class_probability=np.eye(2)[kind][:, order],
            )
        )
    return out, angle, kind, content


def upright(count, sense=1.0):
    """Canonical pictures that all lie one way up."""
    return Gauge(np.zeros(count), 0.0, lambda drawn: np.zeros(len(drawn)), np.full(count, sense))


def test_shears_of_pictures_that_lie_across_count_the_other_way():
    seen, *_ = encodings()
    shear = np.random.default_rng(2).normal(0, 0.1, 80)
    across = np.where(np.arange(80) % 2 == 0, -1.0, 1.0)
    for k, encoding in enumerate(seen):
        sign = 1 if k else -1
        encoding.parts["shear"] = Estimate(shear * across * sign, np.full(80, 0.01), SHEAR)
    gauges = [upright(80, across) for _ in seen]
    view = gather(seen, gauges, np.ones(4, bool), 1, {"px": (10.0, "px")})
    found = of_members(view)["consensus_shear"][1]
    assert abs(np.corrcoef(found, shear)[0, 1]) > 0.999


def test_members_with_frames_of_their_own_agree_after_alignment():
    seen, angle, kind, content = encodings()
    gauges = [upright(80)] * 4
    view = gather(seen, gauges, np.ones(4, bool), 1, {"px": (10.0, "px")})
    variables = of_members(view)
    error = circular.wrap(view.consensus_angle - angle, 2 * np.pi)
    assert circular.spread(error, 2 * np.pi, 0) < 0.05
    assert np.abs(np.corrcoef(view.consensus_content[:, 0], content[:, 0])[0, 1]) > 0.99
    assert truth.matched_accuracy(view.consensus_class, kind) == 1.0
    assert variables["class_entropy"][1].max() < 1e-6
    # The spread holds the jitter between members and each one's own standard deviation.
    assert np.median(variables["angle_spread"][1]) == pytest.approx(np.hypot(0.05, 0.02), rel=0.3)
    assert np.median(variables["content_spread"][1]) == pytest.approx(np.hypot(0.05, 0.1), rel=0.3)


def test_every_part_of_the_pose_comes_with_its_unit_and_its_error():
    # Of members that agree: half a patch side is 10 px, and errors grow by 1.5 for shared noise.
    seen, *_ = encodings(members=3)
    random = np.random.default_rng(3)
    for part in PARTS:
        shape = (80, part.size) if part.dims else (80,)
        value = random.normal(0, 0.1, shape)
        for encoding in seen if part is not ANGLE else []:
            encoding.parts[part.name] = Estimate(value, np.full(shape, 0.01), part)
    for encoding in seen:  # modulo a cell that no offset leaves, by pictures that are all alike
        encoding.cell, encoding.centred = [[0.9, 0.0], [0.0, 0.9]], np.zeros((80, 1, 8, 8))
    view = gather(seen, [upright(80)] * 3, np.ones(3, bool), 4, {"px": (10.0, "px")}, inflation=1.5)
    variables = of_members(view)
    for part in PARTS:
        _, value, about = variables[f"consensus_{part.name}"]
        assert (about["units"], about["scale"]) == (part.units, part.scale)
        assert about["ancillary_variables"] == f"{part.name}_spread"
        assert variables[f"{part.name}_spread"][2]["units"] == part.units
        if part is ANGLE:
            assert about["period"] == pytest.approx(np.pi / 2)
            continue
        unit = 10.0 if part.units == "px" else 1.0
        np.testing.assert_allclose(variables[f"{part.name}_spread"][1], 0.015 * unit)
        assert np.std(value) == pytest.approx(0.1 * unit, rel=0.2)


def surplus(members=6, seed=0):
    """Three classes that all members see, and a fourth that each puts somewhere else."""
    random = np.random.default_rng(seed)
    kind = np.arange(300) % 3
    votes = np.tile(kind, (members, 1))
    for row in votes:
        row[random.choice(300, 40, replace=False)] = 3
    return np.eye(4)[votes], kind


def test_a_class_that_no_two_members_see_alike_is_dissolved():
    probability, kind = surplus()
    assert np.argmin(stability.stability(probability)) == 3
    found = stability.dissolve(probability, np.ones(6, bool))
    left = found.probability
    assert left.shape[2] == 3
    assert sorted(found.left) == [0, 1, 2]
    assert found.stability[3] <= stability.DISSOLVED < found.stability[:3].min()
    np.testing.assert_allclose(left.sum(2), 1.0)
    assert truth.matched_accuracy(left.mean(0).argmax(1), kind) == 1.0


def test_members_that_both_do_without_a_class_agree_on_nothing_about_it():
    probability = np.tile(np.eye(3)[np.arange(90) % 2], (6, 1, 1))
    assert stability.stability(probability).tolist() == [1.0, 1.0, 0.0]
    probability[0, :10] = np.eye(3)[2]  # one of six finds it: no other finds it again
    assert stability.stability(probability)[2] == 0.0
    probability[1, :10] = np.eye(3)[2]  # two of six: one pair of the nine that know it agrees
    assert stability.stability(probability)[2] == pytest.approx(1 / 9)
    left = stability.dissolve(probability, np.ones(6, bool))
    assert sorted(left.left) == [0, 1]


def test_rare_classes_that_all_members_see_stay():
    kind = np.zeros(300, int)
    kind[:4] = 1
    probability = np.tile(np.eye(2)[kind], (5, 1, 1))
    np.testing.assert_allclose(
        stability.dissolve(probability, np.ones(5, bool)).probability, probability
    )


def test_of_sites_that_are_all_alike_one_class_is_left():
    random = np.random.default_rng(3)
    probability = np.eye(4)[random.integers(0, 4, (6, 300))]
    left = stability.dissolve(probability, np.ones(6, bool)).probability
    np.testing.assert_allclose(left, np.ones((6, 300, 1)))


def test_one_member_alone_has_nobody_to_disagree_with():
    probability, _ = surplus()
    assert stability.dissolve(probability, np.arange(6) == 0).probability.shape[2] == 4


def test_a_site_between_two_distant_turns_has_an_uncertain_angle():
    seen, *_ = encodings()
    seen[0].turn_weight[0] = 0.5 * (np.eye(8)[0] + np.eye(8)[4])
    gauges = [upright(80)] * 4
    view = gather(seen, gauges, np.ones(4, bool), 1, {"px": (10.0, "px")})
    assert view.parts["angle"].sd[0, 0] > 1.0
    assert view.parts["angle"].sd[0, 1] < 0.1
    # Modulo a half-turn the two are the same.
    half = gather(seen, [upright(80)] * 4, np.ones(4, bool), 2, {"px": (10.0, "px")})
    assert half.parts["angle"].sd[0, 0] < 0.1


def test_sites_that_the_model_cannot_explain_are_marked():
    random = np.random.default_rng(0)
    patches = 0.1 * random.standard_normal((200, 1, 16, 16))
    patches[7] += spots(COMMA, 16)
    mask, sigma = np.ones((16, 16)), np.array([0.1])
    residual = mean_square_over_noise(patches, np.zeros_like(patches), sigma, mask)
    assert np.median(residual) == pytest.approx(1.0, abs=0.05)
    np.testing.assert_array_equal(np.flatnonzero(~predictive_checks.explained(residual)), [7])


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_predictive_p_values_are_uniform_for_noise_white_or_correlated(blur):
    from scipy import ndimage

    random = np.random.default_rng(1)
    noise = random.standard_normal((600, 1, 20, 20))
    noise = ndimage.gaussian_filter(noise, (0, 0, blur, blur))
    mask = np.ones((20, 20))
    residual = mean_square_over_noise(noise, np.zeros_like(noise), np.ones(1), mask)
    own = predictive_checks.ResidualNoise.of([noise], mask)
    p = predictive_checks.predictive_p_value(residual, own)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.08)


def test_predictive_p_values_of_patches_seen_in_part_are_uniform_too():
    random = np.random.default_rng(3)
    noise = random.standard_normal((800, 1, 16, 16))
    mask = np.ones((16, 16))
    own = predictive_checks.ResidualNoise.of([noise], mask)
    seen = np.where(np.arange(800) < 400, 1.0, 0.25)
    noise[400:, :, 4:] = 0.0
    residual = (noise**2).mean((1, 2, 3)) / seen
    p = predictive_checks.predictive_p_value(residual, own, seen)[400:]
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_errors_grow_as_correlated_noise_demands(blur):
    from scipy import ndimage

    random = np.random.default_rng(2)
    noise = random.standard_normal((400, 1, 24, 24))
    noise = ndimage.gaussian_filter(noise, (0, 0, blur, blur), mode="wrap")
    # The mean of a patch is what every pixel's noise adds up in: its error, measured and claimed.
    measured = noise.mean((1, 2, 3)).std()
    halves = [noise[:100], noise[100:]]
    own = predictive_checks.ResidualNoise.of(halves, np.ones((24, 24)))
    claimed = noise.std() / 24 * own.inflation
    assert claimed == pytest.approx(measured, rel=0.12)


def test_accuracy_does_not_depend_on_names_or_on_surplus_classes():
    kind = np.arange(90) % 3
    assert truth.matched_accuracy((kind + 1) % 3, kind) == 1.0
    split = kind * 2 + (np.arange(90) > 44)
    assert truth.matched_accuracy(split, kind) < 0.6
    assert truth.majority_accuracy(split, kind) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.floats(-50, 50), st.sampled_from([1, 2, 3, 4, 6]))
def test_wrapped_angles_differ_by_whole_symmetries(angle, n):
    wrapped = float(circular.wrap(angle, 2 * np.pi / n))
    assert -np.pi / n - 1e-9 <= wrapped < np.pi / n + 1e-9
    turns = (angle - wrapped) / (2 * np.pi / n)
    assert abs(turns - round(turns)) < 1e-6
