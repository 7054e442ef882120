"""Recipes: every setting of every room is checked with the sheet, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vaescope.errors import UserError
from vaescope.models.settings import ModelSettings
from vaescope.recipes import Recipe, resolve_recipe
from vaescope.settings import check
from vaescope.settings.fields import Setting, part_of_settings, settings_of
from vaescope.workflow import make_plan, reference
from vaescope.workflow.settings import Configuration

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "config" / "recipes"
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/recipe.schema.yaml").read_text())
MODEL = {"models": {"rvae": {}}}


def every_setting(kind: type, *place: str) -> Iterator[tuple[tuple[str, ...], Setting]]:
    """Every setting of a recipe that is a value, with the keys that lead to it."""
    for name, each in settings_of(kind).items():
        inner = ModelSettings if name == "models" else part_of_settings(each.hint)
        here = (*place, "models", "rvae") if name == "models" else (*place, name)
        if inner is None:
            yield here, each
        else:
            yield from every_setting(inner, *here)


SETTINGS = dict(every_setting(Recipe))
LIMITED = {place: each for place, each in SETTINGS.items() if each.facts.limits is not None}


def recipe(place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A recipe of one model that gives one value."""
    made: dict[str, Any] = {"models": {"rvae": {}}}
    part = made
    for key in place[:-1]:
        part = part.setdefault(key, {})
    part[place[-1]] = value
    return made


def resolved(folder: Path, given_: dict[str, Any]) -> Recipe:
    (folder / "mine.yaml").write_text(yaml.safe_dump(given_))
    return resolve_recipe("mine", [folder, BUNDLED])


def refused(folder: Path, given_: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        resolved(folder, given_)
    return str(error.value)


def test_schemas_and_tables_are_in_step_with_the_settings():
    changed = [
        str(path)
        for path, text in reference.documents(ROOT).items()
        if (ROOT / path).read_text(encoding="utf-8") != text
    ]
    assert not changed, f"out of step with the settings: {changed}. Run `{reference.COMMAND}`"


def test_every_setting_is_explained_in_a_table():
    page = (ROOT / reference.README).read_text(encoding="utf-8")
    for place, each in SETTINGS.items():
        assert f"{each.name}` |" in page, place
        assert not each.facts.help.endswith("."), place


@pytest.mark.parametrize("name", sorted(file.stem for file in BUNDLED.glob("*.yaml")))
def test_bundled_recipes_are_as_the_schema_says_and_can_be_read_back(name):
    given_ = yaml.safe_load((BUNDLED / f"{name}.yaml").read_text())
    assert not list(Draft202012Validator(SCHEMA).iter_errors(given_))
    made = resolve_recipe(name, [BUNDLED])
    assert made.models and Draft202012Validator(SCHEMA).is_valid(made.as_dict())


@pytest.mark.parametrize("place", LIMITED, ids=".".join)
def test_a_value_beyond_its_limits_is_refused_with_recipe_and_key(tmp_path, place):
    each = LIMITED[place]
    low, high = each.facts.limits
    for value in (low - max(abs(low), 1) / 2, high * 1.5 + 1):
        value = int(value // 1) if "whole" in each.expected() else value
        said = refused(tmp_path, recipe(place, value))
        assert "mine.yaml" in said and f"`{'.'.join(place)}` is out of range" in said, said
        assert not Draft202012Validator(SCHEMA).is_valid(recipe(place, value))
    for value in (low, high):
        assert check(Recipe, recipe(place, value))
        assert Draft202012Validator(SCHEMA).is_valid(recipe(place, value))


VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(-3, 300), st.floats(-2, 300, width=16)),
    st.sampled_from(["log", "frames", "linear", "none", "viridis", "png", "gaussian", "x"]),
    st.lists(st.sampled_from(["pca", "png", "label", 1]), max_size=2),
    st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), max_size=2),
)


@settings(max_examples=400, deadline=None)
@given(place=st.sampled_from(sorted(SETTINGS)), value=VALUES)
def test_schema_and_library_accept_the_same(place, value):
    try:
        check(Recipe, recipe(place, value))
    except UserError as error:
        if "no schedule" not in str(error):  # a schema cannot say that times are in order
            assert not Draft202012Validator(SCHEMA).is_valid(recipe(place, value)), str(error)
    else:
        assert Draft202012Validator(SCHEMA).is_valid(recipe(place, value))


def test_eight_point_nought_members_are_eight(tmp_path):
    members = resolved(tmp_path, MODEL | {"ensemble": {"members": 8.0}}).ensemble.members
    assert members == 8 and isinstance(members, int)


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"ensemble": {"members": 8.5}}, ["a whole number is wanted", "ensemble.members", "8.5"]),
        ({"sites": {"width": 0.3}}, ["sites.width", "0.3", "0.5 to 1000 px"]),
        ({"sites": {"spacing": 1}}, ["sites.spacing", "2 to 10000 px"]),
        ({"patches": {"size": 2.5}}, ["patches.size", "3 to 100000 px"]),
        ({"figures": {"colormap": "virdis"}}, ["figures.colormap", "Did you mean `viridis`"]),
        ({"figures": {"cyclic": "x-y"}}, ["figures.cyclic", "no colour map"]),
        ({"models": {"rvae": {"likelihood": "poisson"}}}, ["`rvae`", "normalise: none"]),
        (
            {"models": {"a": {"variant": "vae", "likelihood": "bernoulli"}}}
            | {"patches": {"normalise": "patch"}},
            ["`a`", "normalise: unit"],
        ),
        ({"models": {"rvae": {"refine": 2, "classes": 3}}}, ["`models.rvae`", "refine: 2"]),
        ({"models": {"cvae": {}}}, ["`models.cvae`", "needs condition"]),
        ({"models": {"x": {}}}, ["model `x`", "no variant"]),
        ({"models": {"rvae": None}}, ["trains no model"]),
        ({"models": {"a b": {}}}, ["a name in `models`", "letters, digits"]),
        ({"models": {"rvae": {"keep_turns": 4}}}, ["`top_turns`", "Write `top_turns: 4`"]),
        (
            {"movie": {"kinds": "modes"}},
            ["`movie.kinds` is now called", "Write `categories: modes`"],
        ),
        ({"sites": {"method": "model", "detector": {"simulate": ["perov"]}}}, ["perovskite"]),
        ({"sites": {"treshold": 0.1}}, ["sites.treshold", "Did you mean `threshold`"]),
        (
            {"explore": {"method": "bo"}},
            ["`rvae` decodes none", "a patch from a patch", "variant: spectrum-vae"],
        ),
        (
            {"spectra": {"read": True}, "explore": {"method": "bo"}}
            | {"models": {"rvae": {}, "s": {"variant": "spectrum-vae"}}},
            ["`rvae` decodes none", "Set `explore: model: s`"],
        ),
    ],
)
def test_a_row_that_cannot_work_is_refused_in_the_plan(tmp_path, given_, words):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text(yaml.safe_dump(MODEL | given_))
    (tmp_path / "sheet.tsv").write_text("dataset\trecipe\tsource\na\tmine\tx\nb\tatoms\tx\n")
    plan = make_plan({"datasets": "sheet.tsv"}, root=ROOT, here=tmp_path)
    assert list(plan.rows) == ["b"]
    said = plan.problems[0].message
    assert all(word in said for word in ["mine.yaml", *words]), said


@pytest.mark.parametrize("source", ["x" * 300, "closed/one.npy", "closed/*.npy", "a\\0b"])
def test_a_source_that_cannot_be_looked_at_does_not_stop_the_plan(tmp_path, source, monkeypatch):
    (tmp_path / "sheet.tsv").write_text(f"dataset\trecipe\tsource\na\tatoms\t{source}\n")
    exists = Path.exists

    def closed(path, **options):  # the tests may run as root, to whom nothing is closed
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied")
        return exists(path, **options)

    monkeypatch.setattr(Path, "exists", closed)
    plan = make_plan({"datasets": "sheet.tsv"}, root=ROOT, here=tmp_path)
    assert plan.fingerprint("a") == ["missing"]
    assert plan.source_mb("a") == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(
                f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
                for old, new in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "values",
        ),
        ("a: " + "[" * 5000 + "]" * 5000, "nesting|each other"),
        ("a: &a [*a]", "alias"),
        ("a: " + "x" * 1_100_000, "kB"),
    ],
)
def test_a_recipe_that_grows_beyond_bounds_is_refused_at_once(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        resolve_recipe("mine", [tmp_path])
    assert len(str(caught.value)) < 500


def test_counts_can_have_a_poisson_likelihood(tmp_path):
    given_ = {"models": {"rvae": {"likelihood": "poisson"}}, "patches": {"normalise": "none"}}
    assert resolved(tmp_path, given_).models["rvae"].likelihood == "poisson"


def test_channel_of_sites_and_slope_of_lines_can_be_given(tmp_path):
    given_ = {"sites": {"channel": "phase"}, "ingest": {"preprocess": {"detrend_lines": "linear"}}}
    made = resolved(tmp_path, MODEL | given_)
    assert made.sites.channel == "phase"
    assert made.ingest.preprocess.detrend_lines == "linear"


def test_files_are_found_from_the_recipe_that_names_them(tmp_path):
    (tmp_path / "base.yaml").write_text("ingest: {preprocess: {flat_field: ../flat.npy}}\n")
    given_ = {"extends": "base", "models": {"rvae": {"physics_loss": "own.py:loss"}}}
    made = resolved(tmp_path, given_)
    assert made.ingest.preprocess.flat_field == str(tmp_path.parent / "flat.npy")
    assert made.models["rvae"].physics_loss == str(tmp_path / "own.py:loss")


def test_only_the_chosen_kind_of_site_has_its_settings(tmp_path):
    made = resolved(tmp_path, MODEL | {"sites": {"method": "frames", "spacing": 5}})
    assert made.sites.as_dict() == {"method": "frames"}
    filtered = resolved(tmp_path, {"extends": "atoms", "sites": {"method": "log"}})
    assert filtered.as_dict()["sites"]["detector"] is None
    assert resolved(tmp_path, {"extends": "atoms"}).as_dict()["sites"]["detector"]["simulate"]


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"dataset": "a.tsv"}, ["`dataset`", "Did you mean `datasets`"]),
        ({"export": "tabel"}, ["`export` is not known", "Did you mean `table`"]),
        ({"export": ["table", "table"]}, ["`export`", "every entry only once"]),
        ({"results": "a{b}"}, ["`results`", "no braces"]),
        ({"recipes": 3}, ["`recipes`", "text, or null"]),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_in_words(given_, words):
    with pytest.raises(UserError) as error:
        Configuration.of_workflow(given_)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_the_configuration_names_what_is_exported():
    assert Configuration.of_workflow({"somebody_elses": 1}).formats() == ["table", "crate"]
    assert Configuration(export="all").formats() == ["table", "napari", "hyperspy", "crate"]
    assert Configuration(export="napari").formats() == ["napari"]
    assert Configuration(export=[]).formats() == []
