"""Numbers by which models of cards and digits are judged against what is known of them."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from vaescope.analyse.truth import matched_accuracy

NEIGHBOURS = 15
FOLDS = 5
TRIED = 360  # offsets tried before the best one is refined
NEAR = np.radians(10)


def wrapped(angle: np.ndarray, period: float) -> np.ndarray:
    """Angles modulo ``period``, in [-period / 2, period / 2)."""
    return (angle + period / 2) % period - period / 2


def error_of(apart: np.ndarray, period: float) -> np.ndarray:
    """Absolute angle errors after the one constant that brings most angles within 10 degrees."""
    trial = np.linspace(0, period, TRIED, endpoint=False)
    rows = apart[np.linspace(0, len(apart) - 1, min(len(apart), 1000)).astype(int)]
    left = np.minimum(np.abs(wrapped(rows[None] - trial[:, None], period)), NEAR).mean(1)
    left = wrapped(apart - trial[left.argmin()], period)
    near = np.abs(left) < NEAR
    return np.abs(wrapped(left - np.median(left[near]), period)) if near.any() else np.abs(left)


def angle_errors(
    found: np.ndarray, truth: np.ndarray, label: np.ndarray, halved: tuple[int, ...]
) -> np.ndarray:
    """Angle errors in degrees after one constant per label and one sign for all.

    found, truth (n,) rad; label (n,); ``halved``: labels that look the same after a half-turn.
    """
    best = None
    for sign in (1, -1):
        error = np.empty(len(found))
        for k in np.unique(label):
            here = label == k
            period = np.pi if k in halved else 2 * np.pi
            error[here] = error_of(sign * found[here] - truth[here], period)
        if best is None or error.mean() < best.mean():
            best = error
    return np.degrees(best)


def by_neighbours(content: np.ndarray, label: np.ndarray) -> float:
    """Share of labels right by a vote of 15 neighbours in content, in 5-fold cross-validation."""
    place = StandardScaler().fit_transform(content)
    return float(
        (
            cross_val_predict(KNeighborsClassifier(NEIGHBOURS), place, label, cv=FOLDS) == label
        ).mean()
    )


def by_mixture(content: np.ndarray, label: np.ndarray) -> float:
    """Accuracy of a mixture of as many normals as there are labels, after the best naming."""
    place = StandardScaler().fit_transform(content)
    model = GaussianMixture(len(np.unique(label)), n_init=5, reg_covar=1e-4, random_state=0)
    return matched_accuracy(model.fit_predict(place), label)


def shear_by_neighbours(content: np.ndarray, shear: np.ndarray, label: np.ndarray) -> float:
    """Least R² over the labels of the shear predicted by neighbours in content."""
    scores = []
    for k in np.unique(label):
        here = label == k
        model = KNeighborsRegressor(10, weights="distance")
        said = cross_val_predict(model, content[here], shear[here], cv=FOLDS)
        scores.append(1 - ((shear[here] - said) ** 2).mean() / shear[here].var())
    return float(min(scores))


def shear_correlation(found: np.ndarray, shear: np.ndarray, label: np.ndarray) -> float:
    """Least |r| over the labels between found and true shear."""
    return float(
        min(abs(np.corrcoef(found[label == k], shear[label == k])[0, 1]) for k in np.unique(label))
    )
