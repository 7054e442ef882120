"""Peaks of the density of sites in the content of a model."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

MOST_MODES = 60
SMALLEST = 5  # sites that make a mode, at least, and this share of all of them
CORE = 4  # neighbours whose distance gives the density; half the least mode if that is more
BLUR = 0.5  # of the uncertainty of the content, within which no distance means anything
PASS = 1.35  # times as far apart as at a peak sites lie at the pass to a higher one
EXACT = 1e-3  # of the spread of the sites: content is known no better
SMALLEST_SHARE = 0.0035
LOOKED_AT = 5000  # sites among which modes are looked for; the others join the nearest of these


def density_modes(
    content: np.ndarray,
    spread: np.ndarray,
    seed: int = 0,
    most: int = MOST_MODES,
    among: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the peaks of the density of sites that stand out from the passes between them.

    Density is estimated from the distance to the ``CORE``-th neighbour or one beyond, in units of
    the content's uncertainty, below which no distance means anything: its square is added to that
    of every distance. A peak is a mode of its own if at the highest pass to a higher one sites lie
    ``PASS`` times as far apart as at the peak.

    Parameters
    ----------
    content : (site, latent). spread : its uncertainty, the same shape.
    seed : of the choice of sites where there are more than ``LOOKED_AT``.
    most : number of modes, the largest.
    among : which sites (site,) bool modes are looked for among; the others join the nearest of
        these. None: all.

    Returns
    -------
    label : (site,) number of the mode, largest first; −1 for a few sites on their own.
    middle : (mode,) row of the site in the middle of each; one mode at least.

    Source: F. Chazal, L. J. Guibas, S. Y. Oudot & P. Skraba, J. ACM 60 (2013) 41.
    """
    rows = chosen_rows(len(content), seed, among)
    resolution = np.maximum(np.median(spread, axis=0), EXACT * content.std(axis=0) + 1e-12)
    content = content / resolution
    some = content[rows]
    smallest = max(SMALLEST, round(SMALLEST_SHARE * len(rows)))
    peak = _climb(some, max(CORE, smallest // 2))
    _, group, size = np.unique(peak, return_inverse=True, return_counts=True)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] >= min(smallest, size.max())][:most]
    rank = np.full(len(size), -1)
    rank[order] = np.arange(len(order))
    label = rank[group]
    middle = [rows[typical(some, label == k)] for k in range(len(order))]
    everywhere = label[cKDTree(some).query(content)[1]] if len(rows) < len(content) else label
    return everywhere, np.array(middle)


def _climb(content: np.ndarray, core: int) -> np.ndarray:
    """The row (site,) of the peak to which each site belongs."""
    count = len(content)
    core = min(core, count - 1)
    blur = BLUR * content.shape[1] ** 0.5
    apart = np.hypot(cKDTree(content).query(content, core + 1)[0][:, -1], blur)
    graph = graph_of(content, core)
    order = np.argsort(apart, kind="stable")
    rank = np.empty(count, int)
    rank[order] = np.arange(count)
    above = np.arange(count)

    def peak(site: int) -> int:
        while above[site] != site:
            above[site] = above[above[site]]
            site = above[site]
        return site

    for site in order:
        edges = slice(graph.indptr[site], graph.indptr[site + 1])
        beside, length = graph.indices[edges], graph.data[edges]
        higher = rank[beside] < rank[site]
        beside, length = beside[higher], np.hypot(length[higher], blur)
        if not len(beside):
            continue
        # Sites on an island of their own may have no other bridge than a long one.
        near = length <= apart[site]
        if near.any():
            above[site] = peak(int(beside[near][rank[beside[near]].argmin()]))
        for other, gap in zip(beside, length, strict=True):
            one, two = peak(int(site)), peak(int(other))
            low, high = (one, two) if rank[one] > rank[two] else (two, one)
            if low != high and max(apart[site], gap) < PASS * apart[low]:
                above[low] = high
    return np.array([peak(site) for site in range(count)])


def chosen_rows(count: int, seed: int, among: np.ndarray | None = None) -> np.ndarray:
    """Rows of at most ``LOOKED_AT`` of so many sites, in order, or of those ``among`` (site,)."""
    rows = np.arange(count) if among is None else np.flatnonzero(among)
    if len(rows) <= LOOKED_AT:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, LOOKED_AT, replace=False))


def typical(content: np.ndarray, chosen: np.ndarray) -> int:
    """Row of the site in the middle of the chosen ones (site,) bool."""
    own = np.flatnonzero(chosen)
    apart = content[own] - np.median(content[own], axis=0)
    return int(own[np.argmin((apart**2).sum(1))])


def graph_of(content: np.ndarray, near: int):
    """Distances between neighbouring sites, sparse; islands are joined where they are nearest."""
    count = len(content)
    near = min(near, count - 1)
    distance, index = cKDTree(content).query(content, near + 1)
    first = np.repeat(np.arange(count), near)
    # An edge of length 0 would be none.
    length = np.maximum(distance[:, 1:].ravel(), 1e-9)
    graph = coo_matrix((length, (first, index[:, 1:].ravel())), (count, count)).tocsr()
    graph = graph.maximum(graph.T)
    while True:
        islands, island = connected_components(graph, directed=False)
        if islands == 1:
            return graph
        own = np.flatnonzero(island == 0)
        others = np.flatnonzero(island != 0)
        gap, nearest = cKDTree(content[own]).query(content[others])
        k = int(gap.argmin())
        bridge = coo_matrix(
            ([max(gap[k], 1e-9)], ([own[nearest[k]]], [others[k]])), (count, count)
        ).tocsr()
        graph = graph.maximum(bridge + bridge.T)
