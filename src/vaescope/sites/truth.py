"""How well the sites found agree with the truth of a simulated image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import xarray as xr

_MATCH = 0.35  # of the spacing: a site farther from any true column is a false one
_EDGE = 0.5  # of the spacing: nearer to the edge, half-seen columns count neither way


def match(found: np.ndarray, truth: np.ndarray, largest: float) -> np.ndarray:
    """Index of the true column that each site stands for, (site,), -1 where there is none.

    A site and a column belong together if each is the other's nearest and they are at most
    ``largest`` px apart.
    """
    if not len(found) or not len(truth):
        return np.full(len(found), -1)
    distance, nearest = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    mutual = back[nearest] == np.arange(len(found))
    return np.where(mutual & (distance <= largest), nearest, -1)


def score_against_truth(sites: xr.Dataset, image: xr.Dataset) -> xr.Dataset:
    """Add the truth of the matching columns and the attribute ``truth_scores`` to found sites.

    The scores are JSON: precision and recall of the detection (columns nearer to the edge than
    half a spacing count neither way), ``position_rmse`` per coordinate in px beside the Cramér–Rao
    ``bound`` of the same columns, and their ratio.
    """
    truth = np.stack([image.truth_y.values, image.truth_x.values], axis=1)
    found = np.stack([sites.y.values, sites.x.values], axis=1)
    spacing = float(sites.attrs["spacing"])
    index = match(found, truth, _MATCH * spacing)
    matched = index >= 0
    shape = image.sizes["y"], image.sizes["x"]
    inner_found, inner_truth = (_inner(p, shape, _EDGE * spacing) for p in (found, truth))
    hit = np.zeros(len(truth), bool)
    hit[index[matched]] = True
    used = matched & inner_found
    difference = found[used] - truth[index[used]]
    bound = image.truth_bound.values[index[used]]
    rmse = _root_mean_square(difference)
    expected = _root_mean_square(bound)
    scores = {
        "precision": _share(matched[inner_found]),
        "recall": _share(hit[inner_truth]),
        "position_rmse": rmse,
        "bound": expected,
        "rmse_over_bound": rmse / expected if expected else float("nan"),
        "n_truth": int(inner_truth.sum()),
        "n_found": int(inner_found.sum()),
    }
    scored = sites.copy()
    for name, known in image.data_vars.items():
        if known.dims != ("truth_site",) or name == "truth_bound":
            continue
        values = known.values
        missing = np.nan if values.dtype.kind == "f" else -1
        picked = np.where(matched, values[np.where(matched, index, 0)], missing)
        scored[name] = ("site", picked.astype(values.dtype), dict(known.attrs))
    scored.attrs["truth_scores"] = json.dumps(
        {k: (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in scores.items()}
    )
    if "truth_symmetry" in image.attrs:
        scored.attrs["truth_symmetry"] = image.attrs["truth_symmetry"]
    return scored


def _inner(position: np.ndarray, shape: tuple[int, int], margin: float) -> np.ndarray:
    last = np.array(shape) - 1
    return np.all((position >= margin) & (position <= last - margin), axis=1)


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else float("nan")


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
