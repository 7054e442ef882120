"""Images in windows of energy, as dark-field images are: measured, true, predicted, and apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.colours import Coloured
from vaescope.figures.montage import even
from vaescope.figures.panels import BAR, TITLE, bare, colour_bar, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.spectra import CROSSED, axis_header, frame_axes, of_view, true_spectra
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.figures.windows import Window, choose
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_BAR = 0.62  # inches beside a panel, for the colour bar and its numbers
_GAP = 0.12
_TALLEST = 4.2
_CURVE = 1.5  # inches of the spectrum above the maps
_NARROWEST = 1.45  # inches from one panel to the next, for the title of each
_LOOKED_AT = 4096  # spectra of which the mean and the scatter are drawn
_OUTLINE = "#D55E00"


def measured(scene: Scene) -> FinishedFigure | None:
    """Draw how spectra vary along their axis, and the image in the windows where they do most."""
    if scene.stack or "spectrum" not in scene.patches.variables:
        return None
    spectra = on_frame(scene)
    found = choose(spectra)
    if not found:
        return None
    wide, high = _size(scene, len(found))
    pitch = max(wide + _BAR + _GAP, _NARROWEST)
    top = _CURVE + 0.75
    sheet = Sheet(
        scene,
        "The image in windows of energy, where spectra differ most",
        top + TITLE + high + BAR,
        sites=spectra.sizes["site"],
        notes=(scene.frame_words,),
    )
    _variation(sheet, spectra, found)
    for k, window in enumerate(found):
        x = MARGIN + k * pitch
        values = window.of(spectra)
        axes = _map(sheet, (x, top + TITLE, wide, high), values, spectra, robust_limits(values))
        axes.set_title(window.words, color=CATEGORIES[k], weight="bold", loc="left")
    scale_bar(axes, scene, wide)
    caption = (
        "Above: the mean spectrum, the middle 80 % of all sites (grey), and the windows in which"
        " the sites differ most; each further window shows what those before it do not. Below: the"
        " mean of every spectrum in each window, in the unit of the spectra. Colours stop at the"
        " outermost 1 % of sites."
    )
    sheet.figure_data.store("samples.zarr", "spectrum", "energy")
    return sheet.drawn("energy-windows", caption)


def predicted(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the image in windows of energy as it was measured, as it is known to be, and as it is
    predicted, with what is between them."""
    if scene.stack or not view.has("predicted_spectrum"):
        return None
    if "spectrum" not in scene.patches.variables:
        return None
    spectra = of_view(scene, view)
    found = choose(spectra)
    if not found:
        return None
    said = view.latents["predicted_spectrum"].transpose("site", "energy").isel(site=view.on_frame)
    truth = true_spectra(view, said)
    rows = [_compared(window, spectra, said, truth) for window in found]
    names = ["measured", *(["truth"] if truth is not None else []), "predicted"]
    against = "truth" if truth is not None else "measured"
    count = len(names) + 1
    tall = scene.shape[0] / scene.shape[1] > 2  # windows beside each other, not below
    wide, high = _size(scene, count * (len(found) if tall else 1))
    pitch = max(wide + _GAP, 0.8)
    step = TITLE + high + 0.42
    sheet = Sheet(
        scene,
        "The image in windows of energy: measured and predicted",
        (step if tall else len(found) * step) + BAR,
        view=view,
        sites=len(view.on_frame),
        notes=(scene.frame_words,),
    )
    held = view.values("held_out") == 1 if view.has("held_out") else None
    for k, (window, maps) in enumerate(zip(found, rows, strict=True)):
        x0 = MARGIN + (k * (count * pitch + 2 * _BAR) if tall else 0)
        y = 0.3 + (0 if tall else k * step)
        sheet.text(x0, y, window.words, size=9.5, weight="bold")
        limits = robust_limits(np.concatenate([maps[name] for name in names]))
        for column, name in enumerate(names):
            place = (x0 + column * pitch, y + TITLE, wide, high)
            axes = _map(sheet, place, maps[name], spectra, limits, bar=name == "predicted")
            axes.set_title(name)
            if held is not None and held.any():
                outline(axes, scene, spectra, held)
            if column == 0 and k == len(found) - 1:
                scale_bar(axes, scene, wide)
            sheet.figure_data.of_view(view, f"{window.header}_{name}", maps[name])
        apart = maps["predicted"] - maps[against]
        reach = robust_limits(np.abs(apart))[1]
        place = (x0 + len(names) * pitch + _BAR, y + TITLE, wide, high)
        look = scene.look.diverging
        axes = _map(sheet, place, apart, spectra, (-reach, reach), cmap=look)
        axes.set_title("difference" if wide < 1.6 else f"predicted − {against}")
        if held is not None and held.any():
            outline(axes, scene, spectra, held)
    where = "" if held is None or not held.any() else "; outlined: held out of training"
    caption = (
        "Mean of the spectra of all sites in windows of energy, where the measured ones differ most"
        f" between sites: {', '.join(names)}, and the difference between predicted and {against}"
        f"{where}. Measured values have their noise, predicted ones have none."
    )
    if view.has("prediction_error"):
        caption += f" {CROSSED}"
    sheet.figure_data.view(view, "predicted_spectrum", "held_out")
    return sheet.drawn("energy-windows", caption, view)


def on_frame(scene: Scene) -> xr.DataArray:
    """Spectra (site, energy) of the drawn frame, not loaded."""
    spectra = scene.patches["spectrum"].transpose("site", "energy")
    if "frame" not in scene.patches.variables:
        return spectra
    return spectra.isel(site=np.flatnonzero(scene.patches["frame"].values == scene.frame))


def _compared(
    window: Window, spectra: xr.DataArray, said: xr.DataArray, truth: xr.DataArray | None
) -> dict[str, np.ndarray]:
    maps = {"measured": window.of(spectra), "predicted": window.of(said)}
    return maps | ({"truth": window.of(truth)} if truth is not None else {})


def _size(scene: Scene, across: int) -> tuple[float, float]:
    """Width and height in inches of one of so many maps side by side."""
    aspect = scene.shape[0] / scene.shape[1]
    room = (WIDTH - 2 * MARGIN - 2 * _BAR) / across - _GAP
    wide = max(min(room, 3.4, _TALLEST / aspect), 0.3)
    return wide, max(wide * aspect, 0.3)


def _map(
    sheet: Sheet,
    place: tuple[float, float, float, float],
    values: np.ndarray,
    spectra: xr.DataArray,
    limits: tuple[float, float],
    *,
    cmap: object = None,
    bar: bool = True,
) -> Axes:
    """Draw one value for each of the sites of ``spectra`` at a place in inches."""
    scene = sheet.scene
    x, y, wide, high = place
    axes = sheet.axes(x, y, wide, high)
    bare(axes, scene)
    shown = Coloured("", values, cmap or scene.look.colormap, *limits)  # type: ignore[arg-type]
    marks = polygons(axes, cells(scene, spectra), shown)
    if bar:
        colour_bar(sheet, marks, shown, x + wide + 0.06, y, high)
    return axes


def cells(scene: Scene, spectra: xr.DataArray) -> list[np.ndarray | None]:
    """Cells of the sites of ``spectra``."""
    place = {int(site): k for k, site in enumerate(scene.sites["site"].values[scene.on_frame])}
    rows = (place.get(int(site)) for site in spectra["site"].values)
    return [None if row is None else scene.cells[row] for row in rows]


def outline(axes: Axes, scene: Scene, spectra: xr.DataArray, chosen: np.ndarray) -> None:
    """Outline the cells of the sites of ``spectra`` that are ``chosen`` (site,)."""
    import shapely

    own = [
        cell
        for cell, wanted in zip(cells(scene, spectra), chosen, strict=True)
        if wanted and cell is not None
    ]
    # A hair wider than they are, so that rounding leaves no slits between them.
    union = shapely.union_all(shapely.buffer(shapely.polygons(own), 1e-3 * scene.spacing))
    for part in getattr(union, "geoms", [union]):
        for ring in (part.exterior, *part.interiors):
            x, y = np.asarray(ring.coords).T
            axes.plot(x, y, color="white", lw=1.8, zorder=3)
            axes.plot(x, y, color=_OUTLINE, lw=1.0, zorder=3)


def _variation(sheet: Sheet, spectra: xr.DataArray, found: list[Window]) -> None:
    """Draw the mean spectrum, its scatter, and the windows in their colours."""
    rows = even(np.arange(spectra.sizes["site"]), _LOOKED_AT)
    values = np.asarray(spectra.isel(site=rows).values, float)
    mean = np.nanmean(values, axis=0)
    low, high = np.nanpercentile(values, (10, 90), axis=0)
    energy = spectra["energy"]
    axis = np.asarray(energy.values, float)
    axes = sheet.axes(MARGIN + 0.6, 0.25, WIDTH - 2 * MARGIN - 0.6, _CURVE)
    axes.fill_between(axis, low, high, color="#d9dde5", lw=0)
    axes.plot(axis, mean, color=INK, lw=1.0)
    if low.min() < 0:
        axes.axhline(0, color=FAINT, lw=0.5)
    step = float(np.median(np.abs(np.diff(axis))))
    for k, window in enumerate(found):
        part = axis[window.start : window.stop]
        ends = part.min() - step / 2, part.max() + step / 2
        axes.axvspan(*ends, color=CATEGORIES[k], alpha=0.25, lw=0)
        axes.plot(part, mean[window.start : window.stop], color=CATEGORIES[k], lw=2.4)
    frame_axes(axes, energy, sheet.scene.patches["spectrum"])
    sheet.figure_data.rows(
        {axis_header(energy): axis, "mean": mean, "percentile_10": low, "percentile_90": high}
    )
