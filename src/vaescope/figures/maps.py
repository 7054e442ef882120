"""Maps on the sites: what varies where, how sure it is, and what is not explained."""

from __future__ import annotations

import numpy as np

from vaescope.figures import quantities
from vaescope.figures.panels import Way, grid, image_panel, panel
from vaescope.figures.quantities import Quantity
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure, Sheet, angle_note
from vaescope.results import ModelResults

_LATENTS = 4  # more panels than that would be too small to read

_WAYS = {
    "points": "Each mark is a site, drawn on the image.",
    "cells": (
        "Each cell is what lies nearer to its site than to any other, cut off at 1.25 spacings;"
        " pale grey has no site or no patch."
    ),
    "windows": "Each cell stands for the window about its middle; neighbouring windows overlap.",
}
_TITLES = {"points": "sites on the image", "cells": "Voronoi cells", "windows": "window by window"}


def parts(scene: Scene, view: ModelResults) -> list[Quantity]:
    """Angle, x offset, y offset and latents: those that the model has."""
    found = []
    if view.has("consensus_angle"):
        found.append(quantities.angle(scene, view))
    if view.has("consensus_offset"):
        found += [quantities.offset(scene, view, axis) for axis in (1, 0)]
    if view.has("consensus_content"):
        for latent in range(min(view.latents.sizes["latent"], _LATENTS)):
            found.append(quantities.content(scene, view, latent))
    return found


def maps(scene: Scene, view: ModelResults, way: Way) -> FinishedFigure | None:
    """The image and, on its sites, angle, offsets and latents."""
    mapped = parts(scene, view)
    if not mapped or (way == "points" and scene.windows):
        return None  # windows lie side by side: marks would show gaps that there are not
    where = grid(scene, 1 + len(mapped))
    sheet = Sheet(
        scene,
        "What varies where: " + _TITLES["windows" if scene.windows else way],
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(angle_note(view), scene.frame_words),
    )
    image_panel(sheet, where, 0)
    for index, quantity in enumerate(mapped, start=1):
        panel(sheet, where, index, view, quantity, way)
    caption = (
        "Consensus of the ensemble at every site: the turn of the local unit (counter-clockwise),"
        " its offset from the middle of the patch, and its latents. "
        if view.has("consensus_angle")
        else "Consensus of the ensemble at every site. "
    )
    if view.symmetry > 1 and view.has("consensus_angle"):
        caption += (
            f"The unit looks the same after {view.period:g}°, so angles are known modulo"
            f" {view.period:g}°. "
        )
    caption += (
        _WAYS["windows" if scene.windows else way] + " Colours stop at the outermost 1 % of sites."
    )
    sheet.behind.view(view, "consensus_angle", "consensus_offset", "consensus_content")
    name = "maps-points" if way == "points" else "maps-cells"
    return sheet.drawn(name, caption, view)


def strain(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Local strain of the units, component by component."""
    if not view.has("consensus_strain"):
        return None
    mapped = [quantities.strain(scene, view, component) for component in range(3)]
    where = grid(scene, len(mapped))
    sheet = Sheet(
        scene,
        "Local strain of the units",
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(scene.frame_words,),
    )
    for index, quantity in enumerate(mapped):
        panel(sheet, where, index, view, quantity, "cells")
    caption = (
        "Symmetric part of the deformation that carries the model's unit onto the patch, relative"
        " to the model's own unit, in per cent; xx along the rows of the image, yy along its"
        " columns."
    )
    sheet.behind.view(view, "consensus_strain")
    return sheet.drawn("strain", caption, view)


def uncertainty(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Where the members of the ensemble disagree."""
    mapped = [q for q in quantities.spreads(scene, view) if np.isfinite(q.values).any()]
    if not mapped:
        return None
    where = grid(scene, len(mapped))
    sheet = Sheet(
        scene,
        "How sure it is: disagreement between the members",
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(angle_note(view), scene.frame_words),
    )
    for index, quantity in enumerate(mapped):
        panel(sheet, where, index, view, quantity, "cells")
    medians = ", ".join(_median(quantity) for quantity in mapped)
    caption = (
        f"Spread of the {view.members} members, trained from different seeds, about their"
        f" consensus at each site. Medians: {medians}. Bright sites depend on the seed and should"
        " not be read as structure."
    )
    sheet.behind.view(
        view, "angle_spread", "content_spread", "offset_spread", "strain_spread", "class_entropy"
    )
    return sheet.drawn("uncertainty", caption, view)


def _median(quantity: Quantity) -> str:
    name, _, unit = quantity.label.rstrip(")").partition(" (")
    gap = "" if unit == "°" else " "
    return f"{name} {np.nanmedian(quantity.values):.3g}{gap}{unit}".strip()
