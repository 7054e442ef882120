"""Columns of every site that do not come from a model: position, fit, truth, strain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vaescope import quantities
from vaescope.explorer.column import Column, aligned, columns_of
from vaescope.figures.colours import length_scale
from vaescope.figures.scene import Scene
from vaescope.quantities import SITE, STRAIN, TRUTH, Quantity


def columns(scene: Scene, rows: np.ndarray) -> list[Column]:
    """All that stores know of sites without a model.

    ``rows`` (patch,): which site each patch belongs to; patches may know a truth that the table of
    sites does not: that of stacks of pictures.
    """
    sites = scene.sites
    number = sites["site"].values
    found = [Quantity("site", "site", "site", "number", "", "sequential", number, SITE)]
    found += quantities.of(sites)
    for quantity in quantities.of(scene.patches):
        if quantity.group == TRUTH and quantity.name not in sites:
            known = aligned(quantity.values, rows, len(number))
            found.append(replace(quantity, values=known))
    if scene.strain is not None:
        found += [q for q in quantities.of(scene.strain) if q.group == STRAIN]
    return columns_of([_as_shown(scene, quantity) for quantity in found], scene)


def _as_shown(scene: Scene, quantity: Quantity) -> Quantity:
    """Frames in their order; true labels by the names that the data give them."""
    if quantity.name == "frame":
        return replace(quantity, label="frame (from 0)", scale="sequential")
    names = [str(name) for name in scene.attrs.get("truth_classes") or []]
    if quantity.name == "truth_label" and names and quantity.scale == "categorical":
        said = (names[k] if k < len(names) else f"{k}" for k in quantity.levels)
        return replace(quantity, meanings=tuple(said))
    return quantity


def scale(scene: Scene) -> tuple[float, str]:
    """Factor from pixels of the image to the unit of its axes, and that unit."""
    return length_scale(scene, float(max(scene.shape)))
