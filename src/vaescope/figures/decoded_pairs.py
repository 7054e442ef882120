"""Pairs of a patch and a spectrum all over the latent plane of a model that knows both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.curve_tiles import axis_words
from vaescope.figures.montage import patch_bar, pictures_of, spaced
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.spectra import of_view
from vaescope.figures.style import CATEGORIES, FAINT
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 10.0  # inches of all cells
_CELL = 0.92  # of the width of a cell, that patch and spectrum take
_CURVE = 0.55  # height of a spectrum, in widths of a cell
_ROOM = 0.2  # below a spectrum, in widths of a cell: it belongs to the patch above it
_FADED = 0.3  # opacity of what no site is near
_SITES = 5000  # looked at to find the nearest one


@dataclass
class _Pairs:
    """``patches`` (row, column, channel, py, px), ``spectra`` (row, column, energy), which of them
    are ``decoded``, ``rows`` and ``columns`` of the plane, and the ``distance`` (row, column) of
    the nearest site, in steps of the plane."""

    patches: np.ndarray
    spectra: np.ndarray
    decoded: tuple[bool, bool]
    rows: np.ndarray
    columns: np.ndarray
    distance: np.ndarray


def known(scene: Scene, view: ModelResults) -> bool:
    """Whether a model decodes at least one of two views that its sites have, in pairs."""
    samples = scene.patches.variables
    two = view.has("predicted_spectrum") or view.has("predicted_patch")
    if not (two and view.has("decoded_grid") and "patch" in samples and "spectrum" in samples):
        return False
    return scene.patches.sizes.get("py", 1) > 1


def manifold(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw what lies at even places of the latent plane: patch above, spectrum beneath."""
    if not known(scene, view):
        return None
    found = _pairs(scene, view)
    rows, columns = found.distance.shape
    tall = found.patches.shape[-2] / found.patches.shape[-1]
    cell = min(_ACROSS / columns, 1.05)
    step = _CELL * tall + _CURVE + _ROOM  # from one row to the next, in widths of a cell
    left = MARGIN + 0.6
    high = (rows * step - _ROOM) * cell
    sheet = Sheet(
        scene,
        "Structure and spectrum over the latent plane",
        high + 1.15,
        width=max(left + columns * cell + MARGIN, 7.2),
        view=view,
        notes=(f"{rows} × {columns} pairs",),
    )
    axes = sheet.axes(left, 0.1, columns * cell, high)
    _draw(axes, found, tall, step)
    axes.set_xticks(np.arange(columns) + _CELL / 2, spaced(found.columns))
    axes.set_xlabel("latent 1")
    if rows > 1:
        middles = np.arange(rows) * step + (_CELL * tall + _CURVE) / 2
        axes.set_yticks(middles, spaced(found.rows))
        axes.set_ylabel("latent 2")
    else:
        axes.set_yticks([])
    below = high + 0.85
    pitch = float(scene.patches.attrs.get("pitch", 1.0))
    patch_bar(sheet, left, below - 0.02, found.patches.shape[-1] * pitch, cell * _CELL)
    words = f"each curve: {axis_words(view)}, all on one scale"
    sheet.text(left + 1.6, below + 0.04, words, size=8, color=FAINT)
    sheet.figure_data.view(view, "decoded_grid", "decoded_grid_spectrum")
    _keep(sheet, found, scene)
    return sheet.drawn("decoded-pairs", _caption(view, found), view)


def _caption(view: ModelResults, found: _Pairs) -> str:
    patch, spectrum = found.decoded
    if patch and spectrum:
        words = (
            "Patch (without turn and offset) and spectrum that the model decodes together at evenly"
            " spaced values of its first two latents."
        )
        if view.has("consensus_angle"):
            words += " The spectrum is that of the patch as it is drawn, at its angle."
    elif patch:
        words = (
            "Patch that the model decodes at evenly spaced values of its first two latents, and"
            " beneath it the measured spectrum of the site that lies nearest."
        )
    else:
        words = (
            "Spectrum that the model decodes at evenly spaced values of its first two latents, and"
            " above it the measured patch of the site that lies nearest."
        )
    if view.latents.sizes.get("latent", 2) > 2:
        words += " Further latents are at their medians."
    faded = bool((found.distance > 1).any())
    return words + (" Faded: no site is within one step of the plane." if faded else "")


def _pairs(scene: Scene, view: ModelResults) -> _Pairs:
    grid = view.latents["decoded_grid"].sortby("grid_row", ascending=False).sortby("grid_column")
    rows, columns = grid["grid_row"].values, grid["grid_column"].values
    others = [dim for dim in grid.dims if dim not in ("grid_row", "grid_column")]
    drawn = np.asarray(grid.transpose("grid_row", "grid_column", *others).values, float)
    nearest, distance = _nearest(view, rows, columns)
    shape = distance.shape
    if "energy" in grid.dims:
        spectra = drawn.reshape(*shape, grid.sizes["energy"])
        numbers = scene.patches["site"].values
        order = np.argsort(numbers, kind="stable")
        own = view.latents["site"].values[nearest.ravel()]
        place = order[np.searchsorted(numbers, own, sorter=order)]
        pictures = pictures_of(scene, place)
        patches = pictures.reshape(*shape, *pictures.shape[1:])
        return _Pairs(patches, spectra, (False, True), rows, columns, distance)
    if view.has("decoded_grid_spectrum"):
        held = view.latents["decoded_grid_spectrum"].sortby("grid_row", ascending=False)
        beside = held.sortby("grid_column").transpose("grid_row", "grid_column", "energy")
        spectra = np.asarray(beside.values, float)
        return _Pairs(drawn, spectra, (True, True), rows, columns, distance)
    everywhere = ModelResults(view.name, view.latents, view.history, None)
    measured = of_view(scene, everywhere).isel(site=nearest.ravel()).values
    spectra = np.asarray(measured, float).reshape(*shape, -1)
    return _Pairs(drawn, spectra, (True, False), rows, columns, distance)


def _nearest(
    view: ModelResults, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The site nearest to each place of the plane (row, column), in all latents, and how far it is
    in the plane, in steps."""
    content = view.values("consensus_content", everywhere=True).astype(float)
    some = np.unique(np.linspace(0, len(content) - 1, min(_SITES, len(content))).round())
    content = content[some.astype(int)]
    scale = np.maximum(content.std(0), 1e-12)
    points = np.tile(np.median(content, 0), (len(rows) * len(columns), 1))
    points[:, 0] = np.tile(columns, len(rows))
    steps = [_step(columns)]
    if content.shape[1] > 1 and len(rows) > 1:
        points[:, 1] = np.repeat(rows, len(columns))
        steps.append(_step(rows))
    apart = np.linalg.norm((content[None] - points[:, None]) / scale, axis=-1)
    drawn = slice(0, len(steps))
    plane = (content[None, :, drawn] - points[:, None, drawn]) / np.array(steps)
    distance = np.abs(plane).max(-1).min(1)
    shape = len(rows), len(columns)
    return some.astype(int)[apart.argmin(1)].reshape(shape), distance.reshape(shape)


def _step(values: np.ndarray) -> float:
    return float(np.median(np.abs(np.diff(values)))) if len(values) > 1 else 1.0


def _draw(axes: Axes, found: _Pairs, tall: float, step: float) -> None:
    """Draw the pairs in cells of width 1 and height ``step``."""
    rows, columns = found.distance.shape
    near = found.distance <= 1
    patches = found.patches[near] if near.any() else found.patches
    low, high = robust_limits(patches, 0.2)
    curves = found.spectra[near] if near.any() else found.spectra
    foot, head = float(np.nanmin(curves)), float(np.nanmax(curves))
    foot = min(foot, 0.0) if foot < 0.2 * head else foot
    reach = max(head - foot, 1e-12)
    across = np.linspace(0, _CELL, found.spectra.shape[-1])
    colour = found.patches.shape[2] == 3
    for row in range(rows):
        top = row * step
        for column in range(columns):
            alpha = 1.0 if near[row, column] else _FADED
            shown = np.clip((found.patches[row, column] - low) / max(high - low, 1e-12), 0, 1)
            picture = np.moveaxis(shown, 0, -1) if colour else shown[0]
            place = (column, column + _CELL, top + _CELL * tall, top)
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=place, alpha=alpha)
            bottom = top + _CELL * tall + _CURVE
            share = np.clip((found.spectra[row, column] - foot) / reach, -0.05, 1.05)
            axes.plot([column, column + _CELL], [bottom] * 2, color="#dfe3ea", lw=0.6, zorder=1)
            axes.plot(
                column + across,
                bottom - 0.9 * _CURVE * share,
                color=CATEGORIES[0],
                lw=0.9,
                alpha=alpha,
            )
    axes.set(xlim=(0, columns - 1 + _CELL), ylim=(rows * step - _ROOM + 0.04, -0.02))
    axes.set_aspect("auto")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _keep(sheet: Sheet, found: _Pairs, scene: Scene) -> None:
    """The spectra drawn, one row for each place and channel."""
    from vaescope.figures.spectra import axis_header

    energy = scene.patches["energy"]
    header = axis_header(energy)
    for row, second in enumerate(found.rows):
        for column, first in enumerate(found.columns):
            place = {"latent_1": first, "latent_2": second}
            if len(found.rows) == 1:
                place.pop("latent_2")
            values = found.spectra[row, column]
            sheet.figure_data.rows(
                {**place, header: np.asarray(energy.values, float), "spectrum": values}
            )
