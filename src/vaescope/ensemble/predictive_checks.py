"""Predictive checks: does a model explain its patches, and where does it not?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, gammaincinv

CLEAR = 5.0  # robust standard deviations of the residual above which a site is not explained,
AT_LEAST = 2.0  # if its residual is also this many times that of the typical site
LAGS = 4  # pixels over which the noise of resampled patches may be correlated


def explained(residual: np.ndarray) -> np.ndarray:
    """Sites whose residual does not stand out: (site,) -> (site,) bool.

    The residual's logarithm is compared with its own median and median absolute deviation, so that
    the verdict does not depend on the noise being white; a site is marked only if it leaves at
    least twice the typical residual.
    """
    value = np.log(np.maximum(residual, 1e-12))
    median = np.median(value)
    spread = 1.4826 * np.median(np.abs(value - median))
    return np.asarray(value <= median + max(CLEAR * spread, np.log(AT_LEAST)))


@dataclass(frozen=True)
class ResidualNoise:
    """Correlation of neighbouring pixels in the residuals of a model.

    ``freedom``: independent pixels of a patch for a mean square, n² / sum of squared correlations.
    ``inflation``: the factor by which standard deviations grow that were computed as if every pixel
    were independent, the root of the summed correlations, at least 1. Patches are resampled from an
    image, so their pixels share noise; without this, errors come out too small.

    Source: Bayley & Hammersley, J. R. Stat. Soc. Suppl. 8 (1946) 184.
    """

    freedom: float
    inflation: float

    @classmethod
    def of(cls, noise: Iterable[np.ndarray], mask: np.ndarray) -> ResidualNoise:
        """From residuals over noise, some sites (site, channel, side, side) at a time, and the mask
        (side, side)."""
        shape = (2 * mask.shape[0], 2 * mask.shape[1])
        pairs = np.fft.irfft2(np.abs(np.fft.rfft2(mask, s=shape)) ** 2, s=shape).round()
        power = np.zeros((shape[0], shape[1] // 2 + 1))
        count, channels = 0, 1
        for block in noise:
            for start in range(0, len(block), 512):
                part = np.fft.rfft2(block[start : start + 512] * mask, s=shape)
                power += (np.abs(part) ** 2).sum((0, 1))
            count, channels = count + len(block), block.shape[1]
        products = np.fft.irfft2(power / max(count * channels, 1), s=shape)
        correlation = np.where(pairs > 0, products / np.maximum(pairs, 1), 0.0)
        correlation = correlation / max(correlation[0, 0], 1e-12)
        squares = (pairs * correlation**2).sum()
        # A curve is a picture of height 1, without neighbours above and below.
        near = [np.r_[0 : lags + 1, -lags:0] for lags in np.minimum(LAGS, np.array(mask.shape) - 1)]
        share = (pairs / pairs[0, 0] * correlation)[np.ix_(*near)]
        freedom = channels * pairs[0, 0] ** 2 / max(squares, 1e-12)
        return cls(float(freedom), float(np.sqrt(max(share.sum(), 1.0))))


def predictive_p_value(
    residual: np.ndarray, noise: ResidualNoise, seen: np.ndarray | None = None
) -> np.ndarray:
    """Posterior predictive p-value of every site: how often the model's own noise would leave as
    large a residual.

    residual (site,), the likelihood's mean square over the noise -> (site,) tail probability under
    replicated noise, whose mean square follows chi-square with ``noise.freedom`` degrees of freedom
    at the level that half of the sites have. Of a patch of which only a share was ``seen`` (site,),
    so many of them are left.

    Source: Gelman, Meng & Stern, Statistica Sinica 6 (1996) 733.
    """
    freedom = noise.freedom * (np.ones(len(residual)) if seen is None else seen)
    median = 2 * gammaincinv(freedom / 2, 0.5) / freedom  # of chi-square, whose tail is `chdtrc`
    level = np.median(residual / median)
    return chdtrc(freedom, np.asarray(residual / max(level, 1e-12) * freedom, float))
