"""Compare sites with the truth of a simulated image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from vaescope.results.facts import Measure

if TYPE_CHECKING:
    import xarray as xr

_MATCH = 0.35  # of the spacing: a site farther from any true column is a false one
_EDGE = 0.5  # of the spacing: nearer to the edge, half-seen columns count neither way


def match(found: np.ndarray, truth: np.ndarray, largest: float) -> np.ndarray:
    """Assign true columns to sites: their index (site,), -1 where there is none.

    A site and a column belong together if each is the other's nearest and they are at most
    ``largest`` px apart.
    """
    if not len(found) or not len(truth):
        return np.full(len(found), -1)
    distance, nearest = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    mutual = back[nearest] == np.arange(len(found))
    return np.where(mutual & (distance <= largest), nearest, -1)


def match_frames(
    found: np.ndarray, truth: np.ndarray, frames: tuple[np.ndarray, np.ndarray], largest: float
) -> np.ndarray:
    """Assign true columns to sites frame by frame; ``frames`` of the sites and of the columns."""
    index = np.full(len(found), -1)
    for one in np.unique(frames[0]):
        here, there = (np.flatnonzero(frame == one) for frame in frames)
        partner = match(found[here], truth[there], largest)
        matched = partner >= 0
        index[here[matched]] = there[partner[matched]]
    return index


MEASURES = (
    Measure("precision", "precision of detection", "share", "more", card=5),
    Measure("recall", "recall of detection", "share", "more", card=4, sort="recall"),
    Measure("position_rmse", "position error (rms)", "px", "less"),
    Measure("bound", "Cramér–Rao bound", "px"),
    Measure("rmse_over_bound", "error ÷ bound", "", "less", card=6),
    Measure("n_truth", "true sites off the edge"),
    Measure("link_recall", "true links found", "share", "more", card=7),
    Measure("link_precision", "links that are true", "share", "more"),
    Measure("track_purity", "sites on the track of their atom", "share", "more"),
    Measure("identity_switches", "atoms that change their track", "", "less"),
    Measure("n_true_links", "true links off the edge"),
)
"""Of found sites and tracks against the truth of a simulation."""


def score_against_truth(sites: xr.Dataset, image: xr.Dataset) -> xr.Dataset:
    """Add the truth of the matching columns and the attribute ``truth_scores`` to found sites.

    The scores are JSON: precision and recall of the detection (columns nearer to the edge than
    half a spacing count neither way), ``position_rmse`` per coordinate in px beside the Cramér–Rao
    ``bound`` of the same columns where it is known, and their ratio; of a movie those of
    ``links`` as well. The columns of a movie have their ``truth_frame``.
    """
    truth = np.stack([image.truth_y.values, image.truth_x.values], axis=1)
    found = np.stack([sites.y.values, sites.x.values], axis=1)
    true_frame = np.zeros(len(truth), int)
    if "truth_frame" in image:
        true_frame = image.truth_frame.values.astype(int)
    frame = sites["frame"].values.astype(int)
    spacing = float(sites.attrs["spacing"])
    index = match_frames(found, truth, (frame, true_frame), _MATCH * spacing)
    matched = index >= 0
    shape = image.sizes["y"], image.sizes["x"]
    inner_found, inner_truth = (_inner(p, shape, _EDGE * spacing) for p in (found, truth))
    hit = np.zeros(len(truth), bool)
    hit[index[matched]] = True
    used = matched & inner_found
    rmse = _root_mean_square(found[used] - truth[index[used]])
    scores = {
        "precision": _share(matched[inner_found]),
        "recall": _share(hit[inner_truth]),
        "position_rmse": rmse,
    }
    if "truth_bound" in image:
        expected = _root_mean_square(image.truth_bound.values[index[used]])
        ratio = rmse / expected if expected else float("nan")
        scores |= {"bound": expected, "rmse_over_bound": ratio}
    scores |= {"n_truth": int(inner_truth.sum()), "n_found": int(inner_found.sum())}
    if "track" in sites and "truth_track" in image:
        scores |= links(
            sites["track"].values,
            frame,
            index,
            (image.truth_track.values, true_frame),
            (inner_found, inner_truth),
        )
    scored = sites.copy()
    for name, known in image.data_vars.items():
        if known.dims != ("truth_site",) or name in ("truth_bound", "truth_frame"):
            continue
        values = known.values
        missing = np.nan if values.dtype.kind == "f" else -1
        picked = np.where(matched, values[np.where(matched, index, 0)], missing)
        scored[name] = ("site", picked.astype(values.dtype), dict(known.attrs))
    scored.attrs["truth_scores"] = json.dumps(
        {k: (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in scores.items()}
    )
    return scored


def links(
    track: np.ndarray,
    frame: np.ndarray,
    index: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray],
    inner: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    """Score tracks against the truth.

    Parameters
    ----------
    track, frame : (site,) of the sites found.
    index : (site,) the true column of each site, -1 where there is none.
    truth : identity and frame (truth_site,) of the true columns.
    inner : masks of the sites and of the columns off the edge; links to others count neither way.

    Returns
    -------
    ``link_recall``: share of the true links (an atom's next appearance) that were found, a missed
    atom costing its links; ``link_precision``: share of the links found whose ends are one atom;
    ``track_purity``: share of the sites that belong to the atom that most of their track belongs
    to; ``identity_switches``: times that an atom goes on in another track.
    """
    one, next_one = _successive(track, frame, inner[0])
    identity = np.where(index >= 0, truth[0][np.where(index >= 0, index, 0)], -1)
    same = (identity[one] == identity[next_one]) & (identity[one] >= 0)
    pairs = {(int(a), int(b)) for a, b in zip(index[one[same]], index[next_one[same]], strict=True)}
    true_one, true_next = _successive(*truth, inner[1])
    right = [(a, b) in pairs for a, b in zip(true_one.tolist(), true_next.tolist(), strict=True)]
    known = identity >= 0
    pure = 0
    if known.any():
        _, row = np.unique(track[known], return_inverse=True)
        _, column = np.unique(identity[known], return_inverse=True)
        _, name, count = np.unique(
            row * (column.max() + 1) + column, return_index=True, return_counts=True
        )
        most = np.zeros(row.max() + 1, int)
        np.maximum.at(most, row[name], count)
        pure = int(most.sum())
    seen, seen_next = _successive(np.where(known, identity, -1), frame, known)
    return {
        "link_recall": _share(np.array(right, bool)),
        "link_precision": _share(same),
        "track_purity": pure / known.sum() if known.any() else float("nan"),
        "identity_switches": int((track[seen] != track[seen_next]).sum()),
        "n_true_links": len(right),
    }


def _successive(
    identity: np.ndarray, frame: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of every two successive appearances of one identity, both of them chosen."""
    order = np.lexsort((frame, identity))
    one, following = order[:-1], order[1:]
    keep = (identity[one] == identity[following]) & chosen[one] & chosen[following]
    return one[keep], following[keep]


def _inner(position: np.ndarray, shape: tuple[int, int], margin: float) -> np.ndarray:
    last = np.array(shape) - 1
    return np.all((position >= margin) & (position <= last - margin), axis=1)


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else float("nan")


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
