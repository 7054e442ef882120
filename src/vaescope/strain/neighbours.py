"""Strain and rotation at every site from the vectors to its neighbours, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.strain.fit_errors import FitNoise, hidden, inverted
from vaescope.strain.lattice import REACH, Lattice

# Standard deviation, in lattice spacings, of the Gaussian that maps of strain are smoothed by. The
# eight nearest neighbours in a square lattice average a gradient over two spacings along it,
# evenly, and over three rows of them: variances of 1/3 and 2/3, on average 0.71 squared.
RESOLUTION = 0.71
_WIDE = 2.3  # spacings within which neighbours are used: twenty in a square lattice
_CATCH = 0.3  # spacings: a neighbour farther from its place in the lattice is another structure
_ROUNDS = 4  # of matching and fitting
_FEWEST = 5  # neighbours without which a deformation and its error are not known
_SPREAD = 1.0  # squared spacings, of neighbours about their middle, along their narrowest direction
_HUBER = 2.5  # standard errors beyond which a neighbour counts less
# Spacings, standard deviation of the terms of second and third order before anything is measured:
# strain may change by 6 % from one site to the next.
_BENT = 0.03
_WHOLE = 0.79  # share of the neighbours below which, at an edge, bends cannot be resolved
_STIFF = 9.0  # and their variance is so much smaller
_AT_ONCE = 8_000  # sites whose matrices are in memory


@dataclass
class Deformed:
    """Deformations of the lattice at every site, relative to ``Lattice.vectors``.

    ``deformation`` (site, 2, 2); ``covariance`` (site, 2, 2, 2) of its first row, which tells of x,
    and of its second row; ``count`` (site,) neighbours; ``misfit`` (site,) mean square of what the
    fit leaves over, in units of the errors as widened; ``widened`` (2,) by how much the errors of x
    and y had to grow, and ``rows`` (2,) px, the standard deviation of what sites at one height
    share: noise of the scan.
    """

    deformation: np.ndarray
    covariance: np.ndarray
    count: np.ndarray
    misfit: np.ndarray
    widened: np.ndarray
    rows: np.ndarray


def fit(
    lattice: Lattice,
    position: np.ndarray,
    error: np.ndarray,
    width: float,
    usable: np.ndarray | None = None,
) -> Deformed:
    """Fit the deformation of every site to its neighbours, at one resolution, by least squares.

    A neighbour at the lattice vector r of a site stands at t + F r + terms of second and third
    order in r. The shift t is one for the neighbours that an even number of steps along a and b
    leads to, and another for the rest: so neither the site's own error nor a polar displacement of
    every other site passes for strain. Neighbours far off count less (Huber's weights).

    What is read from the fit is F smoothed by a Gaussian of ``RESOLUTION`` spacings, to third
    order: of all sums over neighbours with that resolution the one with the least error, in every
    direction and however well either sublattice is seen. Where too many neighbours lack, at edges
    and cores, the terms of higher order are held down and the resolution is less.

    Parameters
    ----------
    position, error : (site, 2) px as (x, y), and the standard error of each coordinate.
    width : px, standard deviation of a site's image: sites at heights that differ by less share
        the noise of scan lines.
    usable : (site,) bool, sites whose position can be relied on; None: all.

    Returns
    -------
    Deformed. Position errors are propagated; what the fits leave over tells whether they are too
    small and how much of the rest is shared by sites at one height (two components of variance, by
    their moments over all sites). A site whose own misfit stands out gets wider errors by itself,
    and so do sites about which strain visibly changes within the resolution (``hidden``).

    Source of estimates with a given resolution: G. Backus & F. Gilbert, Phil. Trans. R. Soc. A 266
    (1970) 123; of the weights: P. J. Huber, Ann. Math. Stat. 35 (1964) 73; of the components of
    variance: C. R. Rao, J. Multivariate Anal. 1 (1971) 257.
    """
    usual = np.nanmedian(error, axis=0) if np.isfinite(error).any() else np.full(2, np.nan)
    usual = np.where(np.isfinite(usual), usual, 0.01 * lattice.spacing)
    error = np.maximum(np.where(np.isfinite(error) & (error > 0), error, usual), 1e-4)
    index = lattice.shells(_WIDE)
    vectors = index @ lattice.vectors
    odd = index.sum(1) % 2
    near = np.hypot(*vectors.T) <= REACH * lattice.spacing
    design, read, held = _terms(vectors, odd, lattice.spacing)
    known = np.isfinite(lattice.deformation).all((1, 2))
    if usable is not None:
        known &= usable
    current = np.where(known[:, None, None], lattice.deformation, np.eye(2))
    for _ in range(_ROUNDS):
        neighbour = _match(lattice, vectors, current, known)
        seen = neighbour >= 0
        good = _enough(seen[:, near], odd[near], vectors[near], lattice.spacing)
        target = position[neighbour] - position[:, None]
        sd = error[neighbour]
        weight = seen[..., None] / sd**2
        prior = np.where(seen.mean(1) < _WHOLE, _STIFF, 1.0)[:, None] * held
        _, left = _solve(design, target, weight, prior)
        scale = _robust(left / sd, seen & good[:, None])
        pull = np.abs(left) / (sd * scale)
        weight = weight * np.minimum(1.0, _HUBER / np.maximum(pull, _HUBER))
        solution, left = _solve(design, target, weight, prior)
        current = np.where(good[:, None, None], solution @ read[:2].T, current)
    height = np.where(seen, position[neighbour][..., 1], 0.0)
    good &= np.linalg.det(current) > 0
    covariance = np.full((len(position), 2, 4, 4), np.nan)
    misfit = np.full((len(position), 2), np.nan)
    widened, rows = np.ones(2), np.zeros(2)
    for axis in range(2):
        noise = FitNoise(design, read, weight[..., axis], prior, sd[..., axis], height, width)
        covariance[:, axis], misfit[:, axis], widened[axis], rows[axis] = noise.judge(
            left[..., axis], good
        )
    power = np.diagonal(covariance[:, :, 2:, 2:], axis1=2, axis2=3)
    bend = np.where(good[:, None, None], solution @ read[2:].T, np.nan)
    beside = np.hypot(*lattice.difference.T) <= REACH * lattice.spacing
    unseen = hidden(bend, power, lattice.start[beside], lattice.stop[beside])
    return Deformed(
        np.where(good[:, None, None], current, np.nan),
        covariance[:, :, :2, :2] + unseen[..., None] * np.eye(2),
        seen[:, near].sum(1),
        np.where(good, misfit.mean(1), np.nan),
        widened,
        rows,
    )


def _terms(
    vectors: np.ndarray, odd: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Terms (vector, 11) of a displacement: a shift of each half of the sites, and a polynomial of
    third order; what is read from them (4, 11): F along x and y at the resolution, and how much
    more the site's own F is less than that; and the prior precision (11,) of each term in 1/px²."""
    x, y = vectors.T / spacing
    bent = [x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3]
    design = np.column_stack([1 - odd, odd, x, y, *bent])
    read = np.zeros((4, 11))
    # A Gaussian adds variance/2 times the Laplacian to what it smooths.
    read[2, 7] = read[3, 10] = 3 * RESOLUTION**2
    read[2, 9] = read[3, 8] = RESOLUTION**2
    read[:2] = read[2:]
    read[0, 2] = read[1, 3] = 1.0
    held = np.full(11, 1e-9)
    held[4:] = (_BENT * spacing) ** -2
    return design, read / spacing, held


def _match(
    lattice: Lattice, vectors: np.ndarray, current: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Neighbour (site, vector) nearest to each deformed lattice vector; -1 where none is near."""
    count = len(current)
    best = np.full((count, len(vectors)), -1)
    rows = known[lattice.start] & known[lattice.stop]
    start, stop, difference = lattice.start[rows], lattice.stop[rows], lattice.difference[rows]
    for k, vector in enumerate(vectors):
        apart = np.hypot(*(difference - (current @ vector)[start]).T)
        near = apart < _CATCH * lattice.spacing
        order = np.argsort(-apart[near], kind="stable")  # the nearest comes last, and stays
        best[start[near][order], k] = stop[near][order]
    return best


def _enough(seen: np.ndarray, odd: np.ndarray, vectors: np.ndarray, spacing: float) -> np.ndarray:
    """Sites (site,) whose neighbours lie in so many directions that all of F is known."""
    spread = np.zeros((len(seen), 2, 2))
    for parity in (0, 1):
        here = seen * (odd == parity)
        count = np.maximum(here.sum(1), 1)
        middle = here @ vectors / count[:, None]
        spread += np.einsum("nk,ki,kj->nij", here, vectors, vectors)
        spread -= here.sum(1)[:, None, None] * middle[:, :, None] * middle[:, None, :]
    return (seen.sum(1) >= _FEWEST) & (np.linalg.eigvalsh(spread)[:, 0] > _SPREAD * spacing**2)


def _solve(
    design: np.ndarray, target: np.ndarray, weight: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve least squares for every site and coordinate: solution (site, 2, term) and residuals
    (site, vector, 2)."""
    parts = []
    for start in range(0, len(target), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        inverse = inverted(design, weight[here], prior[here])
        right = np.einsum("kp,nkc->ncp", design, weight[here] * target[here])
        parts.append(np.einsum("ncpq,ncq->ncp", inverse, right))
    solution = np.concatenate(parts)
    left = target - np.einsum("kp,ncp->nkc", design, solution)
    return solution, np.where(weight > 0, left, 0.0)


def _robust(pull: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Standard deviation (2,) of residuals over their errors, at least 1, from their 90th
    percentile: above the outliers, but noise of a few rows is no outlier."""
    if not used.any():
        return np.ones(2)
    return np.maximum(np.quantile(np.abs(pull[used]), 0.9, axis=0) / 1.645, 1.0)
