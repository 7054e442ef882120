"""Strain against the rows and the columns of the image, to reveal artefacts of the scan."""

from __future__ import annotations

import numpy as np

from vaescope import quantities
from vaescope.figures.panels import RASTER_FROM
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.judge.scan import COLUMN, ROW, Shares, from_attribute
from vaescope.quantities import robust_limits

_MAPS = ("strain xx", "strain yy", "x along y", "y along x")
_WORDS = {"x along y": "slant of rows, ∂x/∂y", "y along x": "slant of columns, ∂y/∂x"}
_SLANTS = {"slant_of_rows_percent": "x along y", "slant_of_columns_percent": "y along x"}
_HIGH, _BETWEEN = 1.45, 0.62  # inches of a panel, and between two rows of them
_SHOWN = 6000  # sites drawn at most


def profiles(scene: Scene) -> FinishedFigure | None:
    """Strain by the neighbours' vectors against row and column, with their running medians."""
    if scene.strain is None:
        return None
    stored = scene.results.facts.scan.get("strain: neighbours")
    if not stored:
        return None
    own = scene.strain.isel(method=0, site=scene.on_frame)
    strain = 100 * own["strain"].values.astype(float)
    turn = 100 * own["rotation"].values.astype(float)
    maps = {
        "strain xx": strain[:, 0],
        "strain yy": strain[:, 1],
        "x along y": strain[:, 2] + turn,
        "y along x": strain[:, 2] - turn,
    }
    shares = from_attribute(stored)
    places = {ROW: own["y"].values.astype(float), COLUMN: own["x"].values.astype(float)}
    spacing = float(np.hypot(*np.asarray(scene.strain.attrs["lattice_vectors"]).T).mean())
    sheet = Sheet(
        scene,
        "Strain by rows and columns of the image",
        0.3 + 2 * _HIGH + _BETWEEN + 0.45,
        sites=len(scene.on_frame),
        notes=(scene.frame_words,),
    )
    wide = (WIDTH - 2 * MARGIN - 0.4) / len(_MAPS)
    for down, (axis, place) in enumerate(places.items()):
        for k, name in enumerate(_MAPS):
            y = 0.3 + down * (_HIGH + _BETWEEN)
            axes = sheet.axes(MARGIN + 0.4 + k * wide, y, wide - 0.42, _HIGH)
            _panel(axes, place, maps[name], spacing)
            axes.set_title(_title(name, axis, shares.get(name)), size=8)
            axes.set_xlabel(f"{axis} of the image (px)", size=8)
            if k == 0:
                axes.set_ylabel("%", size=8)
    caption = (
        "Every site's strain by the neighbours' vectors against the row of the image (the scan"
        " line, above) and the column (the place along the line, below), with running medians over"
        " a spacing. The slants are those of the lattice's rows and columns: shifted scan"
        " lines make the first alone, a turned crystal both. Per cent above a panel: the share of"
        " the variance that is a function of this row or column alone, and in brackets of it what"
        " varies slowly, over more than three spacings. Bands that follow the lines alone are"
        " suspect of being the scan's."
    )
    by_neighbours = scene.strain.isel(method=[0])
    for quantity in quantities.of(by_neighbours, scene.on_frame):
        if quantity.name == "strain":
            sheet.figure_data.of_scene(scene, quantity.column, quantity.values)
    for header, name in _SLANTS.items():
        sheet.figure_data.of_scene(scene, header, maps[name])
    sheet.figure_data.store("strain.zarr", "strain", "rotation")
    return sheet.drawn("scan-profiles", caption)


def _title(name: str, axis: str, found: Shares | None) -> str:
    words = _WORDS.get(name, name)
    if found is None:
        return words
    whole, slow = (100 * min(max(getattr(found, key), 0.0), 1.0) for key in (axis, f"{axis}_slow"))
    return f"{words}: {whole:.0f} % ({min(slow, whole):.0f} %)"


def _panel(axes, place: np.ndarray, values: np.ndarray, spacing: float) -> None:
    known = np.flatnonzero(np.isfinite(values))
    axes.tick_params(labelsize=7.5)
    if not len(known):
        return
    drawn = known[:: max(len(known) // _SHOWN, 1)]
    axes.axhline(0, color=FAINT, lw=0.6)
    axes.scatter(
        place[drawn],
        values[drawn],
        s=float(np.clip(2500 / len(drawn), 0.8, 6)),
        color=CATEGORIES[0],
        alpha=0.4,
        linewidths=0,
        rasterized=len(drawn) > RASTER_FROM // 3,
    )
    at = np.arange(place[known].min(), place[known].max() + 1, 0.25 * spacing)
    near = [values[known][np.abs(place[known] - middle) < 0.5 * spacing] for middle in at]
    count = np.array([len(some) for some in near])
    enough = max(3.0, 0.4 * float(np.median(count)))  # few sites lie between rows of the lattice
    running = np.array([np.median(some) if len(some) >= enough else np.nan for some in near])
    seen = np.isfinite(running)
    axes.plot(at[seen], running[seen], color=INK, lw=1.0)
    low, high = robust_limits(values[known], 1.0)
    pad = 0.12 * (high - low) or 1.0
    axes.set(ylim=(low - pad, high + pad), xlim=(0, 1.02 * place[known].max()))
