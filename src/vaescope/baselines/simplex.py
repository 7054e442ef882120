"""The simplex that mixtures fill, by maximum likelihood: end members without pure pixels.

Shares are taken to be Dirichlet distributed and points to be seen through Gaussian noise. For
concentrations of 1 and little noise that is the simplex of least volume around all points; noise
and the concentrations say how far points may lie outside, and how near to the corners they reach.

Sources: M. D. Craig, IEEE Trans. Geosci. Remote Sens. 32 (1994) 542 (least volume); J. M. P.
Nascimento and J. M. Bioucas-Dias, ibid. 50 (2012) 863 (Dirichlet distributed shares).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vaescope.baselines.dirichlet import LEAST, MOST, log_mass
from vaescope.baselines.posterior import barycentric, concentration_of, shares

_FITTED = 1500  # points that the corners are fitted to
_OUTLIERS = 1e-3  # share of points that belong to no mixture
_MOST_GAIN = 8.0  # log evidence of a point above that of the median
_SHRINK = 2.5  # how much smaller than its start, the outermost points, a simplex may become
_CLEAR = 0.05  # error of a share below which its concentration may well be above 1
_STEPS = (25, 150)  # of the search, with more noise than there is, and in the end
_REFINED = 30  # steps of expectation maximisation
_COMPARED, _COMPARED_STEPS = 700, 8  # points and steps by which first guesses are compared
_OUTWARD, _INSIDE = 1.4, 3.0  # first guess of corners and concentrations where none is nearly pure


@dataclass(frozen=True)
class Simplex:
    """``corners`` (corner, corner − 1), ``concentration`` (corner,) of the shares, and the mean
    log ``evidence`` of a point."""

    corners: np.ndarray
    concentration: np.ndarray
    evidence: float


@dataclass(frozen=True)
class _Task:
    """What the likelihood of a matrix of barycentric coordinates depends on."""

    points: np.ndarray  # (site, 1 + dimension), the first of them 1
    noise: np.ndarray  # (site, dimension, dimension)
    elsewhere: np.ndarray  # (site,) log density of points that belong to no mixture
    widest: np.ndarray  # (corner,) largest mean error of a share


def fit(points: np.ndarray, noise: np.ndarray, starts: Iterable[np.ndarray], seed: int) -> Simplex:
    """The simplex of greatest evidence, from several first guesses of its corners.

    Parameters
    ----------
    points : (site, dimension). noise : (site, dimension, dimension) covariance of each point.
    starts : first guesses (dimension + 1, dimension). seed : of the sites that are fitted.
    """
    centre, root = points.mean(0), np.linalg.cholesky(np.atleast_2d(np.cov(points.T)))
    if len(points) > _FITTED:
        rng = np.random.default_rng(seed)
        some = np.sort(rng.choice(len(points), _FITTED, replace=False))
        points, noise = points[some], noise[some]
    white = np.linalg.inv(root)
    points = (points - centre) @ white.T
    noise = np.einsum("ab,nbc,dc->nad", white, noise, white)
    fewer = slice(None, None, max(len(points) // _COMPARED, 1))
    found = []
    for start in starts:
        corners = (start - centre) @ white.T
        if np.linalg.cond(np.concatenate([np.ones((len(start), 1)), corners], axis=1)) > 1e6:
            continue
        even = np.ones(len(corners))
        outward = corners.mean(0) + _OUTWARD * (corners - corners.mean(0))
        searched = _searched(points[fewer], noise[fewer], corners, even, 1.0)
        for place, often in ((corners, even), (outward, _INSIDE * even), searched):
            found.append(_refined(points[fewer], noise[fewer], place, often, _COMPARED_STEPS))
    best = max(found, key=lambda one: one.evidence)
    best = _refined(points, noise, best.corners, best.concentration, _REFINED)
    if np.median(_errors(noise, best.corners)) < _CLEAR:
        searched = _searched(points, noise, best.corners, best.concentration, MOST)
        other = _refined(points, noise, *searched, _COMPARED_STEPS)
        best = max(best, other, key=lambda one: one.evidence)
    return Simplex(best.corners @ root.T + centre, best.concentration, best.evidence)


def _errors(noise: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(corner,) mean error of an unconstrained share."""
    slope = barycentric(corners)[1:]
    return np.sqrt(np.einsum("dj,de,ej->j", slope, noise.mean(0), slope))


def _refined(
    points: np.ndarray,
    noise: np.ndarray,
    corners: np.ndarray,
    concentration: np.ndarray,
    steps: int,
) -> Simplex:
    """Expectation maximisation; corners and concentrations of the step of greatest evidence."""
    best = Simplex(corners, concentration, -np.inf)
    for _ in range(steps):
        found = shares(points, noise, corners, concentration, rounds=5)
        # Few points decide nothing: neither outliers nor those beside a face of the simplex.
        least, most = _elsewhere(points) + np.log(_OUTLIERS), np.median(found.evidence) + _MOST_GAIN
        evidence = float(np.logaddexp(np.minimum(found.evidence, most), least).mean())
        if not np.isfinite(evidence) or evidence < best.evidence - 0.05:
            break
        if evidence > best.evidence:
            best = Simplex(corners, concentration, evidence)
        inside = (np.abs(found.mean) < 2).all(1).astype(float)
        weight = inside / np.trace(noise, axis1=1, axis2=2)
        square = np.einsum("n,nj,nl->jl", weight, found.mean, found.mean)
        square += np.einsum("n,njl->jl", weight, found.covariance)
        with_points = np.einsum("n,nj,nd->jd", weight, found.mean, points)
        if np.linalg.cond(square) > 1e10:
            break
        corners = np.linalg.solve(square, with_points)
        concentration = concentration_of(found.log_share.mean(0), concentration)
    return best


def _elsewhere(points: np.ndarray) -> np.ndarray:
    """(site,) log density of a Gaussian three times as wide as all points, which are white."""
    width = 3.0
    size = points.shape[1]
    return np.asarray(
        -0.5 * (points**2).sum(1) / width**2 - size * np.log(width) - 0.5 * size * np.log(2 * np.pi)
    )


def _searched(
    points: np.ndarray,
    noise: np.ndarray,
    corners: np.ndarray,
    concentration: np.ndarray,
    most: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Corners and concentrations up to ``most`` by gradients, with noise at first exaggerated."""
    from scipy.optimize import minimize

    count = len(corners)
    errors = _errors(noise, corners)
    more = float(np.clip(0.1 / max(np.median(errors), 1e-9), 1, 8))
    raised = np.concatenate([np.ones((len(points), 1)), points], axis=1)
    elsewhere = _elsewhere(points)
    place = np.concatenate([barycentric(corners)[:, :-1].ravel(), np.log(concentration)])
    limits = [(None, None)] * (count * (count - 1)) + [(np.log(LEAST), np.log(most))] * count
    for factor in (more, np.sqrt(more), 1.0) if more > 1.5 else (1.0,):
        task = _Task(raised, noise * factor**2, elsewhere, _SHRINK * factor * errors)
        steps = _STEPS[int(factor == 1)]
        place = minimize(
            _loss,
            place,
            (task,),
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options={"maxiter": steps},
        ).x
    matrix = _matrix(place, count)
    if np.linalg.cond(matrix) > 1e8:
        return corners, concentration
    return np.linalg.inv(matrix)[:, 1:], np.exp(place[count * (count - 1) :])


def _matrix(place: np.ndarray, count: int) -> np.ndarray:
    """Barycentric coordinates (1 + dimension, corner) whose sum is 1 everywhere."""
    free = place[: count * (count - 1)].reshape(count, count - 1)
    matrix = np.concatenate([free, -free.sum(1, keepdims=True)], axis=1)
    matrix[0, -1] += 1
    return matrix


def _loss(place: np.ndarray, task: _Task) -> tuple[float, np.ndarray]:
    """Minus the mean log likelihood of a point, and its gradient.

    Factors of the prior are integrated one by one, as if errors of the shares were independent: to
    first order in the noise that is exact on the faces of the simplex.
    """
    from scipy.special import digamma, gammaln, log_ndtr

    sites, count = task.points.shape
    matrix = _matrix(place, count)
    sign, volume = np.linalg.slogdet(matrix)
    if sign == 0:
        return 1e10, np.zeros_like(place)
    logs = place[count * (count - 1) :]
    a = np.exp(logs)
    slope = matrix[1:]
    along = np.einsum("nde,ej->ndj", task.noise, slope)
    variance = np.einsum("dj,ndj->nj", slope, along) + 1e-24
    wide, share = np.sqrt(variance), task.points @ matrix
    t, upper = share / wide, (1.5 - share) / wide
    below, damp = log_ndtr(upper), 1 + 2 * variance
    edge = np.exp(np.minimum(-0.5 * upper**2 - below, 50)) / np.sqrt(2 * np.pi)
    # A share is not above 1, which matters where its error is large.
    each = (a - 1) * np.log(wide) + log_mass(a, t) + below - 0.5 * a * np.log(damp)
    mixed = each.sum(1) + volume + gammaln(a.sum()) - gammaln(a).sum() + np.log1p(-_OUTLIERS)
    total = np.logaddexp(mixed, task.elsewhere + np.log(_OUTLIERS))
    belongs = np.exp(mixed - total)[:, None]
    by_t = log_mass(a, t, by_t=1)
    by_share = (by_t - edge) / wide * belongs
    by_wide = ((a - 1 - by_t * t - edge * upper) / wide - 2 * a * wide / damp) * belongs
    gradient = task.points.T @ by_share + belongs.sum() * np.linalg.inv(matrix).T
    gradient[1:] += np.einsum("nj,ndj->dj", by_wide / wide, along)
    loss, gradient = -total.mean(), -gradient / sites
    mean_along = task.noise.mean(0) @ slope
    mean_variance = (slope * mean_along).sum(0)
    too_wide = np.maximum(0.5 * np.log(mean_variance) - np.log(task.widest), 0)
    gradient[1:] += 10 * too_wide / mean_variance * mean_along
    by_a = log_mass(a, t, by_log=1) + a * (np.log(wide) - 0.5 * np.log(damp))
    by_a = (by_a * belongs).sum(0) + belongs.sum() * a * (digamma(a.sum()) - digamma(a))
    prior = 1.5  # sd of the logarithm of a concentration
    loss += 5 * (too_wide**2).sum() + 0.5 * ((logs / prior) ** 2).sum() / sites
    by_logs = -by_a / sites + logs / prior**2 / sites
    free = gradient[:, :-1] - gradient[:, -1:]
    return float(loss), np.concatenate([free.ravel(), by_logs])
