"""Kinds of structure that are known, against those that the latents and the spectra say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.accuracy import level_name
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.spectra import of_view
from vaescope.figures.style import FAINT, INK
from vaescope.results import ModelResults
from vaescope.scores.ground_truth import truths
from vaescope.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = ("label", "kind", "species", "phase")
"""Truths that may be the kind of a structure, the first that varies counts."""
_NEIGHBOURS = 15
_FOLDS = 5
_COMPONENTS = 8  # of the spectra, as many as latents can hold
_MOST = 12


def kinds(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw how often each known kind is found from the latents and from the spectra, by neighbours
    among the sites of the training."""
    if view.classes or not (view.has("predicted_spectrum") or view.has("predicted_patch")):
        return None
    found = _known(scene, view)
    if found is None:
        return None
    name, kind, names = found
    test = view.values("held_out") == 1 if view.has("held_out") else np.zeros(len(kind), bool)
    sources = {"the latents": view.values("consensus_content").astype(float)}
    if "spectrum" in scene.patches.variables:
        sources[f"{_COMPONENTS} components of the spectra"] = _components(scene, view)
    tables = {source: _table(values, kind, len(names), test) for source, values in sources.items()}
    judged = int(next(iter(tables.values())).sum())
    if not judged:
        return None
    cell = float(np.clip(3.2 / len(names), 0.42, 0.8))
    left = MARGIN + 0.45 + 0.085 * max(map(len, names))
    pitch = max(left + len(names) * cell + 0.35, left + 2.9)
    sheet = Sheet(
        scene,
        f"Which {name} it is, against which it is found to be",
        len(names) * cell + 1.25,
        width=max(MARGIN + len(tables) * pitch, 7.2),
        view=view,
        sites=judged,
        notes=("held out of training" if test.any() else f"{_FOLDS}-fold cross-validation",),
    )
    for place, (source, table) in enumerate(tables.items()):
        x, side = place * pitch + left, len(names) * cell
        axes = sheet.axes(x, 0.55, side, side)
        _matrix(axes, table, names, name)
        share = percent(float(np.trace(table) / max(table.sum(), 1)))
        sheet.text(x, 0.22, f"from {source}", size=9.5, weight="bold")
        sheet.text(x, 0.42, f"{share} right", size=9, color=FAINT)
        rows = {"from": source, f"true_{name}": np.array(names, dtype=object)}
        rows |= {f"found_{word}": table[:, k] for k, word in enumerate(names)}
        sheet.figure_data.rows(rows)
    caption = (
        f"Of the sites of each {name}, the share that {_NEIGHBOURS} neighbours"
        + (" in the training" if test.any() else "")
        + f" say to be of each {name}, and their number; on the diagonal they are right. Neighbours"
        " are those in the latents of the model"
        + (
            ", or in the first principal components of the measured spectra, with no model."
            if len(tables) > 1
            else "."
        )
    )
    sheet.figure_data.view(view, "consensus_content", "held_out")
    return sheet.drawn("kinds", caption, view)


def _known(scene: Scene, view: ModelResults) -> tuple[str, np.ndarray, list[str]] | None:
    """Which truth is the kind of a site, the kind (site,), -1 where unknown, and all names."""
    categories = truths(view.latents)
    for name in _NAMES:
        kind = categories.get(name)
        if kind is None:
            continue
        levels = view.values(f"truth_{name}", everywhere=True)
        firsts = [int(np.flatnonzero(kind == k)[0]) for k in range(int(kind.max()) + 1)]
        names = [level_name(scene, f"truth_{name}", float(levels[first])) for first in firsts]
        own = kind[view.on_frame]
        if 1 < len(names) <= _MOST and len(np.unique(own[own >= 0])) > 1:
            return name, own, names
    return None


def _components(scene: Scene, view: ModelResults) -> np.ndarray:
    """First principal components (site, component) of the measured spectra."""
    from sklearn.decomposition import PCA

    values = np.nan_to_num(np.asarray(of_view(scene, view).values, float))
    count = min(_COMPONENTS, *values.shape)
    return PCA(count, random_state=0).fit_transform(values)


def _table(values: np.ndarray, kind: np.ndarray, count: int, test: np.ndarray) -> np.ndarray:
    """Number of sites (true kind, found kind), by neighbours among the other sites."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    usable = (kind >= 0) & np.isfinite(values).all(1)
    table = np.zeros((count, count), int)
    own, learn = usable & test, usable & ~test
    fewest = int(np.bincount(kind[usable], minlength=1).max(initial=0))
    neighbours = min(_NEIGHBOURS, max(fewest // 2, 1))
    by = make_pipeline(StandardScaler(), KNeighborsClassifier(neighbours))
    if own.any() and learn.sum() >= neighbours:
        found = by.fit(values[learn], kind[learn]).predict(values[own])
    elif not test.any() and np.bincount(kind[usable]).min() >= _FOLDS:
        own = usable
        found = cross_val_predict(by, values[own], kind[own], cv=_FOLDS)
    else:
        return table
    np.add.at(table, (kind[own], found), 1)
    return table


def _matrix(axes: Axes, table: np.ndarray, names: list[str], name: str) -> None:
    """Draw rates in shades, each with its number of sites."""
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), number in np.ndenumerate(table):
        axes.text(
            column,
            row,
            f"{100 * share[row, column]:.0f} %\n{number}",
            ha="center",
            va="center",
            size=8,
            color="white" if share[row, column] > 0.6 else (INK if number else FAINT),
        )
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=f"{name} found", ylabel=f"true {name}")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
