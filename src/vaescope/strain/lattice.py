"""Find the lattice of sites: its vectors, and its orientation at every site.

Vectors are (x right, y down) in pixels, angles counter-clockwise as seen, in radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from vaescope import circular
from vaescope.deformation import turning

REACH = 1.6  # lattice spacings: as far as a patch of 3.2 spacings reaches from its middle
_FIRST = 1.7  # median distances of nearest sites within which a site's neighbours tell its turn
_FAR = 2.6  # the same within which lattice vectors are looked for
_GRAIN = np.radians(6.0)  # about the commonest turn: the sites from which the lattice is taken
_BLUR = 0.08  # nearest distances: difference vectors so near are one
_CATCH = 0.3  # the same within which a difference vector belongs to a lattice vector
# A lattice vector leads from nearly every site to another one. Vectors between two sublattices of
# a honeycomb lead from half of them only.
_OCCUPIED = 0.7
_FEWEST = 30  # sites without which there is no telling a lattice
_CLEAR = 0.5  # order parameter of a site above which its own turn is taken
_ORDERED = 0.4  # mean length of the order parameter below which sites have no common directions


@dataclass
class Lattice:
    """``vectors`` (2, 2): rows a and b in px, at turn 0; ``turn`` (site,) rad modulo 2 pi/``fold``,
    NaN where a site has too few neighbours; ``majority`` (site,) those of the commonest turn;
    ``start``, ``stop`` (pair,) and ``difference`` (pair, 2) px: neighbouring sites."""

    vectors: np.ndarray
    turn: np.ndarray
    fold: int
    majority: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    difference: np.ndarray

    @property
    def spacing(self) -> float:
        """Mean length of a and b in px."""
        return float(np.hypot(*self.vectors.T).mean())

    def shells(self, reach: float = REACH) -> np.ndarray:
        """List the lattice vectors within ``reach`` spacings: integers (vector, 2) of a and b."""
        counts = np.arange(-4, 5)
        index = np.stack(np.meshgrid(counts, counts, indexing="ij"), -1).reshape(-1, 2)
        length = np.hypot(*(index @ self.vectors).T)
        return index[(length > 0) & (length <= reach * self.spacing)]


def find_lattice(position: np.ndarray, frame: np.ndarray) -> Lattice | None:
    """Find the lattice of sites; None where there is none.

    Parameters
    ----------
    position : (site, 2) px as (x, y).
    frame : (site,) the frame of each site; neighbours are of one frame.
    """
    if len(position) < _FEWEST:
        return None
    nearest = _nearest(position, frame)
    if not np.isfinite(nearest) or nearest <= 0:
        return None
    start, stop = _pairs(position, frame, _FAR * nearest)
    difference = position[stop] - position[start]
    length = np.hypot(*difference.T)
    direction = np.arctan2(-difference[:, 1], difference[:, 0])
    place = _place_in_order(start, length, len(position))
    best: tuple[float, int, np.ndarray] = (0.0, 0, np.array([]))
    for fold in (4, 6):
        near = (place < fold) & (length < _FIRST * nearest)
        moment = _per_site(np.exp(1j * fold * direction[near]), start[near], len(position))
        order = float(np.nanmean(np.abs(moment))) if np.isfinite(moment).any() else 0.0
        if order > best[0]:
            best = (order, fold, moment)
    order, fold, moment = best
    if order < _ORDERED:
        return None
    turn = _filled(np.where(np.abs(moment) > _CLEAR, np.angle(moment) / fold, np.nan), start, stop)
    commonest = _mode(turn, fold)
    turn = circular.wrap(turn - commonest, 2 * np.pi / fold)
    majority = np.abs(turn) < _GRAIN
    if majority.sum() < _FEWEST:
        return None
    chosen = majority[start]
    aligned = np.einsum("nij,nj->ni", turning(-turn[start[chosen]]), difference[chosen])
    vectors = _basis(aligned, int(majority.sum()), nearest)
    if vectors is None:
        return None
    return Lattice(vectors, turn, fold, majority, start, stop, difference)


def _nearest(position: np.ndarray, frame: np.ndarray) -> float:
    """Median distance of a site to its nearest one of the same frame."""
    found = [
        cKDTree(position[frame == number]).query(position[frame == number], k=2)[0][:, 1]
        for number in np.unique(frame)
        if (frame == number).sum() > 1
    ]
    return float(np.median(np.concatenate(found))) if found else np.nan


def _pairs(position: np.ndarray, frame: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Both directions of every pair of sites of a frame nearer than a radius, sorted."""
    found = [np.zeros((0, 2), int)]
    for number in np.unique(frame):
        rows = np.flatnonzero(frame == number)
        pairs = cKDTree(position[rows]).query_pairs(radius, output_type="ndarray")
        found.append(rows[pairs].reshape(-1, 2))
    one_way = np.concatenate(found)
    both = np.concatenate([one_way, one_way[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    return both[:, 0], both[:, 1]


def _place_in_order(start: np.ndarray, length: np.ndarray, count: int) -> np.ndarray:
    """Place (pair,) of each neighbour in the order of distance from its site, from 0."""
    order = np.lexsort((length, start))
    first = np.concatenate([[0], np.cumsum(np.bincount(start, minlength=count))])[:-1]
    place = np.empty(len(start), int)
    place[order] = np.arange(len(start)) - first[start[order]]
    return place


def _filled(turn: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Fill in unknown turns (site,) from the first neighbour with a turn."""
    filled = turn.copy()
    lacking = np.isnan(turn[start]) & np.isfinite(turn[stop])
    sites, first = np.unique(start[lacking], return_index=True)
    filled[sites] = turn[stop[lacking][first]]
    return filled


def _per_site(values: np.ndarray, site: np.ndarray, count: int) -> np.ndarray:
    """Mean of complex values over the pairs of each site; NaN where there are fewer than three."""
    number = np.bincount(site, minlength=count)
    total = np.bincount(site, values.real, count) + 1j * np.bincount(site, values.imag, count)
    return np.where(number >= 3, total / np.maximum(number, 1), np.nan)


def _mode(turn: np.ndarray, fold: int) -> float:
    """The commonest of turns that repeat after 2 pi/fold."""
    known = turn[np.isfinite(turn)]
    period = 2 * np.pi / fold
    trial = np.linspace(0, period, 180, endpoint=False)
    apart = np.abs(circular.wrap(known[None] - trial[:, None], period))
    middle = trial[np.maximum(1 - apart / _GRAIN, 0).sum(1).argmax()]
    near = circular.wrap(known - middle, period)
    return float(middle + np.median(near[np.abs(near) < _GRAIN]))


def _basis(difference: np.ndarray, sites: int, nearest: float) -> np.ndarray | None:
    """Find the two shortest lattice vectors (2, 2) from aligned differences (pair, 2)."""
    fine = 24  # bins of the nearest distance
    bins = np.arange(-int(_FAR * fine), int(_FAR * fine) + 2) - 0.5
    counts, _ = np.histogramdd(difference / nearest * fine, bins=[bins, bins])
    smooth = gaussian_filter(counts, _BLUR * fine, mode="constant")
    peaks = np.argwhere((smooth == maximum_filter(smooth, int(2 * _CATCH * fine))) & (smooth > 0))
    centres = (peaks - int(_FAR * fine)) / fine * nearest
    tree = cKDTree(difference)
    near = tree.query_ball_point(centres, _CATCH * nearest)
    share = np.array([len(rows) for rows in near]) / sites
    kept = (share > _OCCUPIED * np.quantile(share, 0.95)) & (share > 0.3)
    kept &= np.hypot(*centres.T) > 0.5 * nearest
    found = np.array([np.median(difference[near[k]], axis=0) for k in np.flatnonzero(kept)])
    if len(found) < 2:
        return None
    # Of each pair of opposite vectors the one to the right; of equal lengths the most level first.
    found = found[(found[:, 0] > 1e-9) | ((np.abs(found[:, 0]) <= 1e-9) & (found[:, 1] < 0))]
    length = np.hypot(*found.T)
    order = np.lexsort((np.abs(found[:, 1]), np.round(length / (0.1 * nearest))))
    first = found[order[0]]
    for k in order[1:]:
        cross = first[0] * found[k, 1] - first[1] * found[k, 0]
        if abs(cross) > 0.4 * np.hypot(*first) * length[k]:
            return np.stack([first, found[k]])
    return None
