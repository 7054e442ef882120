"""Waking the classes: they come when the pose stands, from a mixture of normals on the content.

Classes that are learned from the first step on split by angle while the angle is still moving.
So a model with classes is first trained without them; then a mixture is fitted to each member's
content, its assignments stand in for the posterior of the class for a while, and the whole bound
takes over.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from vaescope.models.family import CLASS_LOG_SD, Family

CORE = 0.85  # share of the sites, those in the densest places, on which the mixture is fitted
NARROWEST = 0.003  # least variance of a component beside that of all content: no class of one site
RESTARTS = 8
"""Fits of the mixture from different starts; the likeliest is kept."""


def mixture(content: np.ndarray, classes: int, seed: int) -> tuple[np.ndarray, ...]:
    """Mixture of normals on content (site, latent).

    It is fitted to the densest part of the sites, so that the few that belong nowhere (boundaries,
    debris) do not take a class for themselves; all sites are then assigned.

    Returns
    -------
    responsibility (site, class), weight (class,), mean (class, latent), sd (class, latent).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    scale = content.std(0) + 1e-9
    neighbours = min(6, len(content) - 1)
    tree = cKDTree(content / scale)
    distance = tree.query(content / scale, neighbours + 1)[0][:, -1]
    core = content[np.argsort(distance, kind="stable")[: max(int(CORE * len(content)), classes)]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(
            classes,
            covariance_type="full",
            n_init=RESTARTS,
            reg_covar=NARROWEST,
            random_state=seed,
            max_iter=300,
        ).fit(core / scale)
    sd = np.sqrt(np.diagonal(model.covariances_, axis1=1, axis2=2))
    return (
        model.predict_proba(content / scale),
        model.weights_,
        model.means_ * scale,
        sd * scale,
    )


def wake(
    model: Family, contents: Tensor, seeds: list[int], labels: Tensor | None = None
) -> Tensor:
    """Start the classes of every member from a mixture on its content.

    Parameters
    ----------
    contents : (member, site, latent) upright content of the training sites.
    seeds : one per member.
    labels : (site,) index of the known class, -1 where there is none.

    Returns
    -------
    (member, site, class) assignments from which the classes learn at first.
    """
    taught = []
    with torch.no_grad():
        for k, seed in enumerate(seeds):
            values = contents[k].double().cpu().numpy()
            responsibility, weight, mean, sd = mixture(values, model.settings.classes, seed)
            device = model.class_mean.device
            model.class_mean[k] = torch.as_tensor(mean, device=device)
            model.class_log_sd[k] = torch.as_tensor(np.log(sd), device=device).clamp(*CLASS_LOG_SD)
            model.class_prior[k] = torch.as_tensor(np.log(weight + 1e-6), device=device)
            taught.append(torch.as_tensor(responsibility, dtype=torch.float32, device=device))
        model.classes_awake.fill_(1.0)
    return torch.stack(taught)
