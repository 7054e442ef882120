"""Spectra as a few components, and the noise that these leave.

Counts are weighted by the inverse root of their mean spectrum, which makes Poisson noise alike in
every channel: M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST = 24  # components
FLOOR = 0.02  # of the greatest mean count: weights of emptier channels stay finite


@dataclass(frozen=True)
class Components:
    """Principal components of training spectra.

    ``mean``, ``weight`` (energy,), ``vectors`` (component, energy) orthonormal in weighted units.
    ``noise`` : (constant, slope) of the variance of the noise: constant + slope · expected signal.
    """

    mean: np.ndarray
    weight: np.ndarray
    vectors: np.ndarray
    noise: tuple[float, float]

    def scores(self, spectra: np.ndarray) -> np.ndarray:
        """(site, component) of spectra (site, energy)."""
        return ((spectra - self.mean) * self.weight) @ self.vectors.T

    def spectra(self, scores: np.ndarray) -> np.ndarray:
        """(site, energy) of scores (site, component)."""
        return scores @ self.loadings() + self.mean

    def loadings(self) -> np.ndarray:
        """(component, energy) in the unit of the signal."""
        return self.vectors / self.weight

    def variance(self, expected: np.ndarray) -> np.ndarray:
        """Variance of the noise where a signal ``expected`` (…, energy) is measured."""
        return self.noise[0] + self.noise[1] * np.maximum(expected, 0)


def fit(spectra: np.ndarray, counts: bool, seed: int) -> Components:
    """Components above the noise, whose greatest singular value is (√sites + √energies) σ.

    Parameters
    ----------
    spectra : (site, energy), finite. counts : whether the noise is that of counts, with any gain.

    Source: V. A. Marchenko and L. A. Pastur, Math. USSR Sb. 1 (1967) 457, for the edge.
    """
    from sklearn.utils.extmath import randomized_svd

    spectra = np.asarray(spectra, np.float64)
    mean = spectra.mean(0)
    weight = np.ones_like(mean)
    if counts and mean.max() > 0:
        weight = 1 / np.sqrt(np.maximum(mean, FLOOR * mean.max()))
    centred = (spectra - mean) * weight
    sites, energies = centred.shape
    most = max(1, min(MOST, sites - 1, energies))
    _, value, vectors = randomized_svd(centred, most, random_state=seed, n_iter=6)
    count = _above_noise(value, float((centred**2).sum()), sites, energies)
    vectors = vectors[:count]
    fitted = (centred @ vectors.T) @ vectors / weight + mean
    freedom = max(0.05, (1 - count / sites) * (1 - count / energies))
    return Components(mean, weight, vectors, _noise(spectra, fitted, freedom, counts))


def _above_noise(value: np.ndarray, total: float, sites: int, energies: int) -> int:
    """How many singular values lie above the edge of those of noise alone; at least one."""
    count = 0
    for count in range(len(value)):  # the first that does not stand out
        left = max(0.0, total - float((value[:count] ** 2).sum()))
        sigma = np.sqrt(left / max(1, (sites - count) * (energies - count)))
        if value[count] < sigma * (np.sqrt(sites) + np.sqrt(energies)):
            return max(1, count)
    return len(value)


def _noise(
    spectra: np.ndarray, fitted: np.ndarray, freedom: float, counts: bool
) -> tuple[float, float]:
    """Constant and slope of the variance of residuals against the fitted signal."""
    squared = (spectra - fitted) ** 2 / freedom
    if not counts:
        return float(squared.mean()), 0.0
    signal = np.maximum(fitted, 0)
    return 0.0, float(squared.sum() / max(signal.sum(), np.finfo(float).tiny))
