"""Compare sites along domain walls with the truth of a simulated image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from vaescope import circular
from vaescope.quantities import TRUTH, attributes
from vaescope.results.facts import Measure
from vaescope.walls.domain_map import Areas
from vaescope.walls.pieces import Pieces

if TYPE_CHECKING:
    import xarray as xr

REACH = 3.0  # px: a wall farther from any true one is a false one

MEASURES = (
    Measure("wall_recall", "true walls found", "share", "more", card=4, sort="recall"),
    Measure("wall_false", "share of the walls that are false", "share", "less", card=5),
    Measure("wall_position_rms", "position error across walls (rms)", "px", "less"),
    Measure("wall_position_coverage", "true walls within one standard error", "share"),
    Measure("wall_curvature_r", "correlation with the true curvature", "", "more"),
    Measure("wall_curvature_coverage", "true curvatures within one error", "share"),
    Measure("wall_direction_rms", "error of the direction (rms)", "°", "less"),
    Measure("switching_degree_rms", "error of the switching degree (rms)", "", "less"),
)
"""Of walls against the truth of a simulation."""


def score(sites: xr.Dataset, image: xr.Dataset, pieces: Sequence[Pieces]) -> xr.Dataset:
    """Add the truth of the nearest true wall and the attribute ``truth_scores`` to found sites;
    sites of an image without truth stay as they are.

    Sites near the rim, saddle points and other walls (``truth_apart``) count neither way. Walls are
    false, or missed, where they are farther than 3 px from any true, or found, one.

    Parameters
    ----------
    pieces : the walls found, frame by frame.
    """
    scores: dict[str, float] = {}
    scored = sites
    if "truth_y" in image and "truth_direction" in image:
        scored, scores = _of_curves(sites, image, pieces)
    if "truth_domain" in image and "switching_degree" in sites and sites.sizes["site"]:
        scored, error = _of_domains(scored, image)
        scores["switching_degree_rms"] = error
    if scores:
        finite = {k: (v if np.isfinite(v) else None) for k, v in scores.items()}
        scored = scored.assign_attrs(truth_scores=json.dumps(finite))
    return scored


def _of_curves(
    sites: xr.Dataset, image: xr.Dataset, pieces: Sequence[Pieces]
) -> tuple[xr.Dataset, dict[str, float]]:
    truth = np.stack([image["truth_y"].values, image["truth_x"].values], axis=1)
    when = image["truth_frame"].values.astype(int)
    apart = image["truth_apart"].values.astype(bool)
    place = np.stack([sites["y"].values, sites["x"].values], axis=1)
    frame = sites["frame"].values.astype(int)
    nearest = np.full(len(place), -1)
    gap = np.full(len(place), np.inf)
    missed, true, false, length = 0, 0, 0.0, 0.0
    for one, own in enumerate(pieces):
        there, here = np.flatnonzero(when == one), np.flatnonzero(frame == one)
        length += float(own.length.sum())
        if not len(there):
            false += float(own.length.sum())
            continue
        tree = cKDTree(truth[there])
        if len(here):
            gap[here], index = tree.query(place[here])
            nearest[here] = there[index]
        counted = there[~apart[there]]
        true += len(counted)
        if len(own):
            false += float(own.length[tree.query(own.place)[0] > REACH].sum())
            missed += int((cKDTree(own.place).query(truth[counted])[0] > REACH).sum())
        else:
            missed += len(counted)
    scores = {
        "wall_recall": 1 - missed / true if true else np.nan,
        "wall_false": false / length if length else np.nan,
    }
    if "direction" not in sites:
        return sites, scores
    near = (gap <= REACH) & (nearest >= 0)
    index = np.where(near, nearest, 0)
    direction = np.where(near, image["truth_direction"].values[index], np.nan)
    curvature = np.where(near, image["truth_curvature"].values[index], np.nan)
    normal = np.stack([np.cos(direction), -np.sin(direction)], axis=1)
    offset = ((place - truth[index]) * normal).sum(1)
    used = near & ~apart[index]
    turned = circular.wrap(sites["direction"].values - direction, 2 * np.pi)
    bent, error = sites["curvature"].values, sites["curvature_error"].values
    scores |= {
        "wall_position_rms": _rms(offset[used]),
        "wall_position_coverage": _within(offset[used], sites["normal_error"].values[used]),
        "wall_direction_rms": np.degrees(_rms(turned[used])),
        "wall_curvature_coverage": _within((bent - curvature)[used], error[used]),
        "wall_curvature_r": _correlation(bent[used], curvature[used]),
    }
    said = {
        "truth_direction": (direction, "true direction of the wall", "rad", "cyclic"),
        "truth_angle": (-direction, "true angle of the wall, counter-clockwise", "rad", "cyclic"),
        "truth_curvature": (curvature, "true curvature of the wall", "1/px", "diverging"),
        "truth_offset": (
            np.where(near, offset, np.nan),
            "distance across the wall from the true one",
            "px",
            "diverging",
        ),
    }
    for name, (values, words, unit, scale) in said.items():
        period = 2 * np.pi if scale == "cyclic" else None
        about = attributes(words, unit, scale, period=period, group=TRUTH)  # type: ignore[arg-type]
        sites = sites.assign({name: ("site", values, about)})
    return sites, scores


def _of_domains(sites: xr.Dataset, image: xr.Dataset) -> tuple[xr.Dataset, float]:
    """The true share of every window in the positive domain, and how far off the found one is."""
    known = np.full(sites.sizes["site"], np.nan)
    place = np.stack([sites["y"].values, sites["x"].values], axis=1)
    frame = sites["frame"].values.astype(int)
    side = float(sites.attrs["window"])
    for one in np.unique(frame):
        domain = image["truth_domain"][int(one)].values.astype(float)
        here = frame == one
        known[here] = Areas.of(domain, np.ones(domain.shape, bool)).mean(place[here], side)[0]
    about = attributes("true switching degree", "1", "sequential", group=TRUTH)
    off = sites["switching_degree"].values - known
    return sites.assign(truth_switching_degree=("site", known, about)), _rms(off)


def _rms(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def _within(apart: np.ndarray, error: np.ndarray) -> float:
    known = np.isfinite(apart) & np.isfinite(error)
    return float((np.abs(apart) <= error)[known].mean()) if known.any() else float("nan")


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or np.ptp(other[known]) == 0:
        return float("nan")
    return float(np.corrcoef(one[known], other[known])[0, 1])
