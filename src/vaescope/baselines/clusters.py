"""Methods that sort patches into clusters: k-means, GMM, DBSCAN, HDBSCAN, self-organising map."""

from __future__ import annotations

import numpy as np

from vaescope.baselines.outcome import NOISE, MethodResult, by_size, centres, mean_pictures, nearest
from vaescope.baselines.pixels import Pixels

DENSE = 10  # principal components in which densities are estimated
_SIDE = 5  # units along a side of the map
_STEPS = 12  # steps of the map for every fitted site
_SMALLEST = 0.02  # share of the sites that is still a cluster of HDBSCAN
_KERNEL = 10  # neighbours that make a site dense for HDBSCAN


def kmeans(seen: Pixels) -> MethodResult:
    """K-means on the principal components; its pictures are the centres."""
    label, places = centres(seen.reduced, seen)
    pictures = seen.drawn(places)
    return MethodResult(label, None, pictures, seen.explained(lambda some: pictures[label[some]]))


def gmm(seen: Pixels) -> MethodResult:
    """A mixture of Gaussians on the first principal components; its pictures are the means."""
    from sklearn.mixture import GaussianMixture

    points = _dense(seen)
    # No more dimensions than the sites of a cluster can tell the covariances of.
    points = points[:, : max(2, len(seen.rows) // (6 * seen.clusters))]
    model = GaussianMixture(
        min(seen.clusters, len(seen.rows)),
        n_init=3,
        reg_covar=1e-6,
        max_iter=300,
        random_state=seen.seed,
    )
    scale = points[seen.rows].std(0).max()
    points = points / (scale if scale > 0 else 1.0)
    model.fit(points[seen.rows])
    label, order = by_size(model.predict(points), model.n_components)
    pictures = seen.drawn(model.means_[order] * scale)
    return MethodResult(label, None, pictures, seen.explained(lambda some: pictures[label[some]]))


def dbscan(seen: Pixels) -> MethodResult:
    """Clusters of equal density on the first principal components.

    A site is dense with twice as many neighbours as there are dimensions; how near they have to
    be is read from the bend in their sorted distances.

    Sources: M. Ester et al., KDD 1996, 226; J. Sander et al., Data Min. Knowl. Discov. 2 (1998)
    169.
    """
    from sklearn.cluster import DBSCAN

    points = _dense(seen)
    count = min(2 * points.shape[1], len(seen.rows) // 2)
    distance = np.sort(nearest(points[seen.rows], np.arange(len(seen.rows)), count)[0][:, -1])
    reach = max(float(distance[_bend(distance)]), 1e-12)
    model = DBSCAN(eps=reach, min_samples=count).fit(points[seen.rows])
    core = seen.rows[model.core_sample_indices_]
    label = np.full(len(seen), NOISE)
    if len(core):
        far, place = nearest(points, core, 1)
        named = model.labels_[model.core_sample_indices_]
        label = np.where(far[:, 0] <= reach, named[place[:, 0]], NOISE)
    label, _ = by_size(label, max(int(label.max()) + 1, 1))
    return MethodResult(label, None, mean_pictures(seen, label))


def hdbscan(seen: Pixels) -> MethodResult:
    """Clusters of any density on the first principal components.

    Source: R. J. G. B. Campello et al., PAKDD 2013, 160.
    """
    from sklearn.cluster import HDBSCAN

    points = _dense(seen)
    smallest = max(5, int(_SMALLEST * len(seen.rows)))
    model = HDBSCAN(
        min_cluster_size=smallest, min_samples=min(_KERNEL, len(seen.rows) // 2), copy=True
    ).fit(points[seen.rows])
    label = np.full(len(seen), NOISE)
    label[seen.rows] = model.labels_
    others = np.setdiff1d(np.arange(len(seen)), seen.rows)
    if len(others):
        place = nearest(points, seen.rows, 1)[1][others, 0]
        label[others] = model.labels_[place]
    label, _ = by_size(label, max(int(label.max()) + 1, 1))
    return MethodResult(label, None, mean_pictures(seen, label))


def som(seen: Pixels) -> MethodResult:
    """A self-organising map; its pictures are its units, its labels clusters of the units.

    The embedding is the place of a site's unit on the map (row, column).

    Source: J. Vesanto and E. Alhoniemi, IEEE Trans. Neural Netw. 11 (2000) 586.
    """
    from minisom import MiniSom
    from scipy.spatial.distance import cdist
    from sklearn.cluster import AgglomerativeClustering

    side = int(np.clip(np.sqrt(len(seen.rows) / 4), 2, _SIDE))
    points = seen.reduced.astype(float)
    scale = points[seen.rows].std(0).max()
    points = points / (scale if scale > 0 else 1.0)
    model = MiniSom(
        side, side, points.shape[1], sigma=side / 2, learning_rate=0.5, random_seed=seen.seed
    )
    model.random_weights_init(points[seen.rows])
    model.train(points[seen.rows], _STEPS * len(seen.rows), random_order=True)
    units = model.get_weights().reshape(side * side, -1)
    unit = cdist(points, units).argmin(1)
    used = np.unique(unit)
    group = np.zeros(side * side, int)
    count = min(seen.clusters, len(used))
    if count > 1:
        group[used] = AgglomerativeClustering(count).fit(units[used]).labels_
    label, _ = by_size(group[unit], count)
    pictures = seen.drawn(units * scale)
    place = np.stack(np.divmod(unit, side), axis=1).astype(float)
    return MethodResult(label, place, pictures, seen.explained(lambda some: pictures[unit[some]]))


def _dense(seen: Pixels) -> np.ndarray:
    """(site, component) the first principal components."""
    return seen.reduced[:, :DENSE].astype(float)


def _bend(rising: np.ndarray) -> int:
    """Where a rising curve lies deepest below the line from its first to its last point."""
    line = np.linspace(rising[0], rising[-1], len(rising))
    return int((line - rising).argmax())
