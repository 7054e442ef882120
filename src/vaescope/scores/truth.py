"""Scores against truth, where the data come with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from vaescope import circular
from vaescope.results.facts import Measure

FEWEST = 10  # sites with known truth from which a score says anything


MEASURES = (
    Measure("class_accuracy", "class accuracy", "share", "more", card=12),
    Measure("class_ami", "classes against truth (AMI)", "", "more"),
    Measure("phase_accuracy", "phase accuracy", "share", "more"),
    Measure("defect_macro_f1", "defects against truth (macro F1)", "", "more", card=13),
    Measure("defect_ami", "defects against truth (AMI)", "", "more"),
    Measure("defect_macro_f1_of_modes", "modes against true defects (macro F1)", "", "more"),
    Measure("modes_found", "modes"),
    Measure(
        "angle_median_error_deg", "median angle error", "°", "less", card=14, sort="angle error"
    ),
    Measure("angle_share_within_3_deg", "angles within 3°", "share", "more"),
    Measure("angle_median_spread_deg", "angle spread (median)", "°", "less", "details"),
    Measure("angle_coverage_68", "angle errors below their spread", "share"),
)
"""Of a model against the truth of a simulation."""


def matched_accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of sites whose class is right after the best one-to-one naming of classes."""
    from scipy.optimize import linear_sum_assignment

    _, found_index = np.unique(found, return_inverse=True)
    _, truth_index = np.unique(truth, return_inverse=True)
    table = np.zeros((found_index.max() + 1, truth_index.max() + 1))
    np.add.at(table, (found_index, truth_index), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(found))


def angle_error(angle: np.ndarray, truth: np.ndarray, n: int) -> np.ndarray:
    """Absolute error (site,) in radians modulo 2 pi/n, after the one constant that fits best."""
    period = 2 * np.pi / n
    apart = circular.wrap(angle - truth, period)
    apart = circular.wrap(apart - circular.mean(apart, period), period)
    # The circular mean is drawn by outliers; the median about it is not.
    return np.abs(circular.wrap(apart - np.median(apart), period))


def scores(latents: xr.Dataset, n: int) -> dict[str, Any]:
    """Accuracy of consensus classes and angles against truth, where there is any."""
    out: dict[str, Any] = {}
    if "consensus_class" in latents:
        found = latents["consensus_class"].values
        out |= _of_phases(found, latents) | of_defects(found, latents)
    if "mode" in latents:
        of_modes = of_defects(latents["mode"].values, latents)
        if of_modes:
            each = {k: v for k, v in of_modes.items() if k != "defect_ami"}
            out |= {f"{name}_of_modes": value for name, value in each.items()}
            out["modes_found"] = int(latents["mode"].max()) + 1
    of_atoms = "truth_phase" in latents or "truth_track" in latents  # not of stacks of pictures
    if of_atoms and "consensus_angle" in latents and "truth_angle" in latents:
        truth = latents["truth_angle"].values
        known = np.isfinite(truth)
        if "truth_phase" in latents:
            known &= latents["truth_phase"].values >= 0
        if known.sum() >= FEWEST:
            # Two sublattices may be alike but for a turn: the lattice's own angle cannot tell.
            n = math.lcm(n, int(latents.attrs.get("truth_symmetry", 1)))
            out |= _of_angles(latents, truth, known, n)
    return out


def _of_phases(found: np.ndarray, latents: xr.Dataset) -> dict[str, Any]:
    from sklearn.metrics import adjusted_mutual_info_score

    if "truth_phase" not in latents:
        return {}
    known = np.asarray(latents["truth_phase"].values >= 0)
    if known.sum() < FEWEST:
        return {}
    found, phase = found[known], latents["truth_phase"].values[known]
    kind = phase * 1000
    if "truth_species" in latents:
        kind = kind + latents["truth_species"].values[known]
    return {
        "class_accuracy": matched_accuracy(found, kind),
        "class_ami": float(adjusted_mutual_info_score(kind, found)),
        "phase_accuracy": majority_accuracy(found, phase),
    }


def of_defects(found: np.ndarray, latents: xr.Dataset) -> dict[str, Any]:
    """Every class is named after the defect that most of its sites have."""
    from sklearn.metrics import adjusted_mutual_info_score, f1_score

    if "truth_defect" not in latents:
        return {}
    known = np.asarray(latents["truth_defect"].values >= 0)
    if known.sum() < FEWEST:
        return {}
    found, truth = found[known], latents["truth_defect"].values[known]
    kinds = np.unique(truth)
    each = f1_score(truth, named(found, truth), labels=kinds, average=None, zero_division=0)
    out = {
        "defect_macro_f1": float(each.mean()),
        "defect_ami": float(adjusted_mutual_info_score(truth, found)),
    }
    names = [str(name) for name in latents.attrs.get("truth_defect_names") or []]
    for kind, value in zip(kinds.tolist(), each, strict=True):
        name = names[kind] if kind < len(names) else str(kind)
        out[f"defect_f1_{name.replace(' ', '_')}"] = float(value)
    return out


def _of_angles(latents: xr.Dataset, truth: np.ndarray, known: np.ndarray, n: int) -> dict[str, Any]:
    error = np.degrees(angle_error(latents["consensus_angle"].values[known], truth[known], n))
    spread = np.degrees(latents["angle_spread"].values[known])
    return {
        "angle_median_error_deg": float(np.median(error)),
        "angle_share_within_3_deg": float((error <= 3).mean()),
        "angle_median_spread_deg": float(np.median(spread)),
        "angle_coverage_68": float((error <= spread).mean()),
    }


def named(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The truth (site,) that most sites of each one's class have."""
    out = np.empty_like(truth)
    for k in np.unique(found):
        kinds, counts = np.unique(truth[found == k], return_counts=True)
        out[found == k] = kinds[counts.argmax()]
    return out


def majority_accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of sites right if every class found is given the truth that most of its sites have."""
    return float((named(found, truth) == truth).mean())
