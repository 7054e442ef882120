"""Ridge regression with kernels, on a few hundred landmarks.

Source: C. K. I. Williams and M. Seeger, NIPS 13 (2000) 682 (Nyström's method).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LANDMARKS = 300
LEAST_WEIGHT = 0.01  # of a part that counts
RIDGES = (0.05, 0.5, 5.0)  # on the features of a kernel of height 1


def gaussian(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """exp(−|a − b|²/2) of rows (n, feature) and (m, feature): (n, m)."""
    square = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.exp(-0.5 * np.maximum(square, 0))


@dataclass(frozen=True)
class Parts:
    """Sites that consist of parts, as seen by a kernel that adds over parts.

    ``place`` (site, part, feature) in units of the kernel's length; ``weight`` (site, part), 0
    where there is no part. A response Σ weight · f(place) has the kernel
    Σ weight weight′ · k(place, place′).
    """

    place: np.ndarray
    weight: np.ndarray

    def features(
        self, train: np.ndarray, wanted: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(site, feature) of the rows ``train`` and ``wanted`` : the kernel on landmarks among the
        parts of training sites."""
        from scipy.linalg import cholesky, solve_triangular

        sites, parts = np.nonzero(self.weight[train] > LEAST_WEIGHT)
        if not len(sites):
            return np.zeros((len(train), 1)), np.zeros((len(wanted), 1))
        chosen = np.random.default_rng(seed).permutation(len(sites))[:LANDMARKS]
        marks = self.place[train][sites[chosen], parts[chosen]]
        lower = cholesky(gaussian(marks, marks) + 1e-6 * np.eye(len(marks)), lower=True)

        def of(rows: np.ndarray) -> np.ndarray:
            seen = np.zeros((len(rows), len(marks)))
            for part in range(self.place.shape[1]):
                some = np.flatnonzero(self.weight[rows, part] > LEAST_WEIGHT)
                kernel = gaussian(self.place[rows[some], part], marks)
                seen[some] += self.weight[rows[some], part, None] * kernel
            return solve_triangular(lower, seen.T, lower=True).T

        return of(train), of(wanted)


def ridge(
    known: np.ndarray,
    scores: np.ndarray,
    new: np.ndarray,
    ridges: tuple[float, ...] = RIDGES,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Ridge regression by each of several penalties.

    Parameters
    ----------
    known : (site, feature), whose ``scores`` are (site, component). new : (wanted, feature).
    weight : (site,) of squared errors, of mean 1; by default all count alike.

    Returns
    -------
    (ridge, wanted, component).
    """
    share = np.ones(len(known)) if weight is None else weight
    middle, mean = (np.average(one, axis=0, weights=share) for one in (known, scores))
    centred = known - middle
    weighed = (centred * share[:, None]).T
    value, vector = np.linalg.eigh(weighed @ centred)
    response = vector.T @ (weighed @ (scores - mean))
    turned = (new - middle) @ vector
    size = np.maximum(value, 0)[:, None]
    return np.stack([turned @ (response / (size + each)) + mean for each in ridges])
