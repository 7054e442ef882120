"""Positions in noise: between the places of a lattice and what single fits say."""

from __future__ import annotations

import numpy as np

from vaescope.sites.noisy import POOL

_FEWEST = 12  # fits from which displacements are judged
_SURE = 1.65  # relative standard error of the robust variance of one value


def shrunk(
    place: np.ndarray, fitted: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions between the places of the lattice and those that single fits give, each by how sure
    it is, and their standard errors.

    How far columns are off their places, as a variance, is what the fits scatter beyond their
    errors (empirical Bayes).

    Parameters
    ----------
    place, fitted, error : (site, 2) px; the error is NaN where a fit failed.

    Source: B. Efron and C. Morris, Journal of the American Statistical Association 70 (1975) 311.
    """
    known = np.isfinite(error)
    if known.sum() < _FEWEST:
        return fitted, error
    usual = float(np.median(error[known] ** 2))
    moved = (fitted - place)[known]
    # Robust: fits that went astray are not displacements.
    scatter = float((1.4826 * np.median(np.abs(moved - np.median(moved)))) ** 2)
    own = max(scatter * (1 - _SURE / known.sum() ** 0.5) - usual * (1 + 1 / POOL), 0.0)
    variance = np.where(known, error**2, np.inf)
    share = own / (own + np.maximum(variance, np.finfo(float).tiny))
    position = place + np.where(known, share * (fitted - place), 0.0)
    left = np.where(known, share * np.where(known, variance, 0.0), own)
    return position, np.sqrt(left + usual / POOL)
