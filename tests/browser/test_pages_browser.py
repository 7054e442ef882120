"""The report in a browser: it hands out what it holds, copies its texts, and asks nothing."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
from pages_fixtures import MODELS, RECIPE, ROW, Watched
from PIL import Image
from waiting import until

from vaescope import figures, report
from vaescope.results import Results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    import fake_results

    folder = tmp_path_factory.mktemp("results")
    fake_results.make(folder, "crystal", shape=(90, 120))
    figures.draw(Results(folder / "crystal"), RECIPE, MODELS)
    report.write_report(Results(folder / "crystal"), RECIPE, MODELS, {"dataset": "crystal", **ROW})
    return folder


@pytest.fixture(scope="module")
def mailed(results, tmp_path_factory):
    """The report alone, without anything beside it."""
    alone = tmp_path_factory.mktemp("mailed") / "report.html"
    shutil.copy(results / "crystal/report.html", alone)
    return alone


@pytest.fixture
def seen(browser, mailed):
    page = Watched(browser, mailed.as_uri())
    yield page
    page.close()


def taken(seen, selector: str) -> tuple[str, bytes]:
    with seen.page.expect_download() as download:
        seen.page.click(selector)
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_nothing_is_asked_and_nothing_complained_of(seen, mailed):
    seen.page.wait_for_load_state("load")
    assert [url for url in seen.asked if not url.startswith("data:")] == [mailed.as_uri()]
    assert seen.complaints == []


def test_hostile_names_and_notes_stay_text(seen):
    assert seen.page.title() == "crystal · vaescope"
    assert "onerror" in seen.page.inner_text("section:has(#done)")
    assert seen.page.evaluate("[...document.images].every(one => one.src.startsWith('data:'))")


def test_the_mailed_page_hands_out_its_pictures(seen, results):
    name = "jrvae-maps-cells.png"
    got, data = taken(seen, f'a[download="{name}"]')
    assert got == name
    with Image.open(io.BytesIO(data)) as handed:
        assert handed.format == "PNG"
        found = np.asarray(handed.convert("RGB"), float)
    with Image.open(results / "crystal/figures/latest" / name) as drawn:
        wanted = np.asarray(drawn.convert("RGB"), float)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 3  # of 255: carried in a smaller format


@pytest.mark.parametrize("kind", ["csv", "svg"])
def test_the_mailed_page_hands_out_its_files(seen, results, kind):
    name = f"jrvae-maps-cells.{kind}"
    got, data = taken(seen, f'a[download="{name}"]')
    assert got == name
    assert data == (results / "crystal/figures/latest" / name).read_bytes()
    assert seen.complaints == [] and seen.away() == []


def test_the_table_of_a_map_has_a_row_for_each_site_and_names_with_units(seen, results):
    _, data = taken(seen, 'a[download="rvae-maps-points.csv"]')
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    manifest = json.loads((results / "crystal/figures/latest/figures.json").read_text())
    assert len(rows) > 20 and {"site", "x_px", "y_px", "rvae_latent_1"} <= set(rows[0])
    assert "rvae_angle_deg" in rows[0]
    named = {f["name"]: f["stores"] for f in manifest["figures"]}
    assert "consensus_content" in named["rvae-maps-points"]["rvae/latents.zarr"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("methods-plain", "References\n[1] "),
        ("methods-bibtex", "@inproceedings{kingma2014,"),
        ("citation", "vaescope developers"),
        ("citation-bibtex", "@software{vaescope-"),
    ],
)
def test_buttons_copy_what_they_say(seen, target, words):
    button = seen.page.locator(f'button[data-copy="{target}"]')
    button.click()
    until(seen.page, "document.getElementById('said').textContent === 'Copied'")
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert words in copied
    assert copied.strip() == seen.page.text_content(f"#{target}").strip()


def test_buttons_work_by_the_keyboard(seen):
    seen.page.focus('button[data-copy="citation-bibtex"]')
    seen.page.keyboard.press("Enter")
    until(seen.page, "document.getElementById('said').textContent === 'Copied'")


@pytest.mark.parametrize("width", [420, 1366])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_stands_out(browser, mailed, width, scheme):
    page = Watched(
        browser, mailed.as_uri(), viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("p.says", "p.more", ".chip", "figcaption", "a", "h2", ".tiles span"):
        assert page.page.evaluate(_CONTRAST, selector) >= 4.5, selector
    page.close()


_CONTRAST = """selector => {
  const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)|transparent/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return Math.min(...[...document.querySelectorAll(selector)].slice(0, 40).map(one => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
}"""


def test_the_page_has_landmarks_and_every_picture_an_alternative(seen):
    assert seen.page.locator("main").count() == 1 and seen.page.locator("header").count() == 1
    assert seen.page.locator("nav[aria-label]").count() == 1
    assert seen.page.locator("section:not([aria-labelledby])").count() == 0
    assert seen.page.locator('img:not([alt]), img[alt=""]').count() == 0


def test_on_paper_there_are_no_buttons_and_the_page_is_white(seen):
    seen.page.emulate_media(media="print", color_scheme="dark")
    assert not seen.page.locator("button:visible").count()
    colour = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(255, 255, 255)"
    assert all(seen.page.evaluate(_CONTRAST, one) >= 4.5 for one in ("p.says", ".chip", "h1"))
