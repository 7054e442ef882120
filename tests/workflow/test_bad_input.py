"""Bad input gives one clear message; the other datasets finish, and the index shows the failure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from lab import REPOSITORY, SINGLE, Lab, Run, lattice

SURVEY = REPOSITORY / "examples" / "data" / "DMReader_Image_SI-Survey.dm3"


def few_columns() -> np.ndarray:
    """Four columns in a large empty field: fewer than any model can learn from."""
    image = np.random.default_rng(0).normal(0, 0.01, (128, 128)).astype(np.float32)
    columns = lattice(3, side=27)
    image[40:67, 40:67] += columns
    return image


FAILING = {
    # dataset: (source, words that its message must have)
    "missing": ("nowhere.npy", ["nowhere.npy"]),
    "no-match": ("scan_*.tif", ["scan_*.tif"]),
    "truncated": ("truncated.dm3", ["truncated.dm3"]),
    "unknown-format": ("image.xyz", ["image.xyz"]),
    "no-bytes": ("no-bytes.npy", ["no-bytes.npy"]),
    "empty": ("empty.npy", ["empty.npy"]),
    "constant": ("constant.npy", []),
    "all-nan": ("all-nan.npy", []),
    "few-sites": ("few-sites.npy", ["site"]),
}
REFUSED = {
    # (dataset, recipe): words that its message must have
    ("misspelt", "misspelt"): ["misspelt.yaml", "`sites.tresh", "Did you mean `threshold`"],
    ("misspelt-model", "misspelt-model"): ["misspelt-model.yaml", "`step", "Did you mean `steps`"],
    ("no-yaml", "no-yaml"): ["no-yaml.yaml", "line 2"],
    ("unknown-recipe", "singel"): ["singel", "Did you mean `single`"],
    ("good", "single"): ["`good` in line 3", "name of its own"],
    ("GOOD", "single"): ["`good` in line 3", "name of its own"],
    ("../evil", "single"): ["../evil", "letters, digits"],
    ("/evil", "single"): ["/evil", "letters, digits"],
    ("with space", "single"): ["with space", "letters, digits"],
    ("qu'o\"te", "single"): ["qu'o\"te", "letters, digits"],
    ("$(touch evil)", "single"): ["$(touch evil)", "letters, digits"],
    ("x;touch evil", "single"): ["x;touch evil", "letters, digits"],
    ("<script>alert(1)</script>", "single"): ["<script>", "letters, digits"],
    ("{dataset}", "single"): ["{dataset}", "letters, digits"],
    ("index.html", "single"): ["index.html", "reserved"],
    ("", "single"): ["no name"],
}


@dataclass
class Ended:
    lab: Lab
    run: Run

    def message(self, words: str) -> list[str]:
        """Lines of the closing summary with these words."""
        summary = self.run.output.rpartition("datasets failed:")[2]
        return [line for line in summary.splitlines() if words in line]

    def index(self) -> str:
        """What a reader of the index sees, without its marks."""
        page = (self.lab.results / "index.html").read_text()
        assert "<script>alert" not in page
        return unescape(re.sub(r"<[^>]*>", "", page))


@pytest.fixture(scope="module")
def ended(finished: Lab, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One run over a sheet full of bad rows between two good ones."""
    lab = finished.copy(tmp_path_factory.mktemp("bad") / "lab")
    data = lab.folder / "data"
    (data / "truncated.dm3").write_bytes(SURVEY.read_bytes()[:20_000])
    (data / "image.xyz").write_text("no image at all")
    (data / "no-bytes.npy").write_bytes(b"")
    np.save(data / "empty.npy", np.zeros((0, 0), np.float32))
    np.save(data / "constant.npy", np.full((128, 128), 3.0))
    np.save(data / "all-nan.npy", np.full((128, 128), np.nan))
    np.save(data / "few-sites.npy", few_columns())
    lab.recipe("single", SINGLE + "reports: light\n")
    lab.recipe("misspelt", SINGLE + "sites: {treshold: 0.2}\n")
    lab.recipe("misspelt-model", SINGLE.replace("steps", "step"))
    lab.recipe("no-yaml", "models:\n  rvae: {steps: [}\n")
    lab.sheet(
        "one\ttiny\t../data/one.npy",
        "good\tsingle\t../data/two.npy",
        *(f"{name}\tsingle\t../data/{source}" for name, (source, _) in FAILING.items()),
        *(f"{name}\t{recipe}\t../data/two.npy" for name, recipe in REFUSED),
    )
    return Ended(lab, lab.run())


def test_the_run_fails_and_says_where_to_look(ended: Ended):
    assert ended.run.code != 0
    bad, every = len(FAILING) + len(REFUSED), len(ended.lab.rows)
    assert f"{bad} of {every} datasets failed:" in ended.run.output
    assert str(ended.lab.results / "index.html") in ended.run.output


def test_the_other_datasets_finish(ended: Ended):
    assert (ended.lab.results / "good" / "report.html").is_file()
    assert (ended.lab.results / "one" / "report.html").is_file()
    assert "good" in ended.index()


def test_new_rows_run_nothing_of_a_dataset_that_is_finished(ended: Ended, finished: Lab):
    before, after = (
        {log: when for log, when in lab.jobs().items() if log.startswith("one/")}
        for lab in (finished, ended.lab)
    )
    assert before and after == before


@pytest.mark.parametrize("dataset", FAILING)
def test_a_failing_dataset_gives_one_clear_message(ended: Ended, dataset: str):
    words = FAILING[dataset][1]
    found = ended.message(f"dataset `{dataset}`")
    assert len(found) == 1
    assert all(word in found[0] for word in words), found[0]
    assert "unexpectedly" not in found[0]
    assert "Traceback" not in ended.run.output
    notes = list((ended.lab.results / dataset / "failures").glob("*.json"))
    assert len(notes) == 1
    note = json.loads(notes[0].read_text())
    assert note["message"] in found[0]
    log = ended.lab.results / dataset / note["log"]
    assert note["message"] in log.read_text()
    index = ended.index()
    assert dataset in index and (words[0] if words else dataset) in index


@pytest.mark.parametrize(("dataset", "recipe"), REFUSED)
def test_a_refused_row_gives_one_clear_message(ended: Ended, dataset: str, recipe: str):
    line = 3 + len(FAILING) + list(REFUSED).index((dataset, recipe)) + 1
    found = ended.message(f"`datasets.tsv`, line {line}:")
    assert len(found) == 1
    assert f"dataset `{dataset}`" in found[0]
    assert all(word in found[0] for word in REFUSED[dataset, recipe]), found[0]
    # Code stands in a type of its own on the page, not between marks.
    assert all(word.replace("`", "") in ended.index() for word in REFUSED[dataset, recipe][-1:])


def test_nothing_is_written_outside_and_no_name_is_run(ended: Ended):
    folder = ended.lab.folder
    known = {"config", "data", "results", ".snakemake"}
    assert {path.name for path in folder.iterdir()} == known
    assert not list(folder.parent.rglob("*evil*"))
    made = {path.name for path in ended.lab.results.iterdir() if not path.name.startswith(".")}
    assert made == {"one", "good", *FAILING, "index.html", "logs", "benchmarks"} - {
        "benchmarks"
    } | ({"benchmarks"} & made)
    assert "<script>alert" not in (ended.lab.results / "index.html").read_text()


def test_mended_rows_run_and_their_failures_are_forgotten(ended: Ended):
    lab = ended.lab
    np.save(lab.folder / "data" / "nowhere.npy", lattice(5))
    lab.sheet("one tiny ../data/one.npy", "missing single ../data/nowhere.npy")
    lab.run("results/missing/samples.zarr").must_succeed()
    assert (lab.results / "missing" / "samples.zarr" / "zarr.json").is_file()
    assert not list((lab.results / "missing" / "failures").glob("*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("dataset\trecipe\tsource\n", ["no rows"]),
        ("dataset\trecipe\n", ["source"]),
        ("dataset recipe source\none tiny x.npy\n", ["tabs"]),
        ("dataset\trecipe\tsource\tpixelsize\none\ttiny\tx.npy\t1 nm\n", ["`pixel_size`"]),
    ],
)
def test_a_sheet_that_cannot_be_used_is_refused_in_words(fresh: Lab, text: str, words: list[str]):
    (fresh.folder / "config" / "datasets.tsv").write_text(text)
    run = fresh.run("--dry-run")
    assert run.code != 0
    assert "Traceback" not in run.output
    assert all(word in run.output for word in ["datasets.tsv", *words]), run.output


def test_unknown_keys_of_the_configuration_are_refused(fresh: Lab):
    run = fresh.run("--dry-run", "--config", "dataset=elsewhere.tsv")
    assert run.code != 0
    assert "Did you mean `datasets`" in run.output


def test_a_missing_sample_sheet_is_named(fresh: Lab, tmp_path: Path):
    run = fresh.run("--dry-run", "--config", f"datasets={tmp_path / 'gone.tsv'}")
    assert run.code != 0
    assert "gone.tsv" in run.output and "--config datasets=PATH.tsv" in run.output
