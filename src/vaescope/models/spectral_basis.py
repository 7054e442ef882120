"""A basis of spectra: non-negative where they are, principal components where they are not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

NOISE = 0.02  # of the largest value: mean spectra that fall below zero by less are not negative


@dataclass(frozen=True)
class Basis:
    """``components`` (component, channel); ``start`` (component,), the network's output for the
    mean spectrum; ``positive``: weights are positive, as those of abundances."""

    components: np.ndarray
    start: np.ndarray
    positive: bool


def find_basis(spectra: np.ndarray, count: int) -> Basis:
    """A basis of ``count`` components of spectra (site, channel).

    Components of spectra without negative values are those of a non-negative factorisation (Lee
    & Seung, Nature 401 (1999) 788), each in units of its mean weight; of others the mean spectrum
    and its principal components, each in units of its standard deviation.
    """
    rows = np.asarray(spectra, float)
    mean = rows.mean(0)
    if mean.min() >= -NOISE * max(float(np.abs(mean).max()), 1e-12):
        return _non_negative(np.maximum(rows, 0.0), count)
    _, sizes, axes = np.linalg.svd(rows - mean, full_matrices=False)
    components = np.zeros((count, rows.shape[1]))
    components[0] = mean
    used = min(count - 1, len(sizes))
    components[1 : 1 + used] = axes[:used] * (sizes[:used, None] / np.sqrt(len(rows)))
    return Basis(components, np.eye(count)[0], False)


def _non_negative(rows: np.ndarray, count: int) -> Basis:
    from sklearn.decomposition import non_negative_factorization
    from sklearn.exceptions import ConvergenceWarning

    used = min(count, *rows.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # any basis near it is as good
        weights, found, _ = non_negative_factorization(
            rows, n_components=used, init="nndsvda", max_iter=400, random_state=0
        )
    size = weights.mean(0)
    components = np.zeros((count, rows.shape[1]))
    components[:used] = found * size[:, None]
    one = np.log(np.expm1(1.0))  # softplus of it is 1, the mean weight
    return Basis(components, np.full(count, one), True)
