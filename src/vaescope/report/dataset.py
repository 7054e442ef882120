"""Write the report of one dataset."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import explorer, store
from vaescope.figures import versions
from vaescope.figures.settings import Look
from vaescope.judge.of_search import is_figure
from vaescope.report import answer, embedded, judged, prose
from vaescope.report.cite import citation
from vaescope.report.methods import methods
from vaescope.report.pages import write_page
from vaescope.results import Results, layout
from vaescope.structure import named_modes

if TYPE_CHECKING:
    import xarray as xr

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

    folder, latest = results.folder, results.path(layout.LATEST)
    known = results.facts
    latents = {name: results.latents(name) for name in models}
    manifest = versions.read_manifest(latest)
    own = [figure for figure in manifest.get("figures", []) if figure["model"] in (None, *models)]
    shown = embedded.embedded(latest, {**manifest, "figures": own})
    taken = embedded.letters(shown) + _WORDS
    look = Look.of(recipe.get("figures"))
    explored = explorer.build(results, models, look, embedded.PAGE - taken)
    version = str(manifest.get("version", versions.LATEST))
    figures, files = embedded.linked(shown, latest, version, taken + explored.bytes)
    own_figures = [figure for figure in figures if figure["model"] is None]
    of_models = {name: [figure for figure in figures if figure["model"] == name] for name in models}
    answers = named_modes.answering(latents)
    labels = judged.labels(latents)
    spoken = _as_found(recipe, str(results.sites.attrs.get("method", "")))
    search = results.explored
    text = methods(known, spoken, labels, None if search is None else dict(search.attrs))
    said = judged.facts(results, recipe, latents, labels, row)
    facts = {
        **said,
        "version": manifest.get("version", "–"),
        "drawn": str(manifest.get("drawn", "")),
        "search": {
            **said["search"],
            "figures": [figure for figure in own_figures if is_figure(figure["name"])],
        },
        "figures": [figure for figure in own_figures if not is_figure(figure["name"])],
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
