"""The sample sheet, recipes and fingerprints of sources: what people and spreadsheets write."""

import hashlib
import json
import os
import re
from dataclasses import replace

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vaescope import recipes, store
from vaescope.errors import UserError
from vaescope.learned.settings import DetectorSettings
from vaescope.read import physical
from vaescope.workflow import resources
from vaescope.workflow.fingerprints import Fingerprints
from vaescope.workflow.sheet import read_sheet


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_sheet_is_read_as_spreadsheets_write_it(tmp_path, encoding, newline):
    sheet = tmp_path / "datasets.tsv"
    lines = ["dataset\trecipe\tsource\tnotes", "", "# old", 'film\tatoms\ta.dm3\t"650 °C"']
    sheet.write_bytes(newline.join(lines).encode(encoding))
    rows, problems = read_sheet(sheet)
    assert not problems
    assert [(row.dataset, row.line, row.notes) for row in rows] == [("film", 4, "650 °C")]


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_characters="\t\r\n", codec="utf-8"), max_size=80))
def test_any_name_is_either_safe_or_set_aside_with_a_message(tmp_path_factory, name):
    assume(not name.lstrip(' "\xa0\u200b\ufeff').startswith("#"))  # a line of comment
    sheet = tmp_path_factory.mktemp("sheet") / "datasets.tsv"
    sheet.write_text(f"dataset\trecipe\tsource\n{name}\tatoms\ta.dm3\n", encoding="utf-8")
    rows, problems = read_sheet(sheet)
    assert len(rows) + len(problems) == 1
    for row in rows:
        assert (tmp_path_factory.getbasetemp() / row.dataset).parent.samefile(
            tmp_path_factory.getbasetemp()
        )
        assert row.dataset.replace("-", "").replace("_", "").replace(".", "").isalnum()
    for problem in problems:
        assert problem.message.isprintable()


def read_text(folder, text, encoding="utf-8"):
    sheet = folder / "datasets.tsv"
    sheet.write_bytes(text.encode(encoding))
    return read_sheet(sheet)


@pytest.mark.parametrize("separator", ["\t", ";", ","])
@pytest.mark.parametrize("first", ["", "\ufeff", "# made in Excel\r\n"])
def test_columns_are_separated_as_the_header_shows(tmp_path, separator, first):
    lines = ["Dataset\trecipe\tsource\tpixel_size\tnotes\t\t", "a\tatoms\ta.dm3\t0.05 nm\tnew\t\t"]
    lines += ["\t" * 6, "\u00a0b\u00a0\tatoms\tdata/b 2.dm3\t0.05\u00a0nm"]
    text = first + "\r\n".join(lines).replace("\t", separator)
    rows, problems = read_text(tmp_path, text)
    assert not problems
    assert [row.dataset for row in rows] == ["a", "b"]
    assert rows[0].notes == "new"
    assert rows[1].source == "data/b 2.dm3"


def test_excels_line_about_its_separator_is_no_header(tmp_path):
    rows, problems = read_text(tmp_path, "sep=;\r\ndataset;recipe;source\r\na;atoms;a.dm3\r\n")
    assert [row.source for row in rows] == ["a.dm3"]
    assert rows[0].line == 3
    assert not problems


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_a_cell_in_quotes_holds_line_breaks_and_separators(tmp_path, separator):
    notes = f'"grown at 650 °C{separator.strip()} slowly,\r\nthen ""annealed"""'
    lines = ["dataset\trecipe\tsource\tnotes", f"a\tatoms\ta.dm3\t{notes}", "b\tatoms\tb.dm3"]
    text = "\r\n".join(line.replace("\t", separator) for line in lines)
    rows, problems = read_text(tmp_path, text)
    assert not problems
    assert [(row.dataset, row.line) for row in rows] == [("a", 2), ("b", 4)]
    assert rows[0].notes == f'grown at 650 °C{separator.strip()} slowly, then "annealed"'


def test_no_row_is_lost_in_a_quotation_mark_that_means_itself(tmp_path):
    lines = ["dataset\trecipe\tsource\tnotes"]
    lines += [f'{name}\tatoms\t{name}.dm3\t"5 nm film' for name in "ab"] + ['c\tatoms\tc.dm3\t"']
    rows, _ = read_text(tmp_path, "\n".join(lines))
    assert [row.dataset for row in rows] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"PK\x03\x04 a workbook", "workbook.*Save it from the spreadsheet as `CSV UTF-8`"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x81", "not a text file.*CSV UTF-8"),
        (b"dataset recipe source\na atoms a.dm3\n", "lacks the column.*Separate the columns"),
        (b"dataset,recipe\na,atoms\n", "lacks the column"),
    ],
)
def test_what_is_no_table_is_refused_with_the_way_to_make_one(tmp_path, raw, words):
    (tmp_path / "datasets.tsv").write_bytes(raw)
    with pytest.raises(UserError, match=words):
        read_sheet(tmp_path / "datasets.tsv")


@pytest.mark.parametrize(
    ("size", "nanometres"), [("0,05 nm", 0.05), ("12,5 pm", 0.0125), ("0,123 nm", 0.123)]
)
def test_a_decimal_comma_is_read_as_one(tmp_path, size, nanometres):
    rows, _ = read_text(tmp_path, f"dataset\trecipe\tsource\tpixel_size\na\tr\ta.dm3\t{size}\n")
    assert physical.from_sheet(rows[0].pixel_size).x == pytest.approx(nanometres * 1e-9)


@pytest.mark.parametrize(
    ("source", "size", "words"),
    [
        ("a.dm3", "1,234 nm", "Write a point"),
        ("a.dm3", "0.05", "no unit"),
        ("a.dm3", "0.05 furlongs", "unit of the pixel size is unknown"),
        ("a.dm3", "small", "cannot be understood"),
        ("simulate:perovskit", "", "perovskite"),
        ("simulate:square?size=3", "", "size"),
    ],
)
def test_every_cell_is_checked_when_the_sheet_is_read(tmp_path, source, size, words):
    text = f"dataset\trecipe\tsource\tpixel_size\na\tr\t{source}\t{size}\n"
    rows, problems = read_text(tmp_path, text)
    assert not rows
    assert re.search(f"dataset `a`.*line 2.*{words}", problems[0].message)


def test_a_cell_that_would_fill_every_page_is_refused(tmp_path):
    text = f"dataset\trecipe\tsource\tnotes\na\tr\tx\t{'n' * 2001}\nb\tr\tx\t{'n' * 2000}\n"
    rows, problems = read_text(tmp_path, text)
    assert [row.dataset for row in rows] == ["b"]
    assert "`notes` is too long" in problems[0].message and "2001" in problems[0].message


def write_recipes(folder, **texts):
    for name, value in texts.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value))
    return [folder]


def test_a_recipe_says_only_what_differs(tmp_path):
    folders = write_recipes(
        tmp_path,
        base={"sites": {"threshold": 0.3}, "models": {"rvae": {"latent": 2}}},
        mine={"extends": "base", "models": {"rvae": {"steps": 50}}},
    )
    found = recipes.resolve_recipe("mine", folders)
    assert found.sites.threshold == 0.3
    assert found.models["rvae"].latent == 2
    assert found.models["rvae"].steps == 50


@pytest.mark.parametrize(
    "name", ["baselines", "Figures", "neighbours", "GPA", "strain.zarr", "sites.csv"]
)
def test_no_model_takes_the_name_of_what_lies_beside_it(tmp_path, name):
    (tmp_path / "mine.yaml").write_text(f"models: {{{name}: {{variant: rvae}}}}\n")
    with pytest.raises(UserError, match="cannot be called"):
        recipes.resolve_recipe("mine", [tmp_path])


def test_recipes_that_extend_each_other_in_a_ring_are_refused(tmp_path):
    folders = write_recipes(tmp_path, a={"extends": "b"}, b={"extends": "a"})
    with pytest.raises(UserError):
        recipes.resolve_recipe("a", folders)


def test_a_misspelt_key_names_its_file_and_the_nearest_key(tmp_path):
    folders = write_recipes(tmp_path, a={"sites": {"treshold": 0.3}})
    with pytest.raises(UserError, match=r"a\.yaml.*Did you mean `threshold`"):
        recipes.resolve_recipe("a", folders)


def test_a_detector_of_more_steps_is_given_more_time():
    usual = DetectorSettings()
    assert resources.detector_minutes(usual) == 60
    assert resources.detector_minutes(replace(usual, steps=10 * usual.steps)) == 240
    assert resources.detector_minutes(replace(usual, images=10 * usual.images)) == 150
    assert resources.detector_minutes(usual, attempt=2) == 120


def test_a_touched_source_keeps_its_fingerprint_and_a_changed_one_does_not(tmp_path):
    source = tmp_path / "a.dat"
    source.write_bytes(b"one")
    memory = tmp_path / ".fingerprints"
    before = Fingerprints(memory).of([source], "a")
    os.utime(source, (1, 1))
    assert Fingerprints(memory).of([source], "a") == before
    source.write_bytes(b"two!")
    changed = Fingerprints(memory).of([source], "a")
    assert changed != before
    for file in memory.rglob("*.json"):
        file.write_text("{broken")
    assert Fingerprints(memory).of([source], "a") == changed


def test_a_new_source_costs_one_small_file_however_many_there_are(tmp_path, monkeypatch):
    written = []
    write_text = store.write_text
    monkeypatch.setattr(store, "write_text", lambda text, path: written.append((text, path)))
    fingerprints = Fingerprints(tmp_path / ".fingerprints")
    for k in range(40):
        source = tmp_path / f"{k}.dat"
        source.write_bytes(bytes([k]))
        fingerprints.of([source], f"dataset-{k}: {source.name}")
    assert len(written) == len({path for _, path in written}) == 40
    assert max(len(text) for text, _ in written) < 1000
    for text, path in written:
        write_text(text, path)
    monkeypatch.setattr(hashlib, "file_digest", None)  # nothing is read again
    assert Fingerprints(tmp_path / ".fingerprints").of([source], f"dataset-39: {source.name}")


def test_a_source_in_the_archive_keeps_the_fingerprint_that_an_older_version_knew(tmp_path):
    source = tmp_path / "a.dat"
    old = {"source a: a.dat": "f" * 64, f"file {source}": {"state": [3, 5], "sha256": "f" * 64}}
    (tmp_path / ".fingerprints.json").write_text(json.dumps(old))
    assert Fingerprints(tmp_path / ".fingerprints").of([source], "a: a.dat") == "f" * 64
    source.write_bytes(b"one")
    os.utime(source, ns=(5, 5))
    assert Fingerprints(tmp_path / ".fingerprints").of([source], "a: a.dat") == "f" * 64
    assert Fingerprints(tmp_path / ".fingerprints").of([tmp_path / "b.dat"], "b") == "missing"


def test_jobs_of_many_threads_share_the_cores():
    from vaescope.workflow.resources import threads

    assert threads(8, 2, 8) == 1  # two go side by side
    assert threads(8, 2, 1) == 2  # nothing waits beside it
    assert threads(8, 16, 8) == 8
    assert threads(8, 5, 3) == 2
    assert threads(4, 1, 3) == 1
    assert threads(8, None, 8) == 8  # a scheduler gives what is asked for
