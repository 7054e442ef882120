"""How much each candidate is worth measuring: acquisition functions of BoTorch over tables.

A belief is a mean and a standard deviation for each candidate, from whatever model. Every utility
is the logarithm of a value that is not negative, so that weights and costs multiply it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import torch

from vaescope.explore.settings import Acquisition

if TYPE_CHECKING:
    from botorch.models.model import Model

ACQUISITIONS: tuple[Acquisition, ...] = get_args(Acquisition)


def _table(mean: np.ndarray, sd: np.ndarray) -> Model:
    """A model of BoTorch whose inputs are the numbers of candidates."""
    from botorch.models.model import Model
    from botorch.posteriors import GPyTorchPosterior
    from gpytorch.distributions import MultivariateNormal
    from linear_operator.operators import DiagLinearOperator

    means = torch.as_tensor(mean, dtype=torch.float64)
    variances = torch.as_tensor(sd, dtype=torch.float64) ** 2

    class Table(Model):
        num_outputs = 1
        batch_shape = torch.Size()

        def posterior(self, X, *args, **kwargs):  # noqa: N803
            chosen = X[..., 0].long()
            return GPyTorchPosterior(
                MultivariateNormal(means[chosen], DiagLinearOperator(variances[chosen]))
            )

    return Table()


def utility(
    kind: Acquisition,
    mean: np.ndarray,
    sd: np.ndarray,
    *,
    best: float,
    kappa: float = 2.0,
    drawn: np.ndarray | None = None,
    learned: np.ndarray | None = None,
) -> np.ndarray:
    """Logarithm (n,) of what measuring each candidate is worth; larger values are better ones.

    Parameters
    ----------
    kind : ``logei`` and ``ei`` are the expected improvement over ``best``, computed as its
        logarithm, which is accurate where it is small; ``ucb`` is mean + κ sd, ``thompson`` a
        function ``drawn`` from the belief, ``uncertainty`` the standard deviation, ``variance`` by
        how much the variance of all candidates together becomes less (``learned``). Mean + κ sd and
        drawn functions are worth what they exceed their smallest value by.
    mean, sd : (n,), the belief.

    Source: S. Ament et al., Adv. Neural Inf. Process. Syst. 36 (2023) (log EI).
    """
    from botorch.acquisition import (
        LogExpectedImprovement,
        PosteriorStandardDeviation,
        UpperConfidenceBound,
    )

    if kind == "variance":
        assert learned is not None
        return np.log(np.maximum(learned, 1e-300))
    if kind == "thompson":
        assert drawn is not None
        return _log_above(drawn)
    model = _table(mean, sd)
    inputs = torch.arange(len(mean), dtype=torch.float64)[:, None, None]
    with torch.no_grad():
        if kind in ("logei", "ei"):
            return LogExpectedImprovement(model, best)(inputs).numpy()
        if kind == "ucb":
            return _log_above(UpperConfidenceBound(model, kappa**2)(inputs).numpy())
        return np.log(np.maximum(PosteriorStandardDeviation(model)(inputs).numpy(), 1e-300))


def _log_above(values: np.ndarray) -> np.ndarray:
    """Logarithm of what values exceed the smallest finite one by."""
    return np.log(np.maximum(values - values.min(), 1e-300))


def log_time(places: np.ndarray, last: np.ndarray, cost: float) -> np.ndarray:
    """Logarithm (n,) of the time for measuring each candidate, in that of a measurement.

    ``places`` (n, 2) and ``last`` (2,), where the beam or tip is now; ``cost`` is the time for
    travelling the unit of length.
    """
    return np.log1p(cost * np.linalg.norm(places - last, axis=1))
