"""Find paths between the modes of the sites in the latent space.

What a path shows: how one structure turns into another through sites that exist, which a straight
line in the latent space need not do.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

from vaescope.train.neighbourhood import chosen_rows, graph_of, typical

MOST_PATHS = 4
STEPS = 9  # along a path
NEIGHBOURS = 10  # of each site in the graph on which paths run


def paths(content: np.ndarray, middle: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Find the shortest paths through the sites between neighbouring modes.

    Parameters
    ----------
    content : (site, latent).
    middle : (mode,) rows of the modes' middles.

    Returns
    -------
    way : (path, step, latent), evenly spaced points along each way over a graph of neighbouring
        sites, as geodesics in Isomap (J. B. Tenenbaum et al., Science 290 (2000) 2319). With a
        single mode, from one end of the first latent to the other.
    ends : (path, 2) modes joined, largest first, those that are nearest to each other; −1 for an
        end of the first latent.
    """
    rows = np.union1d(chosen_rows(len(content), seed), middle)
    graph = graph_of(content[rows], NEIGHBOURS)
    if len(middle) > 1:
        stops = np.searchsorted(rows, middle)
        between = dijkstra(graph, directed=False, indices=stops)[:, stops]
        tree = minimum_spanning_tree(between).tocoo()
        pairs = sorted(
            (min(a, b), max(a, b))
            for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True)
        )[:MOST_PATHS]
        ends = np.array(pairs)
        stops = stops[ends]
    else:
        first = content[rows, 0]
        low, high = np.percentile(first, [2, 98])
        # Of the sites at either end, the one in their middle.
        stops = np.array(
            [[typical(content[rows], first <= low), typical(content[rows], first >= high)]]
        )
        ends = np.array([[-1, -1]])
    ways = []
    for start, stop in stops:
        _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
        way = [int(stop)]
        while way[-1] != start:
            way.append(int(before[way[-1]]))
        ways.append(_evenly(content[rows[way[::-1]]]))
    return np.stack(ways), ends


def _evenly(way: np.ndarray) -> np.ndarray:
    """``STEPS`` points at equal distances along a broken line (point, latent)."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
    wanted = np.linspace(0, along[-1], STEPS)
    return np.stack([np.interp(wanted, along, way[:, k]) for k in range(way.shape[1])], axis=1)
