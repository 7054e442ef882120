"""Training sites as the places that they come from, and how far others are from all of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vaescope.samples.held_out import Split, tiles

COMPONENTS = 8  # of the contexts, in which distances are taken
NEAREST = 5  # training sites to which the distance is taken
_ROWS = 4096  # training sites at most to which it is


@dataclass(frozen=True)
class Apart:
    """Training sites predicted from blocks apart, on which bands are calibrated.

    ``folds`` : splits of the training sites. ``place`` (site,) number of the place of each site
    that a fold tests, -1 elsewhere: sites of one place see the same objects. ``distance`` (site,)
    of the context of a site from those of the sites from which it is predicted.
    """

    folds: Sequence[Split]
    place: np.ndarray
    distance: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """(site,) bool."""
        return np.any([split.test for split in self.folds], axis=0)


def of_folds(
    folds: Sequence[Split],
    train: np.ndarray,
    features: np.ndarray,
    position: np.ndarray | None,
    side: float,
) -> Apart:
    """Places of the sites that folds test, and distances of all sites.

    Parameters
    ----------
    train : (site,) bool. features : (site, feature) contexts.
    position : (site, 2), or None where sites are pictures of their own; then each fold is one
        place, as folds at random are alike.
    side : of a place, in the unit of ``position``.
    """
    place = np.full(len(train), -1)
    for split in folds:
        sites = np.flatnonzero(split.test)
        parts = [np.arange(len(sites))] if position is None else tiles(position[sites], side)
        for part in parts:
            place[sites[part]] = place.max() + 1
    distance = _distance(features, train, np.flatnonzero(~train), np.zeros(len(train)))
    for split in folds:
        distance = _distance(features, split.train, np.flatnonzero(split.test), distance)
    return Apart(folds, place, distance)


def _distance(
    features: np.ndarray, train: np.ndarray, wanted: np.ndarray, distance: np.ndarray
) -> np.ndarray:
    """``distance`` with that of the sites ``wanted`` from training sites filled in: the mean over
    the nearest, in principal components of standardised features."""
    from scipy.spatial import cKDTree
    from sklearn.decomposition import PCA

    known = np.flatnonzero(train)
    known = known[:: -(-len(known) // _ROWS)]
    spread = features[known].std(0)
    scale = np.where(spread > 1e-9, spread, 1)
    middle = features[known].mean(0)
    basis = PCA(min(COMPONENTS, *features[known].shape), svd_solver="full")
    tree = cKDTree(basis.fit_transform((features[known] - middle) / scale))
    found = distance.copy()
    if len(wanted):
        new = basis.transform((features[wanted] - middle) / scale)
        ranks = list(range(1, min(NEAREST, len(known)) + 1))
        found[wanted] = tree.query(new, ranks)[0].mean(1)
    return found
