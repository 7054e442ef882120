"""Findings about models of patch and spectrum: what one view does not say of the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vaescope.results.facts import Finding

_USELESS = 0.97  # of the error of the mean
_OPEN = 0.6  # of the error of any angle: spectra that fit two angles
_OTHER = {"spectrum": "patch", "patch": "spectrum"}


def of_pairs(model: str, scores: Mapping[str, Any]) -> list[Finding]:
    """Say what of one view does not follow from the other; nothing for models of one view.

    scores : of ``scores.of_pairs``.
    """
    said = []
    for view, other in _OTHER.items():
        error = float(scores.get(f"pair_error_{view}", 0.0))
        if error > _USELESS:
            said.append(
                Finding(
                    "nothing shared" if error > 1 else "little shared",
                    "serious" if error > 1 else "care",
                    model,
                    f"At sites held out, a {view} predicted from its {other} is off by {error:.2f}"
                    f" times the mean square error of the mean {view}.",
                    f"The {other} says nothing of the {view} that holds for other sites: the"
                    " prediction is no better than the mean, whatever the model calls shared.",
                    "Check that patches and spectra are in the same order; else measure more"
                    " sites.",
                )
            )
    said += _of_angle(model, scores)
    return said


def _of_angle(model: str, scores: Mapping[str, Any]) -> list[Finding]:
    if "spectrum_angle_period_deg" not in scores:
        return []
    period = float(scores["spectrum_angle_period_deg"])
    error = float(scores["spectrum_angle_error_deg"])
    any_angle = period / np.sqrt(12)
    if not float(scores["spectrum_angle_nats"]) > 0:
        return [
            Finding(
                "spectra do not know the angle",
                "care",
                model,
                "Nothing in the spectra follows the angle of the patches.",
                "`spectrum_angle` means nothing; its error is that of any angle, and patches are"
                " predicted at all angles at once.",
                "Nothing, where light is not polarised; else record spectra at several directions"
                " of a polariser.",
            )
        ]
    if error > _OPEN * any_angle / 2:
        return [
            Finding(
                "angles from spectra are unsure",
                "care",
                model,
                f"Angles from spectra are unsure by {error:.0f}° (median), modulo {period:g}°.",
                "Spectra are noisy, weak, or fit two angles, as those behind a single polariser.",
                "Record more counts, or spectra at several directions of a polariser.",
            )
        ]
    return []
