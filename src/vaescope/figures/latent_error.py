"""Where in the latent plane predictions are right, and what lies there."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaescope.figures.latent import mark_area, plane_of, second_axis
from vaescope.figures.panels import RASTER_FROM
from vaescope.figures.patch_predictions import errors as errors_of_patches
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.spectra import of_view
from vaescope.figures.style import MISSING
from vaescope.figures.windows import choose, has_peaks, in_blocks, peaks
from vaescope.quantities import header, robust_limits
from vaescope.results import ModelResults

_SIDE = 2.2
_STEP = 3.4
_DOWN = 3.0


def latent_error(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the sites in the latent plane by the error of what is predicted and by what their
    spectra show."""
    if not view.has("consensus_content"):
        return None
    found = [*_errors(scene, view), *_shown(scene, view)]
    if not any(kind == "error" for kind, *_ in found):
        return None
    content = view.values("consensus_content")
    plane, limits = plane_of(view)
    plane = plane[view.on_frame]
    held = view.values("held_out") == 1 if view.has("held_out") else np.zeros(len(plane), bool)
    across = min(len(found), 3)
    sheet = Sheet(
        scene,
        "Where in the latent plane predictions are right",
        -(-len(found) // across) * _DOWN + 0.1,
        width=max(2 * MARGIN + across * _STEP, 7.2),
        view=view,
        sites=len(plane),
        notes=(f"{int(held.sum())} of them held out of training" if held.any() else "",),
    )
    many = len(plane) > RASTER_FROM
    columns = {"site": view.values("site"), "latent_1": content[:, 0]}
    if content.shape[1] > 1:
        columns["latent_2"] = content[:, 1]
    for index, (kind, label, name, values) in enumerate(found):
        row, column = divmod(index, across)
        x, y = MARGIN + 0.5 + column * _STEP, 0.3 + row * _DOWN
        axes = sheet.axes(x, y, _SIDE, _SIDE)
        low, high = robust_limits(values[held] if kind == "error" and held.any() else values)
        front = held if kind == "error" and held.any() else np.ones(len(plane), bool)
        common: dict[str, Any] = {"s": mark_area(len(plane)), "linewidths": 0, "rasterized": many}
        axes.scatter(plane[~front, 0], plane[~front, 1], color=MISSING, **common)
        marks = axes.scatter(
            plane[front, 0],
            plane[front, 1],
            c=values[front],
            cmap=scene.look.spread if kind == "error" else scene.look.colormap,
            vmin=low,
            vmax=high,
            **common,
        )
        axes.set_title(label)
        axes.set(xlim=limits[0], ylim=limits[1], xlabel="latent 1")
        axes.set_ylabel(second_axis(view) if content.shape[1] < 2 else "latent 2")
        axes.locator_params(axis="x", nbins=5)
        bar = sheet.axes(x + _SIDE + 0.07, y, 0.1, _SIDE)
        sheet.figure.colorbar(marks, cax=bar).outline.set_visible(False)
        columns[name] = values
    caption = (
        "Every point is a site, placed by its consensus latents and coloured by the root mean"
        " square error of what is predicted for it"
        + (" (grey: sites of the training)" if held.any() else "")
        + ", and by what its measured spectrum shows. A region of high error is a structure that"
        " the model does not know well."
    )
    sheet.figure_data.rows(columns)
    sheet.figure_data.view(view, "consensus_content", "predicted_spectrum", "predicted_patch")
    return sheet.drawn("latent-error", caption, view)


Shown = tuple[str, str, str, np.ndarray]
"""Whether it is an error, title, header in tables, and values (site,)."""


def _errors(scene: Scene, view: ModelResults) -> list[Shown]:
    found: list[Shown] = []
    if view.has("predicted_spectrum") and "spectrum" in scene.patches.variables:
        said = view.latents["predicted_spectrum"].transpose("site", "energy")
        said = said.isel(site=view.on_frame)
        measured, said = (
            one.drop_vars(["site", "energy"], errors="ignore")
            for one in (of_view(scene, view), said)
        )
        rest = measured - said
        error = in_blocks(rest, _root_mean_square)
        found.append(("error", "error of the spectrum", "spectrum_error", error))
    error_of = errors_of_patches(scene, view)
    if error_of is not None:
        found.append(("error", "error of the patch", "patch_error", error_of))
    return found


def _shown(scene: Scene, view: ModelResults) -> list[Shown]:
    """Position of the peak of the measured spectra, or their signal where they differ most."""
    if "spectrum" not in scene.patches.variables:
        return []
    spectra = of_view(scene, view)
    energy = np.asarray(spectra["energy"].values, float)
    place = in_blocks(spectra, lambda some: peaks(some, energy))
    if has_peaks(place, energy):
        unit = str(spectra["energy"].attrs.get("units", "1")).strip()
        unit = "" if unit == "1" else unit
        name = str(spectra["energy"].attrs.get("long_name", "channel"))
        label = f"peak: {name}" + (f" ({unit})" if unit else "")
        return [("peak", label, header("peak_position", unit), place)]
    return [
        ("signal", f"signal at {window.words}", window.header, window.of(spectra))
        for window in choose(spectra, 1)
    ]


def _root_mean_square(rest: np.ndarray) -> np.ndarray:
    return np.sqrt(np.nanmean(rest**2, axis=1))
