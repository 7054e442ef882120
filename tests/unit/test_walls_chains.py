"""Chains of states along curves give what summing over all courses of the states gives."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from vaescope.walls.chains import Chains

PRIOR = np.array([0.5, 0.2, 0.3])
RATE = np.array([[0.0, 0.3, 0.0], [0.12, 0.0, 0.2], [0.0, 0.3, 0.0]])


def by_enumeration(likelihood, gap):
    """Probabilities (state, point), and the likelihood, of one open curve."""
    states, points = likelihood.shape
    leave = RATE.sum(axis=0)
    found, total = np.zeros((states, points)), 0.0
    for course in product(range(states), repeat=points):
        weight = PRIOR[course[0]] * np.exp(likelihood[course[0], 0])
        for k in range(1, points):
            old, new = course[k - 1], course[k]
            gone = -np.expm1(-gap[k - 1] * leave[old])
            step = 1 - gone if old == new else gone * RATE[new, old] / leave[old]
            weight *= step * np.exp(likelihood[new, k])
        found[course, np.arange(points)] += weight
        total += weight
    return found / total, np.log(total)


def test_open_curves_are_judged_exactly_and_apart_from_each_other():
    rng = np.random.default_rng(0)
    gaps = [rng.uniform(0.3, 2, count) for count in (6, 1, 4)]
    likelihood = rng.normal(size=(3, 11))
    chains = Chains.of(gaps, [False] * 3)
    found, total = chains.posterior(likelihood, PRIOR, RATE)
    parts = np.split(likelihood, [6, 7], axis=1)
    alone = [by_enumeration(part, gap) for part, gap in zip(parts, gaps, strict=True)]
    assert np.allclose(found, np.concatenate([part for part, _ in alone], axis=1))
    assert total == pytest.approx(sum(value for _, value in alone))


def test_a_closed_curve_has_no_beginning():
    rng = np.random.default_rng(1)
    gap, likelihood = np.full(300, 0.5), 0.5 * rng.normal(size=(3, 300))
    found, _ = Chains.of([gap], [True]).posterior(likelihood, PRIOR, RATE)
    turned = np.roll(likelihood, 117, axis=1)
    again, _ = Chains.of([gap], [True]).posterior(turned, PRIOR, RATE)
    assert np.allclose(np.roll(found, 117, axis=1), again, atol=1e-6)


def test_strong_evidence_overflows_nowhere_and_no_curve_is_no_fault():
    likelihood = np.array([[0.0, -2000.0], [-1e4, -3.0], [5.0, 900.0]])
    found, _ = Chains.of([np.ones(2)], [False]).posterior(likelihood, PRIOR, RATE)
    assert np.isfinite(found).all() and found.sum(axis=0) == pytest.approx(1)
    assert found[2, 1] > 0.99
    assert Chains.of([], []).posterior(np.zeros((3, 0)), PRIOR, RATE)[0].shape == (3, 0)
