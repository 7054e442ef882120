"""Reports are self-contained, escape whatever they are given, and tell failures plainly."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import fake_results
import numpy as np
import pytest

from vaescope import figures, report, store
from vaescope.judge.facts import measures
from vaescope.report import prose
from vaescope.report.embedded import Room
from vaescope.results import Results
from vaescope.results.facts import Finding, Score

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)> \"q\" & {{ 7*7 }}"
MODELS = ["rvae", "jrvae"]
RECIPE = {
    **fake_results.RECIPE,
    "description": EVIL,
    "figures": {"dpi": 40, "formats": ["png"]},
}
ROW = {"dataset": "crystal", "recipe": "atoms", "source": "a b.dm3", "notes": EVIL}


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.html = html
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    fake_results.make(folder, "crystal", shape=(90, 120))
    figures.draw(Results(folder / "crystal"), RECIPE, MODELS)
    report.write_report(Results(folder / "crystal"), RECIPE, MODELS, ROW)
    return folder


@pytest.fixture(scope="module")
def page(results) -> Page:
    return Page((results / "crystal" / "report.html").read_text(encoding="utf-8"))


def index(results: Path, rows=(), problems=()) -> Page:
    report.write_index(results, list(rows), list(problems))
    return Page((results / "index.html").read_text(encoding="utf-8"))


def policy(page: Page) -> str:
    found = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    return found[0]["content"]


def scripts(html: str) -> list[str]:
    """Texts of the scripts that a browser would run."""
    return re.findall(r"<script>(.*?)</script>", html, re.DOTALL)


def test_the_report_asks_nothing_of_any_server(results, page):
    whole = (results / "crystal" / "report.html").read_text(encoding="utf-8")
    html = re.sub(r"<script\b[^>]*>.*?</script>", "", whole, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:)?//""", html)
    assert "url(" not in html and "@import" not in html
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.all("img"))
    assert "default-src 'none'" in policy(page) and "http" not in policy(page)


def test_a_page_runs_its_own_scripts_alone(results, page):
    html = (results / "crystal" / "report.html").read_text(encoding="utf-8")
    own = scripts(html)
    known = [(Path(report.__file__).parent / "templates" / "page.js").read_text(encoding="utf-8")]
    assert own[:1] == known and len(own) == 3  # the others are the explorer's
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in own]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy(page).endswith(f"script-src {allowed}")
    assert "unsafe-eval" not in policy(page)
    held = [script for script in page.all("script") if script]
    assert {script["type"] for script in held} == {
        "text/plain",
        "application/json",
    }  # data, which nothing runs


def test_every_figure_is_embedded_once_with_its_caption(results, page):
    drawn = json.loads((results / "crystal/figures/latest/figures.json").read_text())["figures"]
    names = sorted((entry["name"] for entry in drawn), key="rvae-modes".__ne__)  # the answer first
    assert [figure["id"] for figure in page.all("figure")] == names
    assert len(page.all("img")) == len(drawn)
    assert all(image["alt"] for image in page.all("img"))
    for entry in drawn:
        assert entry["title"] in page.text


def test_links_lead_to_files_that_exist(results, page):
    for link in page.all("a"):
        target = link["href"]
        if target.startswith("#"):
            assert any(attrs.get("id") == target[1:] for _, attrs in page.tags), target
        elif not target.startswith("../index.html"):
            assert (results / "crystal" / target).is_file(), target


def test_hostile_notes_and_descriptions_are_text(page):
    assert page.text.count("alert('x')") >= 2  # notes, description and YAML, as written
    assert "{{ 7*7 }}" in page.text
    assert not [tag for tag, attrs in page.tags if "onerror" in attrs]


def test_the_instruments_own_metadata_is_shown_as_text(page):
    assert "<b>Å. Müller</b>" in page.text


def test_the_page_goes_from_what_was_done_to_how_to_cite(page):
    order = ["What was done", "Quality first", "Sites and patches", "rvae: ", "Methods", "cite"]
    titles = "\n".join(re.findall(r"<h2 id=.*?>(.*?)</h2>", page.html))
    places = [titles.index(word) for word in order]
    assert places == sorted(places)


def test_every_picture_and_every_table_can_be_taken_away_from_the_page_alone(results, page):
    latest = results / "crystal/figures/latest"
    held = {s["data-packed"] for s in page.all("script") if "data-packed" in s}
    drawn = json.loads((latest / "figures.json").read_text())["figures"]
    assert held == {table for figure in drawn for table in figure["tables"]}
    for name in held:
        text = page.html.partition(f'data-packed="{name}">')[2].partition("</script>")[0]
        assert gzip.decompress(base64.b64decode(text)) == (latest / name).read_bytes()
    asked = {link["data-picture"] for link in page.all("a") if "data-picture" in link}
    assert asked == {figure["name"] for figure in drawn}


def test_what_has_no_room_is_linked_to_where_it_lies(tmp_path):
    (tmp_path / "small.csv").write_text("a\n1\n")
    (tmp_path / "large.csv").write_bytes(np.random.default_rng(0).bytes(500_000))
    room = Room(left=1_000_000)
    assert room.take(tmp_path / "small.csv") and not room.take(tmp_path / "large.csv")
    assert set(room.files) == {"small.csv"}
    assert not Room(left=5).take(tmp_path / "small.csv")
    assert not room.take(tmp_path / "gone.csv")
    assert Room.beside(23_999_990).left == 10
    assert Room.beside(30_000_000).left == 0


def test_quality_comes_first_and_says_what_matters(page):
    for told in ("sites found", "members retained", "4 of 4", "outliers", "90°"):
        assert told in page.text
    assert "The data support" in page.text
    assert page.text.index("Quality first") < page.text.index("Detected sites.")
    assert "precision of detection" in page.text


def test_the_report_is_equal_when_written_again(results):
    file = results / "crystal" / "report.html"
    before = file.read_bytes()
    report.write_report(Results(results / "crystal"), RECIPE, MODELS, ROW)
    assert file.read_bytes() == before


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_an_uncalibrated_image_says_so_and_invents_nothing(tmp_path):
    fake_results.make(tmp_path, "raw", shape=(70, 80), models=("vae",), calibrated=False)
    report.write_report(Results(tmp_path / "raw"), fake_results.RECIPE, ["vae"], {"dataset": "raw"})
    text = Page((tmp_path / "raw/report.html").read_text(encoding="utf-8")).text
    assert "not calibrated" in text
    assert " nm" not in text
    assert "There are no figures of this model yet." in text


def test_the_index_is_written_though_nothing_is_finished(tmp_path):
    assert "names no dataset yet" in index(tmp_path / "new").text
    page = index(tmp_path, [{"dataset": "later", "recipe": "atoms", "source": "x.dm3"}])
    assert "1 not yet run" in page.text


def test_the_index_shows_a_finished_dataset_with_its_picture_and_numbers(results):
    page = index(results, [{"dataset": "crystal", "recipe": "atoms", "models": MODELS}])
    assert "crystal/report.html" in [a["href"] for a in page.all("a")]
    assert page.all("img")[0]["src"].startswith("data:image/jpeg;base64,")
    for told in ("1 finished", "sites", "spacing", "jrvae: classes", "96.2 %", "recall"):
        assert told in page.text


def _rewrite(folder: Path, **changed) -> None:
    """Change the facts of a dataset."""
    known = replace(Results(folder).facts, **changed)
    (folder / "facts.json").write_text(known.text(), encoding="utf-8")


def test_numbers_come_from_the_facts_unless_a_store_is_newer_or_broken(tmp_path):
    folder = fake_results.make(tmp_path, "one", shape=(70, 80), models=("vae",))
    (folder / "report.html").write_text("…")
    scores = Results(folder).facts.scores
    _rewrite(
        folder,
        scores=[replace(s, value=4321) if s.name == "sites_found" else s for s in scores],
    )
    row = [{"dataset": "one", "models": ["vae"]}]
    assert "4\u202f321" in index(tmp_path, row).text
    later = (folder / "facts.json").stat().st_mtime + 10
    os.utime(folder / "vae/latents.zarr/zarr.json", (later, later))
    text = index(tmp_path, row).text
    assert "4\u202f321" not in text and "older than its stores" in text
    (folder / "vae/latents.zarr/zarr.json").write_text("{")
    page = index(tmp_path, row)
    assert "the store cannot be read" in page.text and "1 incomplete" in page.text


@pytest.mark.parametrize("old", [None, '{"layout": 1, "numbers": [], "findings": []}'])
def test_results_of_an_earlier_version_say_what_to_run(tmp_path, old):
    folder = fake_results.make(tmp_path, "one", shape=(70, 80), models=("vae",))
    (folder / "report.html").write_text("…")
    (folder / "facts.json").unlink()
    if old:
        (folder / "facts.json").write_text(old)
    page = index(tmp_path, [{"dataset": "one", "models": ["vae"]}])
    assert "1 finished" in page.text and "Run the workflow again" in page.text


def test_a_card_tells_what_is_serious_and_counts_what_needs_care(tmp_path):
    folder = fake_results.make(tmp_path, "one", shape=(70, 80), models=("vae",))
    (folder / "report.html").write_text("…")
    said = [("serious", f"It burns {EVIL}"), ("care", "It smokes."), ("care", "It smells.")]
    _rewrite(folder, findings=[Finding("k", how, "vae", says, "", "") for how, says in said])
    page = index(tmp_path, [{"dataset": "one", "models": ["vae"]}])
    assert "vae: It burns" in page.text and "2 things to" in page.text
    assert "It smokes." not in page.text
    assert not [tag for tag, attrs in page.tags if "onerror" in attrs]


def test_a_failure_is_shown_with_its_reason_and_its_log(tmp_path):
    _fail(tmp_path, "bad", "dataset `bad`: `scan.dm3` ends after 1.2 MB <b>of</b> 16.8 MB.")
    page = index(tmp_path, [{"dataset": "bad"}])
    assert "1 failed" in page.text
    assert "scan.dm3 ends after 1.2 MB <b>of</b> 16.8 MB." in page.text
    assert "dataset `bad`" not in page.text
    assert (tmp_path / "bad/logs/ingest.log").is_file()
    assert "bad/logs/ingest.log" in [a["href"] for a in page.all("a")]


def test_a_log_outside_the_datasets_folder_is_not_linked(tmp_path):
    _fail(tmp_path, "bad", "no", log="../../../etc/passwd")
    assert not [a for a in index(tmp_path, [{"dataset": "bad"}]).all("a") if "pass" in a["href"]]


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"message": 3}', "\udcff"])
def test_an_unreadable_note_of_a_failure_is_a_failure(tmp_path, content):
    folder = tmp_path / "bad" / "failures"
    folder.mkdir(parents=True)
    (folder / "ingest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    page = index(tmp_path, [{"dataset": "bad"}])
    assert "1 failed" in page.text and "ingest" in page.text


def test_an_old_report_of_a_failed_dataset_is_called_old(tmp_path):
    _fail(tmp_path, "bad", "no")
    (tmp_path / "bad" / "report.html").write_text("old")
    page = index(tmp_path, [{"dataset": "bad"}])
    assert "1 failed" in page.text and "from an earlier run" in page.text


def test_half_written_stores_and_broken_pictures_do_not_stop_the_index(tmp_path):
    folder = fake_results.make(tmp_path, "half", shape=(70, 80), models=("vae",))
    (folder / "vae/latents.zarr/zarr.json").write_text("{")
    (folder / "figures/latest").mkdir(parents=True)
    (folder / "figures/latest/thumbnail.png").write_bytes(b"\x89PNG but no more")
    (folder / "report.html").write_text("…")
    _fail(tmp_path, "other", "no")
    page = index(tmp_path, [{"dataset": "half"}, {"dataset": "other"}])
    assert "1 failed, 1 incomplete" in page.text
    assert "the store cannot be read" in page.text


def test_a_folder_without_a_report_is_incomplete(tmp_path):
    fake_results.make(tmp_path, "some", shape=(70, 80), models=())
    text = index(tmp_path, [{"dataset": "some"}]).text
    assert "1 incomplete" in text and "image, sites, samples" in text


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "", "/etc"])
def test_a_name_that_is_no_folder_is_never_looked_up(tmp_path, name):
    (tmp_path / "results").mkdir()
    (tmp_path / "up").mkdir()
    (tmp_path / "up/report.html").write_text("secret")
    page = index(tmp_path / "results", [{"dataset": name}])
    assert "cannot be the name of a folder" in page.text
    assert not [a for a in page.all("a") if "report" in a["href"]]


def test_refused_rows_are_listed_and_escaped(tmp_path):
    problem = {"row": 7, "dataset": EVIL, "message": f"the name {EVIL} cannot be used"}
    page = index(tmp_path, [], [problem])
    assert "Row 7" in page.text and page.text.count("alert('x')") == 2
    assert page.all("script") == [{}, {}] and not page.all("img")
    assert "1 row cannot be used" in page.text


def test_reports_no_longer_in_the_sheet_are_still_found(tmp_path):
    (tmp_path / "old name").mkdir()
    (tmp_path / "old name/report.html").write_text("x")
    page = index(tmp_path, [])
    assert "old%20name/report.html" in [a["href"] for a in page.all("a")]


def test_hundreds_of_datasets_make_an_index(tmp_path):
    rows = [{"dataset": f"set-{k}", "recipe": "atoms"} for k in range(300)]
    assert "300 datasets" in index(tmp_path, rows).text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("explained_fraction", 0.9876, "98.8 %"),
        ("outliers", 0, "none"),
        ("outliers", 12, "12"),
        ("class_accuracy", 0.9997, "99.97 %"),
        ("angle_median_error_deg", 0.9, "0.9°"),
        ("position_rmse", 0.0512, "0.0512\u00a0px"),
        ("strain_error_median", 0.00123, "0.123 %"),
        ("angle_period_deg", 360.0, "the full circle"),
        ("n_truth", 12345, "12\u202f345"),
        ("spacing_px", float("nan"), "–"),
    ],
)
def test_scores_are_told_with_their_units(name, value, told):
    score = Score(**asdict(measures()[name]), value=value)
    assert prose.measure(score, {})[1] == told


def test_a_negative_share_has_a_minus_sign_and_nothing_none():
    assert [prose.percent(share) for share in (-0.0083, -1e-6, 0.5)] == ["−0.8 %", "0 %", "50 %"]


def test_a_recipe_is_told_in_words():
    told = dict(prose.recipe(fake_results.RECIPE))
    assert "Laplacian of Gaussian" in told["Sites"]
    assert "20 × 20" in told["Patches"]
    assert "4 times" in told["Ensemble"]
    assert "2 latents, 3 classes" in told["Model jrvae"]


def test_reports_are_in_the_code_version():
    assert store.code_version()
    assert (Path(report.__file__).parent / "templates" / "style.css").is_file()


def _fail(results: Path, dataset: str, message: str, log: str = "logs/ingest.log") -> None:
    folder = results / dataset
    (folder / "failures").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / "logs/ingest.log").write_text("Traceback …")
    note = {"dataset": dataset, "rule": "ingest", "model": None, "message": message, "log": log}
    (folder / "failures/ingest.json").write_text(json.dumps(note))


@pytest.mark.parametrize(("lines", "said"), [("mask", True), ("keep", False)])
def test_the_recipe_says_that_amplitude_and_phase_are_combined(lines, said):
    ingest = {"piezoresponse": True, "bad_lines": lines}
    words = dict(prose.recipe({**fake_results.RECIPE, "ingest": ingest}))["Reading"]
    assert "one complex signal" in words
    assert ("masked" in words) == said
    assert "as it is in the file" not in words


def test_of_spectra_without_a_place_no_image_is_described():
    said = dict(prose.recipe(fake_results.RECIPE, apart=True))
    assert "Reading" not in said
    assert "Patches" not in said
    assert said["Sites"] == "Every spectrum is one."
