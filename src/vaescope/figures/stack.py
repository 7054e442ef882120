"""Figures of a stack whose frames are patches or spectra: there is no image to map anything on."""

from __future__ import annotations

import numpy as np

from vaescope.figures import (
    accuracy,
    agreement,
    criticism,
    decoded_pairs,
    ensembles,
    kinds,
    latent,
    latent_error,
    latent_quantities,
    modes,
    patch_predictions,
    prediction_summary,
    spectra,
    training,
)
from vaescope.figures.colours import of_model
from vaescope.figures.montage import even, patches, pictures_of, show
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import FAINT, category_colours
from vaescope.results import ModelResults

_ACROSS = 14


def restored(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw input, restoration and target."""
    name = f"truth_{view.latents.attrs.get('target') or ''}"
    if name not in scene.patches.variables or not view.has("reconstruction"):
        return None
    target = scene.patches[name]
    if target.ndim != 4:
        return None
    held = scene.patches.get("truth_held_out")
    rows = np.arange(scene.patches.sizes["site"])
    if held is not None and (held.values > 0).any():
        rows = rows[held.values > 0]
    shown = even(rows, _ACROSS)
    made = view.latents["reconstruction"].isel(site=shown).values
    strips = (
        ("given", pictures_of(scene, shown)),
        ("made", made),
        ("true", target.isel(site=shown).values),
    )
    left = MARGIN + 0.6
    side = (WIDTH - MARGIN - left) / len(shown)
    sheet = Sheet(scene, "Given, made and true", 3 * (side + 0.06), view=view, sites=len(rows))
    for row, (word, pictures) in enumerate(strips):
        y = 0.05 + row * (side + 0.06)
        sheet.text(MARGIN, y + side / 2, word, size=9.5)
        show(sheet.axes(left, y, side * len(shown), side), pictures, len(shown))
    caption = (
        "First row: patches that the model was given"
        + (", none of which it was trained on" if len(rows) < scene.patches.sizes["site"] else "")
        + ". Second: what it made of them. Third: what it should have made."
    )
    sheet.figure_data.store("samples.zarr", "patch", name)
    sheet.figure_data.view(view, "reconstruction")
    return sheet.drawn("restored", caption, view)


def thumbnail(scene: Scene) -> FinishedFigure:
    """A few patches, or spectra, framed by class or label: for the index of all datasets."""
    from matplotlib.figure import Figure

    across, down = 8, 5
    shown = even(np.arange(scene.patches.sizes["site"]), across * down)
    figure = Figure(figsize=(4.8, 3.0), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    pictures = pictures_of(scene, shown)
    show(axes, pictures, across)
    classed = next((view for view in reversed(scene.views) if view.classes), None)
    if classed is not None:
        found = classed.values("consensus_class").astype(int)[shown]
        colours = category_colours(classed.classes)
        wide = pictures.shape[3] + 1
        high = wide if pictures.shape[2] == 1 else pictures.shape[2] + 1  # tiles of curves
        for index, k in enumerate(found):
            row, column = divmod(index, across)
            x, y = column * wide - 0.5, row * high - 0.5
            axes.plot(
                [x + 1, x + wide - 2, x + wide - 2, x + 1, x + 1],
                [y + 1, y + 1, y + high - 2, y + high - 2, y + 1],
                color=colours[k],
                lw=1.6,
            )
    return FinishedFigure("thumbnail", "Thumbnail", "", figure)


def class_pictures(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """The classes: what the model draws for each, and some of their patches."""
    if not view.classes:
        return None
    labels = view.values("consensus_class").astype(int)
    colours = category_colours(view.classes)
    across = 12
    drawn = view.has("class_decoded") and "py" in view.latents["class_decoded"].dims
    left = MARGIN + 0.95
    side = (WIDTH - MARGIN - left) / (across + 1.3)
    sheet = Sheet(
        scene,
        f"Classes: what the model draws, and some of their {scene.noun[1]}",
        view.classes * (side + 0.06) + 0.05,
        view=view,
        sites=len(labels),
    )
    named = view.latents.attrs.get("class_labels")
    for k in range(view.classes):
        y = 0.05 + k * (side + 0.06)
        members = np.flatnonzero(labels == k)
        mark = sheet.axes(MARGIN, y + 0.05, 0.1, side - 0.1)
        mark.set_facecolor(colours[k])
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        name = f"class {k}"
        if named is not None and k < len(named):
            name = accuracy.label_name(scene, float(named[k]))
        sheet.text(MARGIN + 0.18, y + side / 2 - 0.02, name, size=9)
        share = 100 * len(members) / max(len(labels), 1)
        sheet.text(MARGIN + 0.18, y + side / 2 + 0.15, f"{share:.0f} %", size=8, color=FAINT)
        if drawn:
            picture = view.latents["class_decoded"].isel({"class": [k]}).values
            if np.isfinite(picture).all():
                show(sheet.axes(left, y, side, side), picture, 1)
        shown = even(members, across)
        if len(shown):
            axes = sheet.axes(left + 1.3 * side, y, side * len(shown), side)
            show(axes, pictures_of(scene, shown), len(shown))
    caption = (
        f"For every class its share of the {scene.noun[1]}"
        + (", what the model draws at the mean of its latents" if drawn else "")
        + f", and {scene.noun[1]} of it at even intervals, as they were given."
    )
    sheet.figure_data.quantities(view, (q for q in of_model(view) if q.name == "consensus_class"))
    sheet.figure_data.view(view, "consensus_class", "class_decoded")
    sheet.figure_data.store("samples.zarr", "patch" if "patch" in scene.patches else "spectrum")
    return sheet.drawn("classes", caption, view)


OF_THE_DATA = (patches, spectra.examples, ensembles.class_numbers)
OF_A_MODEL = (
    restored,
    spectra.predicted,
    patch_predictions.predicted_patches,
    prediction_summary.summary,
    decoded_pairs.manifold,
    latent.decoded_grid,
    latent.decoded_conditions,
    latent.latent_distribution,
    latent_quantities.latent_quantities,
    latent_error.latent_error,
    kinds.kinds,
    modes.modes,
    modes.paths,
    agreement.angle_by_label,
    agreement.shear_by_label,
    class_pictures,
    accuracy.confusion,
    ensembles.dispersion,
    ensembles.class_number,
    criticism.worst_patches,
    training.training,
)
"""In the order of the report."""
