"""Score models against the labels and angles of patches (cards, digits).

No model knows which way up a structure lies, so angles are compared after one constant for each
label, and one sign for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.circular import wrap
from vaescope.results.facts import Measure

if TYPE_CHECKING:
    import xarray as xr

Take = Callable[[np.ndarray], np.ndarray]

NEIGHBOURS, FOLDS = 15, 5
NEAR = np.radians(10)
_TRIED = 360  # constants tried before the best one is refined
_COMPARED = 1000  # angles for which they are tried
HALF_TURN = 0.97  # correlation of a mean picture with its half-turn above which they are the same
MOST_LABELS = 64


MEASURES = (
    Measure(
        "label_by_neighbours_accuracy", "labels by 15 neighbours in the latents", "share", "more"
    ),
    Measure("label_accuracy", "classes against labels", "share", "more"),
    Measure("held_out_label_accuracy", "classes against labels, held-out patches", "share", "more"),
    Measure("angle_within_10_deg", "angles within 10°", "share", "more"),
    Measure("shear_correlation_worst_label", "shear against truth, worst label (|r|)", "", "more"),
)
"""Of a model against labels; errors of angles are named in ``scores.truth``."""


def after_constant(apart: np.ndarray, period: float) -> np.ndarray:
    """Differences of angles (rad) after the one constant that brings most within 10 degrees."""
    trial = np.linspace(0, period, _TRIED, endpoint=False)
    rows = apart[np.linspace(0, len(apart) - 1, min(len(apart), _COMPARED)).astype(int)]
    left = np.minimum(np.abs(wrap(rows[None] - trial[:, None], period)), NEAR).mean(1)
    apart = wrap(apart - trial[left.argmin()], period)
    near = np.abs(apart) < NEAR
    return wrap(apart - np.median(apart[near]), period) if near.any() else apart


def angle_errors(
    found: np.ndarray, truth: np.ndarray, label: np.ndarray, halved: list[float]
) -> np.ndarray:
    """Signed angle errors (patch,) in rad after one constant per label and one sign for all.

    ``halved``: labels that look the same after a half-turn, compared modulo 180 degrees.
    """
    best = np.full(len(found), np.inf)
    for sign in (1, -1):
        error = np.empty(len(found))
        for k in np.unique(label):
            here = label == k
            period = np.pi if k in halved else 2 * np.pi
            error[here] = after_constant(sign * found[here] - truth[here], period)
        if np.abs(error).mean() < np.abs(best).mean():
            best = error
    return best


def half_turn_labels(take: Take, angle: np.ndarray, label: np.ndarray) -> list[float]:
    """Find the labels whose mean picture looks the same after a half-turn.

    ``take`` gives patches (row, channel, side, side) of some rows; true angle (patch,) rad, label
    (patch,).
    """
    from vaescope.ensemble.encode import turned_upright

    found = []
    for k in np.unique(label):
        rows = np.flatnonzero(label == k)[:500]
        mean = turned_upright(take(rows), angle[rows]).mean(0)
        turned = mean[:, ::-1, ::-1]
        if np.corrcoef(mean.ravel(), turned.ravel())[0, 1] > HALF_TURN:
            found.append(float(k))
    return found


def by_neighbours(content: np.ndarray, label: np.ndarray) -> float:
    """Share of labels right by a vote of 15 neighbours in content, in 5-fold cross-validation."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    place = StandardScaler().fit_transform(content)
    count = min(NEIGHBOURS, len(label) // 2)
    said = cross_val_predict(KNeighborsClassifier(count), place, label, cv=FOLDS)
    return float((said == label).mean())


def shear_correlations(found: np.ndarray, shear: np.ndarray, label: np.ndarray) -> np.ndarray:
    """|r| of found and true shear for every label, in the order of the labels."""
    return np.array(
        [abs(np.corrcoef(found[label == k], shear[label == k])[0, 1]) for k in np.unique(label)]
    )


def score(latents: xr.Dataset, take: Take) -> dict[str, Any]:
    """Score a model against labels; empty without labels.

    ``latents`` is given ``angle_error`` (site) in rad and the attribute ``half_turn_labels``.
    Held-out patches are scored separately where the model was given labels.
    """
    from vaescope.scores.truth import matched_accuracy

    if "truth_label" not in latents:
        return {}
    label = latents["truth_label"].values.astype(float)
    levels, counts = np.unique(label, return_counts=True)
    if not np.isfinite(label).all() or not 1 < len(levels) <= MOST_LABELS or counts.min() < FOLDS:
        return {}
    out: dict[str, Any] = {}
    out["label_by_neighbours_accuracy"] = by_neighbours(latents["consensus_content"].values, label)
    if "consensus_class" in latents:
        found = latents["consensus_class"].values
        class_labels = latents.attrs.get("class_labels")
        if class_labels:
            right = np.asarray(class_labels)[np.minimum(found, len(class_labels) - 1)] == label
            out["label_accuracy"] = float(right.mean())
            held = latents.get("truth_held_out")
            if held is not None and (held.values > 0).any():
                out["held_out_label_accuracy"] = float(right[held.values > 0].mean())
        else:
            out["label_accuracy"] = matched_accuracy(found, label)
    if "consensus_angle" in latents and "truth_angle" in latents:
        angle = latents["truth_angle"].values
        halved = half_turn_labels(take, angle, label)
        error = angle_errors(latents["consensus_angle"].values, angle, label, halved)
        about = {"long_name": "encoded minus true angle", "units": "rad"}
        latents["angle_error"] = ("site", error, about)
        latents.attrs["half_turn_labels"] = halved
        out["angle_median_error_deg"] = float(np.degrees(np.median(np.abs(error))))
        out["angle_within_10_deg"] = float((np.abs(error) < NEAR).mean())
        spread = latents["angle_spread"].values
        out["angle_coverage_68"] = float((np.abs(error) <= spread).mean())
    if "consensus_shear" in latents and "truth_shear" in latents:
        shear = latents["truth_shear"].values
        if all(shear[label == k].std() > 0 for k in levels):
            found = latents["consensus_shear"].values
            out["shear_correlation_worst_label"] = float(
                shear_correlations(found, shear, label).min()
            )
    return out
