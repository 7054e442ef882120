"""A report in a real browser, watched: what it asks for, and what it complains of."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from explorer_results import RECIPE
from playwright.sync_api import Browser, Page

from vaescope import report
from vaescope.results import Results

OWN = ("file:", "data:", "blob:")


def write(results: Path, dataset: str, models: list[str], **row) -> Path:
    report.write_report(Results(results / dataset), RECIPE, models, {"dataset": dataset, **row})
    return results / dataset / "report.html"


class Explorer:
    """The explorer of one report, opened; ``problems`` are complaints of the console, and
    ``requests`` addresses outside the page that it asked for, none of which were answered."""

    def __init__(self, browser: Browser, file: Path, width: int = 1366) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 1000})
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.context.route("**/*", self._answer)
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#explorer-root[data-ready]", timeout=60_000)
        self.show()

    def show(self) -> None:
        """Bring the explorer into the window, at once."""
        self.page.evaluate(
            "document.getElementById('explore').scrollIntoView({ behavior: 'instant' })"
        )
        self.settle()

    def _hear(self, message) -> None:
        if message.type in ("error", "warning", "assert"):
            self.problems.append(message.text)

    def _dismiss(self, dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _answer(self, route) -> None:
        if route.request.url.startswith(OWN):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def close(self) -> None:
        self.context.close()
        assert not self.problems, self.problems
        assert not self.requests, self.requests

    # -- what it shows

    @property
    def status(self) -> str:
        return self.page.locator("#explorer-status").inner_text()

    @property
    def summary(self) -> str:
        return self.page.locator("#explorer-summary").inner_text()

    def options(self, name: str) -> list[str]:
        return self.page.locator(f"#explorer-{name} option").all_inner_texts()

    def choose(self, name: str, label: str) -> None:
        self.page.select_option(f"#explorer-{name}", label=label)
        self.settle()

    def settle(self) -> None:
        """Wait until everything that was asked for is drawn."""
        self.page.wait_for_timeout(250)

    def marks(self, plot: str, layer: str) -> np.ndarray:
        """Places (mark, 2) as (x, y) of a layer of marks in a plot."""
        found = self.page.evaluate(
            """([plot, layer]) => {
                const root = Bokeh.documents.flatMap((d) => d.roots()).find((r) => r.name === plot);
                const { x, y } = root.renderers.find((r) => r.name === layer).data_source.data;
                return [Array.from(x), Array.from(y)];
            }""",
            [f"explorer-{plot}", layer],
        )
        return np.array(found, float).T.reshape(-1, 2)

    def canvas(self, name: str) -> np.ndarray:
        """Pixels (height, width, 4) of one of the small pictures."""
        width, height, pixels = self.page.evaluate(
            """(id) => {
                const canvas = document.getElementById(id);
                const { width, height } = canvas;
                const image = canvas.getContext("2d").getImageData(0, 0, width, height);
                return [width, height, Array.from(image.data)];
            }""",
            f"explorer-{name}",
        )
        return np.array(pixels, np.uint8).reshape(height, width, 4)

    def picture(self) -> np.ndarray:
        """Pixels of the picture behind the sites, as numbers."""
        found = self.page.evaluate(
            """() => {
                const plot = Bokeh.documents.flatMap((d) => d.roots())
                    .find((r) => r.name === "explorer-image");
                const source = plot.renderers.find((r) => r.name === "picture").data_source;
                return source.data.image.length ? Array.from(source.data.image[0]) : [];
            }"""
        )
        return np.array(found, dtype=np.uint32)

    # -- what a hand does

    def frame(self, plot: str) -> tuple[list[float], list[float]]:
        """The frame of a plot on the screen (left, top, width, height) and its ranges
        (x start, x end, y start, y end)."""
        box, ranges = self.page.evaluate(
            """(plot) => {
                const view = Array.from(Object.values(Bokeh.index.roots ?? Bokeh.index))
                    .find((v) => v.model.name === plot);
                const host = document.getElementById(plot).getBoundingClientRect();
                const own = view.el.getBoundingClientRect();
                const { left, top, width, height } = view.frame.bbox;
                const { x_range, y_range } = view.model;
                return [[own.left + left, own.top + top, width, height],
                        [x_range.start, x_range.end, y_range.start, y_range.end]];
            }""",
            f"explorer-{plot}",
        )
        return box, ranges

    def screen(self, plot: str, x: float, y: float) -> tuple[float, float]:
        """Where a place of a plot is on the screen."""
        (left, top, width, height), (x0, x1, y0, y1) = self.frame(plot)
        return left + (x - x0) / (x1 - x0) * width, top + (1 - (y - y0) / (y1 - y0)) * height

    def share(self, plot: str, across: float, down: float) -> tuple[float, float]:
        """A place on the screen by shares of the frame of a plot, from its upper left."""
        (left, top, width, height), _ = self.frame(plot)
        return left + across * width, top + down * height

    def drag(self, *places: tuple[float, float], shift: bool = False, rest: int = 0) -> None:
        """Draw a shape through places of the screen, after a rest of so many milliseconds."""
        if shift:
            self.page.keyboard.down("Shift")
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.wait_for_timeout(rest)
        for place in places[1:]:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()
        if shift:
            self.page.keyboard.up("Shift")
        self.settle()

    def point(self, plot: str, x: float, y: float) -> None:
        self.page.mouse.move(*self.screen(plot, x, y), steps=3)
        self.settle()

    def tool(self, plot: str, name: str) -> None:
        """Make another tool of a plot the active one."""
        self.page.evaluate(
            """([plot, name]) => {
                const root = Bokeh.documents.flatMap((d) => d.roots()).find((r) => r.name === plot);
                root.toolbar.tools.find((tool) => tool.type === name).active = true;
            }""",
            [f"explorer-{plot}", name],
        )
        self.settle()

    def export(self) -> list[dict[str, str]]:
        """The rows of the exported selection."""
        with self.page.expect_download() as waited:
            self.page.click("#explorer-export")
        text = Path(waited.value.path()).read_text(encoding="utf-8")
        return list(csv.DictReader(io.StringIO(text)))
