"""Score maps of strain against ground truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vaescope.deformation import COMPONENTS
from vaescope.results.facts import Measure

if TYPE_CHECKING:
    import xarray as xr


MEASURES = (
    Measure("rmse_strain", "strain against truth (rms error)", "%", "less"),
    Measure("coverage_strain", "strain errors below the stated one", "share"),
    Measure("rmse_rotation", "rotation against truth (rms error)", "°", "less"),
    Measure("coverage_rotation", "rotation errors below the stated one", "share"),
    *(
        Measure(f"rmse_{name}", f"{name} (rms error)", "%", "less", "details")
        for name in COMPONENTS
    ),
    Measure("sites", "sites compared", place="details"),
)
"""Of each method of strain against the truth."""


def pulls(dataset: xr.Dataset, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors against truth (site, 4) of xx, yy, xy and rotation, their stated standard errors, and
    the sites (site,) that all methods measure."""
    known = np.isfinite(dataset["truth_strain_from_reference"].values).all(1)
    for name in dataset["method"].values:
        known &= np.isfinite(dataset["strain_error"].sel({"method": name}).values).all(1)
        known &= np.isfinite(dataset["strain"].sel({"method": name}).values).all(1)
    own = dataset.sel({"method": method})
    strain = own["strain"].values - dataset["truth_strain_from_reference"].values
    turn = own["rotation"].values - dataset["truth_rotation_from_reference"].values
    error = np.column_stack([own["strain_error"].values, own["rotation_error"].values])
    return np.column_stack([strain, turn]), error, known


def scores(dataset: xr.Dataset) -> dict[str, dict[str, float]]:
    """Method -> root mean square errors (strain in per cent, rotation in degrees), and the shares
    of strains and rotations whose error is below the stated standard error."""
    found: dict[str, dict[str, float]] = {}
    for method in dataset["method"].values:
        off, error, known = pulls(dataset, str(method))
        if known.sum() < 3:
            continue
        off, error = off[known], error[known]
        rmse = np.sqrt((off**2).mean(0))
        found[str(method)] = {
            **{f"rmse_{name}": float(100 * rmse[k]) for k, name in enumerate(COMPONENTS)},
            "rmse_strain": float(100 * math.sqrt((rmse[:3] ** 2).mean())),
            "rmse_rotation": float(np.degrees(rmse[3])),
            "coverage_strain": float((np.abs(off[:, :3]) < error[:, :3]).mean()),
            "coverage_rotation": float((np.abs(off[:, 3]) < error[:, 3]).mean()),
            "sites": int(known.sum()),
        }
    return found
