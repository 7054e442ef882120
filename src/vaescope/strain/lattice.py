"""Neighbouring sites, and the lattice on which they stand.

Vectors are (x right, y down) in pixels. A basis is a matrix (2, 2) whose rows are the lattice
vectors a and b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

REACH = 1.6  # lattice spacings: as far as a patch of 3.2 spacings reaches from its middle
_FAR = 2.6  # median distances of nearest sites within which lattice vectors are looked for
_BLUR = 0.08  # nearest distances: difference vectors so near are one
_CATCH = 0.3  # the same within which a difference vector belongs to a lattice vector
# A lattice vector leads from nearly every site to another one. Vectors between two sublattices of
# a honeycomb lead from half of them only.
_OCCUPIED = 0.7


@dataclass
class Pairs:
    """Both directions of every pair of sites of one frame within ``_FAR`` nearest distances, sorted
    by their first site: ``start``, ``stop`` (pair,) and ``difference`` (pair, 2) px; ``first``
    (site + 1,), where the pairs of each site begin; ``nearest`` px, the median nearest distance."""

    start: np.ndarray
    stop: np.ndarray
    difference: np.ndarray
    first: np.ndarray
    nearest: float

    def of(self, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pairs (pair,) that begin at some sites, and the place (pair,) of each one's site
        among these."""
        number = self.first[site + 1] - self.first[site]
        place = np.repeat(np.arange(len(site)), number)
        offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        return self.first[site][place] + offset, place


@dataclass
class Lattice:
    """The sites of one lattice.

    ``vectors`` (2, 2): rows a and b in px; ``start`` and ``stop`` (pair,) and ``difference``
    (pair, 2) px: neighbouring sites; ``deformation`` (site, 2, 2): what carries ``vectors`` to the
    lattice vectors about each site, roughly.
    """

    vectors: np.ndarray
    deformation: np.ndarray
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


def find_pairs(position: np.ndarray, frame: np.ndarray) -> Pairs | None:
    """Find the neighbours of every site; None where no site has any.

    Parameters
    ----------
    position : (site, 2) px as (x, y).
    frame : (site,) the frame of each site; neighbours are of one frame.
    """
    nearest = _nearest(position, frame)
    if not np.isfinite(nearest) or nearest <= 0:
        return None
    start, stop = _pairs(position, frame, _FAR * nearest)
    first = np.searchsorted(start, np.arange(len(position) + 1))
    return Pairs(start, stop, position[stop] - position[start], first, nearest)


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


def basis_of(difference: np.ndarray, sites: int, nearest: float) -> np.ndarray | None:
    """Find the two shortest lattice vectors from the differences between sites.

    Parameters
    ----------
    difference : (pair, 2) px, of all pairs that begin at some sites of one lattice.
    sites : their number.
    nearest : px, the usual distance of a site to its nearest one.

    Returns
    -------
    (2, 2) rows a and b, counter-clockwise as seen from a to b; None where no two vectors lead from
    most sites to others.
    """
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
    if not len(found):
        return None
    length = np.hypot(*found.T)
    order = np.lexsort((np.abs(found[:, 1]), np.round(length / (0.1 * nearest))))
    first = found[order[0]]
    for k in order[1:]:
        cross = first[0] * found[k, 1] - first[1] * found[k, 0]
        if abs(cross) > 0.4 * np.hypot(*first) * length[k]:
            return np.stack([first, found[k] if cross < 0 else -found[k]])
    return None
