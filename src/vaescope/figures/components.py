"""Components of spectra: what PCA, NMF and unmixing find, against the axis, and where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vaescope.figures.colours import Coloured
from vaescope.figures.compared import GROUP, finished
from vaescope.figures.panels import TITLE, bare, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.spectra import axis_header, frame_axes
from vaescope.figures.style import CATEGORIES, FAINT
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults

_OF = {
    "pca": ("principal components", "scores"),
    "nmf": ("components of NMF", "weights"),
    "unmixing": ("end members of linear unmixing", "abundances"),
}
"""Methods whose components are spectra: their name, and what a site has of each."""
_MOST = 4  # components of a method
_CURVES = 3.6  # inches
_GAP = 0.55
_FLAT = 0.35  # height over width of an image, below which its maps are flat


def components(scene: Scene) -> FinishedFigure | None:
    """Draw the components of each method as spectra, and a map of each beside them."""
    found = scene.baselines
    if found is None or "spectra" not in found or scene.stack:
        return None
    named = [str(name) for name in found["baseline"].values]
    methods = [name for name in _OF if name in named and not _failed(found, named.index(name))]
    if not methods:
        return None
    count = min(_MOST, found.sizes["component"])
    aspect = scene.shape[0] / scene.shape[1]
    room = WIDTH - 2 * MARGIN - _CURVES - 0.75
    across = count if aspect > _FLAT else 2  # flat maps lie below each other too
    down = -(-count // across)
    wide = min(room / across - 0.1, 1.9 / aspect)
    curves_wide = _CURVES + room - across * (wide + 0.1)  # as much as the maps leave
    left = MARGIN + curves_wide + 0.75
    high = max(down * (wide * aspect + TITLE) - TITLE, 1.35)
    block = TITLE + high + _GAP
    sheet = Sheet(
        scene,
        "Components of the spectra, and where they are",
        len(methods) * block + 0.35,
        sites=found.sizes["site"],
        notes=(scene.frame_words, f"{count} components"),
    )
    energy = found["energy"]
    x = np.asarray(energy.values, float)
    for row, name in enumerate(methods):
        place = named.index(name)
        y = row * block + 0.3
        sheet.text(MARGIN, y, f"{_OF[name][0]} · {_OF[name][1]}", size=9.5, weight="bold")
        axes = sheet.axes(MARGIN + 0.5, y + TITLE - 0.1, curves_wide, high)
        curves = np.asarray(found["spectra"].values[place, :count], float)
        for k, curve in enumerate(curves):
            axes.plot(x, curve, color=CATEGORIES[k], lw=1.1)
        if curves.min() < 0:
            axes.axhline(0, color=FAINT, lw=0.6)
        frame_axes(axes, energy, found["spectra"], label=row == len(methods) - 1)
        axes.set_ylabel("")
        columns = {axis_header(energy): x}
        columns |= {f"component_{k + 1}": curve for k, curve in enumerate(curves)}
        sheet.figure_data.rows({"method": name, **columns})
        weights = np.asarray(found["embedding"].values[place, :, :count], float)
        for k in range(count):
            line, column = divmod(k, across)
            top = y + TITLE - 0.1 + line * (wide * aspect + TITLE)
            panel = sheet.axes(left + column * (wide + 0.1), top, wide, wide * aspect)
            panel.set_title(f"{k + 1}", color=CATEGORIES[k], weight="bold")
            _map(panel, scene, weights[:, k])
            if row == len(methods) - 1 and line == down - 1 and column == 0:
                scale_bar(panel, scene, wide)
    caption = (
        "Left: components in the colours of their numbers. Right: how much of each a site has,"
        " dark for little; every map has its own scale, without the outermost 1 % of sites."
    )
    sheet.figure_data.store("baselines.zarr", "spectra", "embedding")
    return finished(sheet, "baselines-components", caption)


def _failed(found, place: int) -> bool:
    return bool(found["failed"].values[place]) if "failed" in found else False


def _map(axes, scene: Scene, values: np.ndarray) -> None:
    """Draw one value (site,) for each site of the baselines in cells."""
    assert scene.baselines is not None
    of_sites = ModelResults(GROUP, scene.baselines, Path(), scene.frame)
    bare(axes, scene)
    own = values[of_sites.on_frame]
    low, high = robust_limits(own)
    polygons(axes, scene.cells_of(of_sites), Coloured("", own, scene.look.colormap, low, high))
