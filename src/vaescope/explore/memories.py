"""Fading memories of a history: its last value, and how averages over ever longer times differ.

What a system that relaxes does after a history depends on its end most and on what was before the
less, the longer ago it was: such memories are all that a causal, time-invariant system with fading
memory can depend on (S. Boyd and L. Chua, IEEE Trans. Circuits Syst. 32 (1985) 1150).
"""

from __future__ import annotations

import numpy as np

SPANS = (1 / 90, 4 / 90, 16 / 90)
"""Time constants of the averages, as shares of the duration of a history."""


COARSE = 0.25
"""What counts as small in coarse memories, as a share of the largest absolute value."""


def averages(histories: np.ndarray, spans: tuple[float, ...] = SPANS) -> np.ndarray:
    """Exponential averages (n, span) of histories (n, time) at their ends."""
    length = histories.shape[1]
    before = np.arange(length - 1, -1, -1) / length
    weights = np.exp(-before[:, None] / np.array(spans))
    return histories @ (weights / weights.sum(0))


def memories(
    histories: np.ndarray, unit: float = 1.0, spans: tuple[float, ...] = SPANS
) -> np.ndarray:
    """Features (n, 1 + span) of histories (n, time): the last value, and each average less the next
    longer one, as inverse hyperbolic sines of their ratio to ``unit``, below which values count as
    small."""
    last = histories[:, -1:]
    every = np.hstack([last, averages(histories, spans)])
    return np.arcsinh(np.hstack([last, -np.diff(every, axis=1)]) / unit)
