"""Spectra in the explorer, in a real browser."""

from __future__ import annotations

import fake_results
import numpy as np
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
