"""Find modes of the density of sites in the latent space, and the paths between them.

What a mode is: a structure that occurs again and again (a fragment, a defect, a phase), apart from
others by more than content is uncertain. What a path shows: how one structure turns into another
through sites that exist, which a straight line in the latent space need not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree
from scipy.spatial import cKDTree

from vaescope.quantities import CLASSES, attributes

MOST_MODES = 60
SMALLEST = 5  # sites that make a mode, at least, and this share of all of them
CORE = 4  # neighbours whose distance gives the density; half the least mode if that is more
BLUR = 0.5  # of the uncertainty of the content, within which no distance means anything
PASS = 1.35  # times as far apart as at a peak sites lie at the pass to a higher one
EXACT = 1e-3  # of the spread of the sites: content is known no better
SMALLEST_SHARE = 0.0035
EXAMPLES = 12  # real patches of each mode
APART = 2.0  # mean over standard deviation of what a patch loses by another mode's picture
MOST_PATHS = 4
STEPS = 9  # along a path
NEIGHBOURS = 10  # of each site in the graph on which paths run
LOOKED_AT = 5000  # sites among which modes are looked for; the others join the nearest of these

Pictures = Callable[[np.ndarray], np.ndarray]
"""Rows of sites, or content in consensus axes (point, latent), -> (point, channel, py, px)."""


@dataclass
class Modes:
    """Modes of the content and paths between them; pictures are aligned, in normalised units."""

    label: np.ndarray  # (site,) mode of each site, −1 for none, largest mode first
    content: np.ndarray  # (mode, latent) of the site in the middle of each
    decoded: np.ndarray  # (mode, channel, py, px)
    example: np.ndarray  # (mode, example) rows of the nearest sites, −1 beyond the mode's own
    example_patch: np.ndarray  # (mode, example, channel, py, px)
    path: np.ndarray  # (path, step, latent)
    path_ends: np.ndarray  # (path, 2) modes joined; −1: an end of the first latent
    path_decoded: np.ndarray  # (path, step, channel, py, px)
    path_patch: np.ndarray  # (path, step, channel, py, px) of the nearest sites

    def variables(self, picture: tuple[str, str, str]) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
        patch = ("channel", "py", "px")
        names = [f"mode {k + 1}" for k in range(len(self.content))]
        about = attributes("mode", "1", "categorical", meanings=names, group=CLASSES)
        return {
            "mode": (("site",), self.label, about),
            "mode_content": (("mode_number", "latent"), self.content),
            "mode_decoded": (("mode_number", *picture), self.decoded),
            "mode_patch": (("mode_number", "example", *patch), self.example_patch),
            "path_content": (("path", "step", "latent"), self.path),
            "path_ends": (("path", "end"), self.path_ends),
            "path_decoded": (("path", "step", *picture), self.path_decoded),
            "path_patch": (("path", "step", *patch), self.path_patch),
        }


def find(
    content: np.ndarray,
    spread: np.ndarray,
    take: Pictures,
    draw: Pictures,
    turnable: bool = True,
    seed: int = 0,
) -> Modes:
    """Find modes and paths, decode them, and lay the nearest real patches beside them.

    One structure may lie in several places of the latent space, each another way up, since nothing
    in the evidence bound forbids it. So modes whose real patches are drawn as well by each other's
    picture, turned at will, are one.

    Parameters
    ----------
    content : (site, latent), consensus content. spread : its uncertainty, the same shape.
    take : gives the patches of some sites, aligned.
    draw : decodes content.
    turnable : whether patches have an angle of their own.
    seed : of the choice of sites where there are more than ``LOOKED_AT``.
    """
    label, middle = density_modes(content, spread, seed)
    example = _examples(content, label, middle)
    if turnable and len(middle) > 1:
        label, middle = _merged(label, middle, example, take, draw(content[middle]))
        example = _examples(content, label, middle)
    shown = take(np.maximum(example, 0).ravel()).astype(np.float32)
    shown = shown.reshape(*example.shape, *shown.shape[1:])
    shown[example < 0] = np.nan
    ways, ends = paths(content, middle, seed)
    flat = ways.reshape(-1, content.shape[1])
    shape = ways.shape[:2]
    decoded_pictures = draw(np.concatenate([content[middle], flat]))
    near = take(cKDTree(content).query(flat)[1]).astype(np.float32)
    return Modes(
        label=label,
        content=content[middle],
        decoded=decoded_pictures[: len(middle)],
        example=example,
        example_patch=shown,
        path=ways,
        path_ends=ends,
        path_decoded=decoded_pictures[len(middle) :].reshape(*shape, *decoded_pictures.shape[1:]),
        path_patch=near.reshape(*shape, *near.shape[1:]),
    )


def _examples(content: np.ndarray, label: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Rows (mode, example) of the sites of each mode nearest to its middle, −1 beyond its own."""
    example = np.full((len(middle), EXAMPLES), -1)
    for k, row in enumerate(middle):
        own = np.flatnonzero(label == k)
        nearest = own[np.argsort(((content[own] - content[row]) ** 2).sum(1), kind="stable")]
        example[k, : min(len(own), EXAMPLES)] = nearest[:EXAMPLES]
    return example


def _merged(
    label: np.ndarray,
    middle: np.ndarray,
    example: np.ndarray,
    take: Pictures,
    decoded_pictures: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Merge modes of one structure that differ by a rotation: labels and centres.

    A patch loses by another mode's picture what its squared distance grows by. Two modes are apart
    if either's patches lose on average ``APART`` times as much as the loss scatters among them.
    Modes are one only if no two of them are apart (complete linkage): a rare structure between two
    others would else chain them.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    from vaescope.models import orbit

    count = len(middle)
    held = example >= 0
    # Together, so that all have one zero of brightness.
    every = orbit.harmonics(np.concatenate([decoded_pictures, take(example[held])]))
    pictures, patches = every.rows(np.arange(count)), every.rows(np.arange(count, len(every)))
    of_mode = np.repeat(np.arange(count), held.sum(1))
    power = pictures.norm**2
    loss = np.zeros((count, count))
    for k in range(count):
        own = patches.rows(np.flatnonzero(of_mode == k))
        best = orbit.products(own, pictures).max(-1)
        distance = power[None] - 2 * best  # the patch's own power drops out below
        more = distance - distance[:, [k]]
        scatter = more.std(0, ddof=1) if len(own) > 1 else np.zeros(count)
        loss[k] = more.mean(0) / np.maximum(scatter, 1e-12)
    apart = np.maximum(np.maximum(loss, loss.T), 0)
    np.fill_diagonal(apart, 0)
    group = fcluster(linkage(squareform(apart), "complete"), APART, "distance") - 1
    found = int(group.max()) + 1
    size = np.array([(np.isin(label, np.flatnonzero(group == g))).sum() for g in range(found)])
    order = np.argsort(-size, kind="stable")
    rank = np.empty(found, int)
    rank[order] = np.arange(found)
    # Modes come largest first, so the first of a group is its largest.
    first = [int(np.flatnonzero(group == g)[0]) for g in order]
    merged = np.where(label >= 0, rank[group[label]], -1)
    return merged, middle[first]


def density_modes(
    content: np.ndarray, spread: np.ndarray, seed: int = 0
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

    Returns
    -------
    label : (site,) number of the mode, largest first; −1 for a few sites on their own.
    middle : (mode,) row of the site in the middle of each; one mode at least.

    Source: F. Chazal, L. J. Guibas, S. Y. Oudot & P. Skraba, J. ACM 60 (2013) 41.
    """
    rows = _some(len(content), seed)
    resolution = np.maximum(np.median(spread, axis=0), EXACT * content.std(axis=0) + 1e-12)
    content = content / resolution
    some = content[rows]
    smallest = max(SMALLEST, round(SMALLEST_SHARE * len(rows)))
    peak = _climb(some, max(CORE, smallest // 2))
    _, group, size = np.unique(peak, return_inverse=True, return_counts=True)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] >= min(smallest, size.max())][:MOST_MODES]
    rank = np.full(len(size), -1)
    rank[order] = np.arange(len(order))
    label = rank[group]
    middle = [rows[_typical(some, label == k)] for k in range(len(order))]
    everywhere = label[cKDTree(some).query(content)[1]] if len(rows) < len(content) else label
    return everywhere, np.array(middle)


def _climb(content: np.ndarray, core: int) -> np.ndarray:
    """The row (site,) of the peak to which each site belongs."""
    count = len(content)
    core = min(core, count - 1)
    blur = BLUR * content.shape[1] ** 0.5
    apart = np.hypot(cKDTree(content).query(content, core + 1)[0][:, -1], blur)
    graph = _graph(content, core)
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
    rows = np.union1d(_some(len(content), seed), middle)
    graph = _graph(content[rows], NEIGHBOURS)
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
            [[_typical(content[rows], first <= low), _typical(content[rows], first >= high)]]
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


def _some(count: int, seed: int) -> np.ndarray:
    if count <= LOOKED_AT:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, LOOKED_AT, replace=False))


def _typical(content: np.ndarray, chosen: np.ndarray) -> int:
    own = np.flatnonzero(chosen)
    apart = content[own] - np.median(content[own], axis=0)
    return int(own[np.argmin((apart**2).sum(1))])


def _graph(content: np.ndarray, near: int):
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


def _evenly(way: np.ndarray) -> np.ndarray:
    """``STEPS`` points at equal distances along a broken line (point, latent)."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
    wanted = np.linspace(0, along[-1], STEPS)
    return np.stack([np.interp(wanted, along, way[:, k]) for k in range(way.shape[1])], axis=1)
