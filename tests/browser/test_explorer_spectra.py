"""Spectra in the explorer, in a real browser."""

from __future__ import annotations

import fake_results
import numpy as np
import pair_results
import pytest
import spectral_results
from explorer_page import Explorer
from waiting import until

from vaescope import report
from vaescope.results import Results


@pytest.fixture
def explorer(browser, tmp_path):
    spectral_results.make(tmp_path / "disc")
    results = Results(tmp_path / "disc")
    report.write_report(results, fake_results.RECIPE, ["im2spec"], {"dataset": "disc"})
    opened = Explorer(browser, tmp_path / "disc" / "report.html")
    yield opened
    opened.close()


def legend(explorer: Explorer) -> list[str]:
    return explorer.page.locator("#explorer-curve-legend li").all_inner_texts()


def drawn(explorer: Explorer) -> np.ndarray:
    """Places of dark pixels, of the measured spectrum, as shares of the canvas."""
    pixels = explorer.canvas("spectrum").astype(int)
    dark = (pixels[..., 3] > 120) & (pixels[..., :3].max(-1) < 90)
    row, column = np.nonzero(dark[16:-18])
    return np.stack([(row + 16) / pixels.shape[0], column / pixels.shape[1]], axis=1)


def test_a_site_shows_its_spectrum_the_predicted_one_and_its_band(explorer):
    explorer.point("image", 12.0, 12.0)
    explorer.settle()
    assert legend(explorer) == ["measured", "predicted", "68 % band"]
    words = explorer.page.locator("#explorer-curve-words").inner_text()
    assert words == "counts against energy loss (eV)"
    top = drawn(explorer)
    assert abs(top[top[:, 0].argmin(), 1] - 0.5) < 0.05  # the peak at 15 of 30 eV
    explorer.point("image", 2.0, 2.0)
    explorer.settle()
    top = drawn(explorer)
    assert abs(top[top[:, 0].argmin(), 1] - 8 / 30) < 0.05


def test_a_selection_shows_its_mean_spectrum(explorer):
    explorer.point("image", 12.0, 12.0)
    explorer.page.mouse.down()
    explorer.page.mouse.up()
    explorer.settle()
    until(
        explorer.page,
        "() => document.getElementById('explorer-curve-legend').textContent.includes('selection')",
    )
    explorer.page.keyboard.press("Escape")
    explorer.page.locator("#explorer-clear").is_disabled()


def set_window(explorer: Explorer, name: str, value: int) -> None:
    explorer.page.evaluate(
        """([name, value]) => {
            const slider = document.getElementById(`explorer-window-${name}`);
            slider.value = String(value);
            slider.dispatchEvent(new Event("input"));
        }""",
        [name, value],
    )
    explorer.settle()


def colours(explorer: Explorer) -> dict[tuple[int, int], tuple[int, ...]]:
    """Colours of the sites in the image by their row and column."""
    found = explorer.page.evaluate(
        """() => {
            const root = Bokeh.documents.flatMap((d) => d.roots())
                .find((r) => r.name === "explorer-image");
            const { x, y, colour } = root.renderers.find((r) => r.name === "points")
                .data_source.data;
            return [Array.from(x), Array.from(y), Array.from(colour)];
        }"""
    )
    x, y, colour = (np.array(part) for part in found)
    rows = zip(y.astype(int), x.astype(int), colour.reshape(-1, 4), strict=True)
    return {(int(row), int(column)): tuple(map(int, one)) for row, column, one in rows}


def words(explorer: Explorer) -> str:
    return explorer.page.locator("#explorer-window-words").inner_text()


def test_a_window_of_energies_colours_the_image_and_is_moved_by_keys(explorer):
    before = colours(explorer)
    set_window(explorer, "width", 5)
    set_window(explorer, "middle", 32)  # 15.2 eV, where the disc has its peak
    assert "14.29 to 16.19 eV" in words(explorer)
    shown = colours(explorer)
    assert len(shown) == len(before) == spectral_results.SIDE**2
    assert shown != before
    bright, dark = shown[12, 12], shown[2, 2]
    assert sum(bright[:3]) > sum(dark[:3]) + 200  # yellow and violet of viridis
    legend = explorer.page.locator("#explorer-legend").inner_text()
    assert "measured counts, mean of 14.29 to 16.19 eV" in legend
    set_window(explorer, "middle", 17)  # 8.1 eV, where the matrix has its own
    shown = colours(explorer)
    assert sum(shown[2, 2][:3]) > sum(shown[12, 12][:3]) + 200
    explorer.page.locator("#explorer-window-middle").focus()
    before_keys = words(explorer)
    explorer.page.keyboard.press("ArrowRight")
    explorer.settle()
    assert words(explorer) != before_keys
    slider = explorer.page.locator("#explorer-window-middle")
    assert slider.get_attribute("aria-valuetext") == words(explorer)
    explorer.choose("colour", explorer.options("colour")[0])
    assert not explorer.page.locator("#explorer-window-on").is_checked()
    assert "mean of" not in explorer.page.locator("#explorer-legend").inner_text()


def test_predicted_less_measured_is_small_where_the_truth_is_predicted(explorer):
    explorer.page.check("#explorer-window-on")
    explorer.choose("window-shown", "predicted − measured")
    assert "predicted − measured" in explorer.page.locator("#explorer-legend").inner_text()
    summary = explorer.summary
    mean = float(summary.split("mean ")[2].split(",")[0].replace("−", "-"))
    assert abs(mean) < 2  # of 200 counts
    explorer.choose("window-shown", "measured")


def test_pointing_at_a_spectrum_moves_the_window_there(explorer):
    box = explorer.page.locator("#explorer-spectrum").bounding_box()
    explorer.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    explorer.settle()
    assert explorer.page.locator("#explorer-window-on").is_checked()
    middle = int(explorer.page.locator("#explorer-window-middle").input_value())
    assert abs(middle - (len(spectral_results.ENERGY) - 1) / 2) <= 1


def test_over_the_plane_of_a_dual_model_patch_and_spectrum_are_drawn(browser, tmp_path):
    pair_results.make(tmp_path / "particles")
    results = Results(tmp_path / "particles")
    report.write_report(results, fake_results.RECIPE, ["dualvae"], {"dataset": "particles"})
    opened = Explorer(browser, tmp_path / "particles" / "report.html")
    opened.point("latent", 3.375, 0.5)  # at a quarter of the plane
    until(opened.page, "() => !document.getElementById('explorer-there').hidden")
    opened.settle()
    said = opened.page.locator("#explorer-there-words").inner_text()
    assert said == "Spectrum decoded there: counts against energy loss (eV)."
    assert opened.canvas("generated").shape[0] == pair_results.SIDE
    for place, energy in ((3.375, 2.5), (5.125, 3.5)):
        opened.point("latent", place, 0.5)
        opened.settle()
        pixels = opened.canvas("generated-spectrum").astype(int)
        line = (pixels[..., 3] > 120) & (pixels[..., 2] > pixels[..., 0] + 60)
        row, column = np.nonzero(line)
        top = column[row < row.min() + 3].mean() / pixels.shape[1]
        assert abs(1 + 4 * top - energy) < 0.2
    # Below the site: its patch as it is predicted from its spectrum alone.
    assert opened.canvas("predicted").shape[0] == pair_results.SIDE
    opened.close()


def test_over_the_plane_of_decoded_spectra_the_nearest_patch_is_shown(explorer):
    explorer.page.mouse.move(*explorer.share("latent", 0.5, 0.5))
    until(explorer.page, "() => !document.getElementById('explorer-there').hidden")
    said = explorer.page.locator("#explorer-there-words").inner_text()
    assert said.startswith("Spectrum decoded there")
