"""Turn the scores of a detector into probabilities."""

from __future__ import annotations

import numpy as np


def calibration(score: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the logistic curve that makes probabilities of scores.

    Parameters
    ----------
    score : between 0 and 1. right : bool, whether what had this score was there.

    Source: J. Platt, Advances in Large Margin Classifiers (1999).
    """
    from sklearn.linear_model import LogisticRegression

    if not 0 < right.sum() < len(right):
        return 1.0, 0.0
    curve = LogisticRegression(C=1e3).fit(logit(score)[:, None], right)
    slope, offset = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    # A falling one has learned nothing: better no curve than one upside down.
    return (slope, offset) if slope > 0 else (1.0, 0.0)


def calibrated(score: np.ndarray, curve: tuple[float, float]) -> np.ndarray:
    """Probabilities from scores, by a curve as ``calibration`` gives."""
    slope, offset = curve
    return 1 / (1 + np.exp(-(slope * logit(score) + offset)))


def logit(share: np.ndarray) -> np.ndarray:
    """Logarithm of the odds; shares of 0 and 1 are kept off the ends."""
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share))
