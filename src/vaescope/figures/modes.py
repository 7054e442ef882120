"""Figures of modes of the latents, and of the paths between them."""

from __future__ import annotations

import numpy as np

from vaescope.figures.colours import Coloured, mode_colours, of_model
from vaescope.figures.curve_tiles import axis_note
from vaescope.figures.montage import patch_bar, show, visible, within_circle
from vaescope.figures.panels import RASTER_FROM, bare, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import FAINT, INK, MISSING
from vaescope.quantities import header, robust_limits
from vaescope.results import ModelResults
from vaescope.structure import named_modes

_SIDE = 0.62  # inches of a picture
_BLOCK = (WIDTH - 2 * MARGIN) / 2  # of one mode
_PLANE = 2.9
_MAP = 4.4  # height of the map at most
_LETTER = 0.066  # inches, of the words above a mode
_MOST = 12  # modes shown
_EXAMPLES = 6  # patches of each


def modes(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The modes of the latents: where they lie, what is drawn there, real patches, how sure."""
    if not view.has("mode"):
        return None
    from matplotlib.colors import ListedColormap

    label = view.values("mode", everywhere=True).astype(int)
    found = view.latents.sizes["mode_number"]
    count = min(found, _MOST)
    colours = mode_colours(scene, view)[:count]
    decoded = visible(scene, _pictures(view, "mode_decoded", "mode_number"))
    patches = visible(scene, _pictures(view, "mode_patch", "mode_number", "example"))
    patches = patches[:, :_EXAMPLES]
    further = label >= count
    rows = -(-count // 2)
    mapped = not scene.stack
    aspect = scene.shape[0] / scene.shape[1]
    room = WIDTH - 2 * MARGIN - _PLANE - 1.15
    wide = min(room, _MAP / aspect)
    high = wide * aspect
    tall = max(_PLANE, high if mapped else 0.0) + 1.0
    known = named_modes.of(view.latents)
    sheet = Sheet(
        scene,
        f"Kinds of {scene.noun[0]}: modes of the latents",
        tall + rows * (_SIDE + 0.45),
        view=view,
        sites=len(label),
        notes=(f"{found} modes" if found != 1 else "1 mode",),
    )
    axes = sheet.axes(MARGIN + 0.5, 0.25, _PLANE, _PLANE)
    _plane(axes, view, np.where(further, -1, label), colours)
    if mapped:
        place = sheet.axes(MARGIN + 0.5 + _PLANE + 0.6, 0.25, wide, high)
        place.set_title("where they are")
        bare(place, scene)
        own = view.values("mode").astype(float)
        own[(own < 0) | (own >= count)] = np.nan
        quantity = Coloured("mode", own, ListedColormap(colours), -0.5, count - 0.5)
        polygons(place, scene.cells_of(view), quantity)
        scale_bar(place, scene, wide)
    limits = robust_limits(patches, 0.5)
    own_limits = limits if decoded.shape[1:] == patches.shape[2:] else None
    for k in range(count):
        row, column = divmod(k, 2)
        x, y = MARGIN + column * _BLOCK, tall + row * (_SIDE + 0.45)
        mark = sheet.axes(x, y - 0.115, 0.12, 0.12)
        mark.set_facecolor(colours[k])
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        number = int((label == k).sum())
        words = f"mode {k + 1}: {number} ({100 * number / len(label):.1f} %)"
        sheet.text(x + 0.18, y, words, size=8.5)
        if k < len(known):
            beside = x + 0.3 + _LETTER * len(words)
            sheet.text(beside, y, _said(known[k], k), size=7.5, color=FAINT)
        show(sheet.axes(x, y + 0.08, _SIDE, _SIDE), decoded[k : k + 1], 1, own_limits)
        examples = patches.shape[1]
        side = min(_SIDE, (_BLOCK - _SIDE - 0.25) / examples)
        shown = sheet.axes(x + _SIDE + 0.1, y + 0.08, side * examples, side)
        show(shown, patches[k], examples, limits)
    pictures = "the picture decoded at its centre, and the real patches nearest to it, aligned"
    merged = "; groups that differ only by a rotation are merged"
    if patches.shape[-2] == 1:
        pictures = "the spectrum decoded at its centre, and the measured spectra nearest to it"
        merged = ""
    caption = (
        f"Groups of {scene.noun[1]} with gaps between them in the space of all latents, largest"
        f" first{merged}. A mode that is a class of the model, or of another one, has its colour."
        f" For each: {pictures}."
        + _how_sure(known)
        + (
            f" {found - count} further modes are not shown ({further.sum()} sites, grey)."
            if found > count
            else ""
        )
    )
    every = of_model(view, everywhere=True)
    drawn = (q for q in every if q.name in ("mode", "consensus_content"))
    sheet.figure_data.quantities(view, drawn, everywhere=True)
    sheet.figure_data.view(view, "mode", "mode_content", "mode_decoded", "mode_patch")
    return sheet.drawn("modes", caption, view)


def _said(kind: named_modes.NamedMode, place: int) -> str:
    """How far the members find a mode again, and how bright its columns are."""
    known = place > 0 and kind.intensity == kind.intensity
    bright = f", intensity {kind.intensity:.2f} of mode 1" if known else ""
    return f"found again {kind.stability:.2f}{'' if kind.sure else ' (in doubt)'}{bright}"


def _how_sure(known: list[named_modes.NamedMode]) -> str:
    if not known:
        return ""
    divided = [str(kind.number) for kind in known if kind.by_intensity]
    said = (
        f" Found again: mean Jaccard similarity with what each member puts there; below"
        f" {named_modes.FOUND_AGAIN:g}, a mode is in doubt."
    )
    if divided:
        said += (
            f" Modes {' and '.join(divided) if len(divided) == 2 else ', '.join(divided)} were"
            " divided where the intensities of their columns, beside those of the columns around,"
            " leave a gap."
        )
    return said


def paths(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Decoded pictures along geodesics between modes, above the nearest real patches."""
    if not view.has("path_decoded"):
        return None
    decoded = visible(scene, _pictures(view, "path_decoded", "path", "step"))
    patches = visible(scene, _pictures(view, "path_patch", "path", "step"))
    ends = view.latents["path_ends"].values
    count, steps = decoded.shape[:2]
    curved = patches.shape[-2] == 1
    left = MARGIN + 1.35
    side = min(0.85, (WIDTH - MARGIN - left) / steps)
    block = 2 * side + 0.42
    sheet = Sheet(
        scene,
        "From one spectrum to another" if curved else "How one structure turns into another",
        count * block + 0.2,
        view=view,
        notes=(f"{steps} steps of equal length",),
    )
    limits = robust_limits(patches, 0.5)
    own_limits = limits if decoded.shape[2:] == patches.shape[2:] else None
    nearest = "nearest spectrum" if curved else "nearest patch"
    for k in range(count):
        y = 0.1 + k * block
        name = (
            "along latent 1"
            if ends[k, 0] < 0
            else f"mode {ends[k, 0] + 1} to mode {ends[k, 1] + 1}"
        )
        sheet.text(MARGIN, y + 0.2, name, size=9.5)
        sheet.text(MARGIN, y + 0.6 * side + 0.2, "decoded", size=8, color=FAINT)
        sheet.text(MARGIN, y + 1.6 * side, nearest, size=8, color=FAINT)
        show(sheet.axes(left, y, steps * side, side), decoded[k], steps, own_limits)
        show(sheet.axes(left, y + side + 0.04, steps * side, side), patches[k], steps, limits)
    if curved:
        axis_note(sheet, view, left, count * block + 0.07)
    else:
        pitch = float(scene.patches.attrs.get("pitch", 1.0))
        patch_bar(sheet, left, count * block + 0.02, patches.shape[-1] * pitch, side)
    caption = (
        f"The shortest paths through observed {scene.noun[1]} (geodesics on the graph of neighbours"
        " in the latent space), in steps of equal length. Above: the decoded"
        f" {'spectrum' if curved else 'picture'}. Below: the nearest"
        f" {'measured spectrum' if curved else 'real patch, aligned'}; where the two differ, the"
        " model extrapolates."
    )
    sheet.figure_data.view(
        view, "path_content", "path_decoded", "path_patch", "path_ends", "path_site"
    )
    return sheet.drawn("paths", caption, view)


def class_stability(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw every requested class: where members place it, and whether it is stable between them."""
    if not view.has("asked_class_stability") or view.members < 2:
        return None
    stability = view.values("asked_class_stability")
    probability = view.values("asked_class_probability")
    used = used_classes(probability, view.members)
    left = set(view.values("class_asked").astype(int).tolist()) & set(np.flatnonzero(used).tolist())
    order = np.argsort(-np.where(used, stability, -1), kind="stable")[:12]
    aspect = scene.shape[0] / scene.shape[1]
    columns = min(len(order), 4)
    wide = min((WIDTH - 2 * MARGIN - 0.5) / columns - 0.25, 2.9, 3.2 / aspect)
    high = wide * aspect
    pitch_x, pitch_y = max(wide + 0.25, 1.75), high + 0.75
    rows = -(-len(order) // columns)
    counted = view.latents.attrs.get("classes_asked") == "auto"
    note = f"{len(stability)} classes requested, {len(left)} retained"
    sheet = Sheet(
        scene,
        "Which classes the members find again",
        rows * pitch_y + 0.1,
        width=max(2 * MARGIN + columns * pitch_x + 0.55, 7.2),
        view=view,
        sites=len(probability),
        notes=("" if counted else note,),
    )
    for place, k in enumerate(order):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * pitch_x, 0.42 + row * pitch_y
        axes = sheet.axes(x, y, wide, high)
        bare(axes, scene)
        shown = Coloured("share of the members", probability[:, k], "viridis", 0, 1)
        marks = polygons(axes, scene.cells_of(view), shown)
        kept = k in left
        told = f"stability {stability[k]:.2f}" if used[k] else "used by no member"
        sheet.text(x, y - 0.22, told, size=9.5, color=INK if kept else FAINT)
        word = "class " if kept else "removed as unstable" if used[k] else "no site"
        if kept:
            word += str(int(np.flatnonzero(view.values("class_asked") == k)[0]))
        sheet.text(x, y - 0.07, word, size=8, color=FAINT)
        if place == columns - 1 or place == len(order) - 1 < columns:
            bar = sheet.axes(x + wide + 0.1, y, 0.1, min(high, 2.2))
            sheet.figure.colorbar(marks, cax=bar).outline.set_visible(False)
            bar.tick_params(length=2, pad=2, labelsize=8)
    scale_bar(axes, scene, wide)
    caption = (
        "Share of the ensemble's members that assign a site to each class"
        + ("" if counted else " requested, before unstable ones are removed")
        + "; bright and dark mean agreement, intermediate shades disagreement. Stability is the"
        " Jaccard similarity of the class "
        + (
            "with the sites that a member's latents put there, the mean over the members."
            if counted
            else "between two members: a class of 0.5 or less is removed, and its sites are"
            " reassigned to the classes that other members give them."
        )
    )
    for k in order:
        name = header(f"asked_class_{k}_probability", owner=view.name)
        sheet.figure_data.of_view(view, name, probability[:, k])
    retained = [k in left for k in order]
    shares = {"asked_class": order, "stability": stability[order], "retained": retained}
    sheet.figure_data.rows(shares, "stability")
    sheet.figure_data.view(view, "asked_class_probability", "asked_class_stability")
    return sheet.drawn("class-stability", caption, view)


def used_classes(probability: np.ndarray, members: int) -> np.ndarray:
    """Mark the classes (class,) to which any of so many members assigns sites.

    Where one is sure of a site, the mean over all is its share at least.

    Parameters
    ----------
    probability : (site, class), mean over the members.
    """
    return probability.max(axis=0) > 0.5 / members


def _plane(axes, view: ModelResults, label: np.ndarray, colours: list[str]) -> None:
    """Draw the sites in the plane of the first two latents, coloured by mode, modes numbered."""
    content = view.values("consensus_content", everywhere=True)
    middle = view.latents["mode_content"].values[: len(colours)]
    if content.shape[1] == 1:
        zero = np.zeros((len(content), 1))
        content = np.concatenate([content, zero], axis=1)
        middle = np.concatenate([middle, np.zeros((len(middle), 1))], axis=1)
    size = float(np.clip(6000 / max(len(content), 1), 1.0, 14.0))
    many = len(content) > RASTER_FROM
    thin = label < 0
    axes.scatter(
        *content[thin, :2].T, color=MISSING, s=size, linewidths=0, rasterized=many, zorder=1
    )
    axes.scatter(
        *content[~thin, :2].T,
        color=[colours[k] for k in label[~thin]],
        s=size,
        linewidths=0,
        rasterized=many,
        zorder=2,
    )
    for k, (x, y) in enumerate(middle[:, :2]):
        axes.annotate(
            str(k + 1),
            (x, y),
            ha="center",
            va="center",
            size=8,
            weight="bold",
            color=INK,
            zorder=4,
            bbox={"boxstyle": "circle,pad=0.18", "fc": "white", "ec": colours[k], "lw": 1.2},
        )
    limits = []
    for values in content[:, :2].T:
        low, high = robust_limits(values, 0.2)
        pad = 0.08 * (high - low)
        limits.append((low - pad, high + pad))
    axes.set(xlim=limits[0], ylim=limits[1], xlabel="latent 1", title="in the latent plane")
    axes.set_ylabel("latent 2" if view.latents.sizes["latent"] > 1 else "")
    axes.locator_params(axis="x", nbins=5)


def _pictures(view: ModelResults, name: str, *first: str) -> np.ndarray:
    """Read a variable with its pictures last: (…, channel, height, width).

    Aligned pictures are shown within the circle that a rotation leaves filled.
    """
    array = view.latents[name]
    picture = [dim for dim in array.dims if dim not in first]
    pictures = np.array(array.transpose(*first, *picture).values, dtype=float)
    return within_circle(pictures) if view.has("consensus_angle") else pictures
