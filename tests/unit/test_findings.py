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

from vaescope.errors import UserError
from vaescope.judge import facts, findings, of_grains, of_search, of_wall_maps, of_walls, scan
from vaescope.judge.findings import SEVERITIES, Finding
from vaescope.results import Results
from vaescope.scores import labelled, of_model, of_movie, of_pairs, of_prediction, restoration
from vaescope.scores import truth as of_truth
from vaescope.sites import matching, wall_truth
from vaescope.strain import truth as of_strain
from vaescope.structure.class_numbers import ClassNumber

RNG = np.random.default_rng(0)
HEALTHY = {
    "retained": np.ones(4, bool),
    "content": RNG.normal(size=(300, 2)),
    "content_spread": np.full((300, 2), 0.05),
    "agreement": 0.95,
    "class_count": np.array([150, 100, 50]),
    "number": None,
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
    assert "Latent 2 carries hardly any information" in found.says and found.severity == "care"
    assert "`models: rvae: latent: 1`" in found.remedy


def test_a_class_without_sites_is_dead_and_a_rare_one_is_not():
    assert "Class 2" in of(class_count=np.array([200, 100, 0]))["dead class"].says
    assert "dead class" not in of(class_count=np.array([200, 90, 10]))


@pytest.mark.parametrize(("agreement", "severity"), [(0.6, "care"), (0.2, "serious")])
def test_members_that_disagree_are_told_by_how_much(agreement, severity):
    found = of(agreement=agreement)["members disagree"]
    assert found.severity == severity and f"{agreement:.2f}" in found.says


def test_members_left_out_are_serious_once_they_are_half():
    assert of(retained=np.array([1, 1, 1, 0], bool))["members left out"].severity == "care"
    found = of(retained=np.array([0, 1, 1, 0], bool))["members left out"]
    assert found.severity == "serious" and "0, 3" in found.says


@pytest.mark.parametrize(("share", "severity"), [(0.94, "care"), (0.5, "serious")])
def test_sites_that_are_not_explained_are_counted(share, severity):
    assert of(explained_fraction=share)["not explained"].severity == severity


def number(supported: int, shown: int, requested: int | None, at_least: bool = False):
    return ClassNumber(supported, at_least, shown, requested, 9.1, 3.0, 1.0)


def test_the_number_of_classes_is_one_answer():
    assert not of(number=number(2, 2, None)) and not of(number=number(3, 3, 3))
    found = of(number=number(2, 2, 4))["number of classes"]
    assert found.severity == "note" and found.remedy == "Nothing."
    assert found.says == "The data support 2 classes; 4 were requested."
    found = of(number=number(2, 3, 4))["number of classes"]
    assert found.severity == "care" and "3 are shown" in found.says
    assert "`models: rvae: classes: auto`" in found.remedy
    found = of(number=number(10, 10, None, at_least=True))["number of classes"]
    assert "at least 10" in found.says and found.severity == "care"


def test_a_rare_class_that_the_data_support_is_not_called_dead():
    assert not of(class_count=np.array([900, 1]), number=number(2, 2, None))


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
def test_a_map_that_follows_the_scan_line_needs_care_if_it_jumps(abrupt):
    shares = scan.Shares(0.9, 0.1 if abrupt else 0.8, 0.0, 0.0, 0.05, 0.0)
    (found,) = findings.of_scan({"strain": {"strain yy": shares}})
    assert found.severity == ("care" if abrupt else "note")
    assert "strain yy (90 %)" in found.says and "90°" in found.remedy


def test_the_worst_comes_first():
    mixed = [
        Finding(k, s, "rvae", "", "", "") for k, s in zip("abc", reversed(SEVERITIES), strict=True)
    ]
    assert [one.kind for one in findings.ordered(mixed)] == ["c", "b", "a"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Results:
    folder = tmp_path_factory.mktemp("facts")
    return Results(fake_results.make(folder, "crystal", shape=(90, 120)))


def test_facts_are_read_as_they_were_judged(judged):
    known = facts.judge(judged, ["rvae", "jrvae"], 4)
    assert judged.facts == known
    json.loads(known.text(), parse_constant=pytest.fail)
    assert known.data["sha256"] == [f"{0:064x}"]


def test_facts_hold_the_scores_of_each_part_with_unit_and_sense(judged):
    known = judged.facts
    spacing = known.of("sites")["spacing_px"]
    assert (spacing.value, spacing.unit, spacing.words) == (12, "px", "spacing")
    accuracy = known.of("jrvae")["class_accuracy"]
    assert accuracy.value == pytest.approx(0.962)
    assert (accuracy.unit, accuracy.better) == ("share", "more")
    assert known.value("rvae", "members_kept") == known.value("rvae", "members_trained") == 4
    assert known.value("rvae", "training_epochs") == 40


def test_no_finding_is_told_twice(judged):
    told = [(one.kind, one.about, one.says) for one in judged.facts.findings]
    assert any("The data support" in says for _, _, says in told)
    assert len(told) == len(set(told))


def test_every_score_has_one_meaning():
    tables = [facts, of_model, of_truth, labelled, restoration, matching, of_strain]
    tables += [
        of_grains,
        of_movie,
        of_pairs,
        of_prediction,
        of_search,
        of_walls,
        of_wall_maps,
        wall_truth,
    ]
    names = [measure.name for table in tables for measure in table.MEASURES]
    assert len(names) == len(set(names)) == len(facts.measures())


def test_a_collapsed_latent_of_a_store_is_found_in_it(judged):
    latents = judged.latents("rvae").load()
    latents["content_spread"] = xr.full_like(latents["content_spread"], 10.0)
    found = [
        one for one in findings.of_latents("rvae", latents, {}) if one.kind == "collapsed latent"
    ]
    assert [one.says.partition(" carry")[0] for one in found] == ["Latents 1 and 2"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"layout": 99}', '{"layout": 1, "numbers": []}'])
def test_facts_of_another_layout_are_refused_with_what_to_do(tmp_path, text):
    (tmp_path / "facts.json").write_text(text)
    with pytest.raises(UserError, match="rule `judge` writes them"):
        _ = Results(tmp_path).facts


def test_a_job_reads_nothing_that_its_rule_does_not_declare(judged):
    folder = judged.folder
    some = Results(folder, [folder / "image.zarr", folder / "sites.zarr"])
    assert some.sites.sizes["site"] and some.strain is None and some.movie("rvae") is None
    with pytest.raises(AssertionError, match="whose rule does not declare it"):
        some.latents("rvae")
