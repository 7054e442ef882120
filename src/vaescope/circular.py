"""Values that repeat: angles modulo a period, in whatever unit both are given.

Each formula is one line. ``scipy.stats.circmean`` and ``circstd`` give the same numbers but for
rounding; they take seconds to import in every job, and the spread of directions that cancel out is
infinite there.

Source: K. V. Mardia and P. E. Jupp, Directional Statistics (2000), section 2.
"""

from __future__ import annotations

import numpy as np

_LEAST = 1e-12  # resultant length below which directions cancel: a finite spread all the same


def wrap(angle: np.ndarray | float, period: float) -> np.ndarray:
    """Bring angles into [-period/2, period/2)."""
    return np.mod(np.asarray(angle) + period / 2, period) - period / 2


def mean(angle: np.ndarray, period: float, axis: int | None = None) -> np.ndarray:
    """Average angles along an axis, into [-period/2, period/2].

    Without an axis over all that are finite; 0 where none is.
    """
    if axis is None:
        angle = angle[np.isfinite(angle)]
        if angle.size == 0:
            return np.zeros(())
    turns = 2 * np.pi / period
    return np.asarray(np.angle(np.exp(1j * turns * angle).mean(axis)) / turns)


def spread(angle: np.ndarray, period: float, axis: int | None = None) -> np.ndarray:
    """Standard deviation of angles along an axis (Mardia and Jupp, section 2.3.4)."""
    turns = 2 * np.pi / period
    length = np.abs(np.exp(1j * turns * angle).mean(axis))
    return np.asarray(np.sqrt(-2 * np.log(np.clip(length, _LEAST, 1.0))) / turns)
