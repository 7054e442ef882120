"""Whatever is wrong with an image or a file, the result is right, or it is said to be wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import field
import image_faults
from field_files import CASES
from specimens import LATTICES

LATTICE = dict(zip(image_faults.FAULTS, list(LATTICES) * 9, strict=False))


@pytest.mark.parametrize("fault", image_faults.FAULTS)
def test_an_image_with_a_fault_is_right_or_said_to_be_wrong(tmp_path, fault):
    strengths = image_faults.FAULTS[fault].strengths
    strength = strengths[len(strengths) // 2]
    case = image_faults.case(fault, strength, LATTICE[fault], 3, tmp_path, size=field.SMALL["size"])
    found = field.verdict(case)
    assert found.word not in field.BAD, field.detail(fault, strength, found)


@pytest.mark.parametrize("lattice", LATTICES)
def test_nothing_is_said_against_a_good_image(tmp_path, lattice):
    found = field.verdict(image_faults.case("none", 0, lattice, 5, tmp_path, size=192))
    assert found.word == field.RIGHT
    assert not field.detail("none", 0, found)


@pytest.mark.parametrize("name", CASES)
def test_a_file_or_sheet_is_read_as_it_is_meant(tmp_path, name):
    assert CASES[name](tmp_path) == ""


def test_the_watch_notices_what_is_silent_and_what_is_mended(tmp_path):
    """A site that is moved without a word is silent; a setting that is advised is tried."""
    case = image_faults.case("none", 0, "square", 1, tmp_path, size=192)
    case.position = case.position + 0.2 * case.nearest
    assert field.verdict(case).word == field.SILENT
    dark = image_faults.case("wrong polarity", 1, "square", 1, tmp_path, size=192)
    known = dark.known
    words = "Look at it; set `sites: polarity: dark`, or `spacing`."
    tried = dict(field.remedies(words, known))
    assert tried["polarity: dark"] == {"sites": {"polarity": "dark"}}
    assert tried[f"spacing: {known['spacing'][0]}"]["sites"]["spacing"] == known["spacing"][0]
    assert field.analyse(dark, {"sites": {"polarity": "dark"}}).right
