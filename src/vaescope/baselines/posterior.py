"""Shares of end members by their posterior, for a Dirichlet prior and Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.baselines.dirichlet import LEAST, MOST, log_mass

_ROUNDS = 12  # of expectation propagation; shares then change by less than a hundredth of a sd
_DAMPING = 0.7  # without it, concentrations below 1 may oscillate
_TINY = 1e-9
_OUTSIDE = 0.1  # by which a mean share may lie outside 0 to 1


@dataclass(frozen=True)
class Posterior:
    """``mean`` (site, corner) of the shares, which add up to 1; their ``covariance`` (site, corner,
    corner); ``log_share`` (site, corner), the mean of the logarithm; ``evidence`` (site,), the log
    density of the measured point, −∞ where it was not found."""

    mean: np.ndarray
    covariance: np.ndarray
    log_share: np.ndarray
    evidence: np.ndarray


def barycentric(corners: np.ndarray) -> np.ndarray:
    """The matrix (1 + dimension, corner) that takes (1, point) to its shares.

    ``corners`` : (corner, corner − 1).
    """
    return np.asarray(np.linalg.inv(np.concatenate([np.ones((len(corners), 1)), corners], axis=1)))


def shares(
    points: np.ndarray,
    noise: np.ndarray,
    corners: np.ndarray,
    concentration: np.ndarray,
    rounds: int = _ROUNDS,
) -> Posterior:
    """Posterior of the shares by expectation propagation.

    Parameters
    ----------
    points : (site, dimension). noise : (site, dimension, dimension) covariance of each.
    corners : (dimension + 1, dimension). concentration : (corner,) of the Dirichlet prior.

    Source: T. P. Minka, UAI 2001, 362. Each factor of the prior depends on one share, so that its
    moments are integrals over one variable.
    """
    from scipy.special import gammaln

    count, corner = len(points), len(corners)
    matrix = barycentric(corners)
    start, slope = matrix[0], matrix[1:].T
    first = np.linalg.inv(noise)
    first_shift = np.einsum("nde,ne->nd", first, points)
    precision, shift = np.zeros((2, count, corner))
    log_share, tilted = np.zeros((2, count, corner))
    for _ in range(rounds):
        for j in range(corner):
            inverse, mean = _moments(first, first_shift, precision, shift, slope)
            variance = np.einsum("d,nde,e->n", slope[j], inverse, slope[j])
            left = 1 / variance - precision[:, j]
            usable = left > _TINY
            left = np.where(usable, left, 1.0)
            centre = (mean @ slope[j] / variance - shift[:, j]) / left
            wide = 1 / np.sqrt(left)
            t = ((centre + start[j]) / wide)[:, None]
            a = concentration[j : j + 1]
            m = log_mass(a, t)[:, 0]
            new_mean = wide * (t + log_mass(a, t, by_t=1))[:, 0] - start[j]
            new = wide**2 * np.clip(1 + log_mass(a, t, by_t=2)[:, 0], 1e-8, 1e2)
            log_share[:, j] = log_mass(a, t, by_log=1)[:, 0] / a + np.log(wide)
            target = 1 / new - left, new_mean / new - centre * left
            usable &= np.isfinite(target[0]) & np.isfinite(target[1])
            for site, wanted in zip((precision, shift), target, strict=True):
                site[:, j] += np.where(usable, _DAMPING * (wanted - site[:, j]), 0)
            tilted[:, j] = (
                (a - 1) * np.log(wide) + m - _site_mass(centre, left, precision[:, j], shift[:, j])
            )
    inverse, mean = _moments(first, first_shift, precision, shift, slope)
    whole = np.linalg.inv(inverse)
    total = np.einsum(
        "nd,nde,ne->n", first_shift + shift @ slope, inverse, first_shift + shift @ slope
    )
    alone = np.einsum("nd,nde,ne->n", first_shift, noise, first_shift)
    evidence = (
        tilted.sum(1)
        + 0.5 * (total - alone)
        - 0.5 * (np.linalg.slogdet(whole)[1] - np.linalg.slogdet(first)[1])
        + np.linalg.slogdet(matrix)[1]
        + gammaln(concentration.sum())
        - gammaln(concentration).sum()
    )
    share = np.concatenate([np.ones((count, 1)), mean], axis=1) @ matrix
    # Where factors widen the posterior, the propagation may not converge: no evidence then.
    converged = ((share > -_OUTSIDE) & (share < 1 + _OUTSIDE)).all(1) & np.isfinite(evidence)
    return Posterior(
        share,
        np.einsum("jd,nde,le->njl", slope, inverse, slope),
        log_share,
        np.where(converged, evidence, -np.inf),
    )


def _moments(
    first: np.ndarray,
    first_shift: np.ndarray,
    precision: np.ndarray,
    shift: np.ndarray,
    slope: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance and mean of the Gaussian of the measurement and of all factors."""
    whole = first + np.einsum("nj,jd,je->nde", precision, slope, slope)
    if precision.min() < 0:  # factors of concentrations below 1 may widen the posterior: not all
        bad = np.linalg.eigvalsh(whole)[:, 0] <= 0
        precision[bad], shift[bad] = 0, 0
        whole[bad] = first[bad]
    inverse = np.linalg.inv(whole)
    return inverse, np.einsum("nde,ne->nd", inverse, first_shift + shift @ slope)


def _site_mass(
    centre: np.ndarray, left: np.ndarray, precision: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """log ∫ N(x; centre, 1/left) exp(−precision x²/2 + shift x) dx."""
    both = np.maximum(left + precision, _TINY)
    return np.asarray(
        0.5 * np.log(left / both) + 0.5 * ((centre * left + shift) ** 2 / both - centre**2 * left)
    )


def concentration_of(log_share: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Concentrations (corner,) of a Dirichlet distribution with this mean log share (corner,).

    Source: T. P. Minka, Estimating a Dirichlet distribution (2000): fixed points, each by Newton.
    """
    from scipy.special import digamma, polygamma

    found = start.astype(float)
    for _ in range(5):
        wanted = digamma(found.sum()) + log_share
        x = np.where(wanted >= -2.22, np.exp(wanted) + 0.5, -1 / (wanted - digamma(1)))
        for _ in range(5):
            x = x - (digamma(x) - wanted) / polygamma(1, x)
        found = np.clip(x, LEAST, MOST)
    return np.asarray(found)
