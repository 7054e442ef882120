"""Which places of a wall are pinned: they moved less than their error while others moved.

Displacements between two frames are those of places at rest, d ~ N(0, s²) with their standard
error s; of moving ones, d ~ N(m, t² + s²); and, where a wall bends from the one to the other, of
places that moved by a part of what moving ones do. Along a wall these states form a Markov chain
(the rarer of rest and motion lasts 20 px in the mean, a priori), so that a place is judged with its
neighbours, each by as many independent observations as errors are correlated over. By how much the
drift is off is the same for all places, and shifts walls by their direction, as no motion of walls
does: it is fitted with the share at rest, m and t by expectation maximisation, with all walls. The
probability that anything moved at all comes from the Bayesian information criterion. Pinned is what
is at rest, or moved by less than its error, while something moves: where nothing does, nothing is
pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from vaescope.walls.chains import Chains
from vaescope.walls.meeting import Meeting
from vaescope.walls.wall import Wall

_STRETCH = 20.0  # px, mean length a priori of a stretch of the rarer of rest and motion
_BEND = 6.0  # px, that of a stretch between them
_PARTS = (np.arange(6) + 0.5) / 6  # of the motion of others, that places between have moved by
_SHARP = 1.3  # independent observations per length over which errors are correlated: that is where
# the mean is as uncertain, and stretches that begin and end are seen better than their mean
_MOVING = 2.0  # errors, beyond which places are taken for moving at first
_ALONE, _TOGETHER = 20, 16  # steps of expectation maximisation without neighbours, and with them
_SETTLED = 2e-3  # change of the probabilities, below which no step follows
_PRIOR = 2.0  # places at rest and as many moving ones, added to those seen
_RAREST = 0.02  # share at rest, at least, and of what moves
_LEAST = 4.0  # independent places without which nothing is said
_KNOWN = 1e-4  # px, error of a drift that is known


@dataclass(frozen=True)
class _Seen:
    """Displacements ``d`` (point,) px, with ``s`` their errors without that of the drift, ``lever``
    (point, 2) px by which they grow per px that the drift is off, and ``w`` independent
    observations each; 0 where there is none. ``drift`` : (2, 2) 1/px², inverse covariance."""

    d: np.ndarray
    s: np.ndarray
    lever: np.ndarray
    w: np.ndarray
    drift: np.ndarray


@dataclass(frozen=True)
class _States:
    """What is fitted: ``share`` at rest, ``mean`` and ``spread`` px of what moves, px by which the
    drift is ``off`` (2,) with its ``covariance``; and probabilities (3, point) of rest, of being
    between, and of motion, with the logarithm of the ``likelihood``."""

    share: float
    mean: float
    spread: float
    off: np.ndarray
    covariance: np.ndarray
    states: np.ndarray
    likelihood: float


def pinned_of(walls: Sequence[Wall], met: Sequence[Meeting], drift: np.ndarray) -> list[np.ndarray]:
    """Probability that each point of the walls of a frame is pinned.

    Parameters
    ----------
    met : of each wall, where it meets those of the next frame.
    drift : (2, 2) px², covariance of the drift that all places share.

    Returns
    -------
    For each wall (point,); NaN where there is no displacement.
    """
    if not walls:
        return []
    gaps = [_gaps(wall) for wall in walls]
    d, s, lever, gap, reach = (
        np.concatenate(each)
        for each in (
            [each.moved for each in met],
            [np.sqrt(each.variance) for each in met],
            [each.lever for each in met],
            gaps,
            [wall.error_length for wall in walls],
        )
    )
    there = np.isfinite(d) & np.isfinite(s) & (s > 0)
    w = np.where(there, np.minimum(1.0, _SHARP * gap / np.maximum(reach, 1e-9)), 0.0)
    if w.sum() < _LEAST:
        found = np.zeros(len(d))
    else:
        inverse = np.linalg.inv(drift + _KNOWN**2 * np.eye(2))
        lever = np.where(there[:, None], lever, 0.0)
        seen = _Seen(np.where(there, d, 0.0), np.where(there, s, 1.0), lever, w, inverse)
        found = _pinned(seen, Chains.of(gaps, [wall.closed for wall in walls]))
    ends = np.cumsum([len(wall.place) for wall in walls])[:-1]
    return np.split(np.where(there, found, np.nan), ends)


def _pinned(seen: _Seen, chains: Chains) -> np.ndarray:
    starts = (seen.d > _MOVING * seen.s, seen.d < -_MOVING * seen.s)
    fits = [_fitted(seen, start, chains) for start in (*starts, starts[0] | starts[1])]
    best = max(fits, key=lambda fit: fit.likelihood)
    gain = best.likelihood - _still(seen) - 1.5 * np.log(max(float(seen.w.sum()), 2.0))
    motion = float(1 / (1 + np.exp(np.clip(-gain, -50, 50))))
    drifted = np.einsum("pi,ij,pj->p", seen.lever, best.covariance, seen.lever)
    d, s = seen.d - seen.lever @ best.off, np.sqrt(seen.s**2 + drifted)
    rest, between, moving = best.states
    parts = np.stack([_log_normal(d, p * best.mean, _wide(s, p * best.spread)) for p in _PARTS])
    parts = np.exp(parts - parts.max(axis=0))
    little = [_less_than_error(d, s, p * best.mean, p * best.spread) for p in _PARTS]
    less = rest + between * np.average(little, axis=0, weights=parts)
    less += moving * _less_than_error(d, s, best.mean, best.spread)
    return np.asarray(less * motion)


def _less_than_error(d: np.ndarray, s: np.ndarray, mean: float, spread: float) -> np.ndarray:
    """Probability (point,) that a place has moved by less than its error, of those whose
    displacements have a ``mean`` and a ``spread``."""
    shrunk = spread**2 / (s**2 + spread**2)
    expected, sd = mean + shrunk * (d - mean), np.sqrt(shrunk) * s
    return np.asarray(ndtr((s - expected) / sd) - ndtr((-s - expected) / sd))


def _gaps(wall: Wall) -> np.ndarray:
    """Length (point,) px from each point to the next."""
    steps = wall.steps
    if wall.closed or not len(steps):
        return np.resize(steps, len(wall.place)) if len(steps) else np.zeros(len(wall.place))
    return np.append(steps, steps[-1])


def _log_normal(d: np.ndarray, mean: float, variance: np.ndarray) -> np.ndarray:
    return np.asarray(-0.5 * ((d - mean) ** 2 / variance + np.log(variance)))


def _wide(s: np.ndarray, spread: float) -> np.ndarray:
    return np.asarray(s**2 + spread**2)


def _still(seen: _Seen) -> float:
    """Logarithm of the likelihood if nothing moved, with the drift off by what fits best."""
    by_error = seen.w / seen.s**2
    normal = seen.lever.T @ (by_error[:, None] * seen.lever) + seen.drift
    off = np.linalg.solve(normal, seen.lever.T @ (by_error * seen.d))
    still = _log_normal(seen.d - seen.lever @ off, 0.0, seen.s**2)
    return float((seen.w * still).sum() - 0.5 * off @ seen.drift @ off)


def _fitted(seen: _Seen, moving: np.ndarray, chains: Chains) -> _States:
    """Expectation maximisation that starts with some places ``moving``; first without
    neighbours."""
    rest = np.where(moving, 0.1, 0.9)
    states = np.stack([rest, np.zeros(len(rest)), 1 - rest])
    spread, total = float(np.median(seen.s[seen.w > 0])), 0.0
    for step in range(_ALONE + _TOGETHER):
        mean, off, covariance = _means(seen, states, spread)
        d = seen.d - seen.lever @ off
        share, spread = _share(seen, states), _spread(seen, states, d, mean, spread)
        likelihood = _likelihoods(d, seen.s, mean, spread)
        before = states
        if step < _ALONE:
            odds = likelihood[0] - likelihood[2] + np.log(share / (1 - share))
            rest = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
            states = np.stack([rest, np.zeros(len(rest)), 1 - rest])
            continue
        prior, rate = _chain(share)
        states, total = chains.posterior(seen.w * likelihood, prior, rate)
        if step > _ALONE and np.abs(states - before).max() < _SETTLED:
            break
    total -= 0.5 * float(off @ seen.drift @ off)
    return _States(share, mean, spread, off, covariance, states, total)


def _means(seen: _Seen, states: np.ndarray, spread: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean displacement of what moves, and by what the drift is off, with its covariance."""
    still = seen.w * states[0] / seen.s**2
    moving = seen.w * states[2] / _wide(seen.s, spread)
    columns = np.column_stack([seen.lever, np.ones(len(seen.d))])
    normal = columns.T @ (moving[:, None] * columns) + 1e-9 * np.eye(3)
    normal[:2, :2] += seen.lever.T @ (still[:, None] * seen.lever) + seen.drift
    right = columns.T @ (moving * seen.d)
    right[:2] += seen.lever.T @ (still * seen.d)
    inverse = np.linalg.inv(normal)
    found = inverse @ right
    return float(found[2]), found[:2], inverse[:2, :2]


def _share(seen: _Seen, states: np.ndarray) -> float:
    rest, moving = (float((seen.w * states[k]).sum()) for k in (0, 2))
    return float(np.clip((_PRIOR + rest) / (2 * _PRIOR + rest + moving), _RAREST, 1 - _RAREST))


def _spread(seen: _Seen, states: np.ndarray, d: np.ndarray, mean: float, spread: float) -> float:
    """One step of expectation maximisation for the spread, of places whose own errors differ."""
    free = seen.w * states[2]
    shrunk = spread**2 / _wide(seen.s, spread)
    own = (shrunk * (d - mean)) ** 2 + shrunk * seen.s**2
    return float(np.sqrt((free * own).sum() / max(float(free.sum()), 1e-12))) + 1e-6


def _likelihoods(d: np.ndarray, s: np.ndarray, mean: float, spread: float) -> np.ndarray:
    """Logarithms (3, point) of the likelihood of each place by itself in each state."""
    parts = [_log_normal(d, p * mean, _wide(s, p * spread)) for p in _PARTS]
    between = np.logaddexp.reduce(parts, axis=0) - np.log(len(_PARTS))
    return np.stack([_log_normal(d, 0.0, s**2), between, _log_normal(d, mean, _wide(s, spread))])


def _chain(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares (3,) of the states beforehand and rates (3, 3) 1/px of changes to each from each."""
    at_rest = _STRETCH * max(share / (1 - share), 1.0)
    moving = _STRETCH * max((1 - share) / share, 1.0)
    lengths = np.array([at_rest, 2 * _BEND, moving])
    rate = np.zeros((3, 3))
    rate[1, 0], rate[1, 2] = 1 / at_rest, 1 / moving
    rate[0, 1] = rate[2, 1] = 0.5 / _BEND
    return lengths / lengths.sum(), rate
