"""Write the page of a group of datasets, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import spreadsheet, store
from vaescope.cohort import populations
from vaescope.cohort.covariates import SPECIMEN, Covariate, covariates_of
from vaescope.cohort.populations import Comparison, Counts
from vaescope.figures import of_group
from vaescope.report.pages import embedded_figure, write_page
from vaescope.results import facts
from vaescope.text import percent

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

REPORT, FIGURES = "report.html", "figures"
POPULATIONS, CONDITIONS, COMPARISONS = "populations.csv", "conditions.csv", "differences.csv"
REAL = 0.05  # rate of false discoveries below which a difference is said to be one
_MOST_SAID = 12
_DOTS = 160  # per inch


@dataclass(frozen=True)
class GroupImage:
    """An image of a group: its ``dataset``, ``role`` and ``cells`` of further columns, and what
    each model says of it, None where no site was found."""

    dataset: str
    role: str
    cells: dict[str, str]
    latents: dict[str, xr.Dataset | None]
    judgement: facts.Judgement | None = None


def write_group(folder: Path, name: str, images: Sequence[GroupImage]) -> None:
    """Write ``report.html``, its figures, and the tables of a group into its folder.

    images : in the order of the sample sheet.
    """
    images = _ordered(images)
    covariates = covariates_of([image.cells for image in images])
    compared = [each for each in covariates if each.name != SPECIMEN]
    specimen = [image.cells.get(SPECIMEN, "").strip() for image in images]
    names = [image.dataset for image in images]
    models = list(dict.fromkeys(model for image in images for model in image.latents))
    tables: list[Counts] = []
    sections = []
    for model in models:
        own = [image.latents.get(model) for image in images]
        of_model = populations.counts(model, own)
        tables += of_model
        sections.append(
            {"model": model, "figures": _figures(folder, images, own, of_model, compared, specimen)}
        )
    found = populations.compared(tables, compared, specimen)
    rows = populations.rows(names, tables)
    columns = ["dataset", "model", "kind", "count", "sites", "share", "low", "high"]
    _write(rows, columns, folder / POPULATIONS)
    conditions = populations.of_conditions(tables, compared, specimen)
    columns = ["covariate", "level", "model", "kind", "images", "independent"]
    _write(conditions, [*columns, "share", "low", "high"], folder / CONDITIONS)
    columns = ["model", "kind", "covariate", "from", "to", "change", "low", "high", "p", "q"]
    _write([_row(each) for each in found], columns, folder / COMPARISONS)
    page = {
        "group": name,
        "images": [_card(image) for image in images],
        "references": sum(image.role != "query" for image in images),
        "covariates": [each.name for each in covariates],
        "sections": sections,
        "said": _said(found, compared),
        "tested": sum(np.isfinite(each.p) for each in found),
        "tables": [POPULATIONS, CONDITIONS, COMPARISONS],
        "real": percent(REAL, 0),
    }
    write_page("group.html", folder / REPORT, page)


def _ordered(images: Sequence[GroupImage]) -> list[GroupImage]:
    """The images, those of one level of the first covariate together."""
    found = covariates_of([image.cells for image in images])
    first = next((each for each in found if each.name != SPECIMEN), None)
    if first is None:
        return list(images)
    rank = {level: k for k, level in enumerate(first.levels)}
    places = [rank.get(cell, len(rank)) for cell in first.cells]
    return [images[k] for k in sorted(range(len(images)), key=places.__getitem__)]


def _figures(
    folder: Path,
    images: Sequence[GroupImage],
    latents: Sequence[xr.Dataset | None],
    tables: Sequence[Counts],
    covariates: Sequence[Covariate],
    specimen: Sequence[str],
) -> list[dict[str, Any]]:
    """Draw the figures of one model; each with its caption."""
    names = [image.dataset for image in images]
    drawn = []
    for table in tables:
        word = table.names[0].split()[0]
        kind = f"{table.model}-{word}"
        levels = _levels(table, covariates[0], specimen) if covariates else []
        ordered = f", by {covariates[0].name}" if covariates else ""
        bands = " Bands: mean of the images of a level, and its 95 % interval." if levels else ""
        drawn.append(
            (
                f"{kind}-shares",
                of_group.shares(names, table, levels),
                f"Share of each {word} in each image{ordered}. Bars: 95 % intervals as if the sites"
                f" of an image were independent.{bands}",
            )
        )
        drawn.append(
            (
                f"{kind}-maps",
                of_group.maps(names, latents, table),
                f"The sites of each image, in the colour of their {word}; rare ones are drawn"
                " larger.",
            )
        )
    contents = [None if own is None else own["consensus_content"].values for own in latents]
    if any(each is not None for each in contents):
        queries = [image.role == "query" for image in images]
        about = " Images that the models were not trained on are orange." if any(queries) else ""
        drawn.append(
            (
                f"{_model(tables)}-latents",
                of_group.latents_of_images(names, queries, contents),
                "Each latent in each image, in one frame: median, and the middle 50 % and 90 % of"
                f" its sites.{about}",
            )
        )
    return [
        {"caption": caption, "name": name, "picture": _saved(figure, folder, name)}
        for name, figure, caption in drawn
    ]


def _model(tables: Sequence[Counts]) -> str:
    return tables[0].model if tables else "model"


def _levels(table: Counts, covariate: Covariate, specimen: Sequence[str]) -> list[of_group.Level]:
    """The levels of a covariate as bands behind the images, which lie in its order."""
    cells = np.array(covariate.cells)
    found = []
    for level in covariate.levels:
        among = cells == level
        sites = populations.units(specimen, among, table.sites.astype(float))
        means = []
        for kind in range(len(table.names)):
            share = populations.units(specimen, among, table.share[:, kind])
            means.append(populations.of_images(share, sites[: len(share)]))
        places = tuple(int(k) for k in np.flatnonzero(among))
        found.append(of_group.Level(level, places, tuple(means)))
    return found


def _saved(figure: Figure, folder: Path, name: str) -> dict[str, Any] | None:
    import matplotlib.pyplot as plt

    for ending in ("png", "svg"):
        with store.replace_atomically(folder / FIGURES / f"{name}.{ending}") as beside:
            figure.savefig(beside, format=ending, dpi=_DOTS)
    plt.close(figure)
    return embedded_figure(folder / FIGURES / f"{name}.png")


def _write(rows: list[dict[str, Any]], columns: list[str], file: Path) -> None:
    import pandas as pd

    spreadsheet.write(pd.DataFrame(rows, columns=columns), file)


def _row(found: Comparison) -> dict[str, Any]:
    one, other = found.levels or ("", "")
    kept = {key: value for key, value in vars(found).items() if key != "levels"}
    return kept | {"from": one, "to": other}


def _card(image: GroupImage) -> dict[str, Any]:
    """What the table of the images says of one."""
    doubts = [] if image.judgement is None else image.judgement.findings
    strange = next((each for each in doubts if each.kind == "unfamiliar"), None)
    sites = [own.sizes["site"] for own in image.latents.values() if own is not None]
    return {
        "dataset": image.dataset,
        "role": image.role,
        "cells": image.cells,
        "sites": sites[0] if sites else 0,
        "unfamiliar": strange.says if strange else "",
    }


def _said(found: Sequence[Comparison], covariates: Sequence[Covariate]) -> list[str]:
    """The clear differences and trends in words, the clearest first."""
    unit = {each.name: each.unit for each in covariates}
    clear = sorted((each for each in found if each.q < REAL), key=lambda each: each.q)
    said = []
    for each in clear[:_MOST_SAID]:
        points = [100 * value for value in (each.change, each.low, each.high)]
        interval = f"{points[0]:+.2g} percentage points (95 % interval {points[1]:+.2g} to"
        interval += f" {points[2]:+.2g})"
        interval = interval.replace("-", "\N{MINUS SIGN}")
        if each.levels is not None:
            between = f"from {each.covariate} {each.levels[0]} to {each.levels[1]}"
            said.append(f"{each.model}: the share of {each.kind} changes by {interval} {between}.")
        else:
            per = f"for each {unit[each.covariate] or 'unit'} of {each.covariate}"
            said.append(f"{each.model}: the share of {each.kind} changes by {interval} {per}.")
    if len(clear) > _MOST_SAID:
        said.append(f"{len(clear) - _MOST_SAID} more are in `{COMPARISONS}`.")
    return said
