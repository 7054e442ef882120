"""What later stages, figures, pages and exports need of each store: variables, axes and units.

A line for each variable: its name, its axes in brackets, its unit (- where it has none).
"""

from __future__ import annotations

import xarray as xr

_SITES = """
frame [site] 1 · y [site] px · x [site] px · y_error [site] px · x_error [site] px
y_physical [site] nm · x_physical [site] nm · amplitude [site] 1 · width [site] px
background [site] 1 · fit_quality [site] 1 · score [site] 1 · track [site] 1
track_length [site] 1
"""
_MODEL = """
content [member site latent] 1 · content_sd [member site latent] 1
consensus_content [site latent] 1 · content_spread [site latent] 1
angle [member site] rad · angle_sd [member site] rad
consensus_angle [site] rad · angle_spread [site] rad
offset [member site axis] px · offset_sd [member site axis] px
consensus_offset [site axis] px · offset_spread [site axis] px
elbo [member site] nats · member_kept [member] 1 · content_agreement [member] 1
reconstruction [site channel py px] - · residual [site] 1 · explained [site] 1
predictive_p [site] 1 · mode [site] 1 · mode_agreement [site] 1 · mode_parent [mode_number] -
mode_stability [mode_number] 1 · mode_intensity [mode_number] 1
decoded_grid [grid_row grid_column channel py px] -
mode_content [mode_number latent] - · mode_decoded [mode_number channel py px] -
plane_decoded [plane plane_told plane_step_y plane_step_x channel py px] -
plane_latents [plane end] - · plane_x [plane plane_step_x] - · plane_y [plane plane_step_y] -
path_decoded [path step channel py px] - · path_ends [path end] -
path_content [path step latent] - · mode_mistaken_turn [mode_number fold] 1
"""
_CLASSES = """
strain [member site component] 1 · strain_sd [member site component] 1
consensus_strain [site component] 1 · strain_spread [site component] 1
class_probability [member site class] 1 · consensus_class_probability [site class] 1
consensus_class [site] 1 · class_entropy [site] nats · class_count [class] 1
class_asked [class] 1 · asked_class_probability [site asked_class] 1
asked_class_stability [asked_class] 1 · class_number [class_number] 1
class_number_separation [class_number] 1 · class_number_found_again [class_number] 1
class_decoded [class channel py px] - · class_patch [class channel py px] -
"""
_SHAPE = """
scale [member site] 1 · scale_sd [member site] 1 · consensus_scale [site] 1
scale_spread [site] 1 · shear [member site] rad · shear_sd [member site] rad
consensus_shear [site] rad · shear_spread [site] rad
"""
_MOVIE = """
class_name [class] - · class_count [time class] 1 · population [time class] 1
population_error [time class] 1 · population_spread [time class] 1
change_count [class next_class] 1 · transition [class next_class] 1
transition_error [class next_class] 1 · dwell [class] frames · dwell_error [class] frames
kind [site] 1 · first_frame [track] 1 · last_frame [track] 1 · length [track] 1
class_changes [track] 1 · content_mean [track latent] 1 · content_sd [track latent] 1
followed_angle [site] rad
"""

CONTRACT = {
    "image.zarr": "image [time channel y x] 1 · y [y] nm · x [x] nm",
    "sites.zarr": _SITES,
    "samples.zarr": """
        patch [site channel py px] 1 · norm_offset [site channel] 1 · norm_scale [site channel] 1
        py [py] px · px [px] px · frame [site] 1 · y [site] px · x [site] px · track [site] 1
    """,
    "strain.zarr": """
        strain [method site component] 1 · strain_error [method site component] 1
        rotation [method site] rad · rotation_error [method site] rad · reference [site] 1
        neighbours [site] 1 · misfit [site] 1 · frame [site] 1 · y [site] px · x [site] px
        truth_strain_from_reference [site component] 1 · truth_rotation_from_reference [site] rad
    """,
    "whole/latents.zarr": _MODEL + _CLASSES,
    "sheared/latents.zarr": _MODEL + _SHAPE,
    "whole/movie/movie.zarr": _MOVIE,
}
"""Of the film of ``known_film``, by store."""


def line(dataset: xr.Dataset, name: str) -> str:
    """A variable as the contract has it."""
    values = dataset[name]
    axes = " ".join(map(str, values.dims))
    return f"{name} [{axes}] {values.attrs.get('units') or '-'}"


def lines(text: str) -> set[str]:
    """The variables of a store by the contract."""
    found = (part.strip() for row in text.splitlines() for part in row.split(" · "))
    return {part for part in found if part}
