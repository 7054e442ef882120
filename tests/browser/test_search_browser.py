"""The slider over the steps of a search, in a real browser."""

from __future__ import annotations

import base64
import io

import fake_results
import numpy as np
import pytest
import search_results
from explorer_page import Explorer
from explorer_results import RECIPE
from PIL import Image

from vaescope import figures, report
from vaescope.explore.outcome import Outcome
from vaescope.results import Results


def page(browser, root, explored):
    folder = fake_results.make(root, models=("rvae",))
    search_results.add(folder, explored(folder))
    fake_results.judge(folder, ["rvae"])
    recipe = RECIPE | {"explore": {"method": "active", "start": 12, "evaluations": 60}}
    figures.draw(Results(folder), recipe, ["rvae"])
    report.write_report(Results(folder), recipe, ["rvae"], {"dataset": "crystal"})
    return folder, Explorer(browser, folder / "report.html")


@pytest.fixture(scope="module", params=["sites", "plane", "line", "space"])
def opened(request, browser, tmp_path_factory):
    made = {
        "sites": search_results.of_sites,
        "plane": lambda folder: search_results.latent_plane(),
        "line": lambda folder: search_results.latent_space(1),
        "space": lambda folder: search_results.latent_space(5),
    }[request.param]
    folder, explorer = page(browser, tmp_path_factory.mktemp(request.param), made)
    explorer.page.wait_for_selector("#search-root[data-ready]")
    explorer.explored = Results(folder).explored
    yield explorer
    explorer.close()


def pixels(explorer: Explorer, name: str) -> np.ndarray:
    """Pixels (height, width, 4) of a panel."""
    address = explorer.page.evaluate(
        "(id) => document.getElementById(id).toDataURL()", f"search-{name}"
    )
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.array(picture.convert("RGBA"))


def move_to(explorer: Explorer, step: int) -> str:
    explorer.page.locator("#search-step").fill(str(step))
    return explorer.page.locator("#search-words").inner_text()


def test_the_slider_goes_through_the_steps(opened):
    last = int(opened.page.locator("#search-step").get_attribute("max"))
    assert last == 6
    said = [move_to(opened, step) for step in (0, last)]
    assert said[0].startswith("after 12 evaluations")
    assert said[1].startswith("after 60 evaluations")


def test_what_is_believed_changes_from_step_to_step(opened):
    move_to(opened, 0)
    first = {name: pixels(opened, name) for name in ("mean", "sd")}
    move_to(opened, 6)
    for name, before in first.items():
        assert np.mean(pixels(opened, name) != before) > 0.01  # of a line fewer than of a map


def test_pointing_at_a_candidate_says_what_is_believed_of_it(opened):
    canvas = opened.page.locator("#search-mean")
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 60, "y": 60})
    said = opened.page.locator("#search-place").inner_text()
    assert "predicted" in said
    assert "±" in said
    axes = Outcome(opened.explored).axes
    if axes[0].startswith("latent"):
        assert all(name in said for name in axes)


def test_what_the_panels_leave_out_is_said(opened):
    said = opened.page.locator("#search-axes").inner_text()
    axes = Outcome(opened.explored).axes
    if not axes[0].startswith("latent"):
        assert not said  # the axes of an image need no words
    else:
        assert ("Across: latent 1" if len(axes) < 3 else "the first two of 5 latents") in said
