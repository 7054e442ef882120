"""A share with a Dirichlet prior, seen through Gaussian noise: integrals over what it may be."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

LEAST, MOST = 0.06, 6.0  # concentrations that differ visibly from 0 and from a Gaussian cloud
_LOW, _HIGH, _STEP = -12.0, 40.0, 0.05  # range of the table; beyond it, expansions are exact enough


def log_mass(
    concentration: np.ndarray, t: np.ndarray, *, by_t: int = 0, by_log: int = 0
) -> np.ndarray:
    """Logarithm of M = ∫₀^∞ u^(a−1) φ(u − t) du with the standard normal density φ.

    A share that was measured as ``t`` standard errors has this likelihood under a Dirichlet prior
    of concentration a, apart from factors. t + ∂log M/∂t is its mean and 1 + ∂²log M/∂t² its
    variance, both in standard errors.

    Parameters
    ----------
    concentration : (share,) a > 0. t : (site, share).
    by_t : order of the derivative by t, up to 2. by_log : by log a, up to 1.

    Returns
    -------
    (site, share), from a table; beyond it by the leading terms for large |t|.
    """
    concentration = np.asarray(concentration, float)
    found = np.empty(t.shape)
    grid = _grid()
    for share, a in enumerate(concentration):
        row = _tables()[by_t](np.log(a), by_log)
        found[:, share] = np.interp(t[:, share], grid, row)
    a = np.broadcast_to(concentration, t.shape)
    for far, sign in ((t > _HIGH, 1), (t < _LOW, -1)):
        if far.any():
            found[far] = _beyond(a[far], t[far], found[far], sign, by_t, by_log)
    return found


def _beyond(
    a: np.ndarray, t: np.ndarray, edge: np.ndarray, sign: int, by_t: int, by_log: int
) -> np.ndarray:
    """Leading terms: t^(a−1) far above 0, φ(t) Γ(a) |t|^(−a) far below, joined to the table."""
    if by_t:
        power = a - 1 if sign > 0 else -a
        gauss = (0.0, 0.0, 0.0) if sign > 0 else (0.0, -t, -1.0)
        return np.asarray(gauss[by_t] + (power / t if by_t == 1 else -power / t**2))
    if sign > 0:
        return edge + (a if by_log else a - 1) * np.log(t / _HIGH)
    gauss_part = 0.0 if by_log else 0.5 * (_LOW**2 - t**2)
    return np.asarray(edge + gauss_part - a * np.log(t / _LOW))


@cache
def _grid() -> np.ndarray:
    return np.arange(_LOW, _HIGH + _STEP / 2, _STEP)


@cache
def _tables() -> tuple[CubicSpline, ...]:
    """Rows over t as splines of log a: log M and its first two derivatives by t. Powers of u are
    integrated exactly within bins."""
    from scipy.interpolate import CubicSpline
    from scipy.special import logsumexp

    logs = np.linspace(np.log(LEAST / 1.5), np.log(MOST * 1.5), 40)
    t = _grid()
    edges = np.concatenate([[0], np.geomspace(1e-7, 0.5, 60), np.arange(0.55, _HIGH + 12, 0.05)])
    middle = (edges[1:] + edges[:-1]) / 2
    gauss = -0.5 * (middle - t[:, None]) ** 2 - 0.5 * np.log(2 * np.pi)
    rows = []
    for a in np.exp(logs):
        weight = (edges[1:] ** a - edges[:-1] ** a) / a
        rows.append(logsumexp(gauss, axis=1, b=weight))
    along = CubicSpline(t, np.array(rows), axis=1)
    return tuple(CubicSpline(logs, along(t, order), axis=0) for order in range(3))
