"""A browser for the tests of this folder: the machine's Chromium, or Playwright's own."""

import os
import shutil

import pytest


def _executable() -> str | None:
    from playwright.sync_api import sync_playwright

    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.path.exists(own) else None


@pytest.fixture(scope="module")
def browser():
    """Chromium without a GPU. Without any on the machine tests are skipped, unless
    ``VAESCOPE_BROWSER=required``: then they fail, so that they are never left out unnoticed."""
    from playwright.sync_api import sync_playwright

    executable = _executable()
    if executable is None:
        reason = "there is no Chromium on this machine (install `chromium`)"
        if os.environ.get("VAESCOPE_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=flags)
        yield opened
        opened.close()
