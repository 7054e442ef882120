"""All scores of one model: agreement of its members, sites explained, accuracy against truth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.models.views import SPECTRUM
from vaescope.results.facts import Measure
from vaescope.scores import labelled, truth
from vaescope.structure.class_numbers import ClassNumber

if TYPE_CHECKING:
    import xarray as xr

RESTORED = 20_000  # patches among which restoration is scored
OF_ENSEMBLE = ("noise_inflation", "mean_elbo", "classes_dissolved")
"""Attributes of ``latents.zarr`` that are scores."""
MEASURES = (
    Measure("members_kept", "members retained", "", "more", "details"),
    Measure("explained_fraction", "sites explained", "share", "more", "details"),
    Measure("outliers", "outliers", "count", "less", card=11, sort="outliers"),
    Measure(
        "predictive_p_below_0.05", "sites with predictive p < 0.05", "share", "less", "details"
    ),
    Measure("content_agreement", "agreement of the members", "", "more"),
    Measure("noise_inflation", "errors widened for correlated noise"),
    Measure("mean_elbo", "mean ELBO", "nats", "more", "details"),
    Measure("angle_spread_median_deg", "angle spread (median)", "°", "less"),
    Measure("class_entropy_mean", "class entropy (mean)", "nats", "less", "details"),
    Measure("classes_dissolved", "classes removed as unstable", "", "less"),
    Measure("classes_supported", "classes that the data support", card=10, sort="classes"),
    Measure("classes_supported_at_least", "classes that the data support, at least", card=10),
)
"""Of an ensemble."""


def score(latents: xr.Dataset, patches: xr.Dataset, members: str | os.PathLike) -> dict[str, Any]:
    """Score a model on all sites.

    Parameters
    ----------
    latents : the Dataset of ``latents.zarr``; errors of angles against labels are added to it.
    patches : the Dataset of ``samples.zarr``.
    members : folder of the members, by which restored patches are scored.

    Returns
    -------
    Name -> value; ``judge`` knows what the names mean.
    """

    def take(rows: np.ndarray) -> np.ndarray:
        return np.asarray(patches["patch"].isel(site=rows).values, np.float32)

    agreement = latents["content_agreement"].values
    explained = latents["explained"].values.astype(bool)
    found: dict[str, Any] = {
        "n_sites": int(latents.sizes["site"]),
        "explained_fraction": float(explained.mean()),
        "outliers": int((~explained).sum()),
        "predictive_p_below_0.05": float((latents["predictive_p"].values < 0.05).mean()),
        "members_kept": len(np.atleast_1d(latents.attrs["members_kept"])),
        "content_agreement": float(np.median(agreement[latents["member_kept"].values])),
        **{name: latents.attrs[name] for name in OF_ENSEMBLE if name in latents.attrs},
        **truth.scores(latents, int(latents.attrs["symmetry"])),
        **labelled.score(latents, take),
    }
    if latents.attrs["target"] not in ("", SPECTRUM):  # predicted spectra have scores of their own
        found |= _restored(latents, patches, members)
    if "angle_spread" in latents:
        found["angle_spread_median_deg"] = float(np.degrees(latents["angle_spread"].median()))
    if "class_entropy" in latents:
        found["class_entropy_mean"] = float(latents["class_entropy"].mean())
    number = ClassNumber.of(latents)
    if number is not None:
        name = "classes_supported_at_least" if number.at_least else "classes_supported"
        found[name] = number.supported
    return found


def _restored(
    latents: xr.Dataset, patches: xr.Dataset, members: str | os.PathLike
) -> dict[str, Any]:
    """Score restoration on as many patches as fit into memory."""
    from vaescope.ensemble.members import load_members
    from vaescope.ensemble.source import PatchSource
    from vaescope.scores import restoration

    first = load_members(Path(members))[0]
    count = latents.sizes["site"]
    rows = np.unique(np.linspace(0, count - 1, min(count, RESTORED)).astype(int))
    made = np.asarray(latents["reconstruction"].isel(site=rows).values)
    data = PatchSource(patches, first.settings, first.codec).data(rows)
    return restoration.score(data, made, first.model.mask.numpy())
