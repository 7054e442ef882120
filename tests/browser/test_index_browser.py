"""The index in a browser: find, sort and compare, by mouse and keyboard, without a server."""

from __future__ import annotations

import json

import pages_fixtures
import pytest
from pages_fixtures import EVIL, ROW, Watched
from waiting import until

from vaescope import report


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = pages_fixtures.finished(tmp_path_factory.mktemp("results"))
    (folder / "broken/failures").mkdir(parents=True)
    note = {"rule": "ingest", "message": "`scan.dm3` ends too early", "when": "now"}
    (folder / "broken/failures/ingest.json").write_text(json.dumps(note))
    rows = [{"dataset": name, **ROW} for name in ("crystal", "another-10", "another-9")]
    rows.append({"dataset": "broken", "recipe": "windows", "source": "scan.dm3", "notes": "Müller"})
    report.write_index(folder, rows, [{"row": 7, "dataset": EVIL, "message": EVIL}])
    return folder


@pytest.fixture
def seen(browser, results):
    page = Watched(browser, (results / "index.html").as_uri())
    yield page
    assert page.complaints == [] and page.away() == []
    assert page.page.title() == "vaescope: 4 datasets"
    page.close()


def cards(seen) -> list[str]:
    """Names on the cards that can be seen, in their order."""
    return [
        card.get_attribute("data-name")
        for card in seen.page.locator(".card").all()
        if card.is_visible()
    ]


def test_words_are_found_in_names_notes_and_reasons_whatever_their_accents(seen):
    for words, wanted in (
        ("another", ["another-10", "another-9"]),
        ("muller", ["broken"]),
        ("ends early", ["broken"]),
        ("nothing like it", []),
    ):
        seen.page.fill("#find", words)
        assert cards(seen) == wanted
    assert seen.page.inner_text("#shown") == "0 of 4 datasets shown"
    seen.page.press("#find", "Escape")
    assert len(cards(seen)) == 4


def test_states_and_recipes_narrow_what_is_shown(seen):
    seen.page.select_option("#recipe", "windows")
    assert cards(seen) == ["broken"]
    seen.page.click('label[for="show-finished"]')
    assert cards(seen) == []
    seen.page.select_option("#recipe", "")
    assert cards(seen) == ["crystal", "another-10"]


def test_names_are_sorted_as_people_count_and_the_order_can_be_turned(seen):
    seen.page.select_option("#sort", "name")
    assert cards(seen) == ["another-9", "another-10", "broken", "crystal"]
    seen.page.click("#turn")
    assert cards(seen) == ["crystal", "broken", "another-10", "another-9"]


def test_numbers_are_sorted_and_what_has_none_comes_last_either_way(seen):
    seen.page.select_option("#sort", label="sites")
    first = cards(seen)
    seen.page.click("#turn")
    assert cards(seen)[:2] == first[:2][::-1]
    assert set(first[2:]) == set(cards(seen)[2:]) == {"another-9", "broken"}


def test_failures_come_first_by_state(seen):
    seen.page.select_option("#sort", "state")
    assert cards(seen)[0] == "broken" and cards(seen)[-1] in {"crystal", "another-10"}


def test_the_keyboard_alone_finds_sorts_and_compares(seen):
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("crystal")
    assert cards(seen) == ["crystal"]
    seen.page.focus('button[data-compare="crystal"]')
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector("#compared table")
    assert seen.page.evaluate("document.activeElement.id") == "compare"
    seen.page.keyboard.press("Escape")
    assert not seen.page.locator("#compare").is_visible()


def rows(seen, title: str) -> list[list[str]]:
    """Cells of a table of the comparison."""
    section = seen.page.locator(
        "#compared section", has=seen.page.locator(f'h3:text-is("{title}")')
    )
    return [row.locator("th, td").all_inner_texts() for row in section.locator("tbody tr").all()]


def test_two_versions_of_a_dataset_differ_in_what_was_changed_alone(seen):
    seen.page.click('button[data-compare="crystal"]')
    seen.page.wait_for_selector("#compared table")
    assert rows(seen, "Recipe") == [["models: rvae: latent", "2", "3"]]
    changed = {row[0]: row[1:3] for row in rows(seen, "Data")}
    assert changed == {"height (px)": ["90", "96"]}
    numbers = {row[0]: row[1:] for row in rows(seen, "Numbers")}
    before, after, difference = numbers["sites: sites found"]
    assert difference.startswith("+") and int(after) - int(before) == int(difference.split()[0])
    assert "rvae: members retained" not in numbers
    seen.page.check("#compare-all")
    assert len(rows(seen, "Recipe")) > 10


def test_sides_can_be_swapped_and_chosen_and_the_address_says_which(seen):
    seen.page.click('button[data-compare="crystal"]')
    seen.page.wait_for_selector("#compared table")
    seen.page.click("#compare-swap")
    assert rows(seen, "Recipe") == [["models: rvae: latent", "3", "2"]]
    seen.page.select_option("#right-set", label="another-10")
    assert rows(seen, "Data")[0][0] == "sha256"
    assert "#compare=crystal@" in seen.page.url and ",another-10@" in seen.page.url


def test_an_address_opens_a_comparison_and_figures_stand_side_by_side(seen, results):
    seen.page.goto((results / "index.html").as_uri() + "#compare=another-10,crystal")
    seen.page.reload()
    seen.page.wait_for_selector("#compared .pairs img")
    pair = seen.page.locator("#compared .pairs figure").first
    pair.scroll_into_view_if_needed()
    until(
        seen.page,
        "[...document.querySelector('.pairs figure').querySelectorAll('img')]"
        ".every(one => one.complete && one.naturalWidth > 100)",
    )
    assert pair.locator("img").count() == 2


def test_a_figure_that_is_gone_says_so(browser, results, tmp_path):
    (tmp_path / "index.html").write_bytes((results / "index.html").read_bytes())
    page = Watched(browser, (tmp_path / "index.html").as_uri() + "#compare=crystal")
    page.page.wait_for_selector("#compared .pairs .lost")
    assert "does not lie beside this page" in page.page.locator(".lost").first.inner_text()
    assert page.away() == []
    page.close()


def test_an_address_of_a_dataset_that_is_not_there_opens_nothing(browser, results):
    page = Watched(browser, (results / "index.html").as_uri() + "#compare=%3Cb%3E@x,y")
    page.page.wait_for_timeout(300)
    assert not page.page.locator("#compare").is_visible() and page.complaints == []
    page.close()


@pytest.mark.parametrize("width", [420, 1366])
def test_the_index_and_its_comparison_are_no_wider_than_the_window(browser, results, width):
    page = Watched(
        browser,
        (results / "index.html").as_uri() + "#compare=crystal",
        viewport={"width": width, "height": 800},
    )
    page.page.wait_for_selector("#compared table")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
