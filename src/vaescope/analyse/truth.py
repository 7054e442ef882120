"""Scores against truth, where the data come with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from vaescope.analyse.symmetry import circular_mean, wrap


def matched_accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of sites whose class is right after the best one-to-one naming of classes."""
    _, found_index = np.unique(found, return_inverse=True)
    _, truth_index = np.unique(truth, return_inverse=True)
    table = np.zeros((found_index.max() + 1, truth_index.max() + 1))
    np.add.at(table, (found_index, truth_index), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(found))


def angle_error(angle: np.ndarray, truth: np.ndarray, n: int) -> np.ndarray:
    """Absolute error (site,) in radians modulo 2 pi/n, after the one constant that fits best."""
    apart = wrap(angle - truth, n)
    apart = wrap(apart - circular_mean(apart, n), n)
    # The circular mean is drawn by outliers; the median about it is not.
    return np.abs(wrap(apart - np.median(apart), n))


def scores(latents: xr.Dataset, n: int) -> dict[str, Any]:
    """Accuracy of consensus classes and angles against truth, where there is any."""
    from sklearn.metrics import adjusted_mutual_info_score

    out: dict[str, Any] = {}
    known = (
        np.asarray(latents["truth_phase"].values >= 0)
        if "truth_phase" in latents
        else np.zeros(latents.sizes["site"], bool)
    )
    if known.sum() < 10:
        return out
    if "consensus_class" in latents:
        found = latents["consensus_class"].values[known]
        phase = latents["truth_phase"].values[known]
        kind = phase * 1000
        if "truth_species" in latents:
            kind = kind + latents["truth_species"].values[known]
        out["class_accuracy"] = matched_accuracy(found, kind)
        out["class_ami"] = float(adjusted_mutual_info_score(kind, found))
        out["phase_accuracy"] = majority_accuracy(found, phase)
    if "consensus_angle" in latents and "truth_angle" in latents:
        truth = latents["truth_angle"].values
        known = known & np.isfinite(truth)
        error = np.degrees(angle_error(latents["consensus_angle"].values[known], truth[known], n))
        spread = np.degrees(latents["angle_spread"].values[known])
        out["angle_median_error_deg"] = float(np.median(error))
        out["angle_share_within_3_deg"] = float((error <= 3).mean())
        out["angle_median_spread_deg"] = float(np.median(spread))
        out["angle_coverage_68"] = float((error <= spread).mean())
    return out


def majority_accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of sites right if every class found is given the truth that most of its sites have."""
    right = sum(np.unique(truth[found == k], return_counts=True)[1].max() for k in np.unique(found))
    return float(right / len(found))
