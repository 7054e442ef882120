"""A light report answers with a few figures, whatever kind of data it is about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import fake_results
import pair_results
import pytest
import search_results
import spectral_results
import wall_results

from vaescope import figures, report
from vaescope.figures import few
from vaescope.results import Results

RECIPE = {**fake_results.RECIPE, "figures": {"dpi": 40, "formats": ["png", "svg"]}}
ROW = {"dataset": "one", "recipe": "atoms", "source": "a.dm3", "notes": "<script>x()</script>"}


def searched(root: Path) -> Path:
    folder = fake_results.make(root, "one", shape=(90, 120), models=("rvae",))
    search_results.add(folder, search_results.of_sites(folder))
    fake_results.judge(folder, ["rvae"])
    return folder


def spectral(root: Path) -> Path:
    spectral_results.make(root / "one")
    return root / "one"


def pairs(root: Path) -> Path:
    pair_results.make(root / "one")
    return root / "one"


KINDS = {
    # what it is: (results, figures of the light report)
    "atoms": (
        lambda root: fake_results.make(root, "one", shape=(90, 120)),
        ["rvae-modes", "rvae-maps-cells", "jrvae-classes"],
    ),
    "search": (searched, ["search-maps", "rvae-modes", "rvae-maps-cells"]),
    "spectra": (spectral, None),
    "pairs": (pairs, None),
    "walls": (lambda root: wall_results.make(root, "one"), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_the_answer_and_no_dead_link(kind: str, tmp_path: Path):
    make, wanted = KINDS[kind]
    folder = make(tmp_path)
    models = sorted(path.parent.name for path in folder.glob("*/latents.zarr"))[::-1]
    drawn = figures.draw(Results(folder), RECIPE, models, light=True)
    names = [figure["name"] for figure in drawn["figures"]]
    assert 1 <= len(names) <= few.MOST
    assert wanted is None or names == wanted
    assert all(figure["files"] == [f"{figure['name']}.png"] for figure in drawn["figures"])
    report.write_light_report(Results(folder), RECIPE, models, ROW)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert sorted(re.findall(r'<figure id="([^"]+)"', page)) == sorted(names)
    assert "reports=full" in page and "Can it be trusted?" in page
    assert "<script>x()" not in page and "&lt;script&gt;x()" in page
    places = set(re.findall(r' id="([^"]+)"', page))
    for address in re.findall(r' href="([^"]+)"', page):
        file, _, place = address.partition("#")
        if file not in ("", "data:,", "../index.html"):
            assert (folder / file).is_file(), address
        assert file or place in places, address


def test_light_and_full_figures_take_turns_and_versions_stay(tmp_path: Path):
    folder = fake_results.make(tmp_path, "one", shape=(70, 80), models=("vae",))
    root, recipe = folder / "figures", {**RECIPE, "figures": {"dpi": 40, "formats": ["png"]}}
    light = figures.draw(Results(folder), recipe, ["vae"], light=True)
    assert {path.name for path in root.iterdir()} == {light["version"], "light"}
    full = figures.draw(Results(folder), recipe, ["vae"])
    assert light["version"] != full["version"]
    assert {path.name for path in root.iterdir()} == {light["version"], full["version"], "latest"}
    again = figures.draw(Results(folder), recipe, ["vae"], light=True)
    assert again["version"] == light["version"]
    report.write_index(tmp_path, [{"dataset": "one", "models": ["vae"], "reports": "light"}], [])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" in page, "the thumbnail of the light version"


def test_without_a_report_facts_are_what_is_finished(tmp_path: Path):
    folder = fake_results.make(tmp_path, "one", shape=(70, 80), models=("vae",))
    row = {"dataset": "one", "models": ["vae"], "reports": "none"}
    report.write_index(tmp_path, [row], [])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "1 finished" in page and 'href="one/facts.json"' in page
    (folder / "report.html").write_text("of long ago")
    old = json.loads((folder / "facts.json").read_text())  # it is judged anew, later
    (folder / "facts.json").unlink()
    report.write_index(tmp_path, [row], [])
    assert "1 incomplete" in (tmp_path / "index.html").read_text(encoding="utf-8")
    (folder / "facts.json").write_text(json.dumps(old))
    later = (folder / "report.html").stat().st_mtime + 10
    os.utime(folder / "facts.json", (later, later))
    report.write_index(tmp_path, [row], [])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "1 finished" in page and "one/report.html" not in page, "an outdated report"


def test_a_light_report_imports_no_explorer_and_no_other_figures(tmp_path: Path):
    folder = fake_results.make(tmp_path, "one", shape=(70, 80), models=("vae",))
    code = f"""
import sys
from pathlib import Path
from vaescope import figures, report
from vaescope.results import Results
results = Results(Path({str(folder)!r}))
figures.draw(results, {{}}, ["vae"], light=True)
report.write_light_report(results, {{}}, ["vae"], {{}})
heavy = ("bokeh", "sklearn", "torch", "scipy.optimize", "scipy.stats", "vaescope.explorer",
         "vaescope.figures.catalogue", "vaescope.judge.findings", "vaescope.report.methods")
print([name for name in heavy if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
