"""Map quantities of sites, their spreads, and the sites that are not explained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vaescope import quantities
from vaescope.figures.colours import Coloured, coloured, of_model
from vaescope.figures.panels import WORDS, Way, grid, image_panel, panel
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure, Sheet, angle_note
from vaescope.quantities import Quantity
from vaescope.results import ModelResults

_PARTS = 4  # of one variable: more panels than that would be too small to read
_TENSOR = "component"  # the axis of strains

_TITLES = {
    "points": "sites on the image",
    "cells": "Voronoi cells",
    "curves": "along the walls",
    "windows": "window by window",
    "pixels": "pixel by pixel",
}


def mapped(scene: Scene, view: ModelResults) -> list[Coloured]:
    """List the quantities that a model gives for each site; strain and classes have figures of
    their own."""
    own = [q for q in of_model(view) if q.mapped and q.name not in scene.sites.variables]
    own = [q for q in own if q.dim != _TENSOR and q.scale != "categorical" and not _fixed(q)]
    few = [q for k, q in enumerate(own) if sum(p.name == q.name for p in own[:k]) < _PARTS]
    return coloured(scene, few)


def _fixed(quantity: Quantity) -> bool:
    """Whether a part of the pose was not free: it is the same everywhere, without an error."""
    if quantity.error is None or not quantity.values.size or np.ptp(quantity.values) > 0:
        return False
    return not np.any(quantity.error.values > 0)


def of_sites(scene: Scene) -> FinishedFigure | None:
    """List the quantities of the sites themselves, where there are others than those of the fit."""
    found = [q for q in quantities.of(scene.sites, scene.on_frame) if q.mapped]
    if not found:
        return None
    where = grid(scene, len(found))
    sheet = Sheet(
        scene,
        "Quantities of the sites",
        where.height,
        width=where.width,
        sites=len(scene.on_frame),
        notes=(scene.frame_words,),
    )
    for index, quantity in enumerate(coloured(scene, found)):
        panel(sheet, where, index, None, quantity, "cells")
    sheet.figure_data.store("sites.zarr", *dict.fromkeys(q.name for q in found))
    return sheet.drawn("site-maps", "; ".join(q.meaning for q in found) + ".")


def maps(scene: Scene, view: ModelResults, way: Way) -> FinishedFigure | None:
    """The image and, on its sites, all that the model says there is."""
    shown = mapped(scene, view)
    if not shown or (way == "points" and (scene.windows or scene.pixelwise or scene.curved)):
        return None  # they lie side by side: marks would show gaps that there are not
    where = grid(scene, 1 + len(shown))
    sheet = Sheet(
        scene,
        "What varies where: " + _TITLES[_kind(scene, way)],
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(angle_note(view), scene.frame_words),
    )
    image_panel(sheet, where, 0)
    for index, quantity in enumerate(shown, start=1):
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
    caption += WORDS[_kind(scene, way)] + " Colours stop at the outermost 1 % of sites."
    sheet.figure_data.view(view, *_names(shown))
    name = "maps-points" if way == "points" else "maps-cells"
    return sheet.drawn(name, caption, view)


def _kind(scene: Scene, way: Way) -> str:
    return scene.cell_kind if scene.cell_kind != "cells" else way


def strain(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Strain of the poses, component by component."""
    shown = coloured(scene, [q for q in of_model(view) if q.mapped and q.dim == _TENSOR])
    if not shown:
        return None
    where = grid(scene, len(shown))
    sheet = Sheet(
        scene,
        "Strain of the poses",
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(scene.frame_words,),
    )
    for index, quantity in enumerate(shown):
        panel(sheet, where, index, view, quantity, "cells")
    caption = (
        "Symmetric part of the deformation that carries the model's unit onto the patch, relative"
        " to the model's own unit, in per cent; xx along the rows of the image, yy along its"
        " columns. Strain of the lattice counts from a reference in each grain instead: see the"
        " figure of the strain of the lattice."
    )
    sheet.figure_data.view(view, *_names(shown))
    return sheet.drawn("strain", caption, view)


def uncertainty(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Where the members of the ensemble disagree."""
    shown = [c for c in spreads(scene, view) if np.nanmax(c.values, initial=0) > 0]
    if not shown:
        return None
    where = grid(scene, len(shown))
    sheet = Sheet(
        scene,
        "How sure it is: disagreement between the members",
        where.height,
        width=where.width,
        view=view,
        sites=len(view.on_frame),
        notes=(angle_note(view), scene.frame_words),
    )
    for index, quantity in enumerate(shown):
        panel(sheet, where, index, view, quantity, "cells")
    medians = ", ".join(_median(quantity) for quantity in shown)
    caption = (
        f"Spread of the {view.members} members, trained from different seeds, about their"
        f" consensus at each site. Medians: {medians}. Bright sites depend on the seed and should"
        " not be read as structure."
    )
    sheet.figure_data.view(view, *_names(shown))
    return sheet.drawn("uncertainty", caption, view)


def _median(quantity: Coloured) -> str:
    name, _, unit = quantity.label.rstrip(")").partition(" (")
    gap = "" if unit == "°" else " "
    return f"{name} {np.nanmedian(quantity.values):.3g}{gap}{unit}".strip()


def spreads(scene: Scene, view: ModelResults) -> list[Coloured]:
    """Spread between members at each site: of every variable, all parts
    together."""
    of_variable: dict[str, list[Quantity]] = {}
    for quantity in of_model(view):
        if quantity.error is not None and quantity.owner:
            of_variable.setdefault(quantity.name, []).append(quantity)
    found = []
    for parts in of_variable.values():
        errors = [q.error for q in parts if q.error is not None]
        found += coloured(scene, [_together(parts, errors)])
    return found


def _together(parts: list[Quantity], errors: list[Quantity]) -> Quantity:
    """The error of a variable: that of its one part, or the root of the sum of all squares."""
    if len(errors) == 1:
        return errors[0]
    part = f"_{errors[0].part}_"
    values = np.sqrt(np.sum([np.square(error.values) for error in errors], axis=0))
    words = " ".join(errors[0].label.replace(parts[0].part, "", 1).split())
    return replace(
        errors[0], key=errors[0].key.replace(part, "_", 1), label=words, values=values, part=""
    )


def _names(shown: list[Coloured]) -> list[str]:
    """The variables behind what is drawn."""
    return list(dict.fromkeys(c.quantity.name for c in shown if c.quantity is not None))
