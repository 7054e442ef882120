"""The latent plane, coloured by quantities of the sites themselves, and how well it shows them."""

from __future__ import annotations

import numpy as np

from vaescope import quantities
from vaescope.figures.colours import Coloured, coloured
from vaescope.figures.latent import mark_area, plane_of, second_axis
from vaescope.figures.panels import RASTER_FROM
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import OUTLINE
from vaescope.quantities import TRUTH, Quantity
from vaescope.results import ModelResults
from vaescope.text import plain

_MOST = 18  # panels that can still be read
_NEIGHBOURS = 15  # whose mean predicts a site
_FEWEST = 40  # sites


def latent_quantities(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the sites in the latent plane, coloured by each quantity of the sites in turn."""
    if not view.has("consensus_content"):
        return None
    content = view.values("consensus_content", everywhere=True)
    varying = _varying(scene, view)
    shares = {q.column: explained(content, q) for q in varying}
    varying.sort(key=lambda q: -np.nan_to_num(shares[q.column], nan=-np.inf))
    shown = coloured(scene, varying[:_MOST])
    if not shown:
        return None
    across = min(len(shown), 3)
    step_x, step_y, side = 3.4, 2.75, 2.05
    sheet = Sheet(
        scene,
        f"What the latents say of the {scene.noun[1]}",
        -(-len(shown) // across) * step_y,
        width=max(2 * MARGIN + across * step_x, 6.4),
        view=view,
        sites=len(content),
    )
    plane, limits = plane_of(view)
    for index, quantity in enumerate(shown):
        row, column = divmod(index, across)
        x, y = MARGIN + 0.5 + column * step_x, 0.3 + row * step_y
        axes = sheet.axes(x, y, side, side)
        _marks(sheet, axes, plane, quantity, (x + side + 0.07, y, side))
        axes.set(xlim=limits[0], ylim=limits[1], xlabel="latent 1")
        axes.locator_params(axis="x", nbins=5)
        axes.set_ylabel("latent 2" if content.shape[1] > 1 else second_axis(view))
        written = quantity.quantity
        assert written is not None
        axes.set_title(plain(quantity.label, 44), size=8.5)
        share = shares[written.column]
        if np.isfinite(share):
            axes.text(
                0.03,
                0.97,
                f"R² {share:.2f}".replace("-", "−"),
                transform=axes.transAxes,
                va="top",
                size=8,
            )
        sheet.figure_data.of_view(view, written.column, written.written, everywhere=True)
    one, many = scene.noun
    flattered = "patch" in scene.patches.variables and not scene.stack
    caption = (
        f"Every point is a {one}, placed by its consensus latents and coloured by one of its own"
        f" quantities, which no model was shown. R²: share of the variance of that quantity which"
        f" the mean of the {_NEIGHBOURS} {many} nearest in all latents predicts, the {one} itself"
        " left out"
        + ("; neighbouring sites overlap, which flatters it" if flattered else "")
        + ". The largest comes first."
    )
    if len(varying) > len(shown):
        caption += f" {len(varying) - len(shown)} more with less are left out."
    names = dict.fromkeys(c.quantity.name for c in shown if c.quantity is not None)
    for store, held in (("sites.zarr", scene.sites), ("samples.zarr", scene.patches)):
        of_store = [name for name in names if (name in scene.sites) == (held is scene.sites)]
        if of_store:
            sheet.figure_data.store(store, *of_store)
    sheet.figure_data.view(view, "consensus_content")
    return sheet.drawn("latent-quantities", caption, view)


def _varying(scene: Scene, view: ModelResults) -> list[Quantity]:
    """Quantities of the sites of a model, in the order of the model's, that are not the same
    everywhere."""
    place = {int(site): k for k, site in enumerate(scene.sites["site"].values)}
    wanted = [place[int(site)] for site in view.latents["site"].values if int(site) in place]
    if len(wanted) != view.latents.sizes["site"] or len(wanted) < _FEWEST:
        return []
    found = [q for q in quantities.of(scene.sites, np.array(wanted)) if q.mapped]
    found += _generators(scene, view)
    return [q for q in found if q.scale != "categorical" and _varies(q)]


def _generators(scene: Scene, view: ModelResults) -> list[Quantity]:
    """True numbers of the spectrum of every site of a model, where spectra were simulated."""
    if "spectrum" not in scene.patches.variables:
        return []
    place = {int(site): k for k, site in enumerate(scene.patches["site"].values)}
    rows = np.array([place[int(site)] for site in view.latents["site"].values])
    found = quantities.of(scene.patches, rows)
    return [q for q in found if q.group == TRUTH and q.name not in scene.sites]


def _varies(quantity: Quantity) -> bool:
    finite = quantity.values[np.isfinite(quantity.values)]
    return len(finite) >= _FEWEST and float(np.ptp(finite)) > 0


def explained(content: np.ndarray, quantity: Quantity) -> float:
    """Share of the variance of a quantity (site,) that the mean over the nearest sites in all
    latents (site, latent) predicts, each site left out of its own prediction; of a cyclic quantity,
    that of its cosine and sine together. NaN where too few sites have it."""
    from scipy.spatial import cKDTree

    known = np.isfinite(quantity.values) & np.isfinite(content).all(axis=1)
    if known.sum() < _FEWEST:
        return float("nan")
    values = np.asarray(quantity.values, float)[known]
    if quantity.period is not None:
        turn = 2 * np.pi * values / quantity.period
        target = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    else:
        target = values[:, None]
    spread = content[known].std(axis=0)
    places = content[known] / np.where(spread > 0, spread, 1.0)
    near = cKDTree(places).query(places, k=_NEIGHBOURS + 1)[1][:, 1:]
    left = ((target - target[near].mean(axis=1)) ** 2).sum()
    whole = ((target - target.mean(axis=0)) ** 2).sum()
    return float(1 - left / whole)


def _marks(
    sheet: Sheet,
    axes,
    plane: np.ndarray,
    quantity: Coloured,
    bar: tuple[float, float, float],
) -> None:
    known = np.isfinite(quantity.values)
    cyclic = quantity.quantity is not None and quantity.quantity.scale == "cyclic"
    marks = axes.scatter(
        *plane[known].T,
        c=quantity.values[known],
        cmap=quantity.cmap,
        norm=quantity.norm,
        s=mark_area(len(plane)),
        rasterized=len(plane) > RASTER_FROM,
        **(OUTLINE if cyclic else {"linewidths": 0}),
    )
    x, y, side = bar
    colours = sheet.figure.colorbar(
        marks, cax=sheet.axes(x, y, 0.1, side), extend=quantity.extend, extendfrac=0.04
    )
    if quantity.ticks is not None:
        colours.set_ticks(
            quantity.ticks, labels=[f"{t:g}".replace("-", "−") for t in quantity.ticks]
        )
    colours.outline.set_visible(False)
