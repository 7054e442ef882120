"""Which maxima of an image without order are atoms: all of them looked at together.

A network sees a site and its surroundings. How bright the other atoms of the image are, and how
high its support and noise go, says more: a logistic curve of three facts, fitted to simulated
images.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

_LEAST = 0.02  # of a strong atom's height: lower is all the same
_SURE = 1e-4  # probabilities nearer to 0 and 1 are all the same
_PENALTY = 10.0  # inverse strength of the regularisation of the curve


def features(score: np.ndarray, height: np.ndarray, shown: np.ndarray | None = None) -> np.ndarray:
    """What is judged of every maximum of an image, (maximum, 3).

    The logit of its score; the logarithm of its height as a share of the strong atoms'; and the
    logarithm of how far these stand out of the usual maximum, the same for the whole image.

    Parameters
    ----------
    score : (maximum,) probability of a site as the network sees it.
    height : (maximum,) over its surroundings, in any unit.
    shown : (maximum,) score to be judged, if it is not the one by which the image is known.
    """
    height = np.maximum(height, 0)
    # A mean that the strong dominate: few atoms stand out even among more specks.
    strong = (height**2 * score).sum() / max(float((height * score).sum()), np.finfo(float).tiny)
    share = np.maximum(height / max(strong, np.finfo(float).tiny), _LEAST)
    contrast = np.full(len(share), -np.log(np.median(share)))
    chance = np.clip(score if shown is None else shown, _SURE, 1 - _SURE)
    return np.stack([logit(chance), np.log(share), contrast], axis=1)


def fit(images: list[np.ndarray], right: list[np.ndarray]) -> list[float] | None:
    """Slopes of the three facts, and an offset; every image counts alike.

    Parameters
    ----------
    images : of each, (maximum, 3) features.
    right : of each, (maximum,) whether it is a site.

    Returns
    -------
    None where all are sites or none is.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    seen, good = np.concatenate(images), np.concatenate(right)
    if not 0 < good.sum() < len(good):
        return None
    weight = np.concatenate([np.full(len(one), 1 / max(len(one), 1)) for one in right])
    scaler = StandardScaler().fit(seen)
    curve = LogisticRegression(C=_PENALTY, max_iter=1000)
    curve.fit(scaler.transform(seen), good, sample_weight=weight * len(weight) / weight.sum())
    slopes = curve.coef_[0] / scaler.scale_
    return [*map(float, slopes), float(curve.intercept_[0] - slopes @ scaler.mean_)]


def probability(curve: list[float], seen: np.ndarray) -> np.ndarray:
    """How likely maxima with these features are sites, (maximum,)."""
    return expit(seen @ np.array(curve[:3]) + curve[3])


def best_threshold(probability: np.ndarray) -> float:
    """Least probability of the maxima whose choice promises the highest F1.

    Of a few faint atoms among much that looks like them, the likeliest half is not all that is
    worth having: it is best to take what is likelier than half of the F1 that can be reached.

    Parameters
    ----------
    probability : (maximum,).

    Source: Z. C. Lipton et al., ECML PKDD 2014 (arXiv:1402.1892).
    """
    if not len(probability):
        return 1.0
    order = np.sort(probability)[::-1]
    expected = 2 * np.cumsum(order) / (np.arange(1, len(order) + 1) + order.sum())
    return float(order[expected.argmax()])
