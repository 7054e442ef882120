"""Write the light report of one dataset: the answer, without explorer, methods and most figures."""

from __future__ import annotations

from typing import Any

from vaescope.figures import versions
from vaescope.judge.of_search import is_figure
from vaescope.report import answer, embedded, judged
from vaescope.report.pages import write_page
from vaescope.results import Results, layout
from vaescope.structure import named_modes


def write_light_report(
    results: Results,
    recipe: dict[str, Any],
    models: list[str],
    row: dict[str, Any],
    *,
    by_recipe: bool = False,
) -> None:
    """Write ``report.html`` of a dataset with the few figures that were drawn (``figures/light``).

    Parameters
    ----------
    results, recipe, models, row : see ``write_report``.
    by_recipe : the recipe asked for it, not the configuration: the page says what to change.

    Raises
    ------
    UserError : a store or the facts are missing or half-written.
    """
    folder = results.path(layout.LIGHT)
    latents = {name: results.latents(name) for name in models}
    manifest = versions.read_manifest(folder)
    shown = embedded.embedded(folder, manifest)
    version = str(manifest.get("version", versions.LIGHT))
    figures, files = embedded.linked(shown, folder, version, embedded.letters(shown))
    of_models = {name: [figure for figure in figures if figure["model"] == name] for name in models}
    own = [figure for figure in figures if figure["model"] is None]
    answers = named_modes.answering(latents)
    said = judged.facts(results, recipe, latents, judged.labels(latents), row)
    facts = {
        **said,
        "by_recipe": by_recipe,
        "version": manifest.get("version", "–"),
        "drawn": str(manifest.get("drawn", "")),
        "answer": None
        if answers is None
        else answer.facts(answers, models.index(answers) + 1, latents[answers], of_models[answers]),
        "search": {**said["search"], "figures": [each for each in own if is_figure(each["name"])]},
        "figures": [each for each in own if not is_figure(each["name"])],
        "figures_of": of_models,
        "files": files,
    }
    write_page("light.html", results.path(layout.REPORT), facts)
