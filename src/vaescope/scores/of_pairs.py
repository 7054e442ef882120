"""Score what a model of patch and spectrum says of either view from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.results.facts import Measure
from vaescope.samples.held_out import HELD_OUT, TEST

if TYPE_CHECKING:
    import xarray as xr

MEASURES = (
    Measure("nats_shared", "content shared by patch and spectrum", "nats"),
    Measure("nats_patch", "content of the patch alone", "nats"),
    Measure("nats_spectrum", "content of the spectrum alone", "nats"),
    Measure("spectrum_angle_period_deg", "angles that spectra say, modulo", "turn"),
    Measure("spectrum_angle_nats", "what a spectrum says of the angle", "nats"),
    Measure("spectrum_angle_error_deg", "error of angles from spectra (median)", "°", "less"),
    Measure(
        "pair_error_spectrum",
        "error of spectra predicted from patches (mean square, over that of the mean spectrum)",
        "",
        "less",
    ),
    Measure(
        "pair_error_patch",
        "error of patches predicted from spectra (mean square, over that of the mean patch)",
        "",
        "less",
    ),
)
"""Of models of two views."""


def score(latents: xr.Dataset, samples: xr.Dataset) -> dict[str, float]:
    """Scores of a model of two views, predictions on sites held out; empty for other models.

    latents, samples : the Datasets of ``latents.zarr`` and ``samples.zarr``.
    """
    found: dict[str, float] = {}
    if "nats_shared" in latents:
        for name in ("nats_shared", "nats_patch", "nats_spectrum"):
            found[name] = max(float(latents[name].mean()), 0.0)
    if "spectrum_angle" in latents:
        about = latents["spectrum_angle"].attrs
        found["spectrum_angle_period_deg"] = float(np.degrees(about["period"]))
        found["spectrum_angle_nats"] = float(about.get("nats", np.nan))
        error = np.nanmedian(latents["spectrum_angle_spread"].values)
        found["spectrum_angle_error_deg"] = float(np.degrees(error))
    if "predicted_patch" not in latents or HELD_OUT not in samples:
        return found
    used = samples[HELD_OUT].values
    test, trained = np.flatnonzero(used == TEST), np.flatnonzero(used == 0)
    for view in ("spectrum", "patch"):
        if f"predicted_{view}" in latents and len(test) and len(trained):
            found[f"pair_error_{view}"] = _relative(
                latents[f"predicted_{view}"], samples[view], test, trained
            )
    return found


MOST = 2000  # sites, of those held out and of those trained on, that are compared


def _relative(
    predicted: xr.DataArray, measured: xr.DataArray, test: np.ndarray, trained: np.ndarray
) -> float:
    """Mean square error of predictions over that of the mean of what was trained on."""
    test, trained = (rows[:: -(-len(rows) // MOST)] for rows in (test, trained))
    known = measured.isel(site=test).values.astype(float)
    mean = np.nanmean(measured.isel(site=trained).values.astype(float), axis=0)
    error = np.nanmean((predicted.isel(site=test).values - known) ** 2)
    return float(error / max(float(np.nanmean((mean - known) ** 2)), 1e-30))
