"""Draw the figures of a dataset, all or a few of them, and file them under a version."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import store
from vaescope.figures import versions
from vaescope.figures.scene import Scene, load
from vaescope.figures.settings import Look
from vaescope.figures.sheet import FinishedFigure
from vaescope.figures.style import house
from vaescope.results import Results, layout
from vaescope.results.facts import Judgement

if TYPE_CHECKING:
    from vaescope.figures.animation import Clip

_PACKED = {"compress_level": 3}  # of PNG: 7 % larger than at 6, in half of the time


def draw(
    results: Results, recipe: dict[str, Any], models: list[str], *, light: bool = False
) -> dict[str, Any]:
    """Draw every figure of a dataset, or the few that carry the answer.

    Writes ``figures/VERSION/`` in the dataset's folder with the figures, tables of the values drawn
    (CSV), ``facts.json`` (see ``results.facts``) and ``figures.json``, the manifest, and
    ``figures/latest/`` (``figures/light/`` of the few), a copy of it under a stable name. An older
    version stays as it is; should the same version have been drawn with another outcome (on another
    machine, say), the new one is filed as ``VERSION-2``.

    Parameters
    ----------
    results : of the dataset.
    recipe : the resolved recipe; its part ``figures`` sets the look.
    models : names of the models to draw.
    light : only the figures of ``few``, as PNG alone; no classical methods, no animations.

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
    base = versions.version_of(results.image.attrs, recipe, light=light)
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(".drawing-*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with house():
        classical = not light and bool((recipe.get("baselines") or {}).get("methods"))
        scene = load(results, list(models), look, base, baselines=classical)
        known = replace(results.facts, recipe=recipe)
        for version in versions.candidates(base):
            scene.version = version
            target, beside = root / version, root / f".drawing-{version}"
            beside.mkdir()
            try:
                manifest = _write(scene, beside, known, light)
                wanted = versions.digests(beside)
                if not target.exists():
                    beside.rename(target)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
            if versions.holds(target, wanted):
                break
    versions.publish(target, root, versions.LIGHT if light else versions.LATEST)
    return manifest


def _chosen(scene: Scene, light: bool) -> tuple[Iterable[FinishedFigure], Iterable[Clip]]:
    """The figures and animations to draw. What draws all of them takes a second to import."""
    if light:
        from vaescope.figures import few

        return few.figures(scene), ()
    from vaescope.figures import catalogue

    return catalogue.figures(scene), catalogue.clips(scene)


def _thumbnail(scene: Scene) -> FinishedFigure:
    if scene.stack:
        from vaescope.figures import stack

        return stack.thumbnail(scene)
    from vaescope.figures import dataset

    return dataset.thumbnail(scene)


def _write(scene: Scene, folder: Path, known: Judgement, light: bool) -> dict[str, Any]:
    """Draw the figures into a folder, with the data behind them, the facts of the result, and the
    manifest, which is returned."""
    listed = []
    figures, clips = _chosen(scene, light)
    formats = ("png",) if light else scene.look.written
    for drawn in figures:
        files = [_save(drawn, folder, kind, scene.look.dpi) for kind in formats]
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
    for clip in clips:
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
    thumbnail = _save(_thumbnail(scene), folder, "png", 100)
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
