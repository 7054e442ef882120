"""Predictors weighted by what they are worth on blocks that they have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vaescope.predict.predictors import Predictor
from vaescope.progress import track
from vaescope.samples.held_out import Split

PULL = 3.0  # of the weights towards those by error alone, against the predictions themselves


@dataclass(frozen=True)
class Blend:
    """``whole`` (member, site, component): scores that each predicts from all training sites.

    ``apart`` of the same shape: what each predicts for training sites from blocks that lie apart
    from them; NaN elsewhere. ``weights`` (member,), not negative, 0 for those that do not count.
    """

    names: tuple[str, ...]
    whole: np.ndarray
    apart: np.ndarray
    weights: np.ndarray

    def scores(self) -> np.ndarray:
        """(site, component), each site predicted from training sites apart from it: training sites
        from other blocks, all others from all training sites."""
        return np.einsum("msc,m->sc", self.of_members(), self.weights)

    def of_members(self) -> np.ndarray:
        """(member, site, component) : the same of each member by itself."""
        return np.where(np.isfinite(self.apart), self.apart, self.whole)

    def spread(self) -> np.ndarray:
        """(site, component) : standard deviation of the members that count."""
        counted = self.of_members()[self.weights > 0]
        return counted.std(0) if len(counted) else np.zeros(self.whole.shape[1:])


def fit(
    members: Mapping[str, Predictor],
    scores: np.ndarray,
    worth: np.ndarray,
    train: np.ndarray,
    folds: Sequence[Split],
    weighted: Sequence[str],
) -> Blend:
    """Fit all members on all folds and on all training sites, and weigh those of ``weighted``.

    Parameters
    ----------
    scores : (site, component), of mean 0 over training. worth : (component,) what a squared error
        of each counts. train : (site,) bool.
    folds : splits of the training sites; sites outside training are in neither part.

    Weights are non-negative least squares on the predictions apart (L. Breiman, Machine Learning 24
    (1996) 49), pulled towards the inverse of each one's mean square error there, since the few
    objects of a block say little about how predictors correct each other.
    """
    apart, whole = [], []
    everywhere = np.arange(len(scores))
    for name in track("predictors", members, len(members)):
        tried = _apart(members[name], scores, folds)
        best = np.nansum((tried - scores) ** 2, axis=1).argmin(0)
        apart.append(_picked(tried, best))
        whole.append(_picked(members[name](np.flatnonzero(train), everywhere), best))
    names = tuple(members)
    found = np.stack(apart)
    rows = [names.index(name) for name in weighted]
    known = np.isfinite(found).all((0, 2))
    weights = np.zeros(len(names))
    weights[rows] = _weights(found[rows][:, known], scores[known], worth)
    return Blend(names, np.stack(whole), found, weights)


def _apart(member: Predictor, scores: np.ndarray, folds: Sequence[Split]) -> np.ndarray:
    """(variant, site, component) predicted for the test sites of every fold, NaN elsewhere."""
    parts = [
        (split.test, member(*map(np.flatnonzero, (split.train, split.test)))) for split in folds
    ]
    found = np.full((len(parts[0][1]), *scores.shape), np.nan)
    for test, predicted in parts:
        found[:, test] = predicted
    return found


def _picked(variants: np.ndarray, best: np.ndarray) -> np.ndarray:
    """(site, component) : of each component the variant ``best`` (component,)."""
    return np.stack([variants[k, :, c] for c, k in enumerate(best)], axis=1)


def _weights(predicted: np.ndarray, scores: np.ndarray, worth: np.ndarray) -> np.ndarray:
    from scipy.optimize import nnls

    count = len(predicted)
    table = (predicted * np.sqrt(worth)).reshape(count, -1)
    goal = (scores * np.sqrt(worth)).ravel()
    gram = table @ table.T
    pull = PULL * np.trace(gram) / count
    alone = 1 / np.maximum(((table - goal) ** 2).sum(1), np.finfo(float).tiny)
    alone /= alone.sum()
    # Least squares on the root of the Gram matrix, since its rows are few and those of table many.
    root = np.linalg.cholesky(gram + (pull + 1e-12) * np.eye(count)).T
    wanted = np.linalg.solve(root.T, table @ goal + pull * alone)
    return nnls(root, wanted)[0] if pull > 0 else alone
