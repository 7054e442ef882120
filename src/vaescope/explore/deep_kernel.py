"""Deep kernels: a description of sites bent to the target, and given up where that over-fits.

Sources: A. G. Wilson et al., Proc. AISTATS 51 (2016) 370; S. W. Ober, C. E. Rasmussen and
M. van der Wilk, Proc. UAI 161 (2021) 1206 (deep kernels over-fit the marginal likelihood).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from gpytorch.distributions import MultivariateNormal
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.means import ConstantMean
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.models import ExactGP
from torch import nn

from vaescope.explore import covariances
from vaescope.explore.surrogate import DTYPE, Surrogate, unit_cube

if TYPE_CHECKING:
    from torch import Tensor

BENT = "content"
"""Description that is bent."""
_HIDDEN = 32
_PRIOR = 0.3  # standard deviation of a weight: a bend by about the range of the content
_STEPS, _RATE = 120, 0.02
_FOLDS = 4
_SURE = 2.0  # standard errors by which values left out must be predicted better
_FEWEST = 24
"""Values below which no deep kernel is fitted."""


@dataclass(frozen=True)
class Bent:
    """Descriptions (site, feature) by name, bent or as they were; ``fallen`` : why they are as they
    were, in words; empty where they are bent. ``densities`` : mean log density of a value, of those
    fitted and of those left out with the bend, and of those left out without."""

    descriptions: dict[str, np.ndarray]
    fallen: str
    densities: tuple[float, float, float]


class _Model(ExactGP):
    """A Gaussian process on features of which the first are bent by a network of all.

    Nothing depends on which other sites are looked at: there are no statistics of a batch.
    """

    def __init__(self, features: Tensor, values: Tensor, sizes: list[int], seed: int) -> None:
        super().__init__(features, values, GaussianLikelihood())
        self.bent = sizes[0]
        self.mean_module = ConstantMean()
        self.covar_module = covariances.summed(sizes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            last = nn.Linear(_HIDDEN, sizes[0])
            first = nn.Linear(features.shape[1], _HIDDEN)
            self.network = nn.Sequential(first, nn.Tanh(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.to(DTYPE)

    def bend(self, features: Tensor) -> Tensor:
        first, rest = features[..., : self.bent], features[..., self.bent :]
        return torch.cat([first + self.network(features - 0.5), rest], -1)

    def forward(self, features: Tensor) -> MultivariateNormal:
        seen = self.bend(features)
        return MultivariateNormal(self.mean_module(seen), self.covar_module(seen))


def bend(
    descriptions: dict[str, np.ndarray], points: np.ndarray, values: np.ndarray, seed: int = 0
) -> Bent:
    """Bend the content of a model to the target, where that predicts values better.

    The network starts where it changes nothing, its weights have a normal prior, and it is fitted
    with the kernel to the marginal likelihood. It is used if it predicts values that were left out
    of the fit better than the same kernel without it.

    Parameters
    ----------
    descriptions : name -> (site, feature), with one that is called ``content``.
    points : (n,) sites that were measured. values : (n,); those that are not finite are left out.
    """
    finite = np.isfinite(values)
    points, values = np.asarray(points)[finite], np.asarray(values, float)[finite]
    unfit = (float("nan"),) * 3
    if len(values) < _FEWEST:
        return Bent(
            descriptions, f"There are fewer than {_FEWEST} values for a deep kernel.", unfit
        )
    names = [BENT, *(name for name in descriptions if name != BENT)]
    sizes = [descriptions[name].shape[1] for name in names]
    features = torch.as_tensor(
        np.hstack([unit_cube(descriptions[name]) for name in names]), dtype=DTYPE
    )
    target = (values - values.mean()) / (values.std() or 1.0)
    fold = np.random.default_rng(seed).permutation(len(values)) % _FOLDS
    left, without = np.zeros(len(values)), np.zeros(len(values))
    for k in range(_FOLDS):
        train, test = fold != k, fold == k
        model = _fitted(features[points[train]], target[train], sizes, seed)
        left[test] = _density(model, features[points[test]], target[test])
        without[test] = _plain(features, points, target, train, test, sizes)
    model = _fitted(features[points], target, sizes, seed)
    inside = float(_density(model, features[points], target).mean())
    densities = (inside, float(left.mean()), float(without.mean()))
    error = float((left - without).std() / np.sqrt(len(left)))
    if densities[1] - densities[2] <= _SURE * error:
        return Bent(descriptions, _words(densities, error), densities)
    with torch.no_grad():
        bent = model.bend(features)[:, : sizes[0]].numpy()
    return Bent({**descriptions, BENT: bent}, "", densities)


def _words(densities: tuple[float, float, float], error: float) -> str:
    inside, left, without = (f"{one:.2f}".replace("-", "−") for one in densities)
    return (
        "The deep kernel predicts values that were left out of its fit no better than the Gaussian"
        f" process without it (mean log density {left} against {without} ± {error:.2f}; of the"
        f" values that it was fitted to, {inside})."
    )


def _fitted(features: Tensor, values: np.ndarray, sizes: list[int], seed: int) -> _Model:
    target = torch.as_tensor(values, dtype=DTYPE)
    model = _Model(features, target, sizes, seed)
    model.train()
    likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        weights = sum(p.square().sum() for p in model.network.parameters()) / (2 * _PRIOR**2)
        loss = -likelihood(model(features), target) + weights / len(target)
        loss.backward()
        optimiser.step()
    model.eval()
    return model


def _density(model: _Model, features: Tensor, values: np.ndarray) -> np.ndarray:
    """Log density (n,) of each value by itself."""
    from gpytorch.utils.warnings import GPInputWarning

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", GPInputWarning)  # predicting what was fitted is meant
        seen = model.likelihood(model(features))
        return _normal(values, seen.mean.numpy(), seen.stddev.numpy())


def _plain(
    features: Tensor,
    points: np.ndarray,
    values: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    sizes: list[int],
) -> np.ndarray:
    model = Surrogate(features[points].numpy(), sizes)
    rows = np.flatnonzero(train).tolist()
    model.fit(rows, values[train])
    model.condition(rows, values[train])
    mean, sd = model.predict()
    return _normal(values[test], mean[test], np.hypot(sd, model.noise)[test])


def _normal(values: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    return -0.5 * ((values - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
