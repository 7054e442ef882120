"""Methods that lay patches out on a plane: Isomap, UMAP, t-SNE. Their labels are k-means on it."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from vaescope.baselines.outcome import MethodResult, centres, mean_pictures, nearest
from vaescope.baselines.pixels import Pixels
from vaescope.baselines.rows import in_blocks

PLANE = 2
MOST_ISOMAP = 1500  # fitted sites: all shortest paths between them are needed
MOST_TSNE = 3000
_NEIGHBOURS = {"isomap": 10, "umap": 15}
_PERPLEXITY = 30.0
_BETWEEN = 3  # fitted neighbours whose mean place a site gets where there is no transform


def isomap(seen: Pixels) -> MethodResult:
    """Distances along the cloud of patches, laid out flat.

    Source: J. B. Tenenbaum et al., Science 290 (2000) 2319.
    """
    from sklearn.manifold import Isomap

    seen = seen.at_most(MOST_ISOMAP)
    near = min(_NEIGHBOURS["isomap"], len(seen.rows) - 1)
    model = Isomap(n_neighbors=near, n_components=PLANE, n_jobs=1)
    points = seen.reduced.astype(float)
    model.fit(points[seen.rows])
    # All shortest paths from each new site to every fitted one are held at once.
    place = in_blocks(model.transform, points)
    place[seen.rows] = model.embedding_
    return _laid_out(place, seen)


def umap(seen: Pixels) -> MethodResult:
    """Uniform manifold approximation and projection.

    Source: L. McInnes et al., arXiv:1802.03426 (2018).
    """
    from umap import UMAP

    _keep_compiled()
    near = min(_NEIGHBOURS["umap"], len(seen.rows) - 1)
    model = UMAP(n_neighbors=near, n_components=PLANE, init="pca", random_state=seen.seed, n_jobs=1)
    points = np.ascontiguousarray(seen.reduced, dtype=np.float32)
    place = np.zeros((len(seen), PLANE))
    place[seen.rows] = model.fit_transform(points[seen.rows])
    others = np.setdiff1d(np.arange(len(seen)), seen.rows)
    if len(others):
        place[others] = in_blocks(model.transform, points[others])
    return _laid_out(place, seen)


def _keep_compiled() -> None:
    """Keep on disk what numba compiles of UMAP, which takes longer than a few thousand sites."""
    from umap import distances, layouts, umap_, utils

    for module in (umap_, layouts, distances, utils):
        for part in vars(module).values():
            # Where no folder can be written, each process compiles anew.
            with suppress(AttributeError, RuntimeError, OSError):
                part.enable_caching()


def tsne(seen: Pixels) -> MethodResult:
    """t-distributed stochastic neighbour embedding; other sites lie between fitted neighbours.

    Source: L. van der Maaten and G. Hinton, J. Mach. Learn. Res. 9 (2008) 2579.
    """
    from sklearn.manifold import TSNE

    seen = seen.at_most(MOST_TSNE)
    perplexity = min(_PERPLEXITY, (len(seen.rows) - 1) / 3)
    model = TSNE(PLANE, perplexity=perplexity, init="pca", random_state=seen.seed, n_jobs=1)
    flat = model.fit_transform(np.ascontiguousarray(seen.reduced[seen.rows]))
    place = np.zeros((len(seen), PLANE))
    if len(seen.rows) < len(seen):
        near = nearest(seen.reduced, seen.rows, _BETWEEN)[1]
        place = flat[near].mean(1)
    place[seen.rows] = flat
    return _laid_out(place, seen)


def _laid_out(place: np.ndarray, seen: Pixels) -> MethodResult:
    label, _ = centres(place, seen)
    return MethodResult(label, place, mean_pictures(seen, label))
