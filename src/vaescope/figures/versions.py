"""Figures in versions: a result once drawn is never overwritten by a different one."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from vaescope import store

MANIFEST = "figures.json"
LATEST = "latest"
LIGHT = "light"
POINTERS = (LATEST, LIGHT)
"""Names of the copy of the newest version: of all figures, or of the few of a light report."""


def version_of(image_attrs: dict[str, Any], recipe: dict[str, Any], *, light: bool = False) -> str:
    """Short digest of everything that a figure depends on: raw data, recipe, code; and whether all
    were drawn, or the few of a ``light`` report."""
    facts = {
        "source": image_attrs.get("source_sha256"),
        "reader": image_attrs.get("reader"),  # names the simulation where there is no file
        "pixel": [image_attrs.get("pixel_size"), image_attrs.get("pixel_unit")],
        "recipe": recipe,
        "code": store.code_version(),
    }
    facts |= {"reports": LIGHT} if light else {}
    return store.digest(facts)[:12]


def candidates(version: str):
    """Names under which a version may lie: its own, then numbered ones for other results."""
    yield version
    number = 2
    while True:
        yield f"{version}-{number}"
        number += 1


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, the manifest left out."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name != MANIFEST
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of figures; empty if there is none that can be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def holds(folder: Path, wanted: dict[str, str]) -> bool:
    """Whether a folder holds exactly these files, undamaged."""
    return folder.is_dir() and bool(read_manifest(folder)) and digests(folder) == wanted


def publish(folder: Path, root: Path, name: str = LATEST) -> None:
    """Make ``latest``, or ``light``, a copy of a version, in one step, and remove the other, which
    no longer is the newest: so a full report that comes after a light one is drawn anew."""
    with store.replace_atomically(root / name) as beside:
        shutil.copytree(folder, beside)
    for other in POINTERS:
        if other != name:
            shutil.rmtree(root / other, ignore_errors=True)


def newest(root: Path) -> Path:
    """The copy of the newest version in a dataset's folder of figures: ``latest`` or ``light``."""
    light = root / LIGHT
    return light if light.is_dir() and not (root / LATEST).is_dir() else root / LATEST
