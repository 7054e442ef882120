"""Exact Gaussian process over a fixed set of candidates in one description of them.

Kernels, priors, likelihood and fit are those of BoTorch and GPyTorch. Between two fits a new value
costs one row of the whitened covariance of all candidates, instead of a posterior from the start.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from vaescope.explore import covariances

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP
    from torch import Tensor

DTYPE = torch.float64
MOST_FITTED = 250
"""Values at most from which length scales are found; the belief itself comes from all values."""
FEW = 60
"""Values up to which a fit starts from the prior as well as from where the last one ended."""
AMONG = 256
"""Candidates at most over which a variance is summed."""
FIT = {"maxiter": 40, "ftol": 1e-5, "gtol": 1e-3}
"""When a fit ends: the log likelihood of a value changes by less than a hundred-thousandth."""


def unit_cube(features: np.ndarray, isotropic: bool = False) -> np.ndarray:
    """(n, d) features, each over its range, or all over the largest of their ranges where they are
    ``isotropic``; constant ones are 0."""
    features = np.asarray(features, float)
    low, span = features.min(0), np.ptp(features, axis=0)
    if isotropic:
        span = np.full_like(span, span.max())
    return (features - low) / np.where(span > 0, span, 1.0)


class Surrogate:
    """Belief about the value of every candidate.

    Parameters
    ----------
    features : (n, d), of the candidates, in the unit cube.
    sizes : where a value is a sum of functions of some features each, how many features each has
        (``covariances.summed``); by default it is one function of all
        (``covariances.one_for_all``).

    The variance of the noise is estimated with the parameters of the covariance. Values are
    expected with mean 0 and sd 1.
    """

    def __init__(self, features: np.ndarray, sizes: Sequence[int] = ()) -> None:
        self.sizes = tuple(sizes)
        self.features = torch.as_tensor(np.asarray(features), dtype=DTYPE)
        self.parameters: dict[str, Tensor] = {}
        self.points: list[int] = []
        self._values = torch.zeros(0, dtype=DTYPE)
        self._model: SingleTaskGP | None = None
        self._rows = torch.zeros(0, len(self.features), dtype=DTYPE)  # L⁻¹ K(points, candidates)
        self._factor = torch.zeros(0, 0, dtype=DTYPE)  # L of K(points, points) + noise
        self._variance = torch.zeros(0, dtype=DTYPE)
        self._among = np.zeros(0, int)
        self._between: Tensor | None = None  # K(among, candidates)

    def _built(self, points: list[int], values: Tensor) -> SingleTaskGP:
        from botorch.models import SingleTaskGP

        dims = self.features.shape[1]
        model = SingleTaskGP(
            self.features[points],
            values[:, None],
            covar_module=covariances.summed(self.sizes)
            if self.sizes
            else covariances.one_for_all(dims),
            outcome_transform=None,
        )
        if self.parameters:
            model.load_state_dict(self.parameters, strict=False)
        return model

    def fit(self, points: list[int], values: np.ndarray) -> None:
        """Find the length scales, noise and mean that are most probable given some values."""
        from botorch.exceptions import OptimizationWarning
        from botorch.optim.fit import fit_gpytorch_mll_scipy
        from gpytorch.mlls import ExactMarginalLogLikelihood

        if len(points) > MOST_FITTED:
            some = np.linspace(0, len(points) - 1, MOST_FITTED).astype(int)
            points, values = [points[i] for i in some], values[some]
        target = torch.as_tensor(values, dtype=DTYPE)
        starts = [self.parameters] if self.parameters else []
        if len(points) <= FEW or not starts:
            starts.append({})
        best, found = -np.inf, None
        for start in starts:
            self.parameters = start
            model = self._built(points, target)
            model.train()
            likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", OptimizationWarning)
                    fit_gpytorch_mll_scipy(likelihood, options=FIT)
                with torch.no_grad():
                    reached = float(likelihood(model(*model.train_inputs), model.train_targets))
            except (RuntimeError, ValueError):  # no Cholesky factor anywhere near the start
                continue
            if np.isfinite(reached) and reached > best:
                best, found = reached, model
        self.parameters = _parameters(found or self._built(points, target))
        self.forget()

    def forget(self) -> None:
        """Release what is known of the candidates; the parameters stay."""
        self.points, self._model, self._between = [], None, None
        self._rows = torch.zeros(0, len(self.features), dtype=DTYPE)

    def condition(self, points: list[int], values: np.ndarray) -> None:
        """Take values as known, with the length scales of the last fit.

        Where ``points`` begin with those known already, each further one costs one row.
        """
        same = [one == other for one, other in zip(points, self.points, strict=False)]
        shared = same.index(False) if False in same else len(same)
        target = torch.as_tensor(values, dtype=DTYPE)
        if self._model is None or not shared:
            self._from_start(points, target)
        else:
            with torch.no_grad():
                if shared < len(self.points):
                    self.points = self.points[:shared]
                    self._variance = self._prior - (self._filled() ** 2).sum(0)
                for point in points[shared:]:
                    self._append(point)
        self._values = target

    @property
    def _noise(self) -> float:
        assert self._model is not None
        return float(self._model.likelihood.noise.detach())

    def _covariance(self, points: list[int]) -> Tensor:
        assert self._model is not None
        return self._model.covar_module(self.features[points], self.features).to_dense()

    def _from_start(self, points: list[int], values: Tensor) -> None:
        self._model = self._built(points, values)
        self._model.eval()
        with torch.no_grad():
            # The kernel is stationary: a candidate's own variance is that of any other.
            prior = self._model.covar_module(self.features[:1], diag=True)
            between = self._covariance(points)
            own = between[:, points] + self._noise * torch.eye(len(points), dtype=DTYPE)
            self._factor = torch.linalg.cholesky(own)
            self._rows = torch.linalg.solve_triangular(self._factor, between, upper=False)
            self._variance = prior - (self._rows**2).sum(0)
            self._prior = float(prior)
        self.points = list(points)

    def _append(self, point: int) -> None:
        n = len(self.points)
        if n + 1 > len(self._rows):  # room for as many again
            room = torch.empty(max(n, 16), self._rows.shape[1], dtype=DTYPE)
            self._rows = torch.cat([self._rows, room])
            grown = torch.zeros(len(self._rows), len(self._rows), dtype=DTYPE)
            grown[:n, :n] = self._factor[:n, :n]
            self._factor = grown
        column = self._rows[:n, point].clone()
        pivot = (self._prior + self._noise - column @ column).clamp_min(self._noise / 2).sqrt()
        row = (self._covariance([point])[0] - column @ self._rows[:n]) / pivot
        self._rows[n] = row
        self._factor[n, :n], self._factor[n, n] = column, pivot
        self._variance = self._variance - row**2
        self.points.append(point)

    def _whitened(self) -> Tensor:
        assert self._model is not None
        n = len(self.points)
        off = (self._values - self._model.mean_module.constant.detach())[:, None]
        return torch.linalg.solve_triangular(self._factor[:n, :n], off, upper=False)[:, 0]

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n,) of the value of every candidate, without noise."""
        assert self._model is not None
        mean = self._model.mean_module.constant.detach() + self._whitened() @ self._filled()
        return mean.numpy(), self._variance.clamp_min(1e-12).sqrt().numpy()

    @property
    def noise(self) -> float:
        """Standard deviation of the noise of a value."""
        return float(np.sqrt(self._noise))

    def _filled(self) -> Tensor:
        return self._rows[: len(self.points)]

    def covariance(self, candidates: np.ndarray) -> np.ndarray:
        """Covariance (k, k) of the values of some candidates."""
        assert self._model is not None
        with torch.no_grad():
            chosen = self.features[candidates]
            rows = self._filled()[:, candidates]
            return (self._model.covar_module(chosen).to_dense() - rows.T @ rows).numpy()

    def decrease(self, candidates: np.ndarray) -> np.ndarray:
        """By how much (k,) a value of each of some candidates makes the variance of all less.

        The variance is summed over up to ``AMONG`` candidates, which are spread over all at random
        and are the same every time. Source: D. A. Cohn, Z. Ghahramani and M. I. Jordan, J. Artif.
        Intell. Res. 4 (1996) 129.
        """
        assert self._model is not None
        with torch.no_grad():
            if self._between is None:
                n = len(self.features)
                self._among = np.random.default_rng(0).permutation(n)[:AMONG]
                among = self.features[self._among]
                self._between = self._model.covar_module(among, self.features).to_dense()
            rows = self._filled()
            covariance = self._between - rows[:, self._among].T @ rows
            total = covariance.square().sum(0) / (self._variance.clamp_min(1e-12) + self._noise)
        return total[candidates].numpy()

    def draw(self, seed: int) -> np.ndarray:
        """One function (n,) drawn from the belief, by pathwise conditioning.

        Source: J. Wilson et al., Proc. ICML (2020) 10292.
        """
        assert self._model is not None
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            prior = covariances.draw(self._model.covar_module, self.features)
            noise = np.sqrt(self._noise) * torch.randn(len(self.points), dtype=DTYPE)
            n = len(self.points)
            off = (prior[self.points] + noise)[:, None]
            known = torch.linalg.solve_triangular(self._factor[:n, :n], off, upper=False)[:, 0]
            constant = self._model.mean_module.constant
            return (constant + prior + (self._whitened() - known) @ self._filled()).numpy()

    def leave_one_out(self, points: list[int], values: np.ndarray) -> np.ndarray:
        """Log predictive density (n,) of each value given all the others."""
        off, sd = self.left_out(points, values)
        return -0.5 * (off / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)

    def left_out(self, points: list[int], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far each value (n,) is from what all the others predict, and the standard deviation
        of that, noise included.

        Source: C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning
        (2006), section 5.4.2.
        """
        model = self._built(points, torch.as_tensor(values, dtype=DTYPE))
        model.eval()
        with torch.no_grad():
            covariance = model.covar_module(self.features[points]).to_dense()
            covariance += float(model.likelihood.noise) * torch.eye(len(points), dtype=DTYPE)
            factor = torch.linalg.cholesky(covariance)
            off = (model.train_targets - model.mean_module.constant)[:, None]
            inverse = torch.cholesky_inverse(factor).diagonal()
            off = torch.cholesky_solve(off, factor)[:, 0] / inverse
        return off.numpy(), inverse.rsqrt().numpy()


def _parameters(model: SingleTaskGP) -> dict[str, Tensor]:
    """What a fit finds: values of the parameters, by name."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}
