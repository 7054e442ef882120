"""Which places of a wall are pinned: they moved less than their error while others moved.

Displacements between two frames are a mixture: places at rest, d ~ N(0, s²) with their standard
error s, and moving ones, d ~ N(m, t² + s²). The share at rest, m and t are fitted by expectation
maximisation with all walls. Along a wall the two states form a Markov chain (a stretch at rest is
20 px long in the mean, a priori), so that a place is judged with its neighbours, each by as many
independent observations as errors are correlated over. The probability that anything moved at all
comes from the Bayesian information criterion. Pinned is what is at rest, or moves by less than its
error, while something moves: where nothing does, nothing is pinned.

Source: L. R. Rabiner, Proc. IEEE 77 (1989) 257 (forward and backward recursion).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from vaescope.walls.wall import Wall

_STRETCH = 20.0  # px, mean length a priori of a stretch of wall at rest
_MOVING = 2.0  # errors, beyond which places are taken for moving at first
_STEPS = 150  # of expectation maximisation
_PRIOR = 2.0  # places at rest and as many moving ones, added to those seen
_LEAST = 4.0  # independent places without which nothing is said


def pinned_of(
    walls: Sequence[Wall], moved: Sequence[np.ndarray], errors: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Probability that each point of the walls of a frame is pinned.

    Parameters
    ----------
    moved, errors : of each wall (point,) px, displacement to the next frame and its standard error;
        NaN where there is none.

    Returns
    -------
    For each wall (point,); NaN where there is no displacement.
    """
    if not walls:
        return []
    spacing = [_spacing(wall) for wall in walls]
    weight = [
        np.minimum(1.0, gap / np.maximum(wall.error_length, 1e-9))
        for gap, wall in zip(spacing, walls, strict=True)
    ]
    d, s, w = (np.concatenate(each) for each in (moved, errors, weight))
    seen = np.isfinite(d) & np.isfinite(s) & (s > 0)
    if w[seen].sum() < _LEAST:
        return [np.where(np.isfinite(each), 0.0, np.nan) for each in moved]
    share, mean, spread, motion = _mixture(d[seen], s[seen], w[seen])
    found = []
    for wall, own, error, part, gap in zip(walls, moved, errors, weight, spacing, strict=True):
        odds = np.zeros(len(own))
        there = np.isfinite(own) & np.isfinite(error) & (error > 0)
        odds[there] = part[there] * (
            _log_normal(own[there], 0.0, error[there] ** 2)
            - _log_normal(own[there], mean, error[there] ** 2 + spread**2)
        )
        rest = _along(odds, gap, share, wall.closed)
        less = np.zeros(len(own))
        less[there] = _less_than_error(own[there], error[there], mean, spread)
        found.append(np.where(there, (rest + (1 - rest) * less) * motion, np.nan))
    return found


def _less_than_error(d: np.ndarray, s: np.ndarray, mean: float, spread: float) -> np.ndarray:
    """Probability (point,) that a place which moves has moved by less than its error."""
    shrunk = spread**2 / (s**2 + spread**2)
    expected, sd = mean + shrunk * (d - mean), np.sqrt(shrunk) * s
    return np.asarray(ndtr((s - expected) / sd) - ndtr((-s - expected) / sd))


def _spacing(wall: Wall) -> np.ndarray:
    """Length (point,) px from each point to the next."""
    steps = wall.steps
    if wall.closed or not len(steps):
        return np.resize(steps, len(wall.place)) if len(steps) else np.zeros(len(wall.place))
    return np.append(steps, steps[-1])


def _log_normal(d: np.ndarray, mean: float, variance: np.ndarray) -> np.ndarray:
    return -0.5 * ((d - mean) ** 2 / variance + np.log(variance))


def _mixture(d: np.ndarray, s: np.ndarray, w: np.ndarray) -> tuple[float, float, float, float]:
    """Share at rest, mean and spread of what moves, and the probability that anything does: the
    likeliest of what is found from places that move ahead, back, or either way."""
    still = _log_normal(d, 0.0, s**2)
    starts = (d > _MOVING * s, d < -_MOVING * s, np.abs(d) > _MOVING * s)
    best = max((_fitted(d, s, w, still, start) for start in starts), key=lambda fit: fit[-1])
    share, mean, spread, likelihood = best
    gain = likelihood - float((w * still).sum()) - 1.5 * np.log(max(w.sum(), 2.0))
    return share, mean, spread, float(1 / (1 + np.exp(np.clip(-gain, -50, 50))))


def _fitted(
    d: np.ndarray, s: np.ndarray, w: np.ndarray, still: np.ndarray, moving: np.ndarray
) -> tuple[float, float, float, float]:
    """Share at rest, mean and spread of what moves, and the log likelihood, by expectation
    maximisation that starts with some places ``moving``."""
    rest = np.where(moving, 0.1, 0.9)
    spread = float(np.median(s))
    for _ in range(_STEPS):
        free = w * (1 - rest)
        variance = s**2 + spread**2
        weight = free / variance
        mean = float((weight * d).sum() / max(weight.sum(), 1e-12))
        # One step of expectation maximisation for the spread, whose own errors differ.
        shrunk = spread**2 / variance
        own = (shrunk * (d - mean)) ** 2 + shrunk * s**2
        spread = float(np.sqrt((free * own).sum() / max(free.sum(), 1e-12))) + 1e-6
        share = float((_PRIOR + (w * rest).sum()) / (2 * _PRIOR + w.sum()))
        moves = _log_normal(d, mean, s**2 + spread**2)
        rest = 1 / (1 + (1 - share) / share * np.exp(np.clip(moves - still, -50, 50)))
    both = np.logaddexp(np.log(share) + still, np.log1p(-share) + moves)
    return share, mean, spread, float((w * both).sum())


def _along(odds: np.ndarray, gap: np.ndarray, share: float, closed: bool) -> np.ndarray:
    """Probability (point,) of being at rest, from log odds of each point by itself and those of its
    neighbours; a closed wall is gone through twice."""
    count = len(odds)
    if not count:
        return np.zeros(0)
    share = min(max(share, 0.01), 0.99)
    leave = 1 - np.exp(-gap / _STRETCH)
    enter = leave * min(share / (1 - share), 1.0)
    leave = leave * min((1 - share) / share, 1.0)
    order = np.arange(count)
    if closed:
        order = np.concatenate([order, order])
    forth = _messages(odds[order], leave[order], enter[order], share)
    # Backwards, the step from a point is that of the point before it.
    back_gap = np.roll(order, 1)
    back = _messages(odds[order][::-1], leave[back_gap][::-1], enter[back_gap][::-1], share)[::-1]
    prior = np.log(share / (1 - share))
    total = forth + back + odds[order] - prior
    if closed:
        total = np.concatenate([total[count : count + count // 2], total[count // 2 : count]])
    return 1 / (1 + np.exp(-np.clip(total, -50, 50)))


def _messages(odds: np.ndarray, leave: np.ndarray, enter: np.ndarray, share: float) -> np.ndarray:
    """Log odds (point,) of being at rest by all points before each, its own not among them."""
    found = np.empty(len(odds))
    state = np.log(share / (1 - share))
    for k, (own, out, into) in enumerate(zip(odds, leave, enter, strict=True)):
        found[k] = state
        ratio = np.exp(min(max(state + own, -50.0), 50.0))
        state = np.log((ratio * (1 - out) + into) / (ratio * out + 1 - into))
    return found
