"""Draw the embeddings of all methods: a plane of each, by labels, by the truth, by the angle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vaescope import circular
from vaescope.figures.compared import (
    GAP,
    HEAD,
    Compared,
    agreement,
    columns_of,
    finished,
    heading,
    legend,
    name_of,
    percent,
)
from vaescope.figures.panels import RASTER_FROM
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import MISSING, OUTLINE
from vaescope.quantities import robust_limits
from vaescope.scores import comparison
from vaescope.scores.ground_truth import Angle


def by_kind(scene: Scene, what: Compared) -> FinishedFigure:
    """The plane of every method, coloured by the truth, or else by its own labels."""
    known = what.kind is not None

    def look(axes, place: np.ndarray, index: int) -> str:
        entry = what.entries[index]
        own = not known or entry.embedding is None
        label = what.labels[index] if own or what.kind is None else what.kind
        _scatter_labels(axes, place, label, what.colours)
        if entry.embedding is None:
            return "on PCA, by its own labels"
        if what.kind is None:
            return "by its own labels"
        score = comparison.knn(entry, what.kind)
        return f"neighbours right {percent(score)}"

    caption = (
        "The first two components of every method. "
        + (
            "Colours are the truth: where they separate, the method distinguishes them. “Neighbours"
            " right”: share of sites whose true class a vote of 15 neighbours gives."
            if known
            else "Colours are its own labels."
        )
        + " Methods that only sort into clusters are drawn on the plane of PCA, in the colours of"
        " their own labels. Places on a self-organising map are jittered for visibility."
    )
    title = f"Embeddings of the {scene.noun[1]} by every method"
    return _planes(scene, what, title, "baselines-embeddings", caption, look)


def by_label(scene: Scene, what: Compared) -> FinishedFigure:
    """For stacks, which have no map: the plane of every method by its own labels."""

    def look(axes, place: np.ndarray, index: int) -> str:
        _scatter_labels(axes, place, what.labels[index], what.colours)
        return agreement(what.entries[index], what)

    caption = (
        "The first two components of every method, in the colours of its own labels, which are"
        " those of the truth with which they share most patches; grey: in no cluster. Methods that"
        " only sort into clusters are drawn on the plane of PCA. ARI: adjusted Rand index against"
        " the truth (1: the same, 0: by chance)."
    )
    return _planes(scene, what, "Which method separates what", "baselines-labels", caption, look)


def by_angle(scene: Scene, what: Compared, angle: Angle) -> FinishedFigure:
    """The plane of every method, coloured by the angle, which an invariant one ignores."""
    period = 360 / angle.symmetry
    degrees = circular.wrap(np.degrees(angle.value), period)

    def look(axes, place: np.ndarray, index: int) -> str:
        entry = what.entries[index]
        good = np.isfinite(degrees)
        axes.scatter(
            place[good, 0],
            place[good, 1],
            c=degrees[good],
            cmap=scene.look.cyclic,
            vmin=-period / 2,
            vmax=period / 2,
            s=_size(len(place)),
            **OUTLINE,
            rasterized=len(place) > RASTER_FROM,
        )
        assert entry.embedding is not None
        share = comparison.angle_share(entry.embedding, angle, what.kind)
        return f"{percent(share)} explained by angle"

    caption = (
        f"The same planes, coloured by {angle.source} (cyclic, modulo {period:g}°). The number is"
        " the share of the variance of all components that follows the angle"
        + (", within each kind of the truth" if what.kind is not None else "")
        + ". Where colours vary smoothly, the method encodes the orientation of the patch as"
        " structure; in a model that separates rotation from content they mix."
    )
    title = "Structure, or only orientation"
    return _planes(scene, what, title, "baselines-angles", caption, look, own_plane=True)


def _planes(
    scene: Scene,
    what: Compared,
    title: str,
    name: str,
    caption: str,
    look: Callable[..., str],
    *,
    own_plane: bool = False,
) -> FinishedFigure:
    """One plane for every method; ``look`` colours it and says its second line."""
    pca = next((e.embedding for e in what.entries if e.name == "pca" and not e.is_model), None)
    drawn = []
    for index, entry in enumerate(what.entries):
        plane = entry.embedding if own_plane or entry.embedding is not None else pca
        if plane is not None and not entry.failed:
            drawn.append((index, _plane(plane, entry.on_grid)))
    columns = max(columns_of(len(drawn), 1.0), 1)
    side = (WIDTH - 2 * MARGIN - 4 * GAP) / 5
    step = side + HEAD + 0.06
    sheet = Sheet(scene, title, max(-(-len(drawn) // columns), 1) * step, sites=len(what.reference))
    if not own_plane:
        legend(sheet, what)
    for place, (index, points) in enumerate(drawn):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * (side + GAP), row * step
        axes = sheet.axes(x, y + HEAD, side, side)
        line = look(axes, points, index)
        for limits, values in ((axes.set_xlim, points[:, 0]), (axes.set_ylim, points[:, 1])):
            low, high = robust_limits(values, 0.3)
            limits(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, linewidth=0.5, color="#b6bcc8")
        heading(sheet, x, y, side, name_of(what.entries[index]), line)
    if own_plane and what.angle is not None:
        _angle_bar(sheet, what.angle)
    for index, points in drawn:
        named = name_of(what.entries[index])
        sheet.figure_data.rows(
            {
                "method": named,
                "site": scene.patches["site"].values,
                "component_1": points[:, 0],
                "component_2": points[:, 1],
                "label": what.labels[index],
            }
        )
    sheet.figure_data.store("baselines.zarr", "embedding", "label")
    return finished(sheet, name, caption)


def _angle_bar(sheet: Sheet, angle: Angle) -> None:
    """The cyclic colours of the angle, at the right under the title."""
    half = 180 / angle.symmetry
    axes = sheet.axes(sheet.width - MARGIN - 2.3, -0.42, 2.0, 0.1)
    cmap = sheet.scene.look.cyclic
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=cmap, extent=(-half, half, 0, 1))
    axes.set(yticks=[])
    axes.set_xticks([-half, 0, half], [f"{v:g}°".replace("-", "−") for v in (-half, 0.0, half)])
    axes.tick_params(length=0, pad=2, labelsize=8)
    axes.spines[:].set_visible(False)


def _plane(embedding: np.ndarray, shaken: bool) -> np.ndarray:
    """(site, 2) the first two components; sites of one unit of a map are drawn apart."""
    place = embedding[:, :2].astype(float)
    if place.shape[1] == 1:
        place = np.concatenate([place, np.zeros_like(place)], axis=1)
    if shaken:
        place = place + np.random.default_rng(0).uniform(-0.35, 0.35, place.shape)
    return place


def _scatter_labels(axes, place: np.ndarray, label: np.ndarray, colours: list[str]) -> None:
    """Points in the colours of their labels, in mixed order so that none hides another."""
    known = np.array([*colours, MISSING])[np.where(label >= 0, label, len(colours))]
    order = np.random.default_rng(0).permutation(len(place))
    order = np.concatenate([order[label[order] < 0], order[label[order] >= 0]])
    axes.scatter(
        place[order, 0],
        place[order, 1],
        c=known[order].tolist(),
        s=_size(len(place)),
        linewidths=0,
        rasterized=len(place) > RASTER_FROM,
    )


def _size(count: int) -> float:
    """Area of a mark in points²."""
    return float(np.clip(4000 / max(count, 1), 0.8, 9.0))
