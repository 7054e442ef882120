"""Atoms by a filter or by a trained detector, whichever the image speaks for (`method: auto`).

Both are run. The filter needs no examples and is right wherever columns stand out, in any lattice;
the detector finds weak columns, in noise and under contamination, but in an image unlike its
simulations it may see columns where none are. So the sites of the filter stay, unless the detector
adds many that are credible: those that it is sure of, that lie in order, and that fits can see.
What a network imagines in noise is in no order; what it imagines in the gaps of a lattice is in
order, but there is nothing to fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from vaescope.errors import UserError
from vaescope.sites.atoms import every_atom
from vaescope.sites.matching import match_frames
from vaescope.sites.order import order
from vaescope.text import percent

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.learned.detector import Detector
    from vaescope.sites.settings import Atoms

ADDS = 0.1
"""Share of its sites that a detector must have more than the filter, to be preferred."""
SURE = 0.75
"""Mean probability of what it adds; what it imagined in the gaps of lattices had less, mostly."""
IN_ORDER = 0.2
"""Mean order of what it adds; what it imagined in noise had 0.1, as places at random have."""
BLURRED = 0.45
"""Median error of a coordinate of what it adds, in widths of a column, below which a fit sees it:
columns had 0.36 at most, what was imagined 0.5 at least."""
FAINTEST = 0.12
"""Height of what it adds over that of others: fainter columns are in none of its simulations."""
_SAME = 0.35  # distances of nearest sites: farther apart, two sites are not the same
_FEWEST = 12  # sites of which an order is known


@dataclass(frozen=True)
class Verdict:
    """Which of two searches is preferred, `log` or `model`, and why; ``agreement`` : share of all
    sites that both have found."""

    method: str
    reason: str
    agreement: float


def atoms_by_either(
    image: xr.Dataset, settings: Atoms, threads: int, detector: Detector
) -> xr.Dataset:
    """Find the atoms of an image by the filter `log` and by a detector, and keep those of one.

    Parameters
    ----------
    image, threads : as in ``atoms.every_atom``.
    settings : with a threshold, which is that of the filter.

    Returns
    -------
    Dataset over `site`, in the form of a sites store: `method` is the one whose sites were kept,
    `method_reason` says why, and `method_agreement` is the share of all sites that both found.

    Raises
    ------
    UserError : as in ``atoms.every_atom``, where the filter finds no site and those of the detector
        are not credible.
    """
    filtered, trouble = None, None
    try:
        filtered = every_atom(image, replace(settings, method="log"), threads)
    except UserError as error:
        trouble = error
    learned = None
    try:
        own = replace(settings, method="model", threshold=None)
        learned = every_atom(image, own, threads, detector)
    except UserError:
        pass  # the filter has said what is wrong, or has found sites
    verdict = compare(filtered, learned)
    kept = learned if verdict.method == "model" else filtered
    if kept is None:
        assert trouble is not None
        raise trouble
    return kept.assign_attrs(
        method=verdict.method,
        method_reason=verdict.reason,
        method_agreement=verdict.agreement,
    )


def compare(filtered: xr.Dataset | None, learned: xr.Dataset | None) -> Verdict:
    """Judge the sites that a filter and a detector found in one image.

    Parameters
    ----------
    filtered, learned : Datasets over `site` with `frame`, `y`, `x` (px), those of the detector with
        `score` (probability) as well; None where nothing was found.
    """
    if learned is None or not learned.sizes["site"]:
        return Verdict("log", "The detector finds no site.", 0.0)
    if filtered is None or not filtered.sizes["site"]:
        added, missed = np.ones(learned.sizes["site"], bool), 0
        before = "The filter finds no site"
    else:
        closest = min(_nearest(filtered), _nearest(learned))
        index = match_frames(
            _places(learned),
            _places(filtered),
            (learned["frame"].values, filtered["frame"].values),
            _SAME * closest,
        )
        added, missed = index < 0, filtered.sizes["site"] - int((index >= 0).sum())
        before = f"The filter finds {filtered.sizes['site']} sites"
    count = learned.sizes["site"]
    agreement = float((~added).sum() / (count + missed))
    both = f"{before}, the detector {count}, of which {int((~added).sum())} are the same"
    if int(added.sum()) - missed < ADDS * count:
        return Verdict("log", f"{both}; the detector adds few, or misses as many.", agreement)
    sure = float(learned["score"].values[added].mean())
    ordered = float(_order(learned)[added].mean())
    blurred, bright = _error(learned, added), _brightness(learned, added)
    adds = f"the {int(added.sum())} that the detector adds"
    if ordered < IN_ORDER:
        doubt = f"{adds} are in no order ({ordered:.2f}; places at random have about 0.1)"
    elif sure < SURE:
        doubt = f"the detector is not sure of those that it adds (mean probability {sure:.2f})"
    elif not blurred < BLURRED:
        doubt = f"fits hardly see {adds} (errors of {blurred:.2f} of a column's width)"
    elif bright < FAINTEST:
        doubt = f"{adds} are fainter than any column of its simulations ({percent(bright)})"
    else:
        why = (
            f"{adds} are in order ({ordered:.2f}) with a mean probability of {sure:.2f}, and"
            f" {percent(bright, 0)} as bright as the others"
        )
        return Verdict("model", f"{both}; {why}.", agreement)
    return Verdict("log", f"{both}; {doubt}.", agreement)


def _error(learned: xr.Dataset, added: np.ndarray) -> float:
    """Median standard error of a coordinate of what a detector adds, in widths of a column; not a
    number where nothing was fitted."""
    error = np.hypot(learned["y_error"].values, learned["x_error"].values)[added] / np.sqrt(2)
    known = error / learned["width"].values[added]
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else np.nan


def _brightness(learned: xr.Dataset, added: np.ndarray) -> float:
    """Median height of what a detector adds over that of its other sites; 1 where it has none."""
    height = np.abs(learned["amplitude"].values)
    own, others = (part[np.isfinite(part)] for part in (height[added], height[~added]))
    if not (len(own) and len(others)):
        return 1.0
    return float(np.median(own) / max(np.median(others), np.finfo(float).tiny))


def _places(sites: xr.Dataset) -> np.ndarray:
    return np.stack([sites["y"].values, sites["x"].values], axis=1)


def _by_frame(sites: xr.Dataset) -> list[np.ndarray]:
    """Indices of the sites of every frame."""
    frame = sites["frame"].values
    return [np.flatnonzero(frame == one) for one in np.unique(frame)]


def _nearest(sites: xr.Dataset) -> float:
    """Median distance (px) of nearest sites; infinite where no frame has two."""
    place = _places(sites)
    apart = [
        cKDTree(place[rows]).query(place[rows], k=2)[0][:, 1]
        for rows in _by_frame(sites)
        if len(rows) > 1
    ]
    return float(np.median(np.concatenate(apart))) if apart else np.inf


def _order(sites: xr.Dataset) -> np.ndarray:
    """Order (site,) about each site in its frame; 0 in a frame of few."""
    place, own = _places(sites), np.zeros(sites.sizes["site"])
    spacing = _nearest(sites)
    for rows in _by_frame(sites):
        if len(rows) >= _FEWEST:
            own[rows] = order(place[rows], spacing)[0]
    return own
