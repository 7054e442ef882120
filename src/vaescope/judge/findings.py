"""Findings about a result: observation, severity, meaning, remedy.

Everything here is read from what the stages have left behind (tables of sites, latents, histories
of training, shares of the scan), so that old results are judged as new ones are.
"""

from vaescope.judge.along_scan import of_scan
from vaescope.judge.of_data import of_sites, of_strain
from vaescope.judge.of_grains import of_grains
from vaescope.judge.of_group import of_group
from vaescope.judge.of_image import of_image
from vaescope.judge.of_models import of_history, of_latents, of_model
from vaescope.judge.of_pairs import of_pairs
from vaescope.judge.of_physics import of_physics
from vaescope.judge.of_piezoresponse import of_piezoresponse
from vaescope.judge.of_prediction import of_prediction
from vaescope.judge.of_search import of_search
from vaescope.judge.of_spectra import of_spectra, of_spectra_read
from vaescope.judge.of_turns import of_turns
from vaescope.judge.of_wall_maps import of_wall_maps
from vaescope.judge.of_walls import of_wall_latents, of_walls
from vaescope.results.facts import SEVERITIES, Finding, Severity, ordered

__all__ = [
    "SEVERITIES",
    "Finding",
    "Severity",
    "of_grains",
    "of_group",
    "of_history",
    "of_image",
    "of_latents",
    "of_model",
    "of_pairs",
    "of_physics",
    "of_piezoresponse",
    "of_prediction",
    "of_scan",
    "of_search",
    "of_sites",
    "of_spectra",
    "of_spectra_read",
    "of_strain",
    "of_turns",
    "of_wall_latents",
    "of_wall_maps",
    "of_walls",
    "ordered",
]
