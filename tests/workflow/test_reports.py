"""Reports in full, light ones, and none: only what draws and writes runs again."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from lab import SINGLE, Lab

PAGES = {"one/logs/write_report.log", "one/logs/write_crate.log", "logs/write_index.log"}
DRAWING = {"one/logs/draw_figures.log", "one/logs/write_comparison.log"}


class Links(HTMLParser):
    """Addresses of a page, and the names of its places."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.names: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses |= {found[key] or "" for key in ("href", "src") if key in found}
        self.names |= {found["id"] or ""} if "id" in found else set()


def dead_links(page: Path) -> list[str]:
    """Addresses of a page that lead nowhere."""
    found = Links(page)
    dead = []
    for address in found.addresses:
        if address.startswith("data:"):
            continue
        file, _, place = address.partition("#")
        there = (page.parent / unquote(file)).exists() if file else place in found.names
        dead += [] if there else [address]
    return dead


def crate_files(lab: Lab) -> set[str]:
    document = json.loads((lab.results / "one" / "ro-crate-metadata.json").read_text())
    return {entity["@id"] for entity in document["@graph"]}


def test_light_and_back_draws_and_writes_alone(lab: Lab):
    folder, light = lab.results / "one", ("--config", "reports=light")
    assert lab.ran(*light) == PAGES
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "A light report" in page and "reports=full" in page
    assert "Kinds of site" in page and "Can it be trusted?" in page
    assert 'id="explore"' not in page and "comparison.html" not in page
    drawn = json.loads((folder / "figures/light/figures.json").read_text())
    names = [figure["name"] for figure in drawn["figures"]]
    assert names == ["rvae-modes", "rvae-maps-cells", "jrvae-classes"]
    assert all(f'id="{name}"' in page for name in names)
    assert not dead_links(folder / "report.html") and not dead_links(lab.results / "index.html")
    assert not (folder / "figures" / "latest").exists(), "it is no longer the newest"
    assert "Light report" in (lab.results / "index.html").read_text(encoding="utf-8")
    assert not {"comparison.html", "figures/latest/"} & crate_files(lab)
    assert lab.plan(*light) == set()

    assert lab.ran() == PAGES | DRAWING
    assert 'id="explore"' in (folder / "report.html").read_text(encoding="utf-8")
    assert not dead_links(folder / "report.html")
    assert not (folder / "figures" / "light").exists()
    assert {"comparison.html", "report.html"} <= crate_files(lab)
    assert lab.plan() == set()

    assert lab.ran("--config", "reports=none") == PAGES - {"one/logs/write_report.log"}
    assert "report.html" not in crate_files(lab) and "facts.json" in crate_files(lab)
    index = (lab.results / "index.html").read_text(encoding="utf-8")
    assert "of an earlier run, from the same results" in index


def test_results_without_a_report_are_finished_and_a_recipe_may_ask_for_one(fresh: Lab):
    fresh.recipe("written", SINGLE + "reports: light\n")
    fresh.sheet("one single ../data/one.npy")
    run = fresh.run("--config", "reports=none").must_succeed()
    folder = fresh.results / "one"
    assert f"New results:\n  {folder / 'facts.json'}" in run.output
    assert "1 of 1 datasets finished" in run.output
    assert not (folder / "figures").exists() and not (folder / "report.html").exists()
    assert not (folder / "baselines.zarr").exists()
    assert (folder / "export" / "sites.csv").is_file()
    assert "facts.json" in crate_files(fresh)
    index = fresh.results / "index.html"
    assert re.search(r'class="card is-finished" data-name="one"', index.read_text())
    assert "No report is written" in index.read_text() and not dead_links(index)
    assert fresh.plan("--config", "reports=none") == set()

    fresh.sheet("one written ../data/one.npy")
    assert fresh.ran("--config", "reports=none") == PAGES
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "take that line out" in page and not dead_links(folder / "report.html")
    assert not (folder / "baselines.zarr").exists()
