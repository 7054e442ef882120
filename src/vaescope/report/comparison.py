"""Write the page that compares classical methods with the models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaescope.errors import UserError
from vaescope.figures import versions
from vaescope.figures.compared import GROUP
from vaescope.report import embedded, prose
from vaescope.report.pages import write_page
from vaescope.results import Results, layout
from vaescope.scores import comparison
from vaescope.scores.comparison import Entry
from vaescope.scores.ground_truth import TOGETHER, angle_of, truths
from vaescope.traits import traits_of

_COLUMNS = {
    "accuracy": (
        "labels right",
        "share of sites whose label is right after the best one-to-one naming of labels; a site in"
        " no cluster is wrong",
    ),
    "angle_share": (
        "angle in it",
        "share of the variance of the embedding that follows {angle}{within}: it says how a patch"
        " is turned, not what it is. Less is better, unless structures that are turned differently"
        " do differ",
    ),
    "stability": (
        "stability",
        "adjusted Rand index of labels that were found again: by fits to half of the sites, or,"
        " for a model, by the other members of its ensemble",
    ),
    "coherence": (
        "coherence",
        "how far neighbouring sites have the same label: 0 as by chance, 1 always (kappa); below"
        " 0 where unlike sites alternate, as sublattices do",
    ),
    "moran": (
        "Moran’s I",
        "how far neighbouring sites have like places in the embedding: 0 as by chance, towards 1"
        " for smooth maps",
    ),
    "explained": (
        "explained",
        "share of the variance of the pixels or channels that the reconstruction holds; a model"
        " turns and shifts what it draws",
    ),
}
_SHARES = ("accuracy", "angle_share", "explained", "knn_")
_LESS_IS_BETTER = ("angle_share",)


def write_comparison(results: Results, models: list[str]) -> list[dict[str, Any]]:
    """Write ``comparison.html`` of a dataset and return the scores, one row per method.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    latest = results.path(layout.LATEST)
    patches, found = results.patches, results.baselines
    if found is None:
        raise UserError(
            "there are no classical methods to compare with",
            file=results.path(layout.BASELINES),
            remedy="Run the workflow again; it makes what is missing",
        )
    latents = {name: results.latents(name) for name in models}
    entries = comparison.entries(found, latents)
    rows = comparison.table(entries, patches, latents, disc=bool(found.attrs["disc"]))
    manifest = versions.read_manifest(latest)
    seconds = _seconds(results, models)
    angle = angle_of(patches, latents)
    kinds = truths(patches)
    columns = _columns(rows, list(kinds), angle.source if angle else "", bool(kinds))
    fitted = int(found.attrs["fitted_sites"])
    own = [figure for figure in manifest.get("figures", []) if figure["model"] == GROUP]
    shown = embedded.embedded(latest, {**manifest, "figures": own})
    version = str(manifest.get("version", versions.LATEST))
    figures, files = embedded.linked(shown, latest, version, embedded.letters(shown))
    facts = {
        "dataset": results.dataset,
        "version": str(manifest.get("version", "–")),
        "columns": columns,
        "rows": [
            _row(entry, row, rows, columns, seconds.get((entry.is_model, entry.name)))
            for entry, row in zip(entries, rows, strict=True)
        ],
        "findings": _findings(entries, rows, list(kinds)),
        "notes": [(entry.title, entry.note) for entry in entries if entry.note],
        "figures": figures,
        "files": files,
        "sites": prose.number(int(patches.sizes["site"])),
        "samples": "spectra" if found.attrs.get("view") == "spectrum" else "patches",
        "fitted": prose.number(fitted) if fitted < patches.sizes["site"] else "",
        "stack": not traits_of(patches.attrs).placed,
        "clusters": int(found.attrs["clusters"]),
        "components": int(found.attrs["components"]),
        "disc": bool(found.attrs["disc"]),
        "seed": int(found.attrs["seed"]),
    }
    write_page("comparison.html", results.path(layout.COMPARISON), facts)
    return [{**row, "note": entry.note} for entry, row in zip(entries, rows, strict=True)]


def _seconds(results: Results, models: list[str]) -> dict[tuple[bool, str], float]:
    """Seconds of every fit by whether it is a model and its name; of all members together."""
    import pandas as pd

    table = pd.read_csv(results.path(layout.BASELINES_SECONDS))
    seconds = {
        (False, str(name)): float(value)
        for name, value in zip(table["method"], table["seconds"], strict=True)
    }
    for name in models:
        history = results.history(name)
        if {"member", "seconds"} <= set(history):
            seconds[True, name] = float(history.groupby("member")["seconds"].max().sum())
    return seconds


def _columns(
    rows: list[dict[str, Any]], kinds: list[str], angle: str, within: bool
) -> list[dict[str, str]]:
    """Key, short name and meaning of every column that has a number in it."""
    columns = []
    names = [kind for kind in kinds if kind != TOGETHER]
    for kind in sorted(kinds, key=lambda kind: kind != TOGETHER):
        word = " and ".join(names) if kind == TOGETHER else kind.replace("_", " ")
        short = "all kinds" if kind == TOGETHER else word
        for key, name, meaning in (
            (
                f"knn_{kind}",
                f"{short} by neighbours",
                f"share of sites whose {word} a vote of 15 neighbours in the embedding gives,"
                f" in cross-validation on at most {comparison.MOST_VOTED} sites",
            ),
            (
                f"ari_{kind}",
                f"labels, {short}",
                f"adjusted Rand index of the labels against {word}: 1 the same, 0 by chance; sites"
                " in no cluster count as one cluster more",
            ),
        ):
            columns.append({"key": key, "name": name, "meaning": meaning})
    for key, (name, meaning) in _COLUMNS.items():
        meaning = meaning.format(angle=angle, within=", within each true kind" if within else "")
        columns.append({"key": key, "name": name, "meaning": meaning})
    return [c for c in columns if any(math.isfinite(row.get(c["key"], math.nan)) for row in rows)]


def _row(
    entry: Entry,
    row: dict[str, Any],
    rows: list[dict[str, Any]],
    columns: list[dict[str, str]],
    seconds: float | None,
) -> dict[str, Any]:
    """One row of the table: cells with their text, the length of their bar, and the best one."""
    cells = []
    count = len(np.unique(entry.label[entry.label >= 0]))
    for column in columns:
        key = column["key"]
        value = float(row.get(key, math.nan))
        others = [float(other.get(key, math.nan)) for other in rows]
        finite = [v for v in others if math.isfinite(v)]
        best = min(finite) if key in _LESS_IS_BETTER else max(finite)
        text = prose.percent(value) if key.startswith(_SHARES) else _two(value)
        bar = round(100 * min(max(value, 0), 1)) if math.isfinite(value) else 0
        good = math.isfinite(value) and abs(value - best) < 0.005
        cells.append({"text": text, "bar": bar, "best": good})
    return {
        "name": entry.name if entry.is_model else entry.title,
        "about": entry.title if entry.is_model else "",
        "is_model": entry.is_model,
        "failed": entry.failed,
        "cells": cells,
        "labels": f"{count} by itself" if entry.own_labels else f"{count} by k-means",
        "seconds": "–" if seconds is None else prose.number(float(f"{seconds:.2g}")),
    }


def _two(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if math.isfinite(value) else "–"


def _findings(entries: list[Entry], rows: list[dict[str, Any]], kinds: list[str]) -> list[str]:
    """Summarise the table in sentences."""
    names = [entry.name if entry.is_model else entry.title for entry in entries]
    said = []
    for kind in sorted(kinds, key=lambda kind: kind != TOGETHER):
        key = f"ari_{kind}"
        word = "kinds, all together" if kind == TOGETHER else kind.replace("_", " ")
        ranked = _ranked(names, rows, key)
        if ranked:
            best = ", ".join(f"{name} ({value:.2f})" for name, value in ranked[:3])
            said.append(f"Labels closest to the true {word} (adjusted Rand index): {best}.")
    ranked = _ranked(names, rows, "angle_share")
    if ranked and ranked[0][1] - ranked[-1][1] > 0.01:
        least = ", ".join(f"{name} ({prose.percent(v)})" for name, v in ranked[:-3:-1])
        most = ", ".join(f"{name} ({prose.percent(v)})" for name, v in ranked[:2])
        said.append(f"Least of the angle is in {least}; most in {most}.")
    ranked = _ranked(names, rows, "stability")
    if ranked and not kinds:
        best = ", ".join(f"{name} ({value:.2f})" for name, value in ranked[:3])
        said.append(f"Labels that come back best: {best}.")
    return said


def _ranked(names: list[str], rows: list[dict[str, Any]], key: str) -> list[tuple[str, float]]:
    """Names with their finite scores, greatest first."""
    found = [
        (name, float(row[key]))
        for name, row in zip(names, rows, strict=True)
        if math.isfinite(row.get(key, math.nan))
    ]
    return sorted(found, key=lambda pair: -pair[1])
