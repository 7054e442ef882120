"""Does a test notice? Apply known mistakes to a copy of the library, one at a time, and run tests.

    python tests/mutations.py          every mistake
    python tests/mutations.py strain   those whose name holds a word

A mistake that no test notices is one that readers of the results would be the first to see. Not
part of the test suite: each mistake runs tests anew. Exit status: how many mistakes went unnoticed,
or no longer fit the code that they were made for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILM = "tests/unit/test_known_film.py"


@dataclass(frozen=True)
class Mistake:
    """One wrong line: what ``pattern`` (a regular expression) matches in ``file``, once, becomes
    ``wrong``. Some of the tests of ``FILM`` that ``chosen`` names (as after ``pytest -k``) must
    fail."""

    name: str
    file: str
    pattern: str
    wrong: str
    chosen: str


_SWAPPED = (
    "quantities/reading.py",
    r"array\.isel\(place\)\.values",
    'array.isel({d: 1 - k if d == "axis" else k for d, k in place.items()}).values',
)
MISTAKES = (
    Mistake("x and y offset swapped on maps", *_SWAPPED, "say_on_its_axis and offset and figures"),
    Mistake(
        "x and y offset swapped in the explorer",
        *_SWAPPED,
        "say_on_its_axis and offset and explorer",
    ),
    Mistake(
        "strain not in per cent on maps",
        "quantities/reading.py",
        r"return factor \* values\.astype\(float\)",
        "return values.astype(float)",
        "say_on_its_axis and strain and figures",
    ),
    Mistake(
        "consensus offset in half patch sides",
        "ensemble/consensus.py",
        r"stack\(value \* unit for value in values\)",
        "stack(value for value in values)",
        "say_on_its_axis and offset and latents",
    ),
    Mistake(
        "sd of the strain not widened for correlated noise",
        "ensemble/consensus.py",
        r"error \* unit \* inflation for",
        'error * unit * (1 if name == "strain" else inflation) for',
        "widened_for_noise and strain",
    ),
    Mistake(
        "y_physical from the x axis",
        "sites/table.py",
        r"image\[axis\]\.values",
        'image["x"].values',
        "on_the_specimen",
    ),
)


def made(mistake: Mistake, source: Path) -> str:
    """Make a mistake in a copy of the library; says why where it no longer fits."""
    path = source / "vaescope" / mistake.file
    if not path.is_file():
        return f"there is no {mistake.file}"
    text = path.read_text(encoding="utf-8")
    found = len(re.findall(mistake.pattern, text))
    if found != 1:
        return f"its pattern matches {found} places of {mistake.file}, not one"
    path.write_text(re.sub(mistake.pattern, mistake.wrong, text), encoding="utf-8")
    return ""


def noticed(mistake: Mistake) -> str:
    """What became of a mistake, in words; begins with `noticed` where a test failed."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        if why := made(mistake, source):
            return f"OUTDATED: {why}"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-x", "--no-header"]
        ended = subprocess.run(
            [*command, "-p", "no:cacheprovider", "-k", mistake.chosen, FILM],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
        )
    failed = re.findall(r"^FAILED (\S+)", ended.stdout, re.MULTILINE)
    if failed:
        return f"noticed by {failed[0].rpartition('/')[2]}"
    if ended.returncode:
        return "UNCLEAR: the tests did not run\n" + ended.stdout[-2000:]
    return "UNNOTICED"


def main(words: list[str]) -> int:
    missed = 0
    for mistake in MISTAKES:
        if all(word in mistake.name for word in words):
            became = noticed(mistake)
            missed += not became.startswith("noticed")
            print(f"{mistake.name}: {became}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
