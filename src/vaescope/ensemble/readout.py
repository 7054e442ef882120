"""A readout of a direction: numbers whose phase turns with an angle, of noisy channels.

Light behind a polariser is a constant and a cosine of twice the angle of what scatters it, and any
signal that turns with a structure is a sum of such harmonics. A weighted sum y of channels with
complex weights then has the phase kθ, whatever the strength of the signal, and |y| says how well
the angle is known. The weights are those for which the phases fit known angles best, in the space
of the leading principal components of channels in units of their noise, as in maximum noise
fractions (A. A. Green et al., IEEE Trans. Geosci. Remote Sens. 26 (1988) 65).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOISE_RANK = 10  # components beyond which what is left of spectra is noise
QUIET = 1e-3  # least noise of a channel, in units of the usual one
ROUNDS = 15  # of weighing the rows anew
RIDGE = 0.3  # on weights of components with a variance of 1
WEAK, STRONG = 0.1, 10.0  # amplitudes, in units of the median, between which rows are weighed
STRAY = 0.01  # share of phases that may be anywhere
_TURNS = np.arange(-2, 3) * (2 * np.pi)
_VARIANCES = np.append(np.geomspace(1e-5, 10.0, 19), 1e-9)  # rad², that are tried


@dataclass(frozen=True)
class Noise:
    """Variance of a channel: ``constant`` + ``share`` of the signal there."""

    constant: float
    share: float

    @classmethod
    def of(cls, spectra: np.ndarray, counts: bool) -> Noise:
        """Of spectra (site, channel): that of ``counts``, or fitted to what no component shows."""
        from scipy.optimize import nnls

        if counts:
            return cls(0.0, 1.0)
        mean = spectra.mean(0)
        scale = np.maximum(spectra.std(0), QUIET * spectra.std() + 1e-12)
        rows = (spectra - mean) / scale
        _, _, axes = np.linalg.svd(rows, full_matrices=False)
        known = axes[: min(NOISE_RANK, len(axes) // 3)]
        left = ((rows - rows @ known.T @ known) * scale).var(0)
        (constant, share), _ = nnls(np.stack([np.ones_like(left), np.abs(mean)], 1), left)
        return cls(float(constant), float(share))

    def sd(self, signal: np.ndarray) -> np.ndarray:
        """Standard deviation at signals, of the same shape."""
        variance = self.constant + self.share * np.maximum(signal, 0.0)
        usual = float(np.median(variance))
        return np.sqrt(np.maximum(variance, QUIET * usual + 1e-12))


@dataclass(frozen=True)
class LeadingComponents:
    """Leading principal components of spectra: ``mean``, ``scale`` (channel,), ``axes`` (component,
    channel), which give scores with a variance of 1."""

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, spectra: np.ndarray, count: int, noise: Noise) -> LeadingComponents:
        """The ``count`` leading ones of spectra (site, channel), or as many as there are."""
        mean = spectra.mean(0)
        scale = noise.sd(mean)
        _, sizes, axes = np.linalg.svd((spectra - mean) / scale, full_matrices=False)
        used = min(count, int((sizes > 1e-6 * max(sizes[0], 1e-300)).sum()))
        sd = sizes[:used] / np.sqrt(len(spectra))
        return cls(mean, scale, axes[:used] / sd[:, None])

    def scores(self, spectra: np.ndarray) -> np.ndarray:
        """Scores (site, component) of spectra (site, channel)."""
        return ((spectra - self.mean) / self.scale) @ self.axes.T


def features(scores: np.ndarray, rank: int, squares: bool) -> np.ndarray:
    """Features (site, feature) of a readout: the first ``rank`` scores and 1, with ``squares`` also
    all products of two scores."""
    used = scores[:, :rank]
    parts = [np.ones((len(used), 1)), used]
    if squares:
        one, other = np.triu_indices(used.shape[1])
        parts.append(used[:, one] * used[:, other])
    return np.concatenate(parts, 1)


def weights(given: np.ndarray, phase: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Complex weights (feature,) of features (site, feature) for known phases (site,) in rad, in
    which one puts some ``trust`` (site,); the median of the amplitudes is then about 1."""
    turn = np.exp(1j * phase)
    size = np.ones(len(given))
    found = np.zeros(given.shape[1], complex)
    ridge = RIDGE * np.eye(given.shape[1])
    for _ in range(ROUNDS):
        weighed = given * (trust / size**2)[:, None]
        found = np.linalg.solve(weighed.T @ given + ridge, weighed.T @ (size * turn))
        size = np.maximum(((given @ found) * turn.conj()).real, 0.0)
        usual = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
        size = np.clip(size / usual, WEAK, STRONG)
    return found


@dataclass(frozen=True)
class Doubt:
    """Variance of a phase at an amplitude r: ``floor`` + ``noise``/r², rad²."""

    floor: float
    noise: float

    @classmethod
    def of(cls, apart: np.ndarray, size: np.ndarray) -> Doubt:
        """The likeliest of a grid: phases less the known ones (site,), and amplitudes (site,)."""
        usual = max(float(np.median(size)), 1e-12)
        falls = np.minimum((usual / np.maximum(size, 1e-12)) ** 2, 1e6)
        best, most = (10.0, 0.0), -np.inf
        for floor in _VARIANCES:
            variance = floor + _VARIANCES[:, None] * falls
            said = log_density(apart[None], variance).sum(1)
            top = int(said.argmax())
            if said[top] > most:
                best, most = (float(floor), float(_VARIANCES[top])), float(said[top])
        return cls(best[0], best[1] * usual**2)

    def variance(self, size: np.ndarray) -> np.ndarray:
        """Variance (site,) in rad² at amplitudes (site,)."""
        return self.floor + self.noise / np.maximum(size, 1e-12) ** 2


def log_density(apart: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """log p of phases that are off by ``apart``, in [-π, π): a wrapped normal distribution of a
    variance (of a shape to which ``apart`` broadcasts), with a small share of strays."""
    wide = np.minimum(np.asarray(variance, float), 10.0)
    total = np.zeros_like(wide)
    for turn in _TURNS:
        total += np.exp(-0.5 * (apart + turn) ** 2 / wide)
    total /= np.sqrt(2 * np.pi * wide)
    return np.log((1 - STRAY) * total + STRAY / (2 * np.pi))
