"""Transforms of measured values under which a Gaussian process describes them better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

KINDS = ("none", "log", "yeo-johnson")
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Transform:
    """A monotonic map of values to those with mean 0 and sd 1 in which the Gaussian process works.

    ``kind`` : of the map before standardising. ``centre``, ``width`` : of the values, ``power`` :
    of Yeo and Johnson; ``mean``, ``sd`` : of the mapped values. ``sign`` : −1 where the smallest
    value is sought.

    Source: I.-K. Yeo and R. A. Johnson, Biometrika 87 (2000) 954.
    """

    kind: str = "none"
    centre: float = 0.0
    width: float = 1.0
    power: float = 1.0
    mean: float = 0.0
    sd: float = 1.0
    sign: int = 1

    @classmethod
    def of(cls, kind: str, values: np.ndarray, sign: int = 1) -> Self:
        """The transform of a kind fitted to (n,) finite values."""
        values = np.asarray(values, float)
        centre, width, power = 0.0, 1.0, 1.0
        if kind == "yeo-johnson":
            from scipy.stats import yeojohnson_normmax

            centre = float(np.median(values))
            width = float(np.median(np.abs(values - centre))) or float(values.std()) or 1.0
            scaled = (values - centre) / width
            if np.ptp(scaled) > 0:  # between 0 and 2 every mapped value has its own inverse
                power = float(np.clip(yeojohnson_normmax(scaled, brack=(0, 2)), 0.0, 2.0))
        bare = cls(kind, centre, width, power)
        mapped = bare._mapped(values)
        spread = float(mapped.std())
        if not spread > 1e-12 * float(np.abs(mapped).max(initial=0)):
            spread = 1.0
        mean = float(mapped.mean()) if len(mapped) else 0.0
        return cls(kind, centre, width, power, mean, spread, sign)

    def _mapped(self, values: np.ndarray) -> np.ndarray:
        if self.kind == "log":
            return np.log(values)
        if self.kind == "yeo-johnson":
            from scipy.stats import yeojohnson

            return yeojohnson((values - self.centre) / self.width, self.power)
        return values

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Values as the Gaussian process sees them: the larger, the better."""
        return self.sign * (self._mapped(np.asarray(values, float)) - self.mean) / self.sd

    def inverse(self, mapped: np.ndarray) -> np.ndarray:
        """Measured values of those of the Gaussian process."""
        values = self.sign * np.asarray(mapped, float) * self.sd + self.mean
        if self.kind == "log":
            return np.exp(np.minimum(values, 700))
        if self.kind == "yeo-johnson":
            from scipy.special import inv_boxcox1p

            up = inv_boxcox1p(np.maximum(values, 0), self.power)
            down = inv_boxcox1p(np.maximum(-values, 0), 2 - self.power)
            return self.centre + self.width * np.where(values >= 0, up, -down)
        return values

    def log_slope(self, values: np.ndarray) -> np.ndarray:
        """Logarithm of |d mapped / d value| at each value: by it densities of different transforms
        are densities of the same measured value."""
        values = np.asarray(values, float)
        if self.kind == "log":
            slope = -np.log(values)
        elif self.kind == "yeo-johnson":
            scaled = (values - self.centre) / self.width
            slope = np.sign(scaled) * (self.power - 1) * np.log1p(np.abs(scaled))
            slope = slope - np.log(self.width)
        else:
            slope = np.zeros_like(values)
        return slope - np.log(self.sd)

    def moments(self, mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n,) of measured values where those of the Gaussian process
        are normal; by quadrature."""
        if self.kind == "none":
            return self.inverse(mean), sd * self.sd
        first, second = np.zeros_like(mean), np.zeros_like(mean)
        reference = self.inverse(mean)
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            if weight < 1e-12:
                continue
            off = self.inverse(mean + node * sd) - reference
            first += weight * off
            second += weight * off**2
        return reference + first, np.sqrt(np.maximum(second - first**2, 0))


def possible(kind: str, values: np.ndarray) -> bool:
    """Whether values have a transform of a kind: logarithms are of positive values."""
    return kind != "log" or bool((np.asarray(values) > 0).all())
