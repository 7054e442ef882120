"""Sites in the content of a model: which are looked at, and which are beside each other."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

LOOKED_AT = 5000  # sites among which groups are looked for; the others join the nearest of these


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
