"""Results of classical methods, and the small steps that several of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.baselines.pixels import Pixels
from vaescope.baselines.rows import blocks

NOISE = -1
"""Label of a site that belongs to no cluster."""


@dataclass
class MethodResult:
    """The answer of one method.

    ``label`` (site,) from 0, or ``NOISE``. ``embedding`` (site, component), ``pictures``
    (picture, pixel) and ``explained``, the share of the pixels' variance: None where the method
    has none. ``errors`` (site, component) are standard errors of the embedding, ``residual``
    (site,) the root mean square of what the method leaves of a site, in standard deviations of the
    noise of counts, else relative to the median of all sites. ``note``: what a reader should know.
    """

    label: np.ndarray
    embedding: np.ndarray | None = None
    pictures: np.ndarray | None = None
    explained: float | None = None
    errors: np.ndarray | None = None
    residual: np.ndarray | None = None
    note: str = ""


def centres(points: np.ndarray, seen: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """K-means on (site, component): labels of all sites and the centres, largest cluster first."""
    from sklearn.cluster import KMeans

    points = np.ascontiguousarray(points, dtype=np.float64)
    count = min(seen.clusters, len(np.unique(points[seen.rows].round(9), axis=0)))
    model = KMeans(count, n_init=10, random_state=seen.seed).fit(points[seen.rows])
    label, order = by_size(model.predict(points), count)
    return label, model.cluster_centers_[order]


def by_size(label: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels renamed so that the largest cluster is 0, and the old names in the new order.

    ``NOISE`` stays. ``count`` : how many names there are, used or not.
    """
    sizes = np.bincount(label[label >= 0], minlength=count)
    order = np.argsort(-sizes, kind="stable")
    renamed = np.argsort(order)
    return np.where(label >= 0, renamed[np.maximum(label, 0)], NOISE), order


def mean_pictures(seen: Pixels, label: np.ndarray) -> np.ndarray | None:
    """(cluster, pixel) mean of the sites of every cluster."""
    names = np.unique(label[label >= 0])
    if not len(names):
        return None
    if not seen.spectra:
        means = [seen.values[label == k].mean(0, dtype=np.float64) for k in names]
        return np.stack(means).astype(np.float32)
    total = np.zeros((len(names), seen.values.shape[1]))
    for some in blocks(len(seen)):
        total += (label[some] == names[:, None]) @ seen.block(some)
    return (total / (label == names[:, None]).sum(1, keepdims=True)).astype(np.float32)


def nearest(points: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and places among ``rows`` (site, count) of the fitted sites nearest to each."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=count).fit(points[rows]).kneighbors(points)
