"""Methods in words have the numbers of the run, and their references are a bibliography."""

from __future__ import annotations

import re
from dataclasses import replace

import fake_results
import pytest
import spectral_results

from vaescope.report.cite import citation
from vaescope.report.methods import methods
from vaescope.report.references import references
from vaescope.results import Results
from vaescope.results.facts import Judgement, Score


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    results = tmp_path_factory.mktemp("methods")
    fake_results.make(results, "crystal", shape=(90, 120))
    return methods(Results(results / "crystal").facts, fake_results.RECIPE)


def test_the_text_has_the_numbers_of_the_run(told):
    text = " ".join(told.paragraphs)
    for words in (
        "`crystal.dm3` (SHA-256 000000000000…)",
        "120 × 90 pixels",
        "pixel size 0.02 nm",
        "Laplacian of Gaussian",
        "12\u00a0px (0.24\u00a0nm)",
        "20 × 20 points",
        "2 continuous latents and up to 3 classes",
        "(40 epochs)",
        "4 times from different random starts (seed 0)",
        "4 of 4 (`rvae`)",
        "99 % (`rvae`)",
    ):
        assert words in text, words


def test_every_number_in_brackets_is_a_reference_and_every_reference_is_named(told):
    named = {
        int(n)
        for group in re.findall(r"\[([\d, ]+)\]", " ".join(told.paragraphs))
        for n in group.split(", ")
    }
    assert named == set(range(1, len(told.references) + 1))


def test_a_file_named_like_a_citation_cites_nothing(tmp_path):
    fake_results.make(tmp_path, "crystal", shape=(90, 120))
    facts = Results(tmp_path / "crystal").facts
    facts.data["files"] = ["my [@notes].tif"]
    written = methods(facts, fake_results.RECIPE)
    assert "`my [@notes].tif` (SHA-256" in written.paragraphs[0]
    assert "[@" not in " ".join(written.paragraphs[1:])


def test_only_what_was_used_is_cited(told):
    keys = {reference.key for reference in told.references}
    assert {"kingma2014", "bepler2019", "jiang2017", "dendekker2005"} <= keys
    assert not keys & {"ronneberger2015", "fukai2023", "hytch1998", "scheres2005"}


def test_frames_and_windows_have_methods_too():
    data = {
        "width_px": 9,
        "height_px": 9,
        "frames": 5,
        "files": [],
        "sha256": [],
        "reader": "cards",
        "calibrated": False,
    }
    samples = Score("patch_samples", "samples", value=28, about="sites")
    known = Judgement("cards", code_version="1", data=data, scores=[samples])
    for method, words in (("frames", "pictures was a patch"), ("windows", "windows were laid")):
        recipe = {"sites": {"method": method}, "models": {}, "ensemble": {"members": 1}}
        assert words in methods(known, recipe).plain


def test_a_model_that_nothing_trained_is_no_method(tmp_path):
    fake_results.make(tmp_path, "crystal", shape=(90, 120))
    facts = Results(tmp_path / "crystal").facts
    assert "Model `rvae`" in methods(facts, fake_results.RECIPE).plain
    none = [replace(s, value=0.0) if s.name == "sites_found" else s for s in facts.scores]
    assert "Model `rvae`" not in methods(replace(facts, scores=none), fake_results.RECIPE).plain


def test_predicted_spectra_are_described_with_what_was_held_out_and_how_they_did(tmp_path):
    spectral_results.make(tmp_path / "disc")
    facts = Results(tmp_path / "disc").facts
    known = {"prediction_relative_error": 0.214, "prediction_coverage_68": 0.7}
    facts.scores.extend(Score(name, name, value=v, about="im2spec") for name, v in known.items())
    recipe = {
        "sites": {"method": "pixels"},
        "models": {"im2spec": {"variant": "im2spec"}},
        "prediction": {"held_out": "blocks"},
    }
    written = methods(facts, recipe)
    for words in (
        "0.21 of that of the mean spectrum",
        "70 % of the measured values",
        "64 channels",
    ):
        assert words in written.plain, words
    assert "A contiguous block of sites" in written.plain
    assert {"geurts2006", "lei2018", "roberts2017"} <= {one.key for one in written.references}
    recipe["prediction"] = {"held_out": "random"}
    assert "A random share of the sites" in methods(facts, recipe).plain


@pytest.mark.parametrize("reference", references().values(), ids=references())
def test_references_are_whole_and_their_addresses_well_formed(reference):
    assert reference.authors and reference.title and f"({reference.year})" in reference.where
    assert not reference.doi or re.fullmatch(r"10\.\d{4,5}/[^\s{}]+", reference.doi)
    assert not re.search(r"[\\{}]", reference.text)
    assert reference.bibtex.startswith("@") and reference.key in reference.bibtex


def test_a_reference_is_printed_with_its_authors_venue_and_doi():
    printed = references()
    assert printed["dendekker2005"].text == (
        "A. J. den Dekker, S. Van Aert, A. van den Bos and D. Van Dyck, Maximum likelihood"
        " estimation of structure parameters from high resolution electron microscopy images."
        " Part I: a theoretical framework, Ultramicroscopy 104 (2005) 83,"
        " doi:10.1016/j.ultramic.2005.03.001"
    )
    assert printed["scheres2005"].text.startswith("S. H. W. Scheres et al., Maximum-likelihood")
    assert "Computational Statistics & Data Analysis 52" in printed["hennig2007"].text
    assert r"Computational Statistics \& Data Analysis" in printed["hennig2007"].bibtex


def test_vaescope_is_cited_from_its_own_file(tmp_path):
    assert "vaescope developers" in citation().bibtex
    file = tmp_path / "CITATION.cff"
    file.write_text(
        "title: Maps & more\nversion: 2.0\ndate-released: 2031-05-06\ndoi: 10.1/a_b\n"
        "authors:\n  - given-names: Ada\n    family-names: Byron\n"
    )
    told = citation(file)
    assert told.text.startswith("Ada Byron, Maps & more, version 2.0 (2031), code ")
    assert "year = {2031}" in told.bibtex and "doi = {10.1/a_b}" in told.bibtex
    assert r"Maps \& more" in told.bibtex


def test_a_file_of_citation_that_is_gone_or_broken_still_gives_an_entry(tmp_path):
    (tmp_path / "broken.cff").write_text("{")
    for name in ("gone.cff", "broken.cff"):
        assert citation(tmp_path / name).bibtex.startswith("@software{vaescope-")
