"""How well each site fits into a lattice with the sites about it, whatever the lattice."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

_REACH = 2.2  # spacings to the neighbours that are looked at
_NEIGHBOURS = 12
_TOLERANCE = 0.18  # spacings
_TOGETHER = 8  # sites whose order is averaged
_CRYSTAL = 0.55  # order of sites by which the height of a column is known; none reach it by chance
_FEWEST, _LEAST = 8, 0.03  # so many of them, and so large a share of all sites
_DIM = 0.6  # of the height of a column
_DISORDERED = 0.42
_REPEATED, _CHANCE = 0.4, 0.3  # median order of bright columns of any lattice, and of the rest
_ROUNDS = 3  # what is left out no longer makes order by chance
_KNOWN = 20  # sites whose mean order says something
_MANY = 0.05  # share of the sites from which dim ones without order are a texture


def order(position: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The order about each site: of its vectors to neighbours, the share that is repeated.

    A vector is repeated if a site lies at its end once more, or at its other side. In a crystal
    with one atom a cell all are, at its edges and interfaces too; in a honeycomb half of them; of
    sites without order about a fifth, by chance.

    Parameters
    ----------
    position : (site, 2) px. spacing : px, of nearest sites.

    Returns
    -------
    own : (site,) share from 0 to 1; 0 where there is no neighbour.
    around : (site,) its mean over the site and the nearest ones.
    """
    count = len(position)
    if count < 3:
        return np.zeros(count), np.zeros(count)
    tree = cKDTree(position)
    near, index = tree.query(
        position, k=min(_NEIGHBOURS + 1, count), distance_upper_bound=_REACH * spacing
    )
    known = np.isfinite(near[:, 1:])
    neighbour = position[np.where(known, index[:, 1:], 0)]
    vector = neighbour - position[:, None]
    most = _TOLERANCE * spacing
    repeated = np.zeros(known.shape, bool)
    for place in (position[:, None] - vector, neighbour + vector):
        apart, _ = tree.query(place[known], distance_upper_bound=most)
        repeated[known] |= np.isfinite(apart)
    own = repeated.sum(1) / np.maximum(known.sum(1), 1)
    around = tree.query(position, k=min(_TOGETHER + 1, count))[1]
    return own, own[around].mean(1)


def of_fullest(frame: np.ndarray, position: np.ndarray, spacing: float) -> float:
    """Mean order of the sites of the frame that has most of them; not a number of few.

    Parameters
    ----------
    frame : (site,). position : (site, 2) px. spacing : px, of nearest sites.
    """
    numbers, counts = np.unique(frame, return_counts=True)
    if counts.max(initial=0) < _KNOWN:
        return np.nan
    return float(order(position[frame == numbers[counts.argmax()]], spacing)[0].mean())


def texture(position: np.ndarray, height: np.ndarray, spacing: float) -> np.ndarray:
    """Which sites of a crystal's image are the texture of a support: dim, without order, and many.

    Dim layers are in order and stay, and so do single atoms and vacancies in a lattice.

    Parameters
    ----------
    position : (site, 2) px. height : (site,) of the filtered image, over no local contrast.
    spacing : px, of nearest sites.

    Returns
    -------
    Mask (site,); empty where no crystal is among the sites.
    """
    left = np.ones(len(position), bool)
    fewest = max(_FEWEST, _LEAST * len(position))
    for _ in range(_ROUNDS):
        own, around = order(position[left], spacing)
        ordered = (own + around) / 2
        crystal = ordered >= _CRYSTAL
        if crystal.sum() < fewest:
            crystal = _bright(height[left], ordered)
        if crystal.sum() < fewest:
            break
        dim = height[left] < _DIM * np.median(height[left][crystal])
        out = np.flatnonzero(left)[dim & (ordered < _DISORDERED)]
        if not len(out):
            break
        left[out] = False
    return ~left if (~left).mean() >= _MANY else np.zeros(len(left), bool)


def _bright(height: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Sites (site,) brighter than the rest, if most of them are in order and the rest are not: in a
    lattice of several atoms a cell, fewer vectors are repeated."""
    from skimage.filters import threshold_otsu

    if len(height) < 2 * _FEWEST or not np.ptp(height) > 0:
        return np.zeros(len(height), bool)
    bright = height > threshold_otsu(height)
    if min(bright.sum(), (~bright).sum()) < _FEWEST:
        return np.zeros(len(height), bool)
    apart = np.median(ordered[bright]) >= _REPEATED and np.median(ordered[~bright]) <= _CHANCE
    return bright if apart else np.zeros(len(height), bool)
