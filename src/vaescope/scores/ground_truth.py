"""What is known of every patch: kinds of structure, their names, and the angle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from vaescope.scores.labelled import FOLDS, MOST_LABELS

TOGETHER = "all"
NOT_KINDS = (
    *("truth_known_label", "truth_held_out", "truth_site", "truth_frame", "truth_track"),
    f"truth_{TOGETHER}",
)
"""Whole numbers that come with patches and are no kinds of structure."""
_TURNED = 1e-6  # rad, standard deviation from which on patches are turned against each other


@dataclass
class Angle:
    """The angle (site,) in rad against which embeddings are held, modulo 2 pi / ``symmetry``."""

    value: np.ndarray
    symmetry: int
    source: str


def truths(patches: xr.Dataset) -> dict[str, np.ndarray]:
    """Kinds known of each site by name: (site,) from 0, -1 where not known.

    Every ``truth_NAME`` of whole numbers is one; where there are several, ``TOGETHER`` is which
    combination of them a site has. Where defects are known, they alone are kinds: that sites lie in
    another grain makes them no other kind.
    """
    kinds = {}
    for key in map(str, patches.variables):
        if not key.startswith("truth_") or key in NOT_KINDS or patches[key].dims != ("site",):
            continue
        if patches[key].dtype.kind not in "iufb":
            continue
        values = patches[key].values.astype(float)
        known = np.isfinite(values) & (values >= 0)
        levels, index, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        if not 1 < len(levels) <= MOST_LABELS or (levels != np.round(levels)).any():
            continue
        if known.sum() < 2 * FOLDS or counts.max() == known.sum():
            continue
        kind = np.full(len(values), -1)
        kind[known] = index
        kinds[key.removeprefix("truth_")] = kind
    if "defect" in kinds:
        return {"defect": kinds["defect"]}
    if len(kinds) > 1:
        columns = np.stack(list(kinds.values()), axis=1)
        known = (columns >= 0).all(1)
        if known.sum() >= 2 * FOLDS:
            kind = np.full(len(columns), -1)
            kind[known] = np.unique(columns[known], axis=0, return_inverse=True)[1].ravel()
            kinds[TOGETHER] = kind
    return kinds


def kind_names(patches: xr.Dataset) -> list[str]:
    """Names of the kinds of ``main_truth``, such as ``phase 0 · species 1``."""
    kinds = truths(patches)
    main = main_truth(kinds)
    if main is None:
        return []
    single = [name for name in kinds if name != TOGETHER]
    values = {name: patches[f"truth_{name}"].values for name in single}
    names = []
    for kind in range(int(main.max()) + 1):
        first = int(np.flatnonzero(main == kind)[0])
        levels = [(name, int(values[name][first])) for name in single]
        names.append(" · ".join(_level_name(patches, name, level) for name, level in levels))
    return names


def _level_name(patches: xr.Dataset, name: str, level: int) -> str:
    known = [str(word) for word in np.atleast_1d(patches.attrs.get(f"truth_{name}_names", []))]
    return known[level] if level < len(known) else f"{name} {level}"


def angle_of(patches: xr.Dataset, models: Mapping[str, xr.Dataset]) -> Angle | None:
    """The true angle where it is known of most sites, or else the first model's."""
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


def main_truth(kinds: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The kinds to compare labels with: all together where several are known."""
    if not kinds:
        return None
    return kinds[TOGETHER] if TOGETHER in kinds else next(iter(kinds.values()))
