"""Waiting for a page.

The policy of the pages forbids to evaluate text, and so Playwright's ``wait_for_function`` fails as
soon as its first look comes too early: only single looks from outside are exempt from the policy.
"""

from __future__ import annotations

import time
from typing import Any


def until(page, expression: str, arg: Any = None, *, seconds: float = 30) -> None:
    """Return as soon as a JavaScript expression (or function of ``arg``) is true in the page.

    Raises
    ------
    AssertionError : it is still false after so many seconds.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"still false after {seconds} s: {expression}"
        page.wait_for_timeout(50)
