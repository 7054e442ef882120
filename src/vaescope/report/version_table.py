"""Pack the facts of all versions of all datasets, for the comparison on the index.

The page compares by itself, in the browser. It holds facts of every version, not pictures: these
are shown from where they lie beside the page.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vaescope.figures import versions
from vaescope.report import prose
from vaescope.results import facts, layout
from vaescope.results.facts import Judgement

MOST_BYTES = 6_000_000
"""Of the packed facts: beyond that older versions are left out."""
_ODD = (AttributeError, KeyError, TypeError, ValueError)  # what odd JSON in a folder brings about
_VERSIONS = (12, 4, 1)  # of each dataset, tried in this order


def packed(results: Path, datasets: Iterable[str]) -> tuple[str, int]:
    """The facts of all datasets as JSON, gzipped, in base64, and how many versions of each it has
    at most; empty where there is nothing to compare.

    Raises nothing for what it meets in the folders: a version without facts has its figures alone.
    """
    names = list(datasets)
    text = b""
    for most in _VERSIONS:
        found = collect(results, names, most)
        if not found["datasets"]:
            return "", 0
        written = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        text = gzip.compress(written.encode("utf-8", "replace"), mtime=0)
        if len(text) <= MOST_BYTES:
            break
    return base64.b64encode(text).decode(), most


def collect(results: Path, datasets: Iterable[str], most: int) -> dict[str, Any]:
    """The newest ``most`` versions of each dataset; recipes and figures that are alike are held
    once.

    Returns
    -------
    ``datasets``, each with ``name``, ``folder`` and ``versions``, newest first (``id``, ``latest``,
    ``drawn``, ``code``, ``recipe`` and ``figures``, numbers in the lists of that name, ``data``,
    ``packages``, ``numbers`` as [of what, label, words, value], ``findings`` as [severity, of what,
    words]); ``recipes``; ``figures``.
    """
    recipes, listed = _Once(), _Once()
    found = []
    for dataset in datasets:
        root = results / dataset / "figures"
        latest = versions.read_manifest(versions.newest(root))
        made = []
        for folder in _folders(root):
            manifest = versions.read_manifest(folder)
            if manifest:
                made.append((str(manifest.get("drawn") or ""), folder, manifest))
        now = str(latest.get("version", ""))
        made.sort(key=lambda one: (one[1].name == now, one[0]), reverse=True)
        kept = [
            _version(folder, manifest, now, recipes, listed)
            for _, folder, manifest in made[: max(most, 1)]
        ]
        if kept:
            found.append({"name": dataset, "folder": quote(dataset), "versions": kept})
    return {"datasets": found, "recipes": recipes.values, "figures": listed.values}


class _Once:
    """A list of distinct values."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def _folders(root: Path) -> list[Path]:
    try:
        return [
            folder
            for folder in sorted(root.iterdir())
            if folder.is_dir() and folder.name not in versions.POINTERS and folder.name[0] != "."
        ]
    except OSError:
        return []


def _version(
    folder: Path, manifest: dict[str, Any], latest: str, recipes: _Once, listed: _Once
) -> dict[str, Any]:
    known = facts.read(folder / layout.FACTS)
    figures: list[list[str]] = []
    with suppress(*_ODD):
        figures = _figures(manifest)
    made: dict[str, Any] = {
        "id": folder.name,
        "latest": folder.name == latest,
        "drawn": str(manifest.get("drawn") or ""),
        "code": str(manifest.get("code_version") or ""),
        "figures": listed.place(figures),
    }
    with suppress(*_ODD):
        made |= _compared_facts(known, recipes) if known else {}
    return made


def _figures(manifest: dict[str, Any]) -> list[list[str]]:
    """Title, model and picture of every figure."""
    return [
        [str(entry.get("title", "")), str(entry.get("model") or ""), file]
        for entry in manifest.get("figures", [])
        for file in [next((f for f in entry.get("files", []) if f.endswith((".png", ".gif"))), "")]
        if file
    ]


def _compared_facts(known: Judgement, recipes: _Once) -> dict[str, Any]:
    """Select the facts of a version that are compared."""
    data = known.data
    return {
        "recipe": recipes.place(flat(known.recipe)),
        "data": {**data, "channels": ", ".join(data["channels"])},
        "packages": known.packages,
        "numbers": [
            [score.about, *prose.measure(score, data), score.value] for score in known.scores
        ],
        "findings": [[one.severity, one.about, one.says] for one in known.findings],
    }


def flat(settings: Any, path: str = "") -> dict[str, str]:
    """Settings by their path, as `models: rvae: latent`, each value as it is written in JSON."""
    if isinstance(settings, dict) and settings:
        found: dict[str, str] = {}
        for key, value in settings.items():
            found |= flat(value, f"{path}: {key}" if path else str(key))
        return found
    text = settings if isinstance(settings, str) else json.dumps(settings, ensure_ascii=False)
    return {path: text}
