"""Kinds of site in a crystal by their brightness."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vaescope.sites.order import order

_FEWEST = 12  # sites of a kind
_IN_ORDER, _APART = 0.75, 2.6  # of the sites of a kind; distance of two kinds in deviations
_SHARE = 0.2  # of the sites that a kind has at least
_REACH, _SHELL = 2.7, 0.12  # nearest distances, of neighbours that vote, and of a shell of them
_SURE = 0.85  # share of the pairs of a shell that are of one kind, or of two


def kinds(height: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Number (site,) of the kind of each site, 0 for the brighter, where sites are of two kinds by
    their ``height`` and each kind is in order; else 0. Dopants, which are not, are no kind."""
    from skimage.filters import threshold_otsu

    none = np.zeros(len(height), int)
    if len(height) < 2 * _FEWEST or not np.ptp(height) > 0:
        return none
    dim = height < threshold_otsu(height)
    if min(dim.mean(), 1 - dim.mean()) < _SHARE:
        return none
    middles = [np.median(height[part]) for part in (dim, ~dim)]
    spreads = [
        1.4826 * np.median(np.abs(height[part] - middle))
        for part, middle in zip((dim, ~dim), middles, strict=True)
    ]
    if middles[1] - middles[0] < _APART * np.hypot(*spreads):
        return none
    for part in (dim, ~dim):
        near = cKDTree(position[part]).query(position[part], k=2)[0][:, 1]
        if np.median(order(position[part], float(np.median(near)))[0]) < _IN_ORDER:
            return none
    return _voted(height, position, dim).astype(int)


def _voted(height: np.ndarray, position: np.ndarray, dim: np.ndarray) -> np.ndarray:
    """Kinds by the heights of a site and its neighbours: at some distances all neighbours are of
    the same kind, at others of the other one."""
    tree = cKDTree(position)
    nearest = float(np.median(tree.query(position, k=2)[0][:, 1]))
    middle = (np.median(height[dim]) + np.median(height[~dim])) / 2
    first, second = tree.query_pairs(_REACH * nearest, output_type="ndarray").T
    apart = np.linalg.norm(position[first] - position[second], axis=1) / nearest
    shell = np.rint(apart / _SHELL).astype(int)
    same = np.bincount(shell, dim[first] == dim[second]) / np.maximum(np.bincount(shell), 1)
    weight = np.where(same > _SURE, 1.0, np.where(same < 1 - _SURE, -1.0, 0.0))[shell]
    above, count = height - middle, np.ones(len(height))
    total = above.copy()
    for one, other in ((first, second), (second, first)):
        total += np.bincount(one, weight * above[other], len(height))
        count += np.bincount(one, abs(weight), len(height))
    return np.asarray(total / count < 0)
