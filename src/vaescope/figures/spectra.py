"""Spectra: those of some sites beside their places in the image, and predicted beside measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.figures.colours import coloured, of_model
from vaescope.figures.montage import even
from vaescope.figures.panels import TITLE, grid, image_panel, micrograph, panel, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.quantities import header
from vaescope.results import ModelResults

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_DRAWN = 4096  # spectra from which the mean, the quantiles and the examples are taken
_EXAMPLES = 5
_HIGH = 2.9  # inches
_KEY = 1.25  # inches beside the curves, for their key
_SHOWN = 6  # predicted spectra
CROSSED = (
    "Sites of the training are predicted from blocks of the training in which they do not lie."
)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 1.0)  # of the error, at which predictions are shown
_SMOOTHED = 24  # channels of a coarse spectrum, by which examples are compared


def examples(scene: Scene) -> FinishedFigure | None:
    """Draw the spectra of sites that differ most, where these lie, and how all spectra vary."""
    if "spectrum" not in scene.patches.variables:
        return None
    rows = even(np.arange(scene.patches.sizes["site"]), _DRAWN)
    some = scene.patches.isel(site=rows)
    values = np.asarray(some["spectrum"].values, float)
    energy = scene.patches["energy"]
    picked = _unlike(values, _EXAMPLES)
    sheet = Sheet(
        scene,
        "Spectra that differ most" if scene.stack else "Spectra of sites that differ most",
        _HIGH + TITLE + 0.3,
        sites=scene.patches.sizes["site"],
        notes=("" if scene.stack else scene.frame_words, f"{energy.size} channels"),
    )
    left = MARGIN
    if not scene.stack:
        left = _places(sheet, some.isel(site=picked))
    axes = sheet.axes(left + 0.78, TITLE, WIDTH - MARGIN - left - 0.78 - _KEY, _HIGH - 0.15)
    low, middle, high = np.nanpercentile(values, (5, 50, 95), axis=0)
    x = np.asarray(energy.values, float)
    axes.fill_between(x, low, high, color="#d9dde5", lw=0, label="5 to 95 % of all")
    axes.plot(x, middle, color=FAINT, lw=1.0, label="median of all")
    columns = {axis_header(energy): x, "median": middle, "percentile_5": low, "percentile_95": high}
    for k, row in enumerate(picked):
        site = int(some["site"].values[row])
        axes.plot(x, values[row], color=CATEGORIES[k], lw=1.1, label=f"site {site}")
        columns[f"site_{site}"] = values[row]
    frame_axes(axes, energy, scene.patches["spectrum"])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=8)
    sheet.figure_data.rows(columns)
    sheet.figure_data.store("samples.zarr", "spectrum", "energy")
    caption = (
        f"Spectra of {len(picked)} sites, chosen because they differ most from each other;"
        f" grey: the median and the middle 90 % of all {len(rows)} spectra"
        " looked at."
    )
    return sheet.drawn("spectra", caption)


def predicted(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw predicted spectra with their bands beside measured ones, from the best to the worst."""
    if not view.has("predicted_spectrum") or "spectrum" not in scene.patches.variables:
        return None
    held = view.values("held_out") == 1 if view.has("held_out") else np.zeros(0, bool)
    judged = np.flatnonzero(held) if held.any() else np.arange(len(view.on_frame))
    count = len(judged)
    judged = even(judged, _DRAWN)
    place = {int(site): k for k, site in enumerate(scene.patches["site"].values)}
    sites = view.values("site")
    rows = np.array([place[int(s)] for s in sites[judged]])
    measured = np.asarray(scene.patches["spectrum"].isel(site=rows).values, float)
    held_spectra = view.latents["predicted_spectrum"].transpose("site", "energy")
    said = np.asarray(held_spectra.isel(site=view.on_frame[judged]).values, float)
    error = np.sqrt(np.nanmean((said - measured) ** 2, axis=1))
    order = np.argsort(error)
    picked = order[np.unique([round(q * (len(order) - 1)) for q in _QUANTILES])]
    across = 3
    down = -(-len(picked) // across)
    step, high = (WIDTH - 2 * MARGIN) / across, 1.75
    sheet = Sheet(
        scene,
        "Predicted beside measured spectra",
        down * (high + 0.75) + 0.1,
        view=view,
        sites=count,
        notes=("held out of training" if held.any() else "none was held out of training",),
    )
    energy = scene.patches["energy"]
    x = np.asarray(energy.values, float)
    rows = view.on_frame[judged[picked]]
    bands = (
        [
            view.latents[f"predicted_spectrum_{end}"].transpose("site", "energy")[rows].values
            for end in ("low", "high")
        ]
        if view.has("predicted_spectrum_low")
        else None
    )
    for index, k in enumerate(picked):
        row, column = divmod(index, across)
        axes = sheet.axes(
            MARGIN + column * step + 0.5, row * (high + 0.75) + TITLE, step - 0.65, high
        )
        columns = {axis_header(energy): x, "measured": measured[k], "predicted": said[k]}
        if bands is not None:
            low, top = (np.asarray(band[index], float) for band in bands)
            axes.fill_between(x, low, top, color=CATEGORIES[4], alpha=0.35, lw=0, label="68 % band")
            columns |= {"low": low, "high": top}
        axes.plot(x, measured[k], ".", ms=2.2, color=INK, label="measured")
        axes.plot(x, said[k], color=CATEGORIES[0], lw=1.2, label="predicted")
        better = 100 * np.flatnonzero(order == k)[0] / max(len(order) - 1, 1)
        axes.set_title(f"site {int(sites[judged[k]])}: {better:.0f} % are predicted better")
        frame_axes(axes, energy, scene.patches["spectrum"], label=row == down - 1)
        if index == 0:
            handles, words = axes.get_legend_handles_labels()
            key: dict[str, Any] = {
                "ncols": 3,
                "fontsize": 8,
                "loc": "lower right",
                "borderaxespad": 0,
            }
            at = (1 - MARGIN / WIDTH, 1 - 0.36 / sheet.total)  # in the line of the title
            sheet.figure.legend(handles, words, bbox_to_anchor=at, **key)
        named = {"site": int(sites[judged[k]])}
        sheet.figure_data.rows({**named, **columns})
    caption = (
        "Spectra predicted from the other view of a sample (lines) and measured (points) at sites"
        + (" in places that no training has seen" if held.any() else "")
        + ", from well to badly predicted ones."
        + (
            " The band holds 68 % of what would be measured, noise included."
            if bands is not None
            else ""
        )
    )
    sheet.figure_data.view(
        view, "predicted_spectrum", "predicted_spectrum_low", "predicted_spectrum_high", "held_out"
    )
    return sheet.drawn("predicted-spectra", caption, view)


def of_view(scene: Scene, view: ModelResults) -> xr.DataArray:
    """Measured spectra (site, energy) of the sites of a model on the drawn frame, not loaded."""
    numbers = scene.patches["site"].values
    order = np.argsort(numbers, kind="stable")
    rows = order[np.searchsorted(numbers, view.values("site"), sorter=order)]
    return scene.patches["spectrum"].transpose("site", "energy").isel(site=rows)


def true_spectra(view: ModelResults, like: xr.DataArray) -> xr.DataArray | None:
    """True spectra without noise (site, energy), where the data bring them."""
    if not view.has("truth_spectrum") or view.latents["truth_spectrum"].ndim != 2:
        return None
    known = view.latents["truth_spectrum"]
    other = next((dim for dim in known.dims if dim != "site"), "")
    known = known.transpose("site", other).isel(site=view.on_frame).rename({other: "energy"})
    return known if known.shape == like.shape else None


def _unlike(values: np.ndarray, count: int) -> np.ndarray:
    """Rows of spectra (site, energy) that differ most: the one farthest from the median, then
    always the one farthest from those chosen, on smoothed spectra so that noise does not count."""
    groups = np.array_split(np.arange(values.shape[1]), min(_SMOOTHED, values.shape[1]))
    coarse = np.stack([values[:, group].mean(1) for group in groups], axis=1)
    limit = np.percentile(coarse, (1, 99), axis=0)
    coarse = np.clip(coarse, *limit)  # a single spike makes no example
    apart = np.linalg.norm(coarse - np.median(coarse, axis=0), axis=1)
    chosen = [int(apart.argmax())]
    nearest = np.full(len(coarse), np.inf)
    while len(chosen) < min(count, len(coarse)):
        nearest = np.minimum(nearest, np.linalg.norm(coarse - coarse[chosen[-1]], axis=1))
        if not nearest.max() > 0:
            break
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def _places(sheet: Sheet, chosen: xr.Dataset) -> float:
    """Draw the image with the chosen sites; returns where it ends, in inches."""
    scene = sheet.scene
    aspect = scene.shape[0] / scene.shape[1]
    width = min(_HIGH / aspect, 3.2)
    height = width * aspect
    axes = sheet.axes(MARGIN, TITLE, width, height)
    axes.set_title("image")
    micrograph(axes, scene, faint=True)
    for k in range(chosen.sizes["site"]):
        y, x = float(chosen["y"].values[k]), float(chosen["x"].values[k])
        axes.plot(x, y, "o", ms=6.5, mfc=CATEGORIES[k], mec="white", mew=1.1)
    scale_bar(axes, scene, width)
    return MARGIN + width


def axis_header(energy: xr.DataArray) -> str:
    """Header of the column of energies in a table."""
    name = str(energy.attrs.get("long_name", "energy")).replace(" ", "_")
    return header(name, _unit(energy))


def _unit(array: xr.DataArray) -> str:
    unit = str(array.attrs.get("units", "1"))
    return "" if unit == "1" else unit


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit not in ("", "1", name) else name


def frame_axes(
    axes: Axes, energy: xr.DataArray, spectrum: xr.DataArray, *, label: bool = True
) -> None:
    """Label the axes of a spectrum."""
    x = np.asarray(energy.values, float)
    axes.set_xlim(float(x.min()), float(x.max()))
    if label:
        axes.set_xlabel(_with_unit(str(energy.attrs.get("long_name", "energy")), _unit(energy)))
    axes.set_ylabel(_with_unit(str(spectrum.attrs.get("long_name", "signal")), _unit(spectrum)))


def prediction_error(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Map which sites were held out, and how far predicted spectra are from the measured ones."""
    if scene.stack or not view.has("prediction_error"):
        return None
    wanted = ("held_out", "prediction_error")
    found = {q.name: q for q in of_model(view) if q.name in wanted}
    shown = coloured(scene, [found[name] for name in wanted if name in found])
    where = grid(scene, 1 + len(shown))
    sheet = Sheet(
        scene,
        "Where spectra are predicted well",
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(scene.frame_words,),
    )
    image_panel(sheet, where, 0)
    for index, quantity in enumerate(shown, start=1):
        panel(sheet, where, index, view, quantity, "cells")
    known = view.latents.attrs
    error = float(known.get("prediction_relative_error", np.nan))
    others = [
        f"{word} {float(known[key]):.2f}"
        for word, key in _BASELINES.items()
        if key in known and np.isfinite(float(known[key]))
    ]
    caption = (
        "Sites held out of training, and the root mean square difference between predicted and"
        " measured spectra, noise included. At the sites held out the mean square error is"
        f" {error:.2f} of that of the mean spectrum"
        + (f" ({', '.join(others)})." if others else ".")
        + f" {CROSSED}"
    )
    sheet.figure_data.view(view, *wanted)
    return sheet.drawn("prediction-error", caption, view)


_BASELINES = {
    "nearest neighbours by ring spectra": "prediction_relative_error_neighbours",
    "ridge regression": "prediction_relative_error_ridge",
    "networks alone": "prediction_relative_error_network",
}
