"""Deep kernels: a description of sites bent to the target, and given up where that over-fits.

Sources: A. G. Wilson et al., Proc. AISTATS 51 (2016) 370; S. W. Ober, C. E. Rasmussen and
M. van der Wilk, Proc. UAI 161 (2021) 1206 (deep kernels over-fit the marginal likelihood).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
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
from vaescope.explore.surrogate import DTYPE, MOST_FITTED, Surrogate, unit_cube
from vaescope.explore.tuned_encoder import TunedEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from vaescope.explore.tuned_encoder import PatchesSeen

BENT = "content"
"""Description that is bent."""
_HIDDEN = 32
_PRIOR = 0.3  # standard deviation of a weight: a bend by about the range of the content
_STEPS, _EVERY = 100, 20
"""Steps of a fit, and after how many each it is seen how well values left out are predicted."""
_RATE = 0.02
_FOLDS = 3
_SURE = 2.0  # standard errors by which values left out must be predicted better
_FLOOR = -4.0
"""Log density below which a value is missed, by however much: one counts for no more than that."""
_FEWEST = 24
"""Values below which no deep kernel is fitted."""
_ROWS = 512


@dataclass(frozen=True)
class Bent:
    """Descriptions (site, feature) by name, bent or as they were; ``fallen`` : why they are as they
    were, in words; empty where they are bent. ``densities`` : mean log density of a value, of those
    fitted and of those left out with the bend, and of those left out without."""

    descriptions: dict[str, np.ndarray]
    fallen: str
    densities: tuple[float, float, float]


class ContentNetwork(nn.Module):
    """Moves content by a network of all features (site, feature); it starts where it moves nothing.

    Nothing depends on which other sites are looked at: there are no statistics of a batch.
    """

    rate = _RATE
    rate_of_kernel = _RATE

    def __init__(self, features: Tensor, size: int, seed: int) -> None:
        super().__init__()
        self.features = features - 0.5
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            last = nn.Linear(_HIDDEN, size)
            first = nn.Linear(features.shape[1], _HIDDEN)
            self.network = nn.Sequential(first, nn.Tanh(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.to(DTYPE)

    def forward(self, rows: Tensor) -> Tensor:
        return self.network(self.features[rows])

    def penalty(self) -> Tensor:
        """Minus the logarithm of the prior of the weights, in nats."""
        return sum(p.square().sum() for p in self.parameters()) / (2 * _PRIOR**2)  # type: ignore[return-value]


class _Model(ExactGP):
    """A Gaussian process over the numbers of sites, whose first features are moved."""

    def __init__(
        self,
        move: ContentNetwork | TunedEncoder,
        features: Tensor,
        rows: Tensor,
        values: Tensor,
        sizes: list[int],
    ) -> None:
        super().__init__(rows[:, None], values, GaussianLikelihood())
        self.moved, self.features, self.move = sizes[0], features, move
        self.mean_module = ConstantMean()
        self.covar_module = covariances.summed(sizes)
        for part in (self.mean_module, self.covar_module, self.likelihood):
            part.to(DTYPE)
        own = list(move.parameters())
        others = [p for name, p in self.named_parameters() if not name.startswith("move.")]
        groups = [{"params": own, "lr": move.rate}, {"params": others, "lr": move.rate_of_kernel}]
        self.optimiser = torch.optim.Adam(groups)

    def bend(self, rows: Tensor) -> Tensor:
        """Features (row, feature) of some sites."""
        known = self.features[rows]
        first, rest = known[:, : self.moved], known[:, self.moved :]
        return torch.cat([first + self.move(rows), rest], -1)

    def forward(self, rows: Tensor) -> MultivariateNormal:
        seen = self.bend(rows[:, 0])
        return MultivariateNormal(self.mean_module(seen), self.covar_module(seen))


def bend(
    descriptions: dict[str, np.ndarray],
    points: np.ndarray,
    values: np.ndarray,
    seed: int = 0,
    patches: PatchesSeen | None = None,
    isotropic: Collection[str] = (),
) -> Bent:
    """Bend the content of a model to the target, where that predicts values better.

    The encoder of the model is tuned, with a normal prior of its weights about the trained ones
    (``tuned_encoder``); without ``patches``, a small network moves the content. Either starts
    where it changes nothing and is fitted with the kernel to the marginal likelihood, for as long
    as it predicts values that are left out of the fit ever better. It is used if it predicts these
    better than the same kernel without it.

    Parameters
    ----------
    descriptions : name -> (site, feature), with one that is called ``content``.
    points : (n,) sites that were measured. values : (n,); those that are not finite are left out.
    patches : of all sites, as the encoder sees them. isotropic : descriptions whose features keep
        their proportions.
    """
    finite = np.isfinite(values)
    points, values = np.asarray(points)[finite], np.asarray(values, float)[finite]
    unfit = (float("nan"),) * 3
    if len(values) < _FEWEST:
        return Bent(
            descriptions, f"There are fewer than {_FEWEST} values for a deep kernel.", unfit
        )
    if len(values) > MOST_FITTED:
        some = np.linspace(0, len(values) - 1, MOST_FITTED).astype(int)
        points, values = points[some], values[some]
    names = [BENT, *(name for name in descriptions if name != BENT)]
    sizes = [descriptions[name].shape[1] for name in names]
    features = torch.as_tensor(
        np.hstack([unit_cube(descriptions[name], name in isotropic) for name in names]),
        dtype=DTYPE,
    )

    def fresh(rows: np.ndarray, known: np.ndarray) -> _Model:
        move = (
            ContentNetwork(features, sizes[0], seed) if patches is None else TunedEncoder(patches)
        )
        given = torch.as_tensor(rows), torch.as_tensor(known, dtype=DTYPE)
        return _Model(move, features, *given, sizes)

    target = (values - values.mean()) / (values.std() or 1.0)
    fold = np.random.default_rng(seed).permutation(len(values)) % _FOLDS
    left = np.zeros((_STEPS // _EVERY, len(values)))
    inside, without = np.zeros(len(left)), np.zeros(len(values))
    for k in range(_FOLDS):
        train, test = fold != k, fold == k
        model = fresh(points[train], target[train])
        for stage in range(len(left)):
            _fit(model, _EVERY)
            left[stage, test] = _density(model, points[test], target[test])
            inside[stage] += _density(model, points[train], target[train]).mean() / _FOLDS
        without[test] = _plain(features, points, target, train, test, sizes)
    best = int(left.mean(1).argmax())
    densities = (float(inside[best]), float(left[best].mean()), float(without.mean()))
    error = float((left[best] - without).std() / np.sqrt(len(values)))
    if densities[1] - densities[2] <= _SURE * error:
        return Bent(descriptions, _words(densities, error), densities)
    model = fresh(points, target)
    _fit(model, (best + 1) * _EVERY)
    return Bent({**descriptions, BENT: _everywhere(model)}, "", densities)


@torch.no_grad()
def _everywhere(model: _Model) -> np.ndarray:
    every = torch.arange(len(model.features)).split(_ROWS)
    return torch.cat([model.bend(rows)[:, : model.moved] for rows in every]).numpy()


def _words(densities: tuple[float, float, float], error: float) -> str:
    inside, left, without = (f"{one:.2f}".replace("-", "−") for one in densities)
    return (
        "The deep kernel predicts values that were left out of its fit no better than the Gaussian"
        f" process without it (mean log density {left} against {without} ± {error:.2f}; of the"
        f" values that it was fitted to, {inside})."
    )


def _fit(model: _Model, steps: int) -> None:
    """Go on with a fit, by some steps."""
    model.train()
    likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
    (rows,), target = model.train_inputs, model.train_targets
    for _ in range(steps):
        model.optimiser.zero_grad()
        loss = -likelihood(model(rows), target) + model.move.penalty() / len(target)
        loss.backward()
        model.optimiser.step()
    model.eval()


def _density(model: _Model, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Log density (n,) of each value by itself."""
    from gpytorch.utils.warnings import GPInputWarning

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", GPInputWarning)  # predicting what was fitted is meant
        seen = model.likelihood(model(torch.as_tensor(rows)[:, None]))
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
    density = -0.5 * ((values - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return np.maximum(density, _FLOOR)
