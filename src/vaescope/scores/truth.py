"""Scores against truth, where the data come with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from vaescope import circular
from vaescope.ensemble import lattice_offsets
from vaescope.results.facts import Measure
from vaescope.sites.unit_cell import modulo

FEWEST = 10  # sites with known truth below which no score is computed


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
    Measure("lattice_offset_median_error_px", "median error of the lattice's offset", "px", "less"),
    Measure(
        "lattice_offset_coverage_68", "errors of the lattice's offset below their spread", "share"
    ),
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
    if "truth_lattice" in latents and "consensus_lattice_offset" in latents:
        out |= _of_lattice(latents)
    # Not of stacks of pictures.
    of_atoms = any(f"truth_{name}" in latents for name in ("phase", "track", "direction"))
    if of_atoms and "consensus_angle" in latents and "truth_angle" in latents:
        truth = latents["truth_angle"].values
        has_truth = np.isfinite(truth)
        if "truth_phase" in latents:
            has_truth &= latents["truth_phase"].values >= 0
        if has_truth.sum() >= FEWEST:
            # Two sublattices may differ by a rotation alone: the lattice angle is then ambiguous.
            n = math.lcm(n, int(latents.attrs.get("truth_symmetry", 1)))
            out |= _of_angles(latents, truth, has_truth, n)
    return out


def lattice_errors(latents: xr.Dataset) -> np.ndarray:
    """Errors (site, 2) px as (y, x) of the consensus offset of the lattice, modulo its unit cell,
    after the one constant for each true lattice that fits best."""
    cell = np.asarray(latents.attrs["cell"], float).reshape(2, 2)
    true = [latents[f"truth_lattice_offset_{axis}"].values for axis in "yx"]
    apart = latents["consensus_lattice_offset"].values - np.stack(true, 1)
    lattice = latents["truth_lattice"].values
    for one in np.unique(lattice):
        own = apart[lattice == one]
        own = modulo(own - lattice_offsets.mean(own, cell), cell)
        # The circular mean is drawn by outliers; the median about it is not.
        apart[lattice == one] = modulo(own - np.median(own, axis=0), cell)
    return apart


def _of_lattice(latents: xr.Dataset) -> dict[str, Any]:
    error = np.abs(lattice_errors(latents))
    spread = latents["lattice_offset_spread"].values
    return {
        "lattice_offset_median_error_px": float(np.median(error)),
        "lattice_offset_coverage_68": float((error <= spread).mean()),
    }


def _of_phases(found: np.ndarray, latents: xr.Dataset) -> dict[str, Any]:
    from sklearn.metrics import adjusted_mutual_info_score

    if "truth_phase" not in latents:
        return {}
    has_truth = np.asarray(latents["truth_phase"].values >= 0)
    if has_truth.sum() < FEWEST:
        return {}
    found, phase = found[has_truth], latents["truth_phase"].values[has_truth]
    category = phase * 1000
    if "truth_species" in latents:
        category = category + latents["truth_species"].values[has_truth]
    return {
        "class_accuracy": matched_accuracy(found, category),
        "class_ami": float(adjusted_mutual_info_score(category, found)),
        "phase_accuracy": majority_accuracy(found, phase),
    }


def of_defects(found: np.ndarray, latents: xr.Dataset) -> dict[str, Any]:
    """Score classes against defects; each class is named after the defect of most of its sites."""
    from sklearn.metrics import adjusted_mutual_info_score, f1_score

    if "truth_defect" not in latents:
        return {}
    has_truth = np.asarray(latents["truth_defect"].values >= 0)
    if has_truth.sum() < FEWEST:
        return {}
    found, truth = found[has_truth], latents["truth_defect"].values[has_truth]
    categories = np.unique(truth)
    each = f1_score(truth, named(found, truth), labels=categories, average=None, zero_division=0)
    out = {
        "defect_macro_f1": float(each.mean()),
        "defect_ami": float(adjusted_mutual_info_score(truth, found)),
    }
    names = [str(name) for name in latents.attrs.get("truth_defect_names") or []]
    for category, value in zip(categories.tolist(), each, strict=True):
        name = names[category] if category < len(names) else str(category)
        out[f"defect_f1_{name.replace(' ', '_')}"] = float(value)
    return out


def _of_angles(
    latents: xr.Dataset, truth: np.ndarray, has_truth: np.ndarray, n: int
) -> dict[str, Any]:
    error = np.degrees(
        angle_error(latents["consensus_angle"].values[has_truth], truth[has_truth], n)
    )
    spread = np.degrees(latents["angle_spread"].values[has_truth])
    return {
        "angle_median_error_deg": float(np.median(error)),
        "angle_share_within_3_deg": float((error <= 3).mean()),
        "angle_median_spread_deg": float(np.median(spread)),
        "angle_coverage_68": float((error <= spread).mean()),
    }


def named(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Name each site after the truth (site,) of most sites of its class."""
    out = np.empty_like(truth)
    for k in np.unique(found):
        categories, counts = np.unique(truth[found == k], return_counts=True)
        out[found == k] = categories[counts.argmax()]
    return out


def majority_accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of sites right if every class found is given the truth that most of its sites have."""
    return float((named(found, truth) == truth).mean())
