"""What the search for modes knows of the atomic columns of the sites beside their content."""

from __future__ import annotations

import numpy as np

from vaescope.columns import IMAGE
from vaescope.ensemble.source import PatchSource
from vaescope.models.views import PATCH
from vaescope.samples import gaps
from vaescope.structure.modes import ColumnIntensities
from vaescope.traits import traits_of

COLUMN = 0.1  # of the side of a patch: of a column nearer to the edge, too little is seen


def of_columns(source: PatchSource, evidence: np.ndarray) -> ColumnIntensities | None:
    """Intensities and places of the atomic columns of the sites; None where they stand for
    something else, or where the model does not see them.

    evidence : (site,) mean evidence lower bound of the members with a vote, nats.
    """
    patches = source.patches
    if "amplitude" not in patches or not traits_of(patches.attrs).atoms:
        return None
    if source.settings.view != PATCH:
        return None
    intensity, y, x = (np.asarray(patches[name].values, float) for name in ("amplitude", "y", "x"))
    intensity[~gaps.middle(patches, COLUMN)] = np.nan
    sublattice = np.asarray(patches["sublattice"].values) if "sublattice" in patches else None
    if IMAGE in patches:  # images have gains of their own
        intensity = _over_typical(intensity, np.asarray(patches[IMAGE].values))
    frame, place = np.asarray(patches["frame"].values), np.stack([y, x], 1)
    return ColumnIntensities(intensity, place, frame, sublattice, evidence)


def _over_typical(intensity: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Intensities (site,) over the median of those of the same image (site,)."""
    out = intensity.copy()
    for one in np.unique(image):
        own = image == one
        typical = (
            abs(float(np.nanmedian(intensity[own]))) if np.isfinite(intensity[own]).any() else 1
        )
        out[own] /= max(typical, 1e-300)
    return out
