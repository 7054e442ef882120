"""Calibrate the errors of a map of strain by its own scatter."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vaescope.strain.lattice import Lattice

_APART = 3  # steps of the lattice: sites so far apart share neither neighbours nor patches
_CATCH = 0.4  # spacings within which a site stands where it is looked for
_FEWEST = 20  # sites without which nothing is said
_LIMITS = (0.2, 20.0)


def opposite(lattice: Lattice, position: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Triples (triple, 3) of a site and the two that lie ``_APART`` steps before and behind it
    along a or b."""
    found = []
    known = np.isfinite(lattice.deformation).all((1, 2))
    for number in np.unique(frame):
        rows = np.flatnonzero((frame == number) & known)
        tree = cKDTree(position[rows])
        for vector in lattice.vectors:
            step = _APART * lattice.deformation[rows] @ vector
            ends = [tree.query(position[rows] + sign * step) for sign in (1, -1)]
            near = np.all([apart < _CATCH * lattice.spacing for apart, _ in ends], axis=0)
            found.append(np.column_stack([rows, *(rows[to] for _, to in ends)])[near])
    return np.concatenate(found) if found else np.zeros((0, 3), int)


def calibration(
    values: np.ndarray, error: np.ndarray, triples: np.ndarray, against: np.ndarray | None = None
) -> np.ndarray:
    """Factors (quantity,) by which the standard errors of a map have to be multiplied.

    A site is compared with the mean of two opposite sites: what varies slowly cancels, and the
    median leaves interfaces and cores out. Where another map with its own errors is given, the
    errors must also account for the disagreement with it; part of the noise is common to both, so
    this is a lower bound.

    Parameters
    ----------
    values, error : (site, quantity), the map and its stated standard errors.
    triples : (triple, 3) as ``opposite`` gives them.
    against : (2, site, quantity), the other map and its standard errors.
    """
    middle, one, other = values[triples.T]
    pull = middle - (one + other) / 2
    expected = np.sqrt(error[triples[:, 0]] ** 2 + (error[triples[:, 1:]] ** 2).sum(1) / 4)
    factor = np.ones(values.shape[1])
    for k in range(values.shape[1]):
        known = np.isfinite(pull[:, k]) & (expected[:, k] > 0)
        if known.sum() >= _FEWEST:
            factor[k] = _deviation(pull[known, k] / expected[known, k])
        if against is not None:
            apart = values[:, k] - against[0][:, k]
            both = np.isfinite(apart) & np.isfinite(error[:, k]) & np.isfinite(against[1][:, k])
            if both.sum() >= _FEWEST:
                apart = apart[both] - np.median(apart[both])
                left = _deviation(apart) ** 2 - np.median(against[1][both, k]) ** 2
                stated = max(float(np.median(error[both, k])), 1e-12)
                factor[k] = max(factor[k], np.sqrt(max(left, 0.0)) / stated)
    return np.clip(factor, *_LIMITS)


def _deviation(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values)))
