"""What is said of predicted spectra: scores, and findings where they are to be doubted."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from vaescope import predict, samples, sites
from vaescope.judge.facts import measures
from vaescope.judge.findings import of_prediction
from vaescope.samples.held_out import GAP, TEST, TRAINED, HeldOut
from vaescope.scores import of_prediction as scores

GOOD = {
    "prediction_relative_error": 0.2,
    "prediction_relative_error_neighbours": 0.3,
    "prediction_relative_error_ridge": 0.4,
    "prediction_coverage_68": 0.7,
    "prediction_flatters": 0,
}


def kinds(attrs: dict, **of_samples) -> set[str]:
    return {
        one.kind
        for one in of_prediction("m", xr.Dataset(attrs=attrs), xr.Dataset(attrs=of_samples))
    }


@pytest.mark.parametrize(
    ("attrs", "of_samples", "kind"),
    [
        ({}, {}, None),
        ({}, {"spectra_image_from": "sum over energy"}, "image is part of the spectra"),
        ({"prediction_flatters": 1}, {}, "held out at random"),
        ({"prediction_relative_error": 1.1}, {}, "not predictable"),
        ({"prediction_relative_error": 0.5}, {}, "a baseline predicts better"),
        ({"prediction_coverage_68": 0.3}, {}, "bands too narrow"),
        ({"prediction_coverage_68": 0.99}, {}, "bands too wide"),
        (
            {"prediction_held_out": "blocks", "prediction_band_places": 3},
            {},
            "bands rest on few places",
        ),
        ({"prediction_held_out": "random", "prediction_band_places": 4}, {}, None),
    ],
)
def test_each_doubt_has_its_finding_and_good_predictions_have_none(attrs, of_samples, kind):
    assert kinds(GOOD | attrs, **of_samples) == ({kind} if kind else set())


def test_a_model_that_predicts_nothing_is_not_judged():
    assert kinds({}, spectra_image_from="sum over energy") == set()
    assert scores.score(xr.Dataset()) == {}


def test_every_score_has_its_meaning():
    found = scores.score(xr.Dataset(attrs=GOOD | {"prediction_relative_error_network": 0.35}))
    assert found["prediction_relative_error_network"] == 0.35
    assert found.keys() <= measures().keys()


def test_predicted_spectra_of_samples_follow_the_split_of_their_column():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :36]
    shown = np.sin(x / 3.0) + np.cos(y / 4.0)
    energy = np.linspace(0, 10, 30)
    line = np.exp(-0.5 * (energy - 5) ** 2)
    expected = 40 + 20 * shown[..., None] * line
    image = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), shown[None, None])},
        coords={"channel": ["HAADF"], "y": np.arange(24), "x": np.arange(36)},
    )
    spectra = xr.Dataset(
        {"spectra": (("time", "y", "x", "energy"), rng.poisson(expected)[None].astype(np.float32))},
        coords={"energy": energy},
        attrs={"counts": 1},
    )
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    cut = samples.extract(image, found, {}, spectra=spectra, held_out=HeldOut(seed=1)).load()
    used = cut["held_out"].values
    assert {*np.unique(used)} == {TRAINED, TEST, GAP}
    made = predict.beside(xr.Dataset(coords={"site": cut["site"]}), image, cut, seed=1)
    np.testing.assert_array_equal(made["held_out"].values == 1, used == TEST)
    assert made["predicted_spectrum"].dims == ("site", "energy")
    test = used == TEST
    truth = expected.reshape(-1, 30)
    missed = np.mean((made["predicted_spectrum"].values - truth)[test] ** 2)
    mean = np.mean((truth[used == TRAINED].mean(0) - truth[test]) ** 2)
    assert missed < 0.3 * mean
    assert made.attrs["prediction_relative_error"] < 0.6
    # Nothing of the spectra held out is seen: others in their place change no prediction there.
    changed = cut.copy(deep=True)
    changed["spectrum"].values[test] = 1000.0
    again = predict.beside(xr.Dataset(coords={"site": cut["site"]}), image, changed, seed=1)
    np.testing.assert_allclose(
        again["predicted_spectrum"].values[test], made["predicted_spectrum"].values[test], rtol=1e-5
    )
