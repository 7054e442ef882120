"""Components of a mixture of normals, from which groups of sites are made."""

from __future__ import annotations

import warnings

import numpy as np

MOST = 24  # components at most
_PATIENCE = 7  # numbers of components that may be worse before no more are tried
_STARTS = 3  # of every number
_NARROWEST = 1e-3  # of the mean variance, least variance of a component


def components(content: np.ndarray, seed: int = 0) -> np.ndarray:
    """The component (site,) of each site in the mixture of normals that describes content
    (site, latent) best by the Bayesian information criterion.

    A group that is no normal is described by several components: whether there is anything
    between them is for ``train.separate`` to say.

    Source: C. Fraley & A. E. Raftery, J. Am. Stat. Assoc. 97 (2002) 611.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    variance = float(content.var(0).mean())
    if not variance > 0:
        return np.zeros(len(content), int)
    best, label, worse = np.inf, np.zeros(len(content), int), 0
    for count in range(1, min(MOST, max(len(content) // 4, 1)) + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianMixture(
                count,
                init_params="k-means++",
                n_init=_STARTS,
                reg_covar=_NARROWEST * variance,
                random_state=seed,
            ).fit(content)
        criterion = float(model.bic(content))
        if criterion < best:
            best, label, worse = criterion, model.predict(content), 0
        else:
            worse += 1
        if worse >= _PATIENCE:
            break
    return np.unique(label, return_inverse=True)[1]
