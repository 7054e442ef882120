"""Write the report of one dataset."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import explorer, store
from vaescope.figures import versions
from vaescope.figures.settings import Look
from vaescope.figures.style import category_colours
from vaescope.judge import of_search, of_wall_maps, scan
from vaescope.judge.facts import median
from vaescope.report import answer, embedded, prose
from vaescope.report.cite import citation
from vaescope.report.methods import methods
from vaescope.report.pages import write_page
from vaescope.results import Results, layout
from vaescope.results.facts import Finding, Judgement, Place

if TYPE_CHECKING:
    import xarray as xr

_BETWEEN = frozenset(measure.name for measure in of_wall_maps.MEASURES)
_STRAIN = "strain: "  # before the method, in what a score is about
_SEVERITY = {"serious": "Serious", "care": "Read with care", "note": "Good to know"}
_WORDS = 500_000  # letters of a page that are no picture, file or explorer, about
_LONGEST_METADATA = 20_000  # letters of the vendor's metadata on the page; the store has all


def write_report(
    results: Results,
    recipe: dict[str, Any],
    models: list[str],
    row: dict[str, Any],
) -> None:
    """Write ``report.html`` of a dataset, a page that needs nothing beside itself.

    Parameters
    ----------
    results : of the dataset.
    recipe : the resolved recipe.
    models : names of the models.
    row : the dataset's row of the sample sheet (``source``, ``recipe``, ``labels``, ``notes`` …).

    Raises
    ------
    UserError : a store or the facts are missing or half-written.
    """
    import yaml

    folder, sites = results.folder, results.sites
    known = results.facts
    latents = {name: results.latents(name) for name in models}
    manifest = versions.read_manifest(results.path(layout.LATEST))
    own = [figure for figure in manifest.get("figures", []) if figure["model"] in (None, *models)]
    shown = embedded.embedded(folder, {**manifest, "figures": own})
    taken = embedded.letters(shown) + _WORDS
    look = Look.of(recipe.get("figures"))
    explored = explorer.build(results, models, look, embedded.PAGE - taken)
    version = str(manifest.get("version", versions.LATEST))
    figures, files = embedded.linked(shown, folder, version, taken + explored.bytes)
    own_figures = [figure for figure in figures if figure["model"] is None]
    of_models = {name: [figure for figure in figures if figure["model"] == name] for name in models}
    answers = answer.answering(latents)
    labels = {name: str(each.attrs.get("label") or name) for name, each in latents.items()}
    spoken = _as_found(recipe, str(sites.attrs.get("method", "")))
    search = results.explored
    text = methods(known, spoken, labels, None if search is None else dict(search.attrs))
    facts = {
        "dataset": results.dataset,
        "row": {key: str(value) for key, value in row.items() if value not in (None, "")},
        "version": manifest.get("version", "–"),
        "drawn": str(manifest.get("drawn", "")),
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
            "figures": [figure for figure in own_figures if _of_search(figure)],
            "words": of_search.words(search),
        },
        "figures": [figure for figure in own_figures if not _of_search(figure)],
        "answer": None
        if answers is None
        else answer.facts(answers, models.index(answers) + 1, latents[answers], of_models[answers]),
        "figures_of": of_models,
        "files": files,
        "recipe_words": prose.recipe(spoken, apart=prose.without_place(known.data)),
        "recipe_yaml": yaml.safe_dump(_plain(recipe), sort_keys=False, allow_unicode=True),
        "provenance": _provenance(folder, list(known.stores)),
        "packages": known.packages,
        "seed": recipe.get("seed", 0),
        "vendor": _vendor(results.image),
        "explorer": explored,
        "comparison": bool((recipe.get("baselines") or {}).get("methods")),
        "methods": text,
        "citation": citation(),
    }
    write_page("report.html", results.path(layout.REPORT), facts)


def _of_search(figure: dict[str, Any]) -> bool:
    """Whether a figure of the dataset shows its search."""
    return str(figure["name"]).startswith(f"{of_search.ABOUT}-")


def _as_found(recipe: dict[str, Any], method: str) -> dict[str, Any]:
    """The recipe with the sites as they were found: patches with one spectrum each are frames, and
    atoms were found by one of several methods."""
    sites = recipe.get("sites") or {}
    if not method or sites.get("method") == method:
        return recipe
    kept = {} if method == "frames" else sites
    return {**recipe, "sites": {**kept, "method": method}}


def _plain(value: Any) -> Any:
    """Convert a value to types that YAML writes without tags."""
    return json.loads(json.dumps(value, default=str))


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


def _provenance(folder: Path, names: list[str]) -> list[dict[str, str]]:
    """List the code version that made each store."""
    rows = []
    for name in names:
        facts = store.provenance(folder / name)
        code = str(facts.pop("code_version", "–"))
        facts.pop("packages", None)
        facts.pop("recipe", None)
        more = "; ".join(f"{key}: {_short(value)}" for key, value in facts.items())
        rows.append({"store": name, "code": code, "more": more})
    return rows


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 300 else text[:299] + "…"


def _vendor(image: xr.Dataset) -> str:
    """The instrument's own metadata, indented."""
    text = str(image.attrs.get("vendor_metadata") or "")
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    if text in {"", "{}", "null"}:
        return ""
    cut = len(text) > _LONGEST_METADATA
    return text[:_LONGEST_METADATA] + ("\n… (all of it is in image.zarr)" if cut else "")
