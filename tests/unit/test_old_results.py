"""Results of an earlier version open, or are refused in one message that says what to do.

``data/old_results.tar.xz`` holds one small dataset as version a4c7c6b left it: an image of 66 × 84
pixels, 44 patches, a joint model with strain and classes, without the pixels of its figures.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaescope import figures, report
from vaescope.errors import UserError
from vaescope.exchange import table
from vaescope.results import Results

ARCHIVE = Path(__file__).parent / "data" / "old_results.tar.xz"
MODELS = ["jrvae"]
ROW = {"dataset": "old", "recipe": "tiny", "source": "old.npy"}


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "old"


def recipe(old: Path) -> dict[str, Any]:
    found = json.loads((old / "recipe.json").read_text(encoding="utf-8"))
    return found | {"figures": {"formats": ["png"], "dpi": 30}}


def opened(made: Callable[[], Any]) -> Any:
    """What is made of old results; None where they are refused, in words of which a person knows
    what to do."""
    try:
        return made()
    except UserError as error:
        assert "earlier version" in str(error), error
        assert "again" in str(error), error
        return None


def test_the_table_of_sites_has_all_of_its_columns_or_says_what_to_run_again(old):
    columns = opened(lambda: table.columns_of(Results(old), MODELS))
    if columns is not None:
        names = " ".join(column.column for column in columns)
        for part in ("latent_1", "angle", "offset_y", "offset_x", "strain_xy", "class", "y_nm"):
            assert part in names


def test_figures_are_all_drawn_or_the_message_says_what_to_run_again(old):
    manifest = opened(lambda: figures.draw(Results(old), recipe(old), MODELS))
    if manifest is not None:
        drawn = {figure["name"] for figure in manifest["figures"]}
        of_model = {"maps-points", "maps-cells", "uncertainty", "strain", "classes", "training"}
        assert {"sites", "strain-maps", *(f"jrvae-{name}" for name in of_model)} <= drawn
        tables = (old / "figures" / "latest" / "jrvae-maps-cells.csv").read_text()
        assert "offset" in tables.splitlines()[0] and "angle" in tables.splitlines()[0]


def test_the_report_shows_all_or_the_message_says_what_to_run_again(old):
    opened(lambda: report.write_report(Results(old), recipe(old), MODELS, ROW))
    page = old / "report.html"
    if page.is_file():
        text = page.read_text(encoding="utf-8")
        for words in ("strain xy", "offset", "latent 2", "angle"):
            assert words in text


def test_the_index_lists_old_results_as_finished(old):
    (old / "report.html").touch()
    report.write_index(old.parent, [ROW], [])
    text = (old.parent / "index.html").read_text(encoding="utf-8")
    assert "finished" in text and "old" in text
