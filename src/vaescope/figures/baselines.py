"""Classical methods beside the models: maps, planes and pictures of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vaescope.analyse import comparison
from vaescope.analyse.comparison import Angle, Entry
from vaescope.figures.panels import RASTER_FROM, bare, micrograph, polygons, scale_bar
from vaescope.figures.quantities import Quantity, wrap
from vaescope.figures.scene import Scene, View
from vaescope.figures.sheet import MARGIN, WIDTH, Drawn, Sheet
from vaescope.figures.style import FAINT, MISSING, category_colours, plain, robust_limits
from vaescope.figures.truth import label_name

GROUP = "baselines"
"""Stands in the list of figures where others have the name of their model."""

_GAP = 0.14  # inches between panels
_HEAD = 0.46  # inches above a panel, for two lines
_LETTERS = 12.5  # of a name in an inch
_PICTURES = 8  # of a method; a map of units shows all
_SIDE = 0.56  # inches of a picture
_MOST_NAMED = 10  # kinds in a legend


@dataclass
class Compared:
    """What the three figures share.

    ``labels`` : of every entry, named like those of the reference; ``kind`` : the truth, or None.
    """

    entries: list[Entry]
    labels: list[np.ndarray]
    reference: np.ndarray
    kind: np.ndarray | None
    angle: Angle | None
    colours: list[str]
    names: list[str]  # of the kinds


def figures(scene: Scene) -> Iterator[Drawn]:
    """All figures of the comparison."""
    assert scene.baselines is not None
    models = {view.name: view.latents for view in scene.views}
    found = comparison.entries(scene.baselines, models)
    kinds = comparison.truths(scene.patches)
    reference = comparison.reference(found, kinds)
    labels = [comparison.matched_labels(entry.label, reference) for entry in found]
    count = 1 + max(int(label.max()) for label in [reference, *labels])
    what = Compared(
        found,
        labels,
        reference,
        comparison.main_truth(kinds),
        comparison.angle_of(scene.patches, models),
        category_colours(max(count, 1)),
        _kind_names(scene),
    )
    if scene.stack:
        yield _by_label(scene, what)
    else:
        yield maps(scene, what)
    if what.kind is not None or not scene.stack:
        yield _by_kind(scene, what)
    if what.angle is not None:
        yield _by_angle(scene, what, what.angle)
    pictures = components(scene, what)
    if pictures is not None:
        yield pictures


def _kind_names(scene: Scene) -> list[str]:
    """Names of the kinds of the truth; labels by the names that the data give them."""
    names = comparison.kind_names(scene.patches)
    if any(" · " in name or not name.startswith("label ") for name in names):
        return names
    return [label_name(scene, float(name.removeprefix("label "))) for name in names]


def _legend(sheet: Sheet, what: Compared) -> None:
    """The colours of the kinds of the truth, in the line under the title, from the right."""
    if not 0 < len(what.names) <= _MOST_NAMED:
        return
    x = sheet.width - MARGIN
    for name, colour in reversed(list(zip(what.names, what.colours, strict=False))):
        text = plain(name, 24)
        x -= 0.068 * len(text) + 0.3
        if x < 3.2:
            return
        mark = sheet.axes(x, -0.33, 0.11, 0.11)
        mark.set_facecolor(colour)
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        sheet.text(x + 0.16, -0.235, text, size=8)


def _columns(count: int, aspect: float) -> int:
    """Panels in a row: more of tall ones, fewer of wide ones."""
    wished = 2 if aspect < 0.3 else 3 if aspect < 0.6 else 5
    rows = -(-count // wished)
    return min(count, max(2, -(-count // rows))) if rows > 1 else min(count, wished)


def maps(scene: Scene, what: Compared) -> Drawn:
    """The labels of every method on the image, beside the truth."""
    assert scene.baselines is not None
    aspect = scene.shape[0] / scene.shape[1]
    shown = [k for k, entry in enumerate(what.entries) if not entry.failed]
    count = len(shown) + 1
    columns = _columns(count, aspect)
    side = min((WIDTH - 2 * MARGIN - (columns - 1) * _GAP) / columns, 3.4)
    high, step = side * aspect, side * aspect + _HEAD + 0.06
    rows = -(-count // columns)
    of_sites = View(GROUP, scene.baselines, Path(), scene.frame)
    sheet = Sheet(
        scene,
        "Which method separates what",
        rows * step + 0.2,
        sites=len(of_sites.on_frame),
        notes=(scene.frame_words, "grey: in no cluster"),
    )
    cells = scene.cells_of(of_sites)
    _legend(sheet, what)
    for place in range(count):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * (side + _GAP), row * step
        axes = sheet.axes(x, y + _HEAD, side, high)
        if place == 0:
            if what.kind is None:
                _title(sheet, x, y, side, "image", "no truth is known")
                micrograph(axes, scene)
            else:
                _title(sheet, x, y, side, "the truth", "grey: not known")
                bare(axes, scene)
                _cells(axes, cells, what.kind[of_sites.on_frame], what.colours)
            continue
        entry, label = what.entries[shown[place - 1]], what.labels[shown[place - 1]]
        _title(sheet, x, y, side, _name(entry), _agreement(entry, what))
        bare(axes, scene)
        _cells(axes, cells, label[of_sites.on_frame], what.colours)
        if place == count - 1:
            scale_bar(axes, scene, side)
    caption = (
        "Every site in the colour of its label by each method; labels are coloured like those of "
        + ("the truth" if what.kind is not None else "the first panel with classes of its own")
        + " with which they share most sites. Models first: where one has no classes, and for"
        " methods that only lay sites out, labels are k-means on the latents or the embedding."
        + (
            " ARI: adjusted Rand index against the truth (1: the same, 0: by chance)."
            if what.kind is not None
            else ""
        )
    )
    return _drawn(sheet, "baselines-maps", caption)


def _cells(axes, cells: list[np.ndarray | None], label: np.ndarray, colours: list[str]) -> None:
    from matplotlib.colors import ListedColormap

    values = np.where(label >= 0, label, np.nan).astype(float)
    quantity = Quantity("label", values, ListedColormap(colours), -0.5, len(colours) - 0.5)
    polygons(axes, cells, quantity)


def _by_kind(scene: Scene, what: Compared) -> Drawn:
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
        return f"neighbours right {_percent(score)}"

    caption = (
        "The first two components of every method. "
        + (
            "Colours are the truth: where they lie apart, the method tells them apart. “Neighbours"
            " right”: share of sites whose kind a vote of 15 neighbours in all components gives."
            if known
            else "Colours are its own labels."
        )
        + " Methods that only sort into clusters are drawn on the plane of PCA, in the colours of"
        " their own labels. A place on a self-organising map is shaken a little to be seen."
    )
    title = f"How every method lays the {'patches' if scene.stack else 'sites'} out"
    return _planes(scene, what, title, "baselines-embeddings", caption, look)


def _by_label(scene: Scene, what: Compared) -> Drawn:
    """For stacks, which have no map: the plane of every method by its own labels."""

    def look(axes, place: np.ndarray, index: int) -> str:
        _scatter_labels(axes, place, what.labels[index], what.colours)
        return _agreement(what.entries[index], what)

    caption = (
        "The first two components of every method, in the colours of its own labels, which are"
        " those of the truth with which they share most patches; grey: in no cluster. Methods that"
        " only sort into clusters are drawn on the plane of PCA. ARI: adjusted Rand index against"
        " the truth (1: the same, 0: by chance)."
    )
    return _planes(scene, what, "Which method separates what", "baselines-labels", caption, look)


def _by_angle(scene: Scene, what: Compared, angle: Angle) -> Drawn:
    """The plane of every method, coloured by the angle that a good one does not know."""
    period = 360 / angle.symmetry
    degrees = wrap(np.degrees(angle.value), period)

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
            linewidths=0,
            rasterized=len(place) > RASTER_FROM,
        )
        assert entry.embedding is not None
        share = comparison.angle_share(entry.embedding, angle, what.kind)
        return f"{_percent(share)} of it is angle"

    caption = (
        f"The same planes, coloured by {angle.source} (cyclic, modulo {period:g}°). The number is"
        " the share of the variance of all components that follows the angle"
        + (", within each kind of the truth" if what.kind is not None else "")
        + ". Where colours run smoothly, what the method calls structure is how the patch is"
        " turned; a model that keeps turns apart mixes them."
    )
    title = "Structure, or only how it is turned"
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
) -> Drawn:
    """One plane for every method; ``look`` colours it and says its second line."""
    pca = next((e.embedding for e in what.entries if e.name == "pca" and not e.is_model), None)
    drawn = []
    for index, entry in enumerate(what.entries):
        plane = entry.embedding if own_plane or entry.embedding is not None else pca
        if plane is not None and not entry.failed:
            drawn.append((index, _plane(plane, entry.name == "som" and not entry.is_model)))
    columns = max(_columns(len(drawn), 1.0), 1)
    side = (WIDTH - 2 * MARGIN - 4 * _GAP) / 5
    step = side + _HEAD + 0.06
    sheet = Sheet(scene, title, max(-(-len(drawn) // columns), 1) * step, sites=len(what.reference))
    if not own_plane:
        _legend(sheet, what)
    for place, (index, points) in enumerate(drawn):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * (side + _GAP), row * step
        axes = sheet.axes(x, y + _HEAD, side, side)
        line = look(axes, points, index)
        for limits, values in ((axes.set_xlim, points[:, 0]), (axes.set_ylim, points[:, 1])):
            low, high = robust_limits(values, 0.3)
            limits(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, linewidth=0.5, color="#b6bcc8")
        _title(sheet, x, y, side, _name(what.entries[index]), line)
    if own_plane and what.angle is not None:
        _angle_bar(sheet, what.angle)
    return _drawn(sheet, name, caption)


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


def components(scene: Scene, what: Compared) -> Drawn | None:
    """Components, centres, end members and units of every method as pictures."""
    assert scene.baselines is not None
    rows = [(entry, _pictures(scene, entry)) for entry in what.entries if not entry.failed]
    rows = [(entry, pictures) for entry, pictures in rows if len(pictures)]
    if not rows:
        return None
    # The map of units is a square of its own, at the end.
    flat = [(e, p[:_PICTURES]) for e, p in rows if e.is_model or e.name != "som"]
    units = [p for e, p in rows if not e.is_model and e.name == "som"]
    step, block = _SIDE + 0.42, (WIDTH - 2 * MARGIN + 0.3) / 2
    body = -(-len(flat) // 2) * step
    across = round(np.sqrt(len(units[0]))) if units else 0
    sheet = Sheet(
        scene,
        "What every method draws",
        body + (0.3 + across * (_SIDE + 0.04) if units else 0) + 0.05,
        notes=(f"{scene.patches.sizes['py']} × {scene.patches.sizes['px']} samples",),
    )
    for place, (entry, pictures) in enumerate(flat):
        row, column = divmod(place, 2)
        x, y = MARGIN + column * block, row * step
        sheet.text(x, y + 0.2, plain(_name(entry), 34), size=9.5, weight="bold")
        words = _drawn_words(entry)
        sheet.text(x + block - 0.3, y + 0.2, words, size=8, color=FAINT, ha="right")
        _strip(sheet, x, y + 0.28, pictures, signed=entry.name == "pca" and not entry.is_model)
    for pictures in units:
        sheet.text(MARGIN, body + 0.2, "self-organising map", size=9.5, weight="bold")
        sheet.text(MARGIN + 1.75, body + 0.2, "its units, neighbours alike", size=8, color=FAINT)
        for row in range(across):
            line = pictures[row * across : (row + 1) * across]
            low, high = robust_limits(pictures, 0.2)
            y = body + 0.28 + row * (_SIDE + 0.04)
            _strip(sheet, MARGIN, y, line, limits=(low, high))
    caption = (
        "What each method takes patches to be made of, at most eight pictures of each, on a grey"
        " scale of its own; principal components may be negative (blue) and positive (red)."
        " Pictures that differ by a turn only show that a method counts a turned structure as"
        " another one."
    )
    return _drawn(sheet, "baselines-components", caption)


def _strip(
    sheet: Sheet,
    x: float,
    y: float,
    pictures: np.ndarray,
    *,
    signed: bool = False,
    limits: tuple[float, float] | None = None,
) -> None:
    """Pictures (count, py, px) side by side."""
    low, high = limits or robust_limits(pictures, 0.2)
    if signed:
        high = max(abs(low), abs(high))
        low = -high
    colours = "RdBu_r" if signed else "gray"
    for place, picture in enumerate(pictures):
        axes = sheet.axes(x + place * (_SIDE + 0.04), y, _SIDE, _SIDE)
        axes.set_axis_off()
        shown = np.ma.masked_invalid(picture)
        axes.imshow(shown, cmap=colours, vmin=low, vmax=high, aspect="auto")


def _pictures(scene: Scene, entry: Entry) -> np.ndarray:
    """(count, py, px) of the first channel; those that hold nothing are left out."""
    if entry.is_model:
        latents = next(v.latents for v in scene.views if v.name == entry.name)
        if "class_decoded" in latents and "py" in latents["class_decoded"].dims:
            pictures = latents["class_decoded"].isel(channel=0).values
        elif "decoded_grid" in latents and "py" in latents["decoded_grid"].dims:
            grid = latents["decoded_grid"].isel(channel=0)
            middle = grid.isel(grid_row=grid.sizes["grid_row"] // 2).values
            pictures = middle[np.linspace(0, len(middle) - 1, min(7, len(middle))).astype(int)]
        else:
            return np.zeros((0, 1, 1))
    else:
        assert scene.baselines is not None
        pictures = scene.baselines["pictures"].sel(baseline=entry.name).isel(channel=0).values
    return np.asarray(pictures[np.isfinite(pictures).any((1, 2))], dtype=float)


_WORDS = {
    "pca": "components",
    "nmf": "components",
    "unmixing": "end members",
    "kmeans": "centres",
    "gmm": "means",
}


def _drawn_words(entry: Entry) -> str:
    """What the pictures of a method are."""
    if entry.is_model:
        return "decoded classes" if entry.own_labels else "decoded along latent 1"
    return _WORDS.get(entry.name, "mean patches of its labels")


def _name(entry: Entry) -> str:
    """A model under its name in the recipe, a method under its own."""
    return entry.name if entry.is_model else entry.title


def _agreement(entry: Entry, what: Compared) -> str:
    """The second line of a panel: how its labels agree with the truth."""
    words = "model" if entry.is_model else ""
    if what.kind is not None:
        words = f"ARI {comparison.ari(entry, what.kind):.2f}"
    if not (entry.label >= 0).any():
        return "no cluster found"
    if entry.own_labels:
        return words or f"{len(np.unique(entry.label[entry.label >= 0]))} clusters"
    return f"{words}, k-means on it" if words else "k-means on it"


def _title(sheet: Sheet, x: float, y: float, side: float, name: str, line: str) -> None:
    """Two lines above a panel."""
    sheet.text(x, y + 0.22, plain(name, int(side * _LETTERS)), size=9.5, weight="bold")
    sheet.text(x, y + 0.39, plain(line, int(side * 16)), size=8, color=FAINT)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "–"


def _drawn(sheet: Sheet, name: str, caption: str) -> Drawn:
    drawn = sheet.drawn(name, caption)
    drawn.model = GROUP
    return drawn
