"""Pages in a real browser, watched: what they ask for, and what they complain of."""

from __future__ import annotations

import copy
from pathlib import Path

import fake_results

from vaescope import figures, report
from vaescope.results import Results

OWN_TITLE = "document.title='owned'"
EVIL = f'<img src=x onerror="{OWN_TITLE}"> </script><script>{OWN_TITLE}</script>'
MODELS = ["rvae", "jrvae"]
RECIPE = {
    **fake_results.RECIPE,
    "description": EVIL,
    "figures": {"dpi": 40, "formats": ["png", "svg"]},
}
ROW = {"recipe": "atoms", "source": "a b.dm3", "notes": EVIL, "models": MODELS}


class Watched:
    """A page with the addresses that it asked for and what the console said of errors."""

    def __init__(self, browser, address: str, **settings) -> None:
        settings = {"viewport": {"width": 1366, "height": 768}, **settings}
        self.context = browser.new_context(reduced_motion="reduce", **settings)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)

    def away(self) -> list[str]:
        """Addresses that are neither in the page nor on the disk."""
        return [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))]

    def close(self) -> None:
        self.context.close()


def finished(results: Path) -> Path:
    """Two finished datasets, one of them in two versions that differ in a setting and a number."""
    for name, seed in (("crystal", 0), ("another-10", 1)):
        fake_results.make(results, name, shape=(90, 120), seed=seed)
        figures.draw(Results(results / name), RECIPE, MODELS)
        report.write_report(Results(results / name), RECIPE, MODELS, {"dataset": name, **ROW})
    changed = copy.deepcopy(RECIPE)
    changed["models"]["rvae"]["latent"] = 3
    fake_results.make(results, "crystal", shape=(96, 120))
    figures.draw(Results(results / "crystal"), changed, MODELS)
    report.write_report(
        Results(results / "crystal"), changed, MODELS, {"dataset": "crystal", **ROW}
    )
    return results
