"""Predictors of the blend. Each learns scores from the context of training sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vaescope.predict import kernels, objects
from vaescope.predict.components import Components
from vaescope.predict.context import Context
from vaescope.predict.gain import Gain

WORDS = {
    "ridge": "ridge regression on ring spectra",
    "neighbours": "nearest neighbours by ring spectra",
    "trees": "extremely randomised trees on ring spectra and nearest objects",
    "rings": "kernel regression on ring spectra",
    "objects": "kernel regression that adds over nearest objects",
    "trees_of_shape": "extremely randomised trees for the shape, times the strength in the image",
    "rings_of_shape": "kernel regression for the shape, times the strength in the image",
}
BASELINES = ("ridge", "neighbours")
"""Predictors that stand beside the blend, and are no part of it."""

MOST = 8000  # sites that are learned from; neighbouring sites of larger maps add little
NEIGHBOURS = 15
TREES = 80
RING_LENGTHS = (0.3, 0.7)  # of kernels, in root mean square distances of sites
DECAY_AND_SHAPE = ((1.25, 1.0), (1.25, 2.0), (2.5, 1.0))
"""Variants of the kernel over objects: decay length in half widths, scale of shapes."""


class Predictor(Protocol):
    """A predictor of scores.

    Called with ``train``, the rows of the sites whose scores it may see, and ``wanted``, the rows
    of those that it is to predict, it gives (variant, wanted, component): predictions by one or
    more variants of its settings, of which the best on blocks apart is taken for each component.
    """

    def __call__(self, train: np.ndarray, wanted: np.ndarray) -> np.ndarray: ...


class Outside(Protocol):
    """A predictor of spectra from elsewhere, such as an ensemble of networks: called like a
    ``Predictor``, it gives (wanted, energy) in the unit of the spectra."""

    def __call__(self, train: np.ndarray, wanted: np.ndarray) -> np.ndarray: ...


Maker = Callable[[Context, np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def built(
    context: Context, scores: np.ndarray, seed: int, gain: Gain | None = None
) -> dict[str, Predictor]:
    """The predictors of ``WORDS`` by name; those of the shape where the strength is known.

    Parameters
    ----------
    scores : (site, component), of which a predictor looks at those of training sites alone.
    """
    makers: dict[str, Maker] = {
        "ridge": _ridge,
        "neighbours": _neighbours,
        "trees": _trees,
        "rings": _rings,
        "objects": _objects,
    }

    def bound(make: Maker) -> Predictor:
        return lambda train, wanted: make(context, scores, _thinned(train, seed), wanted, seed)

    found = {name: bound(make) for name, make in makers.items()}
    if gain is not None:
        for name, shaped in (("trees_of_shape", _trees), ("rings_of_shape", _rings)):
            found[name] = _of_shape(shaped, context, scores, seed, gain)
    return found


def _of_shape(
    make: Callable[..., np.ndarray], context: Context, scores: np.ndarray, seed: int, gain: Gain
) -> Predictor:
    """A predictor of the shape of spectra, whose errors count by what they come to when the
    strength is put back."""
    shapes = (scores - gain.origin) / gain.strength[:, None]

    def predict(train: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        rows = _thinned(train, seed)
        weight = gain.strength[rows] ** 2
        found = make(context, shapes, rows, wanted, seed, weight / weight.mean())
        return found * gain.strength[wanted, None] + gain.origin

    return predict


def _thinned(rows: np.ndarray, seed: int) -> np.ndarray:
    """At most ``MOST`` of the rows, at random."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:MOST])


def from_outside(predict: Outside, components: Components) -> Predictor:
    """A predictor of scores that gives what one of spectra does."""
    return lambda train, wanted: components.scores(predict(train, wanted))[None]


def _standard(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    spread = features[train].std(0)
    return (features - features[train].mean(0)) / np.where(spread > 1e-9, spread, 1)


def _ridge(
    context: Context, scores: np.ndarray, train: np.ndarray, wanted: np.ndarray, seed: int
) -> np.ndarray:
    """Ridge regression on wide ring spectra."""
    features = _standard(context.wide, train)
    ridges = 0.01 * len(train), 0.1 * len(train)
    return kernels.ridge(features[train], scores[train], features[wanted], ridges)


def _neighbours(
    context: Context, scores: np.ndarray, train: np.ndarray, wanted: np.ndarray, seed: int
) -> np.ndarray:
    """Mean of the sites with the most similar wide ring spectra."""
    from scipy.spatial import cKDTree

    features = _standard(context.wide, train)
    ranks = list(range(1, min(NEIGHBOURS, len(train)) + 1))
    near = cKDTree(features[train]).query(features[wanted], ranks)[1]
    return scores[train][near].mean(1)[None]


def _trees(
    context: Context,
    scores: np.ndarray,
    train: np.ndarray,
    wanted: np.ndarray,
    seed: int,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Extremely randomised trees on the whole context: P. Geurts et al., Mach. Learn. 63, 3."""
    from sklearn.ensemble import ExtraTreesRegressor

    features = context.table()
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=3, max_features=0.4, random_state=seed)
    known = scores[train].squeeze(1) if scores.shape[1] == 1 else scores[train]
    forest.fit(features[train], known, sample_weight=weight)
    return forest.predict(features[wanted]).reshape(1, len(wanted), scores.shape[1])


def _rings(
    context: Context,
    scores: np.ndarray,
    train: np.ndarray,
    wanted: np.ndarray,
    seed: int,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Gaussian kernels on close and on wide ring spectra, two lengths each."""
    found = []
    for rings in (context.close, context.wide):
        scale = np.sqrt(rings[train].var(0).sum()) or 1.0
        for length in RING_LENGTHS:
            place = (rings - rings[train].mean(0)) / (scale * length)
            parts = kernels.Parts(place[:, None], np.ones((len(rings), 1)))
            known, new = parts.features(train, wanted, seed)
            found.append(kernels.ridge(known, scores[train], new, weight=weight))
    return np.concatenate(found)


def _objects(
    context: Context, scores: np.ndarray, train: np.ndarray, wanted: np.ndarray, seed: int
) -> np.ndarray:
    """The response as a sum over objects, each seen by distance, end, angle and shape."""
    found = []
    for decay, shape in DECAY_AND_SHAPE:
        known, new = [], []
        for near, length in zip(context.near, context.length, strict=True):
            place = _seen(objects.filled(near, length), length, shape)
            away = np.where(np.isfinite(near[..., 0]), np.maximum(near[..., 0], 0), np.inf)
            parts = kernels.Parts(place, np.exp(-away / (decay * length)))
            of_train, of_wanted = parts.features(train, wanted, seed)
            known.append(of_train)
            new.append(of_wanted)
        found.append(kernels.ridge(np.hstack(known), scores[train], np.hstack(new)))
    return np.concatenate(found)


def _seen(near: np.ndarray, length: float, shape: float) -> np.ndarray:
    """Place of sites to objects (site, object, 7) in units of the kernel's lengths.

    Lengths follow from the usual half width of the objects; how soon sizes, aspect ratios and
    levels count as different is ``shape`` times a fixed scale.
    """
    distance, along, across, end, size, aspect, level = np.moveaxis(near, -1, 0)
    squared = along**2 + across**2
    return np.stack(
        [
            np.arcsinh(distance / (0.75 * length)),
            end / (1.5 * length),
            along**2 / np.where(squared > 0, squared, 1) / 0.6,
            size / (0.7 * shape),
            aspect / (0.5 * shape),
            level / (1.0 * shape),
        ],
        -1,
    )
