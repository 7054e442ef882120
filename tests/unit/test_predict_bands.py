"""Bands of predicted spectra hold for places that differ from those of the training."""

from __future__ import annotations

import numpy as np
import pytest

from vaescope.predict import apart, bands, components
from vaescope.samples.held_out import Split, tiles

PLACES, SITES, ENERGIES = 8, 40, 6


def errors(rng: np.random.Generator, scatter: float, places: int) -> np.ndarray:
    """(place · site, energy), larger in some places than in others."""
    scale = np.exp(scatter * rng.normal(size=(places, 1, 1)))
    return (scale * rng.normal(size=(places, SITES, ENERGIES))).reshape(-1, ENERGIES)


def coverage(seed: int, scatter: float) -> np.ndarray:
    """Share of what is measured in each of many new places within the two bands."""
    rng = np.random.default_rng(seed)
    new = 20
    measured = np.concatenate([errors(rng, scatter, PLACES), errors(rng, scatter, new)])
    part = np.repeat(np.arange(PLACES + new), SITES)
    folds = [Split((part < PLACES) & (part // 2 != k), part // 2 == k) for k in range(PLACES // 2)]
    basis = components.Components(
        np.zeros(ENERGIES), np.ones(ENERGIES), np.eye(ENERGIES), (1e-9, 0.0)
    )
    known = apart.Apart(folds, np.where(part < PLACES, part, -1), np.ones(len(part)))
    features = rng.normal(size=(len(part), 2))
    made = bands.fit(basis, measured, np.zeros_like(measured), features, known, seed, False)
    assert made.places == PLACES
    inside = (measured >= made.low) & (measured <= made.high)
    return inside[:, part >= PLACES].reshape(2, new, -1).mean(2)


@pytest.mark.parametrize("scatter", [0.0, 0.3])
def test_bands_hold_in_new_places(scatter):
    covered = np.concatenate([coverage(seed, scatter) for seed in range(8)], axis=1)
    narrow, wide = covered
    assert 0.64 < narrow.mean() < 0.74
    assert (wide > 0.92).mean() > 0.9


def test_bands_are_wider_far_from_the_training():
    rng = np.random.default_rng(0)
    measured = errors(rng, 0.0, PLACES)
    part = np.repeat(np.arange(PLACES), SITES)
    folds = [Split((part // 2 != k) & (part < 6), part // 2 == k) for k in range(3)]
    basis = components.Components(
        np.zeros(ENERGIES), np.ones(ENERGIES), np.eye(ENERGIES), (1e-9, 0.0)
    )
    widths = []
    for away in (1.0, 4.0):
        known = apart.Apart(folds, np.where(part < 6, part, -1), np.where(part < 6, 1.0, away))
        made = bands.fit(
            basis, measured, np.zeros_like(measured), np.zeros((len(part), 1)), known, 0, False
        )
        widths.append((made.high - made.low)[:, part >= 6].mean((1, 2)))
    np.testing.assert_allclose(widths[1] / widths[0], 2.0, rtol=0.05)  # the root of 4


def test_distance_tells_contexts_that_no_training_has_seen():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 5))
    features[350:] += 6
    train = np.arange(400) < 300
    folds = [
        Split(train & (np.arange(400) % 3 != k), train & (np.arange(400) % 3 == k))
        for k in range(3)
    ]
    known = apart.of_folds(folds, train, features, None, 1.0)
    assert known.distance[350:].min() > np.quantile(known.distance[:350], 0.99)
    assert len(np.unique(known.place[train])) == 3
    assert (known.place[~train] == -1).all()


def test_tiles_are_as_wide_as_wanted():
    place = np.stack([part.ravel() for part in np.mgrid[:40, :24]], 1)
    parts = tiles(place, 12)
    assert sorted(np.concatenate(parts)) == list(range(len(place)))
    assert max(np.ptp(place[part], axis=0).max() + 1 for part in parts) <= 15
    assert min(len(part) for part in parts) > 36
