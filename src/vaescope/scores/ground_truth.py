"""Read the ground truth of patches: categories of structure, their names, and the angle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from vaescope.scores.labelled import FOLDS, MOST_LABELS

TOGETHER = "all"
NOT_CATEGORIES = (
    *("truth_known_label", "truth_held_out", "truth_site", "truth_frame", "truth_track"),
    f"truth_{TOGETHER}",
)
"""Whole numbers that come with patches and are no categories of structure."""
_TURNED = 1e-6  # rad, standard deviation above which patches differ in orientation


@dataclass
class Angle:
    """The angle (site,) in rad with which embeddings are compared, modulo 2 pi / ``symmetry``."""

    value: np.ndarray
    symmetry: int
    source: str


def truths(patches: xr.Dataset) -> dict[str, np.ndarray]:
    """Read the true categories of each site, by name: (site,) from 0, -1 where unknown.

    Every ``truth_NAME`` of whole numbers is one; where there are several, ``TOGETHER`` is which
    combination of them a site has. Where defects are known, they alone count: sites in another
    grain belong to no other category.
    """
    categories = {}
    for key in map(str, patches.variables):
        if not key.startswith("truth_") or key in NOT_CATEGORIES or patches[key].dims != ("site",):
            continue
        if patches[key].dtype.kind not in "iufb":
            continue
        values = patches[key].values.astype(float)
        has_truth = np.isfinite(values) & (values >= 0)
        levels, index, counts = np.unique(
            values[has_truth], return_inverse=True, return_counts=True
        )
        if not 1 < len(levels) <= MOST_LABELS or (levels != np.round(levels)).any():
            continue
        if has_truth.sum() < 2 * FOLDS or counts.max() == has_truth.sum():
            continue
        category = np.full(len(values), -1)
        category[has_truth] = index
        categories[key.removeprefix("truth_")] = category
    if "defect" in categories:
        return {"defect": categories["defect"]}
    if len(categories) > 1:
        columns = np.stack(list(categories.values()), axis=1)
        has_truth = (columns >= 0).all(1)
        if has_truth.sum() >= 2 * FOLDS:
            category = np.full(len(columns), -1)
            category[has_truth] = np.unique(columns[has_truth], axis=0, return_inverse=True)[
                1
            ].ravel()
            categories[TOGETHER] = category
    return categories


def category_names(patches: xr.Dataset) -> list[str]:
    """Name the categories of ``main_truth``, such as ``phase 0 · species 1``."""
    categories = truths(patches)
    main = main_truth(categories)
    if main is None:
        return []
    single = [name for name in categories if name != TOGETHER]
    values = {name: patches[f"truth_{name}"].values for name in single}
    names = []
    for category in range(int(main.max()) + 1):
        first = int(np.flatnonzero(main == category)[0])
        levels = [(name, int(values[name][first])) for name in single]
        names.append(" · ".join(_level_name(patches, name, level) for name, level in levels))
    return names


def _level_name(patches: xr.Dataset, name: str, level: int) -> str:
    has_truth = [str(word) for word in np.atleast_1d(patches.attrs.get(f"truth_{name}_names", []))]
    return has_truth[level] if level < len(has_truth) else f"{name} {level}"


def angle_of(patches: xr.Dataset, models: Mapping[str, xr.Dataset]) -> Angle | None:
    """Take the true angle where most sites have one, or else the first model's."""
    if "truth_angle" in patches:
        value = patches["truth_angle"].values.astype(float)
        if np.isfinite(value).mean() > 0.5 and np.nanstd(value) > _TURNED:
            return Angle(value, int(patches.attrs.get("truth_symmetry", 1)), "the true angle")
    for name, latents in models.items():
        if "consensus_angle" in latents:
            symmetry = int(latents.attrs.get("symmetry", 1))
            value = latents["consensus_angle"].values
            return Angle(value, symmetry, f"the angle of {name}")
    return None


def main_truth(categories: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Choose the categories to compare labels with: all combined where there are several."""
    if not categories:
        return None
    return categories[TOGETHER] if TOGETHER in categories else next(iter(categories.values()))
