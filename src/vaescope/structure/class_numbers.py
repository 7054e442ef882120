"""Estimate how many classes the content of a model supports, by evidence and by resampling."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaescope.train.grouping import STEADY, steadiness

BEYOND = 3  # numbers of classes tried beyond the requested one
LOOKED_AT = 2000  # sites on which mixtures are fitted
STARTS = 3
ALIKE = 0.02  # adjusted Rand indices that differ by no more are equal


@dataclass
class ClassNumbers:
    """Mixtures of normals with 1, 2, … components on the consensus content."""

    number: np.ndarray  # (number,) of components
    bic: np.ndarray  # (number,) Bayesian information criterion per site, less is better
    stability: np.ndarray  # (number,) mean adjusted Rand index between fits without a fifth

    @property
    def by_bic(self) -> int:
        """Number of components with the least criterion."""
        return int(self.number[self.bic.argmin()])

    @property
    def by_stability(self) -> int:
        """The number whose classes survive leaving sites out best, the least within ``ALIKE`` of
        it; 1 if none does."""
        several = self.stability[1:]
        if not (several >= STEADY).any():
            return 1
        return int(self.number[1:][several >= several.max() - ALIKE].min())

    def variables(self) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
        along = ("class_number",)
        return {
            "class_number": (along, self.number, {"long_name": "number of classes", "units": "1"}),
            "class_number_bic": (along, self.bic, {"long_name": "BIC per site", "units": "nats"}),
            "class_number_stability": (
                along,
                self.stability,
                {
                    "long_name": "adjusted Rand index between subsamples",
                    "units": "1",
                    "stable_from": STEADY,
                    "chosen": self.by_stability,
                },
            ),
        }


def compare(content: np.ndarray, requested: int, seed: int = 0) -> ClassNumbers:
    """Fit mixtures of every number of components up to a few more than requested.

    Parameters
    ----------
    content : (site, latent), consensus content.
    asked : classes of the model.
    seed : of starts and subsamples.

    Sources: G. Schwarz, Ann. Stat. 6 (1978) 461 (BIC); A. Ben-Hur, A. Elisseeff & I. Guyon,
    Pac. Symp. Biocomput. 2002, 6 (stability).
    """
    rows = np.unique(np.linspace(0, len(content) - 1, min(len(content), LOOKED_AT)).round())
    some = content[rows.astype(int)]
    most = min(requested + BEYOND, max(len(some) // 10, 1))
    numbers = np.arange(1, most + 1)
    bic, steady = [], []
    for number in numbers.tolist():
        bic.append(_mixture(some, number, seed).bic(some) / len(some))

        def group(chosen: np.ndarray, start: int, number: int = number) -> np.ndarray:
            return _mixture(some[chosen], number, start).predict(some[chosen])

        steady.append(1.0 if number == 1 else steadiness(group, len(some), seed))
    return ClassNumbers(numbers, np.array(bic), np.array(steady))


def _mixture(content: np.ndarray, number: int, seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    # Narrower clusters count as points: a thousandth of the content's variance.
    floor = 1e-3 * float(content.var(0).mean()) + 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(
            number, n_init=STARTS, reg_covar=floor, random_state=seed, max_iter=200
        ).fit(content)
