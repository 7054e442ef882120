"""The explorer of the report in a real browser: what is selected in one plot is so in the other."""

from __future__ import annotations

import re

import explorer_results
import numpy as np
import pytest
from explorer_page import Explorer, write
from waiting import until

from vaescope import quantities, store
from vaescope.quantities import with_errors

MODELS = ["rvae", "jrvae"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    explorer_results.make(folder)
    write(folder, "crystal", MODELS)
    return folder


@pytest.fixture(scope="module")
def opened(browser, results):
    explorer = Explorer(browser, results / "crystal" / "report.html")
    yield explorer
    explorer.close()


@pytest.fixture
def explorer(opened):
    """The page as it was at first: nothing selected, the first model's consensus."""
    opened.show()
    opened.choose("model", "jrvae")
    opened.choose("model", "rvae")
    opened.choose("x", "latent 1")
    opened.choose("y", "latent 2")
    opened.choose("colour", "latent 1")
    for plot in ("image", "latent"):
        opened.tool(plot, "BoxSelectTool")
    opened.page.locator("#explorer-colour").focus()
    opened.page.keyboard.press("Escape")
    opened.settle()
    return opened


def latents(results, model="rvae"):
    return store.open(results / "crystal" / model / "latents.zarr").load()


def sites(results):
    return store.open(results / "crystal" / "sites.zarr").load()


def chosen(explorer) -> np.ndarray:
    return np.array([int(row["site"]) for row in explorer.export()])


def test_a_box_in_the_latent_plane_marks_the_same_sites_in_the_image(explorer, results):
    held = latents(results)
    content = held["consensus_content"].values
    # The two phases lie at −1 and 1 of latent 1, with nothing between.
    x, _ = explorer.screen("latent", 0.0, 0.0)
    _, top = explorer.share("latent", 0, 0.01)
    right, bottom = explorer.share("latent", 0.99, 0.99)
    explorer.drag((x, top), (right, bottom))
    _, (_, _, y0, y1) = explorer.frame("latent")
    reach = 0.01 * (y1 - y0)
    inside = (content[:, 0] > 0) & (content[:, 1] > y0 + reach) & (content[:, 1] < y1 - reach)
    marked = explorer.marks("image", "points")
    scale = 0.02  # nm, the size of a pixel
    expected = np.stack([held["x"].values, held["y"].values], 1)[inside]
    found = {tuple(row) for row in (marked / scale - 0.5).round(3)}
    assert found == {tuple(row) for row in expected.round(3)}
    assert explorer.status == f"{inside.sum()} of {sites(results).sizes['site']} sites selected"
    assert len(explorer.marks("latent", "points")) == inside.sum()
    assert len(explorer.marks("latent", "rest")) == (~inside).sum()


def test_a_box_in_the_image_marks_the_same_sites_in_the_latent_plane(explorer, results):
    held = sites(results)
    explorer.drag(explorer.share("image", 0.25, 0.25), explorer.share("image", 0.75, 0.6))
    (_, _, _, _), (x0, x1, y0, y1) = explorer.frame("image")
    x = (held["x"].values + 0.5) * 0.02
    y = (held["y"].values + 0.5) * 0.02
    across, down = (x - x0) / (x1 - x0), 1 - (y - y0) / (y1 - y0)
    inside = (across > 0.25) & (across < 0.75) & (down > 0.25) & (down < 0.6)
    picked = held["site"].values[inside]
    assert len(picked) > 20
    assert sorted(chosen(explorer)) == sorted(picked)
    of_model = latents(results)
    content = of_model["consensus_content"].values[np.isin(of_model["site"].values, picked)]
    marked = explorer.marks("latent", "points")
    assert sorted(marked[:, 0]) == pytest.approx(sorted(content[:, 0]), abs=1e-6)


def test_a_lasso_selects_what_it_encloses(explorer, results):
    explorer.tool("latent", "LassoSelectTool")
    corners = [(0.0, -9.0), (0.0, 9.0), (9.0, 9.0), (9.0, -9.0)]
    (left, top, width, height), _ = explorer.frame("latent")

    def kept(x, y):
        x, y = explorer.screen("latent", x, y)
        return (
            min(max(x, left + 1), left + width - 1),
            min(max(y, top + 1), top + height - 1),
        )

    places = [kept(*corner) for corner in corners]
    explorer.drag(*places, places[0])
    held = latents(results)
    positive = held["site"].values[held["consensus_content"].values[:, 0] > 0]
    found = chosen(explorer)
    assert set(found) <= set(positive)
    assert len(found) > 0.95 * len(positive)  # a few lie beyond the range that is shown


def test_a_click_selects_one_site_and_shift_adds_another(explorer, results):
    held = sites(results)
    middle = np.argsort(np.hypot(held["y"] - 90, held["x"] - 60).values)[:1]
    other = np.argsort(np.hypot(held["y"] - 90, held["x"] - 180).values)[:1]
    for k, rows in enumerate((middle, other)):
        row = held.isel(site=rows)
        place = [(float(row[name].values[0]) + 0.5) * 0.02 for name in ("x", "y")]
        if k:
            explorer.page.keyboard.down("Shift")
        explorer.page.mouse.click(*explorer.screen("image", *place))
        explorer.page.keyboard.up("Shift")  # at once: two sites are no double click
    explorer.settle()
    assert sorted(chosen(explorer)) == sorted([*middle, *other])


def test_a_hand_that_rests_before_it_draws_still_selects(explorer):
    corners = explorer.share("latent", 0.1, 0.1), explorer.share("latent", 0.9, 0.9)
    explorer.drag(*corners, rest=900)
    assert "none" not in explorer.status
    x, y = explorer.marks("image", "points")[0]
    explorer.page.mouse.click(*explorer.screen("image", x, y), delay=900)
    explorer.settle()
    assert explorer.status.startswith("1 of")


def test_escape_and_the_button_clear_the_selection(explorer):
    box = (explorer.share("latent", 0.1, 0.1), explorer.share("latent", 0.9, 0.9))
    explorer.drag(*box)
    assert "selected" in explorer.status and "none" not in explorer.status
    explorer.page.locator("#explorer-colour").focus()
    explorer.page.keyboard.press("Escape")
    explorer.settle()
    assert explorer.status.endswith("none selected")
    assert explorer.page.locator("#explorer-export").is_disabled()
    explorer.drag(*box)
    explorer.page.click("#explorer-clear")
    explorer.settle()
    assert explorer.status.endswith("none selected")


def test_the_table_of_the_selection_is_what_the_stores_say(explorer, results):
    explorer.drag(explorer.share("image", 0.01, 0.01), explorer.share("image", 0.99, 0.99))
    rows = explorer.export()
    held = sites(results)
    numbers = [int(row["site"]) for row in rows]
    assert len(numbers) > 0.9 * held.sizes["site"]
    compared = 0
    for quantity in with_errors(quantities.of(held)):
        _same(rows, quantity.column, quantity.values[numbers])
        compared += 1
    for model in MODELS:
        stored = latents(results, model)
        at = {int(site): k for k, site in enumerate(stored["site"].values)}
        for quantity in with_errors(q for q in quantities.of(stored) if q.name not in held):
            expected = [quantity.values[at[n]] if n in at else np.nan for n in numbers]
            _same(rows, quantity.column, np.array(expected))
            compared += 1
    assert compared > 50


def _same(rows: list[dict[str, str]], header: str, expected: np.ndarray) -> None:
    assert header in rows[0], header
    words = {"": np.nan, "True": 1.0, "False": 0.0}
    told = np.array([words[t] if (t := row[header]) in words else float(t) for row in rows])
    np.testing.assert_allclose(told, expected.astype(float), rtol=1e-6, err_msg=header)


def test_each_member_with_a_vote_shows_its_own_numbers(explorer, results):
    members = explorer.options("member")
    kept = list(explorer_results.KEPT)
    assert members == [f"consensus of {len(kept)}", *(f"member {k}" for k in kept)]
    held = latents(results)
    explorer.choose("member", "member 2")
    marked = explorer.marks("latent", "points")
    own = held["content"].values[2]
    _, (x0, x1, y0, y1) = explorer.frame("latent")
    inside = (own[:, 0] > x0) & (own[:, 0] < x1) & (own[:, 1] > y0) & (own[:, 1] < y1)
    assert set(own[inside, 0].round(4)) <= set(marked[:, 0].round(4))
    explorer.drag(explorer.share("latent", 0.3, 0.1), explorer.share("latent", 0.95, 0.9))
    rows = explorer.export()
    at = {int(site): k for k, site in enumerate(held["site"].values)}
    said = {
        "latent_1": held["content"].values[2][:, 0],
        "latent_2_sd": held["content_sd"].values[2][:, 1],
        "angle_deg": np.degrees(held["angle"].values[2]),
        "offset_x_px": held["offset"].values[2][:, 1],
        "pose_strain_xy_sd_percent": 100 * held["strain_sd"].values[2][:, 2],
    }
    for name, values in said.items():
        expected = np.array([values[at[int(row["site"])]] for row in rows])
        _same(rows, f"rvae_member_2_{name}", expected)


def test_the_other_model_brings_its_own_latents_and_classes(explorer, results):
    explorer.choose("model", "jrvae")
    explorer.choose("colour", "class")
    assert "class 0" in explorer.page.locator("#explorer-legend").inner_text()
    held = latents(results, "jrvae")
    marked = explorer.marks("latent", "points")
    assert set(marked[:, 0].round(4)) <= set(held["consensus_content"].values[:, 0].round(4))
    share = (held["consensus_class"].values == 0).mean() * 100
    told = re.search(r"class 0 ([\d.]+) %", explorer.summary)
    assert told and float(told[1]) == pytest.approx(share, abs=0.06)


def test_sites_can_be_coloured_by_everything_and_say_so(explorer):
    explorer.choose("model", "jrvae")
    labels = explorer.options("colour")
    wanted = ("class", "latent 2", "angle (mod 90°)", "latent 1 spread", "class entropy")
    for told in (*wanted, "fit quality", "mode", "true phase", "residual over noise"):
        assert told in labels
    seen = set()
    for label in labels:
        explorer.page.select_option("#explorer-colour", label=label)
        until(
            explorer.page,
            "(label) => document.querySelector('#explorer-legend .legend-title')"
            ".textContent.startsWith(label)",
            arg=label,
        )
        assert explorer.summary.startswith(label)
        seen.add(explorer.page.locator("#explorer-legend").inner_html())
    assert len(seen) == len(labels)


def test_the_mean_of_the_selection_is_that_of_its_numbers(explorer, results):
    held = latents(results)
    x, _ = explorer.screen("latent", 0.0, 0.0)
    _, top = explorer.share("latent", 0, 0.01)
    explorer.drag((x, top), explorer.share("latent", 0.99, 0.99))
    picked = np.isin(held["site"].values, chosen(explorer))
    values = held["consensus_content"].values[picked, 0]
    found = re.search(
        r"latent 1: mean (−?[\d.]+), sd ([\d.]+), (−?[\d.]+) to (−?[\d.]+)$", explorer.summary
    )
    told = [float(number.replace("−", "-")) for number in found.groups()]
    expected = [values.mean(), values.std(), values.min(), values.max()]
    assert told == pytest.approx(expected, abs=0.005)
    assert "±" not in explorer.summary  # that is the standard error of one site


def test_the_model_draws_what_lies_under_the_cursor(explorer, results):
    held = latents(results)
    drawn = held["plane_decoded"].values[0, 0, :, :, 0]
    x, y = held["plane_x"].values[0], held["plane_y"].values[0]
    limits = drawn.min(), drawn.max()
    before = None
    # On a decoded picture, and half-way between four.
    for across, down in ((3, 4), (7.5, 5.5), (9, 2)):
        place = np.interp(across, range(len(x)), x), np.interp(down, range(len(y)), y)
        explorer.point("latent", *place)
        told = explorer.page.locator("#explorer-generated-words").inner_text()
        numbers = re.findall(r"latent \d = ([\d.−]+)", told)
        at = [float(number.replace("−", "-")) for number in numbers]
        assert at == pytest.approx(place, abs=0.03)
        # The mouse stands on whole pixels of the screen: compare at the place that it tells.
        fine = [np.clip(np.interp(v, line, range(len(line))), 0, len(line) - 1.001)
                for v, line in zip(at, (x, y), strict=True)]  # fmt: skip
        i, j = int(fine[1]), int(fine[0])
        u, v = fine[1] - i, fine[0] - j
        expected = (1 - u) * ((1 - v) * drawn[i, j] + v * drawn[i, j + 1]) + u * (
            (1 - v) * drawn[i + 1, j] + v * drawn[i + 1, j + 1]
        )
        grey = (expected - limits[0]) / (limits[1] - limits[0]) * 255
        shown = explorer.canvas("generated")[..., 0].astype(float)
        assert np.abs(shown - grey).max() < 3
        assert before is None or np.abs(shown - before).max() > 5
        before = shown


def test_a_site_under_the_cursor_shows_its_patch_and_its_numbers(explorer, results):
    folder = results / "crystal"
    patches = store.open(folder / "samples.zarr").load()
    k = patches.sizes["site"] // 2
    row = patches.isel(site=k)
    explorer.point("image", (float(row["x"]) + 0.5) * 0.02, (float(row["y"]) + 0.5) * 0.02)
    site = int(row["site"])
    until(
        explorer.page,
        "(title) => document.getElementById('explorer-site-title').textContent === title",
        arg=f"Site {site}",
    )
    shown = explorer.canvas("patch")[..., 0].astype(float)
    truth = row["patch"].values[0]
    assert shown.shape == truth.shape
    assert np.corrcoef(shown.ravel(), truth.ravel())[0, 1] > 0.99
    assert explorer.canvas("rebuilt")[..., 0].std() > 5
    told = explorer.page.locator("#explorer-numbers").inner_text()
    assert re.search(r"latent 1\s+−?[\d.]+ ± [\d.]+", told)
    assert re.search(r"row\s+[\d.]+ ± [\d.]+ px", told)
    assert re.search(r"angle \(mod 90°\)\s+−?[\d.]+ ± [\d.]+°", told)


def test_keys_reach_everything_and_every_control_has_a_name(explorer):
    page = explorer.page
    names = page.evaluate(
        """() => [...document.querySelectorAll(
            "#explorer-root :is(select, input, button, [tabindex='0'])")]
            .filter((e) => e.offsetParent && !e.closest(".bk-Figure"))
            .map((e) => [e.id, (e.labels && e.labels[0]?.textContent)
                || e.getAttribute("aria-label") || e.textContent])"""
    )
    assert len(names) > 8
    assert all(name and name.strip() for _, name in names), names
    page.locator("#explorer-latent").focus()
    first = explorer.page.locator("#explorer-generated-words").inner_text()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    explorer.settle()
    assert page.locator("#explorer-generated-words").inner_text() != first
    page.keyboard.press("Enter")
    explorer.settle()
    assert explorer.status.startswith("1 of")
    page.keyboard.press("Escape")
    explorer.settle()
    assert explorer.status.endswith("none selected")
    page.locator("#explorer-image").focus()
    before = page.locator("#explorer-site-title").inner_text()
    page.keyboard.press("ArrowRight")
    explorer.settle()
    assert page.locator("#explorer-site-title").inner_text() != before
    page.locator("#explorer-colour").focus()
    page.keyboard.press("ArrowDown")
    explorer.settle()
    assert not explorer.summary.startswith("latent 1:")


def test_pointing_in_the_plane_names_the_class_that_lies_there(explorer):
    explorer.choose("model", "jrvae")
    explorer.point("latent", -1.0, 0.0)
    assert "nearest site: class" in explorer.page.locator("#explorer-generated-words").inner_text()


def test_what_was_not_measured_is_hatched_and_explained(browser, tmp_path):
    """The lower third of the image, which stands at a black level."""
    import io

    import fake_results
    from PIL import Image

    folder = explorer_results.make(tmp_path, shape=(90, 120))
    fake_results.stop(folder, 60)
    write(tmp_path, "crystal", MODELS)
    explorer = Explorer(browser, folder / "report.html")
    try:
        explorer.settle()
        key = explorer.page.locator(".explorer-gaps")
        assert key.is_visible() and key.inner_text().strip() == "not measured"
        picture = Image.open(io.BytesIO(explorer.page.locator("#explorer-image").screenshot()))
        shown = np.asarray(picture.convert("RGB")).astype(int)
        blue = shown[..., 2] - shown[..., 0] > 5  # the hatch, as no grey of the image is
        middle = slice(shown.shape[1] // 3, 2 * shown.shape[1] // 3)
        rows = np.flatnonzero(blue[:, middle].mean(1) > 0.5)
        assert len(rows) > 0.1 * len(shown)
        assert shown[rows][:, middle].min() > 90 or (shown[rows][:, middle] > 90).mean() > 0.85
    finally:
        explorer.close()
