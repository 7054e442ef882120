"""A trust region about the best candidate: wider after successes, narrower after failures.

Source: D. Eriksson et al., Adv. Neural Inf. Process. Syst. 32 (2019), here with a box in the unit
cube of the features.
"""

from __future__ import annotations

import numpy as np

FIRST, WIDEST, NARROWEST = 0.8, 1.6, 0.5**7
"""Sides of the box; where it gets narrower than the last, the search starts again elsewhere."""
SUCCESSES, FAILURES = 3, 4
"""In a row, after which the side is doubled and halved; failures are at least the features."""


def region(values: np.ndarray, start: int, features: int) -> tuple[float, int]:
    """Side of the box, and number of the first evaluation that counts since it last started.

    ``values`` (k,) in the order of the evaluations, the larger, the better, NaN where one failed;
    ``start`` of them are starting points.
    """
    side, since, wins, losses = FIRST, 0, 0, 0
    best = float(np.fmax.reduce(values[:start], initial=-np.inf))
    for number in range(start, len(values)):
        if values[number] > best:
            best, wins, losses = float(values[number]), wins + 1, 0
        else:
            wins, losses = 0, losses + 1
        if wins == SUCCESSES:
            side, wins = min(2 * side, WIDEST), 0
        elif losses == max(FAILURES, features):
            side, losses = side / 2, 0
        if side < NARROWEST:
            side, since, wins, losses, best = FIRST, number + 1, 0, 0, -np.inf
    return side, since


def inside(features: np.ndarray, points: np.ndarray, values: np.ndarray, start: int) -> np.ndarray:
    """Which candidates (n,) lie in the trust region; all, just after it started again.

    ``features`` (n, feature) in the unit cube; ``points`` (k,) evaluated and their ``values``.
    """
    side, since = region(values, start, features.shape[1])
    recent = values[since:]
    if not np.isfinite(recent).any():
        return np.ones(len(features), bool)
    centre = features[points[since + int(np.nanargmax(recent))]]
    return np.asarray((np.abs(features - centre) <= side / 2).all(1))
