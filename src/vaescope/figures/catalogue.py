"""All figures of a dataset, drawn and filed under their version."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaescope import store
from vaescope.figures import (
    accuracy,
    channels,
    classes,
    criticism,
    dark_field,
    decoded_pairs,
    ensembles,
    explored_clip,
    explored_course,
    explored_histories,
    explored_maps,
    kinds,
    labelled,
    latent,
    latent_error,
    latent_quantities,
    maps,
    modes,
    montage,
    movie,
    movie_maps,
    patch_predictions,
    polarisation,
    polarisation_course,
    prediction_summary,
    scan,
    spectra,
    stack,
    strain,
    training,
    versions,
    wall_maps,
    wall_motion,
)
from vaescope.figures import baselines as of_baselines
from vaescope.figures import dataset as of_dataset
from vaescope.figures.animation import Clip, class_clip
from vaescope.figures.scene import Scene, load
from vaescope.figures.settings import Look
from vaescope.figures.sheet import FinishedFigure
from vaescope.figures.style import house
from vaescope.results import ModelResults, Results, layout
from vaescope.results.facts import Judgement

_PACKED = {"compress_level": 3}  # of PNG: 7 % larger than at 6, in half of the time

OfTheData = Callable[[Scene], FinishedFigure | None]
OfAModel = Callable[[Scene, ModelResults], FinishedFigure | None]

OF_THE_DATA = (
    polarisation.maps,
    polarisation_course.course,
    of_dataset.sites,
    wall_motion.motion,
    *wall_maps.OF_THE_DATA,
    maps.of_sites,
    montage.patches,
    spectra.examples,
    dark_field.measured,
    of_dataset.position_error,
    ensembles.class_numbers,
)
OF_THE_SEARCH = (explored_maps.maps, explored_course.course, explored_histories.histories)
"""Figures of a search, where the recipe has one; they come first."""
OF_THE_LATTICE = (strain.maps, scan.profiles, strain.errors, strain.truth)
OF_A_MODEL = (
    lambda s, v: maps.maps(s, v, "points"),
    lambda s, v: maps.maps(s, v, "cells"),
    classes.class_map,
    modes.class_stability,
    ensembles.class_number,
    *movie_maps.OF_A_MODEL,
    *movie.OF_A_MODEL,
    maps.uncertainty,
    criticism.criticism,
    spectra.predicted,
    dark_field.predicted,
    patch_predictions.predicted_patches,
    spectra.prediction_error,
    prediction_summary.summary,
    maps.strain,
    decoded_pairs.manifold,
    latent.decoded_grid,
    channels.decoded_channels,
    latent.decoded_conditions,
    latent.latent_distribution,
    latent_quantities.latent_quantities,
    latent_error.latent_error,
    kinds.kinds,
    modes.modes,
    modes.paths,
    accuracy.angle_truth,
    accuracy.confusion,
    labelled.labelled_image,
    training.training,
)
"""Figures of sites in an image, in the order of the report."""


def draw(results: Results, recipe: dict[str, Any], models: list[str]) -> dict[str, Any]:
    """Draw every figure of a dataset.

    Writes ``figures/VERSION/`` in the dataset's folder with the figures, tables of the values drawn
    (CSV), ``facts.json`` (see ``results.facts``) and ``figures.json``, the manifest, and
    ``figures/latest/``, a copy of it under a stable name. An older version stays as it is; should
    the same version have been drawn with another outcome (on another machine, say), the new one is
    filed as ``VERSION-2``.

    Parameters
    ----------
    results : of the dataset.
    recipe : the resolved recipe; its part ``figures`` sets the look.
    models : names of the models to draw.

    Returns
    -------
    The manifest: ``version``, ``dataset``, ``thumbnail`` and ``figures``, each with ``name``,
    ``title``, ``caption``, ``model`` (``None`` for the dataset itself, ``baselines`` for the
    comparison of all methods), ``files``, ``tables`` (the values drawn) and ``stores`` (variables
    that were drawn, by store).

    Raises
    ------
    UserError : a store or the facts are missing, or the recipe asks for an unknown look.
    """
    look = Look.of(recipe.get("figures"))
    root = results.path(layout.FIGURES)
    base = versions.version_of(results.image.attrs, recipe)
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(".drawing-*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with house():
        classical = bool((recipe.get("baselines") or {}).get("methods"))
        scene = load(results, list(models), look, base, baselines=classical)
        known = replace(results.facts, recipe=recipe)
        for version in versions.candidates(base):
            scene.version = version
            target, beside = root / version, root / f".drawing-{version}"
            beside.mkdir()
            try:
                manifest = _write(scene, beside, known)
                wanted = versions.digests(beside)
                if not target.exists():
                    beside.rename(target)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
            if versions.holds(target, wanted):
                break
    versions.publish(target, root)
    return manifest


def figures(scene: Scene) -> Iterator[FinishedFigure]:
    """Every figure that the results allow, in the order of the report."""
    own = stack.OF_THE_DATA if scene.stack else (*OF_THE_DATA, *OF_THE_LATTICE)
    of_the_data: Sequence[OfTheData] = (*OF_THE_SEARCH, *own)
    if not scene.sites.sizes["site"]:
        of_the_data = (of_dataset.sites,)  # the image in which there are none
    of_a_model: Sequence[OfAModel] = stack.OF_A_MODEL if scene.stack else OF_A_MODEL
    for make in of_the_data:
        drawn = make(scene)
        if drawn is not None:
            yield drawn
    for view in scene.views:
        for make_for in of_a_model:
            drawn = make_for(scene, view)
            if drawn is not None:
                yield drawn
    if scene.baselines is not None:
        yield from of_baselines.figures(scene)


def clips(scene: Scene) -> Iterator[Clip]:
    """Every animation that the results allow."""
    sought = explored_clip.search_clip(scene)
    if sought is not None:
        yield sought
    moving = polarisation.polarisation_clip(scene)
    if moving is not None:
        yield moving
    for view in scene.views:
        made = class_clip(scene, view)
        if made is not None:
            yield made


def _write(scene: Scene, folder: Path, known: Judgement) -> dict[str, Any]:
    """Draw all figures into a folder, with the data behind them, the facts of the result, and the
    manifest, which is returned."""
    listed = []
    for drawn in figures(scene):
        files = [_save(drawn, folder, kind, scene.look.dpi) for kind in scene.look.written]
        tables = drawn.figure_data.files(drawn.name)
        for name, text in tables.items():
            (folder / name).write_text(text, encoding="utf-8")
        listed.append(
            {
                "name": drawn.name,
                "title": drawn.title,
                "caption": drawn.caption,
                "model": drawn.model,
                "files": files,
                "tables": list(tables),
                "stores": drawn.figure_data.stores,
            }
        )
    for clip in clips(scene):
        (folder / f"{clip.name}.gif").write_bytes(clip.data)
        listed.append(
            {
                "name": clip.name,
                "title": clip.title,
                "caption": clip.caption,
                "model": clip.model,
                "files": [f"{clip.name}.gif"],
                "tables": [],
                "stores": clip.figure_data.stores,
            }
        )
    small = stack.thumbnail(scene) if scene.stack else of_dataset.thumbnail(scene)
    thumbnail = _save(small, folder, "png", 100)
    (folder / layout.FACTS).write_text(known.text(), encoding="utf-8")
    manifest = {
        "version": scene.version,
        "dataset": scene.dataset,
        "code_version": store.code_version(),
        "thumbnail": thumbnail,
        "figures": listed,
    }
    drawn_at = {"drawn": time.strftime("%Y-%m-%d %H:%M:%S")}  # when is no part of the result
    text = json.dumps({**manifest, **drawn_at, "sha256": versions.digests(folder)}, indent=1)
    (folder / versions.MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def _save(drawn: FinishedFigure, folder: Path, kind: str, dpi: int) -> str:
    """Write one file without dates or machine facts, so that equal figures are equal files."""
    name = f"{drawn.name}.{kind}"
    silent = {
        "png": ("Software",),
        "svg": ("Date", "Creator"),
        "pdf": ("CreationDate", "Creator", "Producer"),
    }
    silence: dict[str, Any] = dict.fromkeys(silent[kind])
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the report shows it in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        more: dict[str, Any] = {"pil_kwargs": _PACKED} if kind == "png" else {}
        drawn.figure.savefig(folder / name, format=kind, dpi=dpi, metadata=silence, **more)
    return name
