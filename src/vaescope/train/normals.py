"""Mixtures of normals, from whose components groups of sites are made."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

MOST = 24  # components at most
_PATIENCE = 7  # numbers of components that may be worse before no more are tried
_STARTS = 3  # of every number
_ITERATIONS = 300
_NARROWEST = 1e-3  # of the mean variance, least variance of a component


def fitted(
    content: np.ndarray, count: int, *, starts: int, narrowest: float, seed: int, init: str
) -> GaussianMixture:
    """The likeliest of several mixtures of so many normals on content (site, latent), from as many
    ``starts`` of the kind ``init`` (as scikit-learn names them); ``narrowest`` variance of a
    component."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(
            count,
            n_init=starts,
            init_params=init,
            reg_covar=narrowest,
            random_state=seed,
            max_iter=_ITERATIONS,
        ).fit(content)


def components(content: np.ndarray, seed: int = 0) -> np.ndarray:
    """The component (site,) of each site in the mixture of normals that describes content
    (site, latent) best by the Bayesian information criterion.

    A group that is no normal is described by several components: whether there is anything
    between them is for ``train.separate`` to say.

    Source: C. Fraley & A. E. Raftery, J. Am. Stat. Assoc. 97 (2002) 611.
    """
    variance = float(content.var(0).mean())
    if not variance > 0:
        return np.zeros(len(content), int)
    best, label, worse = np.inf, np.zeros(len(content), int), 0
    for count in range(1, min(MOST, max(len(content) // 4, 1)) + 1):
        narrowest = _NARROWEST * variance
        model = fitted(
            content, count, starts=_STARTS, narrowest=narrowest, seed=seed, init="k-means++"
        )
        criterion = float(model.bic(content))
        if criterion < best:
            best, label, worse = criterion, model.predict(content), 0
        else:
            worse += 1
        if worse >= _PATIENCE:
            break
    return np.unique(label, return_inverse=True)[1]
