"""What both reports of a dataset say, the full and the light one: the data, findings, numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.figures.style import category_colours
from vaescope.judge import of_search, of_wall_maps, scan
from vaescope.quantities import median
from vaescope.report import prose
from vaescope.results import Results
from vaescope.results.facts import Finding, Judgement, Place

if TYPE_CHECKING:
    import xarray as xr

_BETWEEN = frozenset(measure.name for measure in of_wall_maps.MEASURES)
_STRAIN = "strain: "  # before the method, in what a score is about
_SEVERITY = {"serious": "Serious", "care": "Read with care", "note": "Good to know"}


def labels(latents: Mapping[str, xr.Dataset]) -> dict[str, str]:
    """What each model is called in words."""
    return {name: str(each.attrs.get("label") or name) for name, each in latents.items()}


def facts(
    results: Results,
    recipe: dict[str, Any],
    latents: Mapping[str, xr.Dataset],
    labels: Mapping[str, str],
    row: dict[str, Any],
) -> dict[str, Any]:
    """What the templates need of the data, the findings and the scores; see ``write_report``.

    Raises
    ------
    UserError : a store or the facts are missing or half-written.
    """
    known, sites, models = results.facts, results.sites, list(latents)
    return {
        "dataset": results.dataset,
        "row": {key: str(value) for key, value in row.items() if value not in (None, "")},
        "description": str(recipe.get("description") or ""),
        "data": _data(known.data, row),
        "samples": "Spectra" if prose.without_place(known.data) else "Sites and patches",
        "findings": [
            {**asdict(each), "word": _SEVERITY[each.severity], "where": _where(each.about, models)}
            for each in known.findings
        ],
        "severities": _severities(known.findings),
        "quality": _numbers(known, "sites", "quality"),
        "between": _numbers(known, "sites", of=_BETWEEN),
        "truth": _numbers(known, "sites", without=_BETWEEN),
        "strain": _strain(known),
        "models": [_model(name, latents[name], labels[name], known, sites) for name in models],
        "search": {
            "numbers": _numbers(known, of_search.ABOUT, "quality")
            + _numbers(known, of_search.ABOUT),
            "words": of_search.words(results.explored),
        },
    }


def _data(known: dict[str, Any], row: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe the data in rows of a table."""
    size = f"{known['width_px']} × {known['height_px']} pixels"
    apart = prose.without_place(known)
    if apart:
        size = f"none: {prose.number(known['frames'])} spectra without a place"
    elif known["frames"] > 1:
        size += f", {prose.number(known['frames'])} frames"
    if len(known["channels"]) > 1:
        names = ", ".join(known["channels"])
        size += f", {len(known['channels'])} channels ({names})"
        if known.get("site_channel"):
            size += f"; sites were found in {known['site_channel']}"
    found = [("Source", ", ".join(known["files"]) or str(row.get("source") or "–"))]
    found += [("SHA-256", digest) for digest in known["sha256"][:10]]
    if len(known["sha256"]) > 10:
        found.append(("", f"and {len(known['sha256']) - 10} more"))
    for name, digest in known.get("spectra_from") or []:
        if digest not in known["sha256"]:
            found += [("Spectra", name), ("SHA-256", digest)]
    if (made := known.get("image_from")) and not apart:
        size += f", made of the spectra ({made})"
    found += [
        ("Image", size),
        *prose.measured(known),
        *([] if apart else [("Pixel size", prose.pixel_size(known))]),
        ("Reader", known["reader"] or "–"),
    ]
    if known["dose"]:
        found.append(("Dose", prose.number(known["dose"])))
    for key in ("labels", "notes"):
        if row.get(key):
            found.append((key.capitalize(), str(row[key])))
    return found


def _numbers(
    known: Judgement,
    about: str,
    place: Place = "table",
    of: Collection[str] | None = None,
    without: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Format the scores of one part for a table of the report: all, or those named in ``of``."""
    scores = [
        score
        for score in known.of(about).values()
        if score.place == place and score.name not in without and (of is None or score.name in of)
    ]
    return [prose.measure(score, known.data) for score in scores]


def _where(about: str, models: list[str]) -> str:
    """Choose the part of the page to which a finding belongs."""
    if about in models:
        return f"#model-{models.index(about) + 1}"
    if about == of_search.ABOUT:
        return "#search"
    return "#data"


def _severities(found: list[Finding]) -> str:
    """Count the findings of each severity, in words."""
    counts = [(word, sum(f.severity == key for f in found)) for key, word in _SEVERITY.items()]
    return ", ".join(f"{count} × {word.lower()}" for word, count in counts if count)


def _strain(known: Judgement) -> list[dict[str, Any]]:
    """Collect the numbers of each method of strain."""
    parts = dict.fromkeys(score.about for score in known.scores)
    return [
        {
            "name": prose.strain_method(about.removeprefix(_STRAIN)),
            "numbers": _numbers(known, about),
            "scan": _scan(known, about),
        }
        for about in parts
        if about.startswith(_STRAIN)
    ]


def _scan(known: Judgement, about: str) -> list[dict[str, Any]]:
    return prose.scan_shares(scan.from_attribute(known.scan.get(about, {})))


def _model(
    name: str, latents: xr.Dataset, label: str, known: Judgement, sites: xr.Dataset
) -> dict[str, Any]:
    """Collect the numbers and words of the report about one model."""
    kept, trained = (known.value(name, f"members_{which}") for which in ("kept", "trained"))
    numbers = [("members retained", f"{kept:g} of {trained:g}"), *_numbers(known, name)]
    return {
        "name": name,
        "label": label,
        "numbers": numbers,
        "scan": _scan(known, name),
        "classes": _classes(latents, sites),
    }


def _classes(latents: xr.Dataset, sites: xr.Dataset) -> list[dict[str, str]]:
    """Rows of the table of classes; none if the model has no classes."""
    if "consensus_class" not in latents or "class" not in latents.sizes:
        return []
    labels = latents["consensus_class"].values.astype(int)
    entropy = (
        latents["class_entropy"].values
        if "class_entropy" in latents
        else np.full(len(labels), np.nan)
    )
    amplitude = _of_sites(latents, sites, "amplitude")
    count = int(latents.sizes["class"])
    rows = []
    for index, colour in enumerate(category_colours(count)):
        chosen = labels == index
        rows.append(
            {
                "name": f"class {index}",
                "colour": colour,
                "count": prose.number(int(chosen.sum())),
                "share": prose.percent(float(np.mean(chosen))) if len(chosen) else "–",
                "entropy": prose.number(round(median(entropy[chosen]), 6)),
                "amplitude": prose.number(median(amplitude[chosen])),
            }
        )
    return rows


def _of_sites(latents: xr.Dataset, sites: xr.Dataset, name: str) -> np.ndarray:
    """A column of the table of sites at the sites of a model; NaN where there is none."""
    if name not in sites:
        return np.full(latents.sizes["site"], np.nan)
    known = dict(zip(sites["site"].values.tolist(), sites[name].values.tolist(), strict=True))
    return np.array([known.get(site, np.nan) for site in latents["site"].values.tolist()], float)
