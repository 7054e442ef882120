"""Score the spectra that are predicted from an image, on the sites held out of training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vaescope.results.facts import Measure

if TYPE_CHECKING:
    import xarray as xr

MEASURES = (
    Measure(
        "prediction_relative_error",
        "error of predicted spectra (mean square, over that of the mean spectrum)",
        "",
        "less",
        card=15,
    ),
    Measure(
        "prediction_relative_error_network",
        "the same of the ensemble of networks alone",
        "",
        "less",
    ),
    Measure(
        "prediction_relative_error_neighbours",
        "the same of the nearest neighbours by ring spectra",
        "",
        "less",
    ),
    Measure("prediction_relative_error_ridge", "the same of ridge regression", "", "less"),
    Measure("prediction_coverage_68", "measured values within the 68 % band", "share"),
    Measure("prediction_coverage_95", "measured values within the 95 % band", "share"),
)
"""Of predicted spectra."""


def score(latents: xr.Dataset) -> dict[str, float]:
    """Scores of the predicted spectra of a model; empty where it predicts none.

    latents : Dataset of ``latents.zarr`` with the attributes that ``predict.beside`` gives it.
    """
    found = {m.name: float(latents.attrs.get(m.name, math.nan)) for m in MEASURES}
    return {name: value for name, value in found.items() if math.isfinite(value)}
