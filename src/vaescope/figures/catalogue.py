"""All figures of a dataset, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vaescope.figures import (
    accuracy,
    channels,
    classes,
    criticism,
    dark_field,
    decoded_pairs,
    ensembles,
    explored_clip,
    explored_course,
    explored_histories,
    explored_maps,
    kinds,
    labelled,
    latent,
    latent_error,
    latent_quantities,
    maps,
    modes,
    montage,
    movie,
    movie_maps,
    patch_predictions,
    polarisation,
    polarisation_course,
    prediction_summary,
    scan,
    spectra,
    stack,
    strain,
    training,
    wall_maps,
    wall_motion,
)
from vaescope.figures import baselines as of_baselines
from vaescope.figures import dataset as of_dataset
from vaescope.figures.animation import Clip, class_clip
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import FinishedFigure
from vaescope.results import ModelResults

OfTheData = Callable[[Scene], FinishedFigure | None]
OfAModel = Callable[[Scene, ModelResults], FinishedFigure | None]

OF_THE_DATA = (
    polarisation.maps,
    polarisation_course.course,
    of_dataset.sites,
    wall_motion.motion,
    *wall_maps.OF_THE_DATA,
    maps.of_sites,
    montage.patches,
    spectra.examples,
    dark_field.measured,
    of_dataset.position_error,
    ensembles.class_numbers,
)
OF_THE_SEARCH = (explored_maps.maps, explored_course.course, explored_histories.histories)
"""Figures of a search, where the recipe has one; they come first."""
OF_THE_LATTICE = (strain.maps, scan.profiles, strain.errors, strain.truth)
OF_A_MODEL = (
    lambda s, v: maps.maps(s, v, "points"),
    lambda s, v: maps.maps(s, v, "cells"),
    classes.class_map,
    modes.class_stability,
    ensembles.class_number,
    *movie_maps.OF_A_MODEL,
    *movie.OF_A_MODEL,
    maps.uncertainty,
    criticism.criticism,
    spectra.predicted,
    dark_field.predicted,
    patch_predictions.predicted_patches,
    spectra.prediction_error,
    prediction_summary.summary,
    maps.strain,
    decoded_pairs.manifold,
    latent.decoded_grid,
    channels.decoded_channels,
    latent.decoded_conditions,
    latent.latent_distribution,
    latent_quantities.latent_quantities,
    latent_error.latent_error,
    kinds.kinds,
    modes.modes,
    modes.paths,
    accuracy.angle_truth,
    accuracy.confusion,
    labelled.labelled_image,
    training.training,
)
"""Figures of sites in an image, in the order of the report."""


def figures(scene: Scene) -> Iterator[FinishedFigure]:
    """Every figure that the results allow, in the order of the report."""
    own = stack.OF_THE_DATA if scene.stack else (*OF_THE_DATA, *OF_THE_LATTICE)
    of_the_data: Sequence[OfTheData] = (*OF_THE_SEARCH, *own)
    if not scene.sites.sizes["site"]:
        of_the_data = (of_dataset.sites,)  # the image in which there are none
    of_a_model: Sequence[OfAModel] = stack.OF_A_MODEL if scene.stack else OF_A_MODEL
    for make in of_the_data:
        drawn = make(scene)
        if drawn is not None:
            yield drawn
    for view in scene.views:
        for make_for in of_a_model:
            drawn = make_for(scene, view)
            if drawn is not None:
                yield drawn
    if scene.baselines is not None:
        yield from of_baselines.figures(scene)


def clips(scene: Scene) -> Iterator[Clip]:
    """Every animation that the results allow."""
    sought = explored_clip.search_clip(scene)
    if sought is not None:
        yield sought
    moving = polarisation.polarisation_clip(scene)
    if moving is not None:
        yield moving
    for view in scene.views:
        made = class_clip(scene, view)
        if made is not None:
            yield made
