"""Patches predicted from spectra, beside the true ones."""

from __future__ import annotations

import numpy as np

from vaescope.figures.montage import patch_bar, pictures_of, show, tile
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import FAINT
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults

_EACH = 6  # sites from best to worst, and as many over the latent plane
_LEFT = 0.85  # inches for the names of the rows
_BETWEEN = 0.35  # inches between the two groups of sites
_ROOM = 0.2  # inches above each row
_MOST_READ = 10_000  # patches whose errors are drawn over the latent plane


def predicted_patches(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw patches predicted from spectra beside the true ones, and what is between them."""
    if not view.has("predicted_patch") or "patch" not in scene.patches.variables:
        return None
    held = view.values("held_out") == 1 if view.has("held_out") else np.zeros(0, bool)
    judged = np.flatnonzero(held) if held.any() else np.arange(len(view.on_frame))
    true, said = _pictures(scene, view, judged)
    if true.shape != said.shape or true.shape[-2] == 1:
        return None
    error = _root_mean_square(said - true)
    order = np.argsort(error)
    ranked = order[np.unique(np.linspace(0, len(order) - 1, _EACH).round().astype(int))]
    spread = _over_plane(view, judged)
    groups = [("from the best to the worst", ranked)]
    if len(spread):
        groups.append(("all over the latent plane", spread))
    columns = sum(len(rows) for _, rows in groups)
    side = (WIDTH - MARGIN - _LEFT - MARGIN - _BETWEEN * (len(groups) - 1)) / max(columns, 6)
    high = side * true.shape[-2] / true.shape[-1]
    sheet = Sheet(
        scene,
        "Predicted beside true patches",
        0.5 + 3 * (high + _ROOM) + 0.55,
        view=view,
        sites=len(judged),
        notes=("held out of training" if held.any() else "none was held out of training",),
    )
    grey = robust_limits(true, 0.3)
    rest = said - true
    reach = robust_limits(np.abs(rest), 0.5)[1]
    rows = (("true", true), ("predicted", said), ("predicted − true", rest))
    numbers = view.values("site")[judged]
    x = MARGIN + _LEFT
    for title, picked in groups:
        sheet.text(x, 0.16, title, size=9.5)
        for k, row in enumerate(picked):
            words = str(int(numbers[row]))
            sheet.text(x + (k + 0.5) * side, 0.4, words, size=7.5, color=FAINT, ha="center")
            sheet.text(
                x + (k + 0.5) * side,
                0.5 + 3 * (high + _ROOM) - 0.04,
                f"{error[row]:.2g}",
                size=7.5,
                color=FAINT,
                ha="center",
            )
        for line, (_, pictures) in enumerate(rows):
            axes = sheet.axes(x, 0.45 + line * (high + _ROOM), side * len(picked), high)
            if line < 2:
                show(axes, pictures[picked], len(picked), grey)
            else:
                axes.set_axis_off()
                montage = tile(pictures[picked][:, 0], len(picked), 1)
                look = scene.look.diverging
                axes.imshow(montage, cmap=look, vmin=-reach, vmax=reach, aspect="auto")
        x += side * len(picked) + _BETWEEN
    for line, (name, _) in enumerate(rows):
        for k, word in enumerate(name.split(" − ") if " − " in name else [name]):
            y = 0.45 + line * (high + _ROOM) + high / 2 + 0.15 * k
            sheet.text(MARGIN, y, ("− " if k else "") + word, size=8.5)
    sheet.text(MARGIN, 0.4, "site", size=7.5, color=FAINT)
    sheet.text(MARGIN, 0.5 + 3 * (high + _ROOM) - 0.04, "rms error", size=7.5, color=FAINT)
    pitch = float(scene.patches.attrs.get("pitch", 1.0))
    below = 0.5 + 3 * (high + _ROOM) + 0.25
    patch_bar(sheet, MARGIN + _LEFT, below, true.shape[-1] * pitch, side)
    caption = (
        "Patches that were measured, those predicted from the spectra of the same sites alone, and"
        " the difference (red: too bright)"
        + (", at sites that no training has seen" if held.any() else "")
        + ". Left: from the best to the worst predicted, at even ranks"
        + ("; right: sites far apart in the latent plane" if len(spread) else "")
        + ". The root mean square error is in the normalised units of the patches."
    )
    sheet.figure_data.rows({"site": numbers, "root_mean_square_error": error})
    sheet.figure_data.view(view, "predicted_patch", "held_out")
    sheet.figure_data.store("samples.zarr", "patch")
    return sheet.drawn("predicted-patches", caption, view)


def errors(scene: Scene, view: ModelResults) -> np.ndarray | None:
    """Root mean square error (site,) of the predicted patches of a model; None without any, or
    where there are too many to read."""
    if not view.has("predicted_patch") or "patch" not in scene.patches.variables:
        return None
    if len(view.on_frame) > _MOST_READ:
        return None
    true, said = _pictures(scene, view, np.arange(len(view.on_frame)))
    return _root_mean_square(said - true) if true.shape == said.shape else None


def _root_mean_square(rest: np.ndarray) -> np.ndarray:
    return np.sqrt(np.nanmean(rest**2, axis=(1, 2, 3)))


def _pictures(
    scene: Scene, view: ModelResults, judged: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted patches (row, channel, py, px) of some of the model's sites."""
    numbers = scene.patches["site"].values
    order = np.argsort(numbers, kind="stable")
    rows = order[np.searchsorted(numbers, view.values("site")[judged], sorter=order)]
    held = view.latents["predicted_patch"]
    drawn = held.transpose("site", *[dim for dim in held.dims if dim != "site"])
    said = np.asarray(drawn.isel(site=view.on_frame[judged]).values, float)
    return pictures_of(scene, rows), said


def _over_plane(view: ModelResults, judged: np.ndarray) -> np.ndarray:
    """Rows of ``judged`` far from each other in the first two latents, in the order of the first:
    the one nearest to the middle, then always the one farthest from those chosen."""
    if not view.has("consensus_content"):
        return np.zeros(0, int)
    content = view.values("consensus_content")[judged][:, :2].astype(float)
    low, high = np.nanpercentile(content, (2, 98), axis=0)
    place = (np.clip(content, low, high) - low) / np.maximum(high - low, 1e-12)
    chosen = [int(np.linalg.norm(place - 0.5, axis=1).argmin())]
    nearest = np.full(len(place), np.inf)
    while len(chosen) < min(_EACH, len(place)):
        nearest = np.minimum(nearest, np.linalg.norm(place - place[chosen[-1]], axis=1))
        if not nearest.max() > 0:
            break
        chosen.append(int(nearest.argmax()))
    rows = np.array(chosen)
    return rows[np.argsort(place[rows, 0], kind="stable")]
