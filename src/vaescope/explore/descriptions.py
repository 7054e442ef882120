"""What candidates are known by to the model of an objective: several descriptions of each."""

from __future__ import annotations

import numpy as np

from vaescope.explore.ideal_response import ideal_responses
from vaescope.explore.memories import COARSE, memories
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.explore.space_settings import Features

SMALL = 150.0
"""What counts as small in a curve of a user's objective: its range over this."""


def descriptions(
    places: np.ndarray,
    curves: np.ndarray,
    objective: ObjectiveSettings,
    features: Features = "auto",
) -> dict[str, np.ndarray]:
    """Descriptions (n, feature) of candidates by name, for an explorer to choose from.

    Parameters
    ----------
    places : (n, latent). curves : (n, channel) that they decode to.
    objective : of whose lattice the response is; what a user's function depends on is not known,
        so that there is none.
    features : which of them, or all (``auto``). The coarse ones of ``memories`` and ``response``
        are for objectives that depend on large values.
    """
    every: dict[str, np.ndarray] = {}
    if features in ("auto", "response"):
        every |= ideal_responses(curves, objective)
    if features in ("auto", "memories"):
        reach = float(np.ptp(curves)) or 1.0
        small = reach / SMALL if objective.quantity == "function" else 1 / objective.amplitude
        every["memories"] = memories(curves, small)
        every["coarse memories"] = memories(curves, COARSE * float(np.abs(curves).max()) or 1.0)
    if features in ("auto", "latents") or not every:
        every["latents"] = places
    return every
