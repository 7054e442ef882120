"""Figures of predictive checks: the residual of every site, and the patches explained worst."""

from __future__ import annotations

import numpy as np

from vaescope.figures.colours import Coloured, of_model
from vaescope.figures.montage import tile, within_circle
from vaescope.figures.panels import BAR, bare, colour_bar, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.spectra import frame_axes, of_view
from vaescope.figures.style import CATEGORIES, FAINT, INK, WARNING
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults

_EXAMPLES = 7
_CURVES = 3  # spectra explained worst


def criticism(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Residual of every site, their distribution, and the patches explained worst."""
    if not view.has("residual"):
        return None
    residual = view.values("residual")
    explained = (
        view.values("explained").astype(bool)
        if view.has("explained")
        else np.ones(len(residual), dtype=bool)
    )
    aspect = scene.shape[0] / scene.shape[1]
    wide = float(min(4.6, 4.8 / aspect))
    high = wide * aspect
    examples = view.has("reconstruction")
    body = max(high + 0.47 + BAR, 2.2 + (2.75 if examples else 0.1))
    share = 100 * float(np.mean(explained)) if len(explained) else 0.0
    right = MARGIN + max(wide + 1.15, 2.9)
    sheet = Sheet(
        scene,
        "What the model does not explain",
        body,
        width=right + 4.35 + MARGIN,
        view=view,
        sites=len(residual),
        notes=(f"{share:.1f} % explained", scene.frame_words),
    )
    _keep(sheet, view)
    low, top = robust_limits(residual)
    low = max(0.0, min(low, 1.0))
    quantity = Coloured("residual (mean square ÷ noise)", residual, "cividis", low, top)
    axes = sheet.axes(MARGIN, 0.27, wide, high)
    axes.set_title(quantity.label)
    bare(axes, scene)
    marks = polygons(axes, scene.cells_of(view), quantity)
    colour_bar(sheet, marks, quantity, MARGIN + wide + 0.08, 0.27, high)
    scale_bar(axes, scene, wide)
    bad = view.positions[~explained]
    if len(bad):
        size = (np.clip(0.75 * scene.spacing * wide * 72 / scene.shape[1], 2, 16)) ** 2
        axes.scatter(
            bad[:, 1],
            bad[:, 0],
            s=size,
            facecolors="none",
            edgecolors=WARNING,
            linewidths=1.3,
            zorder=2,
        )
        words = f"○ not explained: {len(bad)} of {len(residual)}"
        sheet.text(MARGIN, 0.27 + high + 0.38, words, size=8.5, color=WARNING)
    _distribution(sheet, residual, explained, right)
    if examples:
        _worst(sheet, view, residual, right)
    caption = (
        f"Posterior predictive check: the mean square residual of every {_what(view)}, in units of"
        " the model's own noise, one level for all sites. Sites far above the others are circled;"
        " inspect them in the image before you trust their latents."
        + (f" Below: the worst {_what(view, 2)}, {_RECONSTRUCTED}" if examples else "")
    )
    return sheet.drawn("criticism", caption, view)


def worst_patches(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the residuals of patches without a place in an image, and the worst explained ones."""
    if not (view.has("residual") and view.has("reconstruction")):
        return None
    residual = view.values("residual")
    explained = view.values("explained").astype(bool)
    sheet = Sheet(
        scene,
        "What the model does not explain",
        4.82,
        width=2 * MARGIN + 5.0,
        view=view,
        sites=len(residual),
        notes=(f"{100 * float(np.mean(explained)):.1f} % explained",),
    )
    _keep(sheet, view)
    _distribution(sheet, residual, explained, MARGIN + 0.6)
    _worst(sheet, view, residual, MARGIN + 0.6)
    caption = (
        f"Posterior predictive check: the mean square residual of every {_what(view)}, in units of"
        f" the model's own noise. Below: the worst {_what(view, 2)}, {_RECONSTRUCTED}"
    )
    return sheet.drawn("criticism", caption, view)


_RECONSTRUCTED = "their reconstructions, and residuals."


def _what(view: ModelResults, number: int = 1) -> str:
    """What the model reconstructs."""
    if view.has("reconstruction") and "energy" in view.latents["reconstruction"].dims:
        return "spectrum" if number == 1 else "spectra"
    return "patch" if number == 1 else "patches"


def _keep(sheet: Sheet, view: ModelResults) -> None:
    """Collect the values drawn, for the figure data."""
    for quantity in of_model(view):
        if quantity.name in ("residual", "explained"):
            sheet.figure_data.of_view(view, quantity.column, quantity.values.astype(float))
    sheet.figure_data.view(view, "residual", "explained", "reconstruction")
    sheet.figure_data.store("samples.zarr", _what(view))


def _distribution(sheet: Sheet, residual: np.ndarray, explained: np.ndarray, x: float) -> None:
    axes = sheet.axes(x, 0.27, 4.2, 1.1)
    good = residual[np.isfinite(residual)]
    low, top = robust_limits(good, 0.2)
    top = max(top, float(np.max(good, initial=top)) if len(good) < 5000 else top)
    bins = np.linspace(min(low, 0.9 * low), top, 50)
    kept = np.isfinite(residual)
    axes.hist(
        [
            np.clip(residual[kept & explained], bins[0], top),
            np.clip(residual[kept & ~explained], bins[0], top),
        ],
        bins.tolist(),
        stacked=True,
        color=[CATEGORIES[0], WARNING],
    )
    axes.set(title="residuals", xlabel="residual", ylabel=sheet.scene.noun[1])


def _worst(sheet: Sheet, view: ModelResults, residual: np.ndarray, x: float) -> None:
    order = np.argsort(np.where(np.isfinite(residual), residual, -np.inf))[::-1][:_EXAMPLES]
    order = order[np.isfinite(residual[order])]
    if not len(order):
        return
    where = view.on_frame[order]
    drawn = view.latents["reconstruction"]
    if "energy" in drawn.dims:
        _worst_spectra(sheet, view, order[:_CURVES], x)
        return
    if set(drawn.dims) != {"site", "channel", "py", "px"}:
        return  # another picture than the patch was to be made
    drawn = drawn.transpose("site", "channel", "py", "px")
    made = drawn.isel(site=where, channel=0).values
    names = view.latents["site"].values[where]
    place = {int(s): k for k, s in enumerate(sheet.scene.patches["site"].values)}
    cut = sheet.scene.patches["patch"].transpose("site", "channel", "py", "px")
    seen = cut.isel(site=[place[int(n)] for n in names], channel=0).values
    if seen.shape != made.shape:
        return
    side = 4.2 / _EXAMPLES
    grey = robust_limits(seen, 0.2)
    rest = seen - made
    if view.has("consensus_angle"):
        rest = within_circle(rest)  # what a turn brings in from outside is no one's to explain
    reach = robust_limits(np.abs(rest), 0.5)[1]
    top = 2.2
    sheet.text(x, top, "explained worst", size=9.5)
    rows: tuple[tuple[str, np.ndarray, str, tuple[float, float]], ...] = (
        ("patch", seen, "gray", grey),
        ("model", made, "gray", grey),
        ("rest", rest, sheet.scene.look.diverging, (-reach, reach)),
    )
    for row, (label, pictures, cmap, limits) in enumerate(rows):
        y = top + 0.12 + row * (side + 0.23)
        sheet.text(x, y + 0.13, label, size=8, color=FAINT)
        axes = sheet.axes(x, y + 0.18, side * len(order), side)
        axes.set_axis_off()
        montage = tile(pictures, len(order), 1)
        axes.imshow(montage, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto")


def _worst_spectra(sheet: Sheet, view: ModelResults, rows: np.ndarray, x: float) -> None:
    """Spectra of the sites explained worst, what the model makes of them, and what is left."""
    measured = of_view(sheet.scene, view)
    held = view.latents["reconstruction"]
    beside = [dim for dim in held.dims if dim not in ("site", "energy")]
    made = held.isel(dict.fromkeys(beside, 0) | {"site": view.on_frame}).transpose("site", ...)
    if made.sizes["energy"] != measured.sizes["energy"]:
        return
    energy = measured["energy"]
    axis = np.asarray(energy.values, float)
    sheet.text(x, 2.12, "explained worst: measured (dark), model (blue), rest (red)", size=9.5)
    high = 2.2 / _CURVES - 0.08
    for place, row in enumerate(rows):
        axes = sheet.axes(x, 2.22 + place * (high + 0.08), 4.2, high)
        seen, said = (np.asarray(one.isel(site=row).values, float) for one in (measured, made))
        axes.plot(axis, seen - said, color=WARNING, lw=0.7)
        axes.plot(axis, seen, color=INK, lw=0.7)
        axes.plot(axis, said, color=CATEGORIES[0], lw=1.2)
        axes.axhline(0, color=FAINT, lw=0.5)
        words = f"site {int(view.values('site')[row])}"
        axes.text(0.99, 0.86, words, transform=axes.transAxes, ha="right", size=8, color=FAINT)
        frame_axes(axes, energy, sheet.scene.patches["spectrum"], label=place == len(rows) - 1)
        axes.set_ylabel("")
        axes.locator_params(axis="y", nbins=3)
        if place < len(rows) - 1:
            axes.set_xticklabels([])
