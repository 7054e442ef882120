"""Bands that hold a stated share of what would be measured, by conformal prediction.

Predictions of sites from blocks apart show how far measurements lie from them, in units of a
predicted spread; the quantiles of these distances make the bands of all other sites.

Source: J. Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094, section 5.2 (local weights). Blocks
apart, because neighbours are not exchangeable: R. F. Barber et al., Ann. Stat. 51 (2023) 816.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vaescope.predict.components import Components
from vaescope.samples.held_out import Split

SHARES = (0.68, 0.95)
CAUTION = (0.0, 0.75)
"""How far, for each share, a band reaches from that of all blocks to that of the worst: a few
blocks hold the usual errors of a new one, but hardly its rare ones."""
POOL = 0.03  # of the energies, on either side, whose distances are taken together
LEAST_LEAF = 25  # sites of which an error is learned


@dataclass(frozen=True)
class Bands:
    """``low``, ``high`` (share, site, energy) of what would be measured."""

    low: np.ndarray
    high: np.ndarray


def fit(
    components: Components,
    spectra: np.ndarray,
    predicted: np.ndarray,
    features: np.ndarray,
    folds: Sequence[Split],
    seed: int,
    counts: bool,
) -> Bands:
    """Bands of the shares ``SHARES`` around predicted spectra.

    Parameters
    ----------
    components : of the training sites. spectra : (site, energy) as measured; looked at where
        ``folds`` test only.
    predicted : (site, energy), of those sites from blocks apart, components and all.
    features : (site, feature) on which the size of the errors may depend.
    counts : nothing below 0 is measured.
    """
    tested = np.any([split.test for split in folds], axis=0)
    missed = components.scores(spectra) - components.scores(predicted)
    spread = _spread(missed**2, features, folds, seed)
    square = spread @ components.loadings() ** 2 + components.variance(predicted)
    short = ((spectra - predicted)[tested] ** 2 - square[tested]).mean(0)
    unit = np.sqrt(square + np.maximum(short, 0))
    unit = np.maximum(unit, 1e-6 * (unit.max() or 1.0))
    distance = (spectra - predicted) / unit
    low, high = [], []
    for share, caution in zip(SHARES, CAUTION, strict=True):
        usual = _quantiles(distance[tested], share)
        worst = np.stack([_quantiles(distance[split.test], share) for split in folds])
        below = (1 - caution) * usual[0] + caution * worst[:, 0].min(0)
        above = (1 - caution) * usual[1] + caution * worst[:, 1].max(0)
        low.append(predicted + below * unit)
        high.append(predicted + above * unit)
    bands = Bands(np.stack(low), np.stack(high))
    return Bands(np.maximum(bands.low, 0), np.maximum(bands.high, 0)) if counts else bands


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
    sites, energies = distance.shape
    half = max(1, round(POOL * energies))
    tail = (1 - share) / 2
    # One site more on either side: the finite-sample correction of conformal prediction.
    level = np.clip([tail - 1 / (sites + 1), 1 - tail + 1 / (sites + 1)], 0, 1)
    middles = np.unique(np.linspace(0, energies - 1, 1 + -(-energies // half)).round().astype(int))
    starts = np.clip(middles - half, 0, max(0, energies - 2 * half - 1))
    found = np.array([np.quantile(distance[:, k : k + 2 * half + 1], level) for k in starts])
    every = np.arange(energies)
    return np.stack([np.interp(every, middles, found[:, side]) for side in (0, 1)])
