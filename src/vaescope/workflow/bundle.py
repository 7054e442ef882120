"""Train the detectors that come with the package, those of the bundled recipes, anew.

`make detectors` does it (`python -m vaescope.workflow.bundle [RECIPE …]`): some minutes of one core
for each. On the machine and with the packages that a detector names, the same files come out.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from vaescope.learned import files
from vaescope.learned.settings import DetectorSettings
from vaescope.recipes import resolve_recipe

RECIPES = Path("config", "recipes")
BUNDLED = ("atoms-learned", "layers-learned", "single-atoms", "walls-learned")
"""Recipes whose detectors come with the package."""


def wanted(root: Path) -> dict[str, tuple[list[str], DetectorSettings]]:
    """By its digest, every detector that comes with the package: recipes that need it, and its
    settings.

    Parameters
    ----------
    root : folder of the repository.
    """
    found: dict[str, tuple[list[str], DetectorSettings]] = {}
    for name in BUNDLED:
        settings = resolve_recipe(name, [root / RECIPES]).sites.detector
        found.setdefault(settings.digest(), ([], settings))[0].append(name)
    return found


def train(root: Path, only: list[str]) -> None:
    """Train the detectors of these recipes into the package; without any, all that it should have,
    and remove what it should not have."""
    from vaescope.sites import learned

    known = wanted(root)
    for digest, (recipes, settings) in known.items():
        if only and not set(only) & set(recipes):
            continue
        print(f"{digest}: {', '.join(recipes)}", flush=True)
        detector = learned.train(settings, threads=os.cpu_count() or 1)
        learned.save(detector, files.BUNDLED / digest)
    for folder in [] if only else files.BUNDLED.iterdir():
        if folder.name not in known:
            shutil.rmtree(folder)


if __name__ == "__main__":
    train(Path.cwd(), sys.argv[1:])
