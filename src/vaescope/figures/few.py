"""The few figures that carry the answer, for a light report."""

from __future__ import annotations

from collections.abc import Iterator

from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure
from vaescope.results import ModelResults, layout
from vaescope.structure import named_modes

MOST = 3
"""Figures of one dataset at most."""


def figures(scene: Scene) -> Iterator[FinishedFigure]:
    """The first figures, of all that the results allow, in the order of what they answer."""
    for number, drawn in enumerate(_in_order(scene), start=1):
        yield drawn
        if number == MOST:
            return


def _in_order(scene: Scene) -> Iterator[FinishedFigure]:
    """What was searched; then the kinds of site, what varies where, and the classes of the model
    that answers; then the data themselves, where there is no model to speak of."""
    made = []
    if scene.results.has(layout.EXPLORED):
        from vaescope.figures import explored_maps

        made.append(explored_maps.maps(scene))
    yield from _drawn(made)
    yield from _of_models(scene)
    yield from _of_data(scene)


def _drawn(made: list[FinishedFigure | None]) -> Iterator[FinishedFigure]:
    yield from (figure for figure in made if figure is not None)


def _of_models(scene: Scene) -> Iterator[FinishedFigure]:
    view = answering(scene)
    if view is None or not scene.sites.sizes["site"]:
        return
    from vaescope.figures import classes, modes

    if drawn := modes.modes(scene, view):
        yield drawn
    yield from _what_varies(scene, view)
    classed = next((other for other in (view, *scene.views) if other.classes), None)
    if classed is not None and not scene.stack and (drawn := classes.class_map(scene, classed)):
        yield drawn


def _what_varies(scene: Scene, view: ModelResults) -> Iterator[FinishedFigure]:
    """What a model predicts, and maps of its latents or, of samples without a place, what it draws
    over their plane."""
    if view.has("predicted_spectrum"):
        from vaescope.figures import spectra

        yield from _drawn([spectra.predicted(scene, view)])
    if scene.stack:
        from vaescope.figures import latent

        yield from _drawn([latent.decoded_grid(scene, view)])
        return
    from vaescope.figures import maps

    yield from _drawn([maps.maps(scene, view, "cells")])


def _of_data(scene: Scene) -> Iterator[FinishedFigure]:
    """Where the sites are, or the samples of a stack."""
    if scene.stack:
        from vaescope.figures import montage, spectra

        yield from _drawn([montage.patches(scene), spectra.examples(scene)])
        return
    from vaescope.figures import dataset

    yield from _drawn([dataset.sites(scene)])


def answering(scene: Scene) -> ModelResults | None:
    """The model whose modes answer, else the first; None where no model was mapped."""
    name = named_modes.answering({view.name: view.latents for view in scene.views})
    return next((view for view in scene.views if name in (None, view.name)), None)
