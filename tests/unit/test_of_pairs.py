"""What is said of models of patch and spectrum: scores, and what one view does not know."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from vaescope.judge.facts import measures
from vaescope.judge.findings import of_pairs
from vaescope.samples.held_out import TEST
from vaescope.scores.of_pairs import score

GOOD = {
    "pair_error_spectrum": 0.3,
    "pair_error_patch": 0.8,
    "spectrum_angle_period_deg": 180.0,
    "spectrum_angle_nats": 2.8,
    "spectrum_angle_error_deg": 1.0,
}


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ({}, None),
        ({"pair_error_spectrum": 1.04}, "nothing shared"),
        ({"pair_error_patch": 0.98}, "little shared"),
        (
            {"spectrum_angle_nats": 0.0, "spectrum_angle_error_deg": 52.0},
            "spectra do not know the angle",
        ),
        ({"spectrum_angle_error_deg": 25.0}, "angles from spectra are unsure"),
    ],
)
def test_each_doubt_has_its_finding_and_good_pairs_have_none(scores, kind):
    assert {one.kind for one in of_pairs("m", GOOD | scores)} == ({kind} if kind else set())
    assert of_pairs("m", {}) == []


def pairs(seed: int, knows: bool) -> tuple[xr.Dataset, xr.Dataset]:
    """Latents and samples of spectra that are predicted rightly, or at other sites' values."""
    rng = np.random.default_rng(seed)
    spectrum = rng.normal(size=(80, 1)) * np.ones((80, 6)) + 0.1 * rng.normal(size=(80, 6))
    said = spectrum if knows else spectrum[rng.permutation(80)]
    patch = rng.normal(size=(80, 1, 4, 4))
    views = {"patch": (("site", "channel", "py", "px"), patch)}
    samples = {**views, "spectrum": (("site", "energy"), spectrum)}
    samples["held_out"] = ("site", np.where(np.arange(80) % 4 == 0, TEST, 0))
    latents = {f"nats_{name}": ("site", np.ones(80)) for name in ("shared", "patch", "spectrum")}
    latents["predicted_spectrum"] = samples["spectrum"][0], said
    latents["predicted_patch"] = views["patch"][0], 0.5 * patch
    return xr.Dataset(latents), xr.Dataset(samples)


@pytest.mark.parametrize("knows", [True, False])
def test_predictions_are_judged_against_the_mean_on_sites_held_out(knows):
    found = score(*pairs(1, knows))
    assert (found["pair_error_spectrum"] < 0.1) == knows
    assert found["pair_error_patch"] == pytest.approx(0.25, rel=0.1)
    assert found["nats_shared"] == 1
    kinds = {one.kind for one in of_pairs("m", found)}
    assert kinds == (set() if knows else {"nothing shared"})
    assert found.keys() <= measures().keys()


def test_models_of_one_view_have_no_such_scores():
    assert score(xr.Dataset(), xr.Dataset()) == {}
