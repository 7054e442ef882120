"""Score the categories of the atoms of a movie, and the changes between them, against truth."""

from __future__ import annotations

import numpy as np
import xarray as xr

from vaescope.results.facts import Measure
from vaescope.scores import truth
from vaescope.structure.movie import successive

MEASURES = (
    Measure("defect_macro_f1_of_movie", "categories against true defects (macro F1)", "", "more"),
    Measure("n_true_changes", "true changes of defects"),
    Measure("change_recall", "true changes found", "share", "more"),
    Measure("change_precision", "changes that are true", "share", "more"),
)
"""Of a movie against its truth."""


def score(movie: xr.Dataset, latents: xr.Dataset) -> dict[str, float]:
    """Compare categories of sites, and their changes over time, with true defects.

    Every category is named after the defect that most of its sites have
    (``defect_macro_f1_of_movie``). Changes are those of true atoms between successive frames:
    ``change_recall`` is the share of the true ones whose names before and after are both right,
    ``change_precision`` the share of the changes found for which this holds; ``n_true_changes``
    is the number of true ones.

    Parameters
    ----------
    movie : the Dataset that ``structure.follow`` returns for these ``latents``.
    latents : Dataset of ``latents.zarr``.

    Returns
    -------
    Name -> value; empty without truth, or without categories.
    """
    if "kind" not in movie or "truth_defect" not in latents:
        return {}
    label = movie["kind"].values
    of_sites = truth.of_defects(label, latents)
    if not of_sites:
        return {}
    out = {"defect_macro_f1_of_movie": of_sites["defect_macro_f1"]}
    if "truth_track" not in latents:
        return out
    defect, atom = latents["truth_defect"].values, latents["truth_track"].values
    matched = np.flatnonzero((defect >= 0) & (atom >= 0))
    defect, name = defect[matched], truth.named(label[matched], defect[matched])
    one, following = successive(atom[matched], latents["frame"].values[matched].astype(int)).T
    changed, observed = defect[one] != defect[following], name[one] != name[following]
    right = changed & (name[one] == defect[one]) & (name[following] == defect[following])
    out["n_true_changes"] = float(changed.sum())
    if changed.any():
        out["change_recall"] = float(right.sum() / changed.sum())
    if observed.any():
        out["change_precision"] = float(right.sum() / observed.sum())
    return out
