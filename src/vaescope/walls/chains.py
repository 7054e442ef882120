"""Hidden Markov chains along curves, all curves at once.

What is known at a point from those before it is a product of matrices, one for each step along
the curve. Products are formed pair by pair (G. E. Blelloch, IEEE Trans. Comput. 38 (1989) 1526), so
that no point waits for the one before it.

Source: L. R. Rabiner, Proc. IEEE 77 (1989) 257 (forward and backward recursion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEAST = 1e-12  # share of the likeliest state's likelihood that every state has


@dataclass(frozen=True)
class Chains:
    """Curves as chains; arrays over the links of all.

    ``point`` : (link,) which point of all curves each link is; closed curves are gone through
    twice. ``gap`` : (link,) px from the link before, infinite where a chain begins. ``own`` :
    (point,) the link by which each point is judged.
    """

    point: np.ndarray
    gap: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, gaps: Sequence[np.ndarray], closed: Sequence[bool]) -> Chains:
        """Chains of curves whose points lie ``gaps`` (point,) px before the next ones."""
        points, apart, own = [np.zeros(0, int)], [np.zeros(0)], [np.zeros(0, int)]
        first, links = 0, 0
        for gap, ring in zip(gaps, closed, strict=True):
            count = len(gap)
            order = np.arange(count)
            chosen = order
            if ring:
                # A point is judged where as much of the curve lies before it as behind it.
                chosen = np.where(order < count // 2, order + count, order)
                order = np.concatenate([order, order])
            points.append(first + order)
            apart.append(np.where(np.arange(len(order)), gap[order - 1], np.inf))
            own.append(links + chosen)
            first, links = first + count, links + len(order)
        return cls(np.concatenate(points), np.concatenate(apart), np.concatenate(own))

    def posterior(
        self, likelihood: np.ndarray, prior: np.ndarray, rate: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Probability (state, point) of each state, and the logarithm of the likelihood of all.

        Parameters
        ----------
        likelihood : (state, point) logarithm of that of each point by itself.
        prior : (state,) share of each state beforehand.
        rate : (state, state) 1/px, of changes from the second state to the first; the diagonal
            does not count.
        """
        if not len(self.point):
            return likelihood.copy(), 0.0
        highest = likelihood.max(axis=0)
        seen = np.maximum(np.exp(likelihood - highest), _LEAST)[:, self.point].T
        begins = ~np.isfinite(self.gap)
        change = self._changes(rate, begins)
        forth = change * np.roll(seen, 1, axis=0)[:, None, :]
        forth[begins] = prior[:, None]
        before = _normalised(_products(forth).sum(axis=2))
        back = np.roll(np.swapaxes(change, 1, 2), -1, axis=0) * np.roll(seen, -1, axis=0)[:, None]
        back[np.roll(begins, -1)] = 1.0
        behind = _normalised(_products(back[::-1]).sum(axis=2)[::-1])
        found = _normalised(before * seen * behind)
        total = np.log((before * seen).sum(axis=1))[self.own] + highest
        return found[self.own].T, float(total.sum())

    def _changes(self, rate: np.ndarray, begins: np.ndarray) -> np.ndarray:
        """Probabilities (link, state, state) of changes on the way to each link."""
        leave = rate.sum(axis=0) - np.diagonal(rate)
        gone = -np.expm1(-np.where(begins, 1.0, self.gap)[:, None] * leave)
        share = rate / np.maximum(leave, 1e-300)
        change = gone[:, None, :] * share
        states = np.arange(len(rate))
        change[:, states, states] = 1 - gone
        return np.asarray(change)


def _products(steps: np.ndarray) -> np.ndarray:
    """Products (link, state, state) of each matrix with all before it, up to a factor."""
    made = steps / steps.max(axis=(1, 2), keepdims=True)
    reach = 1
    while reach < len(made):
        made[reach:] = made[reach:] @ made[:-reach]
        made /= made.max(axis=(1, 2), keepdims=True)
        reach *= 2
    return made


def _normalised(values: np.ndarray) -> np.ndarray:
    return np.asarray(values / values.sum(axis=1, keepdims=True))
