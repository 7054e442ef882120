"""Findings name what is to be doubted in a result, how badly, and nothing where all is well."""

from __future__ import annotations

import json

import fake_results
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from vaescope import store
from vaescope.judge import facts, findings, scan
from vaescope.judge.findings import SEVERITIES, Finding
from vaescope.results import Results

RNG = np.random.default_rng(0)
HEALTHY = {
    "kept": np.ones(4, bool),
    "content": RNG.normal(size=(300, 2)),
    "content_spread": np.full((300, 2), 0.05),
    "agreement": 0.95,
    "class_count": np.array([150, 100, 50]),
    "dissolved": 0,
    "explained_fraction": 0.99,
}


def of(**changed) -> dict[str, Finding]:
    return {one.kind: one for one in findings.of_model("rvae", **(HEALTHY | changed))}


def history(bound: np.ndarray, kl: float = 5.0) -> pd.DataFrame:
    """The same course for two members."""
    one = pd.DataFrame({"epoch": range(len(bound)), "elbo": bound, "kl_content": kl})
    return pd.concat([one.assign(member=k) for k in range(2)])


def test_of_a_sound_model_nothing_is_said():
    assert not of()


def test_a_latent_in_which_sites_differ_less_than_it_is_uncertain_has_collapsed():
    found = of(content=HEALTHY["content"] * [1, 0.01])["collapsed latent"]
    assert "Latent 2 says nothing" in found.says and found.severity == "care"
    assert "`models: rvae: latent: 1`" in found.remedy


def test_a_class_without_sites_is_dead_and_a_rare_one_is_not():
    assert "Class 2" in of(class_count=np.array([200, 100, 0]))["dead class"].says
    assert "dead class" not in of(class_count=np.array([200, 90, 10]))


@pytest.mark.parametrize(("agreement", "severity"), [(0.6, "care"), (0.2, "serious")])
def test_members_that_disagree_are_told_by_how_much(agreement, severity):
    found = of(agreement=agreement)["members disagree"]
    assert found.severity == severity and f"{agreement:.2f}" in found.says


def test_members_left_out_are_serious_once_they_are_half():
    assert of(kept=np.array([1, 1, 1, 0], bool))["members left out"].severity == "care"
    found = of(kept=np.array([0, 1, 1, 0], bool))["members left out"]
    assert found.severity == "serious" and "0, 3" in found.says


@pytest.mark.parametrize(("share", "severity"), [(0.94, "care"), (0.5, "serious")])
def test_sites_that_are_not_explained_are_counted(share, severity):
    assert of(explained_fraction=share)["not explained"].severity == severity


def test_dissolved_classes_are_no_reason_to_worry():
    assert of(dissolved=2)["classes dissolved"].severity == "note"


def test_training_that_is_over_needs_no_word_and_one_that_still_rises_does():
    at = np.arange(60)
    noise = np.random.default_rng(1).normal(0, 0.5, 60)
    assert not findings.of_history("rvae", history(100 * (1 - np.exp(-at / 8)) + noise))
    (found,) = findings.of_history("rvae", history(3.0 * at + noise))
    assert found.kind == "not converged" and "steps" in found.remedy


def test_a_bound_that_is_no_number_is_serious():
    bound = np.where(np.arange(40) > 30, np.nan, np.arange(40.0))
    (found,) = findings.of_history("rvae", history(bound))
    assert (found.kind, found.severity) == ("diverged", "serious")
    assert "0, 1" in found.says


def test_content_that_holds_no_information_has_collapsed():
    kinds = [f.kind for f in findings.of_history("rvae", history(np.ones(40), kl=0.01))]
    assert kinds == ["collapsed latents"]
    assert not findings.of_history("ae", history(np.ones(40), kl=0.0))  # an autoencoder has none


def test_no_history_says_nothing():
    assert findings.of_history("rvae", pd.DataFrame()) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80))
def test_any_history_is_judged(bound):
    for found in findings.of_history("rvae", history(np.array(bound))):
        assert found.severity in SEVERITIES and found.says and found.means


@pytest.mark.parametrize("abrupt", [True, False])
def test_a_map_that_follows_the_scan_line_is_an_artefact_if_it_jumps(abrupt):
    shares = scan.Shares(0.9, 0.1 if abrupt else 0.8, 0.0, 0.0, 0.05, 0.0)
    (found,) = findings.of_scan("strain", scan.changes({"strain yy": shares}))
    assert found.severity == ("care" if abrupt else "note")
    assert "strain yy (90 % of the variance)" in found.says and "90°" in found.means


def test_methods_that_see_the_same_artefact_say_it_once():
    one, other = (scan.Shares(v, 0.0, 0.0, 0.0, 0.05, 0.0) for v in (0.7, 0.9))
    (change,) = scan.together({"GPA": {"strain yy": one}, "rvae": {"strain yy": other}})
    assert "strain yy (70–90 % of the variance)" in change.says
    assert "(by GPA, rvae)" in change.says


def test_the_worst_comes_first():
    mixed = [
        Finding(k, s, "rvae", "", "", "") for k, s in zip("abc", reversed(SEVERITIES), strict=True)
    ]
    assert [one.kind for one in findings.ordered(mixed)] == ["c", "b", "a"]


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    results = tmp_path_factory.mktemp("facts")
    fake_results.make(results, "crystal", shape=(90, 120))
    return results, facts.gather(
        Results(results / "crystal"), fake_results.RECIPE, ["rvae", "jrvae"]
    )


def test_facts_are_plain_json_and_are_read_as_they_were_kept(gathered, tmp_path):
    _, found = gathered
    (tmp_path / facts.FILE).write_text(json.dumps(found, allow_nan=False))
    assert facts.read(tmp_path) == found
    assert found["recipe"] == fake_results.RECIPE
    assert found["data"]["sha256"] == [f"{0:064x}"]


def test_facts_hold_the_numbers_of_each_part(gathered):
    values = {(n["about"], n["name"]): n["value"] for n in gathered[1]["numbers"]}
    assert values["sites", "spacing_px"] == 12
    assert values["jrvae", "class_accuracy"] == pytest.approx(0.962)
    assert values["rvae", "members_kept"] == values["rvae", "members_trained"] == 4
    assert values["rvae", "training_epochs"] == 40


def test_what_was_said_when_the_maps_were_made_is_not_lost(gathered):
    said = {finding.says for finding in facts.findings_of(gathered[1])}
    assert "One class of three stayed empty." in said
    assert any("Class 2 is (nearly) empty" in text for text in said)


def test_a_collapsed_latent_of_a_store_is_found_in_it(gathered):
    results, _ = gathered
    latents = store.open(results / "crystal/rvae/latents.zarr").load()
    latents["content_spread"] = xr.full_like(latents["content_spread"], 10.0)
    kinds = [one.kind for one in findings.of_latents(latents)]
    assert kinds.count("collapsed latent") == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"layout": 99}'])
def test_facts_of_another_layout_are_no_facts(tmp_path, text):
    (tmp_path / facts.FILE).write_text(text)
    assert facts.read(tmp_path) == {}
