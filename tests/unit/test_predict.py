"""Spectra are predicted from images on places that no training has seen, with honest bands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import predict
from vaescope.errors import UserError
from vaescope.predict import blend, components, context, kernels, objects
from vaescope.predict.rings import ring_spectra
from vaescope.samples import held_out

ENERGY = np.linspace(1, 5, 40)


def particles(seed: int, size: int = 36, count: int = 7) -> dict[str, np.ndarray]:
    """Ellipses whose spectra have a line at their ends that moves with the aspect ratio, and one
    inside: image, counts and expected counts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size].astype(float)
    thick, expected = np.zeros((size, size)), np.full((size, size, len(ENERGY)), 2.0)
    placed: list[tuple[float, float]] = []
    for _ in range(4000):
        at = rng.uniform(2, size - 2, 2)
        if len(placed) == count or any(np.hypot(*(at - other)) < 12 for other in placed):
            continue
        placed.append(tuple(at))
        ratio, turn = rng.uniform(1, 2.5), rng.uniform(0, np.pi)
        u = (y - at[0]) * np.sin(turn) + (x - at[1]) * np.cos(turn)
        v = (x - at[1]) * np.sin(turn) - (y - at[0]) * np.cos(turn)
        a, b = 3.5 * np.sqrt(ratio), 3.5 / np.sqrt(ratio)
        radius = np.hypot(u / a, v / b)
        outside = np.exp(-np.maximum(radius - 1, 0) * b / 3)
        line = np.exp(-0.5 * ((ENERGY - 4 + 0.8 * (ratio - 1)) / 0.2) ** 2)
        inner = np.exp(-0.5 * ((ENERGY - 4.6) / 0.2) ** 2)
        share = np.where(radius > 0, (u / a) ** 2 / np.maximum(radius, 1e-9) ** 2, 0)
        expected += 40 * (outside * share)[..., None] * line
        expected += 30 * np.sqrt(np.clip(1 - radius**2, 0, 1))[..., None] * inner
        thick = np.maximum(thick, np.clip(1.3 - radius, 0, 1))
    image = thick + rng.normal(0, 0.03, thick.shape)
    counts = rng.poisson(expected)
    return {"image": image, "counts": counts, "expected": expected, "y": y, "x": x}


def pairs_of(scene: dict[str, np.ndarray]) -> predict.ImagedSpectra:
    return predict.ImagedSpectra(
        spectra=scene["counts"].reshape(-1, len(ENERGY)).astype(np.float32),
        image=scene["image"][None],
        y=scene["y"].ravel(),
        x=scene["x"].ravel(),
        counts=True,
        energy=ENERGY,
    )


@pytest.fixture(scope="module")
def scene() -> dict[str, np.ndarray]:
    return particles(seed=3)


@pytest.fixture(scope="module")
def found(scene):
    return predict.spectra(pairs_of(scene), {"window": 9, "share": 0.3}, seed=1)


def test_prediction_beats_the_baselines_on_places_apart(scene, found):
    truth = scene["expected"].reshape(-1, len(ENERGY))
    test = found["held_out"].values == 1
    missed = ((found["predicted_spectrum"].values - truth)[test] ** 2).mean()
    of_mean = ((truth[~test].mean(0) - truth[test]) ** 2).mean()
    assert missed < 0.35 * of_mean
    assert found.attrs["relative_error_mean"] == pytest.approx(1)
    for name in predict.BASELINES:
        assert found.attrs["relative_error"] < found.attrs[f"relative_error_{name}"]


def test_the_error_without_noise_is_that_to_the_truth(scene, found):
    truth = scene["expected"].reshape(-1, len(ENERGY))
    test = found["held_out"].values == 1
    split = held_out.blocks(scene["y"].ravel(), scene["x"].ravel(), 0.3, 9, 1)
    mean = scene["counts"].reshape(-1, len(ENERGY))[split.train].mean(0)
    missed = ((found["predicted_spectrum"].values - truth)[test] ** 2).mean()
    true = missed / ((mean - truth[test]) ** 2).mean()
    assert found.attrs["relative_error_of_signal"] == pytest.approx(true, abs=0.03)


def test_bands_hold_their_share_of_what_is_measured():
    covered = []
    for seed in range(3):
        made = predict.spectra(pairs_of(particles(seed)), {"window": 9, "share": 0.3}, seed=seed)
        covered.append((made.attrs["coverage_68"], made.attrs["coverage_95"]))
    narrow, wide = np.mean(covered, axis=0)
    assert 0.60 < narrow < 0.78
    assert wide > 0.90


def test_bands_lie_around_each_other(found):
    names = ("low_95", "low", "high", "high_95")
    ends = np.stack([found[f"predicted_spectrum_{name}"].values for name in names])
    assert (np.diff(ends, axis=0) >= -1e-4).all()
    assert (ends >= 0).all()  # of counts


def test_the_same_seed_gives_the_same_numbers(scene, found):
    again = predict.spectra(pairs_of(scene), {"window": 9, "share": 0.3}, seed=1)
    np.testing.assert_array_equal(again["predicted_spectrum"], found["predicted_spectrum"])


def test_training_never_sees_the_held_out_spectra(scene, found):
    pairs = pairs_of(scene)
    pairs.spectra[found["held_out"].values == 1] *= 7
    again = predict.spectra(pairs, {"window": 9, "share": 0.3}, seed=1)
    np.testing.assert_array_equal(again["predicted_spectrum"], found["predicted_spectrum"])


def test_an_image_that_says_nothing_predicts_the_mean_spectrum(scene):
    noise = np.random.default_rng(0).normal(size=scene["image"].shape)
    made = predict.spectra(
        predict.ImagedSpectra(**{**vars(pairs_of(scene)), "image": noise[None]}),
        {"window": 9},
        seed=1,
    )
    assert 0.9 < made.attrs["relative_error_of_signal"] < 1.15


def test_turned_and_mirrored_pictures_predict_the_same(scene):
    """Features of sites turn with the image: no direction is preferred."""
    image, size = scene["image"][None], scene["image"].shape[0]
    y, x = scene["y"].ravel(), scene["x"].ravel()
    plain = context.of_image(image, y, x, 9)
    turned = context.of_image(np.rot90(image, axes=(1, 2)), size - 1 - x, y, 9)
    mirrored = context.of_image(image[:, :, ::-1], y, size - 1 - x, 9)
    for other in (turned, mirrored):
        np.testing.assert_allclose(other.wide, plain.wide, atol=1e-9)
        same = np.isclose(other.table(), plain.table(), atol=1e-6).mean()
        assert same > 0.97  # ties between equally near objects, and on watersheds, may differ


def test_rings_tell_a_site_from_one_half_a_pixel_away():
    y, x = np.mgrid[:21, :21]
    spot = np.exp(-((y - 10) ** 2 + (x - 10) ** 2) / 8)[None]
    at = ring_spectra(spot, np.array([10.0, 10.5]), np.array([10.0, 10.5]), 4)
    first = at[:, 2]  # first harmonic of the first circle
    assert first[0] < 0.02 * first[1]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(3, 40),
    columns=st.integers(6, 40),
    share=st.floats(0.1, 0.5),
    gap=st.floats(0, 4),
    seed=st.integers(0, 99),
)
def test_blocks_lie_apart_and_hold_their_share(rows, columns, share, gap, seed):
    row, column = (part.ravel() for part in np.mgrid[:rows, :columns])
    try:
        split = held_out.blocks(row, column, share, gap, seed)
    except UserError:
        assert min(rows, columns) * max(rows, columns) * share < 8 * (gap + 2) * 40
        return
    assert not (split.train & split.test).any()
    place = np.stack([row, column], 1)
    away = np.abs(place[split.test][:, None] - place[split.train]).max(-1)
    assert away.min() > gap
    assert split.test.mean() >= 0.8 * share


def test_folds_cover_all_training_sites_once_with_a_gap():
    row, column = (part.ravel() for part in np.mgrid[:24, :40])
    splits = held_out.folds(row, column, 4, gap=5)
    assert np.sum([split.test for split in splits], axis=0).tolist() == [1] * len(row)
    for split in splits:
        inside = np.stack([row, column], 1)
        away = np.abs(inside[split.test][:, None] - inside[split.train]).max(-1)
        assert away.min() > 5


def test_a_gap_too_wide_for_a_small_grid_leaves_half_to_train_on():
    row, column = (part.ravel() for part in np.mgrid[:6, :12])
    for split in held_out.folds(row, column, 4, gap=30):
        assert split.train.sum() >= 0.4 * (~split.test).sum()


def test_a_random_split_is_marked_as_flattering(scene):
    made = predict.spectra(pairs_of(scene), {"window": 9, "held_out": "random"}, seed=1)
    assert made.attrs["flatters"] == 1


def test_objects_have_the_shape_that_was_drawn():
    y, x = np.mgrid[:60, :60]
    turn = 0.6
    u = (y - 28) * np.sin(turn) + (x - 31) * np.cos(turn)
    v = (x - 31) * np.sin(turn) - (y - 28) * np.cos(turn)
    plane = 1.0 * ((u / 12) ** 2 + (v / 6) ** 2 < 1)
    plane += np.random.default_rng(0).normal(0, 0.05, plane.shape)
    seen = objects.find(plane)
    assert len(seen) == 1
    np.testing.assert_allclose(seen.centre[0], (28, 31), atol=0.3)
    np.testing.assert_allclose(seen.half[0], (12, 6), atol=0.7)
    assert abs(seen.axis[0] @ (np.sin(turn), np.cos(turn))) > 0.99
    dark = objects.find(-plane)
    np.testing.assert_allclose(dark.centre, seen.centre)
    end = np.array([28 + 12 * np.sin(turn)]), np.array([31 + 12 * np.cos(turn)])
    distance, along, _, tip = objects.nearest(seen, *end, count=1, reach=20)[0, 0, :4]
    assert abs(distance) < 1
    assert along == pytest.approx(1, abs=0.06)
    assert tip < 1


def test_components_above_the_noise_are_counted():
    rng = np.random.default_rng(0)
    shapes = np.stack([np.exp(-0.5 * ((ENERGY - at) / 0.3) ** 2) for at in (1.5, 2.5, 4)])
    expected = rng.uniform(0, 60, (600, 3)) @ shapes + 5
    basis = components.fit(rng.poisson(3 * expected) / 3.0, counts=True, seed=0)  # gain 1/3
    assert len(basis.vectors) == 3
    assert basis.noise[1] == pytest.approx(1 / 3, rel=0.05)


def test_weights_find_the_member_that_knows():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 2))
    known = {
        "good": lambda train, wanted: scores[wanted][None] + 0.1,
        "idle": lambda train, wanted: rng.normal(size=(1, len(wanted), 2)),
    }
    row = np.arange(200)
    splits = held_out.folds(row, 0 * row, 4, gap=3)
    fitted = blend.fit(known, scores, np.ones(2), np.ones(200, bool), splits, list(known))
    assert fitted.weights[0] > 0.85
    assert fitted.weights[1] < 0.05


def test_kernels_that_add_over_parts_learn_a_sum():
    rng = np.random.default_rng(0)
    place = rng.uniform(-2, 2, (500, 2, 1))
    weight = rng.uniform(0.2, 1, (500, 2))
    response = (weight * np.sin(place[..., 0])).sum(1)[:, None]
    parts = kernels.Parts(place, weight)
    known, new = parts.features(np.arange(300), np.arange(300, 500), seed=0)
    found = kernels.ridge(known, response[:300], new, (1e-3,))[0]
    assert np.abs(found - response[300:]).max() < 0.02


def test_a_predictor_from_outside_joins_the_blend(scene, found):
    truth = scene["expected"].reshape(-1, len(ENERGY))
    made = predict.spectra(
        pairs_of(scene),
        {"window": 9, "share": 0.3},
        outside={"known": lambda train, wanted: truth[wanted]},
        seed=1,
    )
    assert made.attrs["weight_known"] > 0.7
    assert made.attrs["relative_error"] < 0.8 * found.attrs["relative_error"]


def test_patches_with_a_picture_each():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-9:10, -9:10]
    ratio, turn = rng.uniform(1, 3, 160), rng.uniform(0, np.pi, 160)
    u = y * np.sin(turn)[:, None, None] + x * np.cos(turn)[:, None, None]
    v = x * np.sin(turn)[:, None, None] - y * np.cos(turn)[:, None, None]
    half = 4 * np.sqrt(ratio)[:, None, None], 4 / np.sqrt(ratio)[:, None, None]
    patch = 1.0 * ((u / half[0]) ** 2 + (v / half[1]) ** 2 < 1)
    curve = np.exp(-0.5 * ((ENERGY - 1.5 - ratio[:, None]) / 0.5) ** 2)
    curve += rng.normal(0, 0.02, curve.shape)
    made = predict.spectra(predict.ImagedSpectra(curve, patches=patch[:, None]), seed=2)
    assert made.attrs["relative_error"] < 0.15
    assert made.attrs["held_out"] == "random"


def test_spectra_that_were_not_measured_are_predicted_only(scene):
    pairs = pairs_of(scene)
    pairs.spectra[5::17] = np.nan
    made = predict.spectra(pairs, {"window": 9}, seed=1)
    assert np.isfinite(made["predicted_spectrum"]).all()
    assert np.isnan(made["error"].values[5::17]).all()
    assert not made["held_out"].values[5::17].any()


def test_what_cannot_be_predicted_is_refused(scene):
    pairs = pairs_of(scene)
    flat = predict.ImagedSpectra(**{**vars(pairs), "image": np.ones_like(pairs.image)})
    with pytest.raises(UserError, match="same value everywhere"):
        predict.spectra(flat)
    with pytest.raises(UserError, match="too few spectra"):
        few = {key: getattr(pairs, key)[:12] for key in ("spectra", "y", "x")}
        predict.spectra(predict.ImagedSpectra(**few, image=pairs.image))
    with pytest.raises(UserError, match="not of the same sites"):
        predict.spectra(predict.ImagedSpectra(**{**vars(pairs), "y": pairs.y[1:]}))
