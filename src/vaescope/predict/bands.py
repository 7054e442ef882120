"""Bands that hold a stated share of what would be measured, by conformal prediction.

Predictions of sites from blocks apart show how far measurements lie from them, in units of a
predicted spread; the quantiles of these distances make the bands of all other sites. Sites of one
place are wrong together, so what counts is not how many sites there are but how many places: the
scale of the distances is taken to differ from place to place, and bands hold for a new one.

Source: J. Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094, section 5.2 (local weights). Blocks
apart, because neighbours are not exchangeable: R. F. Barber et al., Ann. Stat. 51 (2023) 816.
Groups of distances: R. Dunn, L. Wasserman and A. Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vaescope.predict.apart import Apart
from vaescope.predict.components import Components
from vaescope.samples.held_out import Split

SHARES = (0.68, 0.95)
CONFIDENCE = (0.5, 0.95)
"""For each share, the quantile of a new place's scale to which its band is widened: a band of 95 %
is to be relied on in nearly every place, one of 68 % to be right on average."""
SCALES = 15  # of a new place, in a band
SAMPLED = 600  # sites at most whose distances are multiplied by these
GREATEST = 3.0  # scale of a new place, over that of the worst known
POOL = 0.03  # of the energies, on either side, whose distances are taken together
LINES_MOVE = 0.15, 0.6
"""Other objects have their lines at other energies: this share of the axis, over which the expected
error is smoothed, and the weight of what is smoothed."""
GROWTH = 0.5  # power of the distance from the training with which the error grows
USUAL = 0.75  # quantile of that distance up to which it does not
FARTHEST = 4.5  # that distance at most, over the usual one
LEAST_LEAF = 25  # sites of which an error is learned


@dataclass(frozen=True)
class Bands:
    """``low``, ``high`` (share, site, energy) of what would be measured.

    ``places`` : independent places on which they rest. ``scatter`` : standard deviation of the
    logarithm of the scale of errors between them.
    """

    low: np.ndarray
    high: np.ndarray
    places: int
    scatter: float


def fit(
    components: Components,
    spectra: np.ndarray,
    predicted: np.ndarray,
    features: np.ndarray,
    apart: Apart,
    seed: int,
    counts: bool,
) -> Bands:
    """Bands of the shares ``SHARES`` around predicted spectra.

    Parameters
    ----------
    components : of the training sites. spectra : (site, energy) as measured; looked at where
        the folds of ``apart`` test only.
    predicted : (site, energy), of those sites from blocks apart, components and all.
    features : (site, feature) on which the size of the errors may depend.
    apart : what the bands are calibrated on.
    counts : nothing below 0 is measured.
    """
    tested = apart.tested
    unit = _unit(components, spectra, predicted, features, apart, seed)
    distance = ((spectra - predicted) / unit)[tested]
    names, place = np.unique(apart.place[tested], return_inverse=True)
    scale = np.sqrt([(distance[place == k] ** 2).mean() for k in range(len(names))])
    scale = np.maximum(scale, np.finfo(float).tiny)
    shape = distance / scale[place][:, None]
    shape = shape[:: -(-len(shape) // SAMPLED)]
    low, high = [], []
    for share, confidence in zip(SHARES, CONFIDENCE, strict=True):
        scales = _of_new_place(scale, confidence)
        many = (shape[:, None] * scales[:, None]).reshape(-1, shape.shape[1])
        below, above = _quantiles(many, share)
        low.append(predicted + np.minimum(below, 0) * unit)
        high.append(predicted + np.maximum(above, 0) * unit)
    ends = np.stack([low, high])
    ends = np.maximum(ends, 0) if counts else ends
    return Bands(ends[0], ends[1], len(scale), _scatter(scale))


def _unit(
    components: Components,
    spectra: np.ndarray,
    predicted: np.ndarray,
    features: np.ndarray,
    apart: Apart,
    seed: int,
) -> np.ndarray:
    """(site, energy) expected size of measured minus predicted."""
    from scipy.ndimage import gaussian_filter1d

    tested = apart.tested
    missed = components.scores(spectra) - components.scores(predicted)
    spread = _spread(missed**2, features, apart.folds, seed)
    usual = np.quantile(apart.distance[tested], USUAL)
    beyond = np.clip(apart.distance / usual if usual > 0 else 1.0, 1.0, FARTHEST)
    square = np.reshape(beyond, (-1, 1)) ** (2 * GROWTH) * (spread @ components.loadings() ** 2)
    width, weight = LINES_MOVE
    smooth = gaussian_filter1d(square, width * square.shape[1], axis=1, mode="nearest")
    square = (1 - weight) * square + weight * smooth + components.variance(predicted)
    short = ((spectra - predicted)[tested] ** 2 - square[tested]).mean(0)
    unit = np.sqrt(square + np.maximum(short, 0))
    return np.maximum(unit, 1e-6 * (unit.max() or 1.0))


def _of_new_place(scale: np.ndarray, confidence: float) -> np.ndarray:
    """Equally likely scales (``SCALES``,) of the errors at a place like those known.

    Logarithms are taken as normal, with mean and variance from the known ones: a new one has
    Student's t distribution.
    """
    from scipy.stats import norm, t

    count = len(scale)
    if count < 2:
        return scale
    spread = _scatter(scale) * np.sqrt(1 + 1 / count)
    rank = (np.arange(SCALES) + 0.5) / SCALES
    usual = np.log(scale).mean() + spread * t.ppf(rank, count - 1)
    usual = np.clip(np.exp(usual), 0.2 * scale.min(), GREATEST * scale.max())
    return usual * np.exp(spread * norm.ppf(confidence))


def _scatter(scale: np.ndarray) -> float:
    return float(np.log(scale).std(ddof=1)) if len(scale) > 1 else 0.0


def _spread(
    missed: np.ndarray, features: np.ndarray, folds: Sequence[Split], seed: int
) -> np.ndarray:
    """(site, component) expected squares of errors: of sites tested by a fold from the other
    folds, of all others from all of them; half of it is the mean over all sites."""
    tested = np.any([split.test for split in folds], axis=0)
    found = _learned(missed, features, tested, seed)
    for split in folds:
        others = tested & ~split.test
        found[split.test] = _learned(missed, features, others, seed)[split.test]
    return found


def _learned(missed: np.ndarray, features: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import ExtraTreesRegressor

    mean = missed[known].mean(0)
    leaf = max(LEAST_LEAF, int(known.sum()) // 40)
    forest = ExtraTreesRegressor(40, min_samples_leaf=leaf, max_features=0.5, random_state=seed)
    share = missed[known] / np.where(mean > 0, mean, 1)
    forest.fit(features[known], share.squeeze(1) if share.shape[1] == 1 else share)
    return mean * (0.5 + 0.5 * forest.predict(features).reshape(len(features), -1))


def _quantiles(distance: np.ndarray, share: float) -> np.ndarray:
    """(2, energy) lower and upper quantile of distances (site, energy), of neighbouring energies
    together."""
    energies = distance.shape[1]
    half = max(1, round(POOL * energies))
    tail = (1 - share) / 2
    level = [tail, 1 - tail]
    middles = np.unique(np.linspace(0, energies - 1, 1 + -(-energies // half)).round().astype(int))
    starts = np.clip(middles - half, 0, max(0, energies - 2 * half - 1))
    found = np.array([np.quantile(distance[:, k : k + 2 * half + 1], level) for k in starts])
    every = np.arange(energies)
    return np.stack([np.interp(every, middles, found[:, side]) for side in (0, 1)])
