"""Two runs of one dataset, compared byte by byte."""

from __future__ import annotations

import re
from pathlib import Path

from lab import contents

TIMED = {
    "history.csv": "its column of seconds",
    "baselines-seconds.csv": "seconds",
}
"""Results that hold times, by the end of their path."""
_DRAWN = re.compile(rb'"drawn": "[^"]*"')


def differences(first: Path, second: Path) -> tuple[list[str], list[str]]:
    """Paths of results that differ or are in one of two results folders only: those that may, since
    they hold times, and the others. When a figure was drawn is no result."""
    one, other = (_compared(folder) for folder in (first, second))
    differ = [
        name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)
    ]
    timed = [name for name in differ if name.rpartition("/")[2] in TIMED]
    return timed, [name for name in differ if name not in timed]


def _compared(folder: Path) -> dict[str, bytes]:
    found = contents(folder)
    return {
        name: _DRAWN.sub(b"", content) if name.endswith("figures.json") else content
        for name, content in found.items()
    }
