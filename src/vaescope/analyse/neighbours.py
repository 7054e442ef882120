"""Strain and rotation at every site from the vectors to its neighbours, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope import deformation
from vaescope.analyse.lattice import Lattice

_CATCH = 0.3  # spacings: a neighbour farther from its place in the lattice is another structure
_ROUNDS = 4  # of matching and fitting
_FEWEST = 5  # neighbours without which a deformation and its error are not known
_SPREAD = 1.0  # squared spacings, of neighbours about their middle, along their narrowest direction
_HUBER = 2.5  # standard errors beyond which a neighbour counts less
_STANDS_OUT = 4.0  # times the expected misfit at which a site's own misfit widens its errors
_DEFECT = 25.0  # times the median misfit beyond which a site says nothing of the noise
_AT_ONCE = 20_000  # sites whose matrices are in memory


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
    """Deformation of every site by weighted least squares on its neighbours.

    A neighbour at the lattice vector r of a site stands at t + F r. The shift t is one for the
    neighbours that an even number of steps along a and b leads to, and another for the rest: so
    neither the site's own error nor a polar displacement of every other site passes for strain.
    Neighbours far off count less (Huber's weights).

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
    their moments over all sites). A site whose own misfit stands out gets wider errors by itself.

    Source of the weights: P. J. Huber, Ann. Math. Stat. 35 (1964) 73; of the components of
    variance: C. R. Rao, J. Multivariate Anal. 1 (1971) 257.
    """
    usual = np.nanmedian(error, axis=0) if np.isfinite(error).any() else np.full(2, np.nan)
    usual = np.where(np.isfinite(usual), usual, 0.01 * lattice.spacing)
    error = np.maximum(np.where(np.isfinite(error) & (error > 0), error, usual), 1e-4)
    index = lattice.shells()
    vectors = index @ lattice.vectors
    odd = index.sum(1) % 2
    design = np.column_stack([1 - odd, odd, vectors])
    known = np.isfinite(lattice.turn)
    if usable is not None:
        known &= usable
    current = deformation.turning(np.where(known, lattice.turn, 0.0))
    scale = np.ones(2)
    for _ in range(_ROUNDS):
        neighbour = _match(lattice, vectors, current, known)
        seen = neighbour >= 0
        good = _enough(seen, odd, vectors, lattice.spacing)
        target = position[neighbour] - position[:, None]
        sd = error[neighbour]
        weight = seen[..., None] / sd**2
        _, _, left = _solve(design, target, weight)
        scale = _robust(left / sd, seen & good[:, None])
        pull = np.abs(left) / (sd * scale)
        weight = weight * np.minimum(1.0, _HUBER / np.maximum(pull, _HUBER))
        solution, inverse, left = _solve(design, target, weight)
        current = np.where(good[:, None, None], solution[..., 2:], current)
    height = np.where(seen, position[neighbour][..., 1], 0.0)
    good &= np.linalg.det(current) > 0
    covariance = np.full((len(position), 2, 2, 2), np.nan)
    misfit = np.full((len(position), 2), np.nan)
    widened, rows = np.ones(2), np.zeros(2)
    for axis in range(2):
        noise = _Noise(design, weight[..., axis], inverse[:, axis], sd[..., axis], height, width)
        covariance[:, axis], misfit[:, axis], widened[axis], rows[axis] = noise.judge(
            left[..., axis], good
        )
    return Deformed(
        np.where(good[:, None, None], current, np.nan),
        covariance,
        seen.sum(1),
        np.where(good, misfit.mean(1), np.nan),
        widened,
        rows,
    )


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
    design: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares of every site and coordinate: solution (site, 2, 4), the inverse of the normal
    matrix (site, 2, 4, 4), and what is left over (site, vector, 2)."""
    normal = np.einsum("kp,nkc,kq->ncpq", design, weight, design)
    inverse = np.linalg.pinv(normal, rcond=1e-9, hermitian=True)
    right = np.einsum("kp,nkc->ncp", design, weight * target)
    solution = np.einsum("ncpq,ncq->ncp", inverse, right)
    left = target - np.einsum("kp,ncp->nkc", design, solution)
    return solution, inverse, np.where(weight > 0, left, 0.0)


def _robust(pull: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Standard deviation (2,) of residuals over their errors, at least 1, from their 90th
    percentile: above the outliers, but noise of a few rows is no outlier."""
    if not used.any():
        return np.ones(2)
    return np.maximum(np.quantile(np.abs(pull[used]), 0.9, axis=0) / 1.645, 1.0)


@dataclass
class _Noise:
    """Position errors of the neighbours of every site along one coordinate: stated ones, ``sd``
    (site, vector), times a factor, and an error shared by sites of about one height."""

    design: np.ndarray
    weight: np.ndarray
    inverse: np.ndarray
    sd: np.ndarray
    height: np.ndarray
    width: float

    def judge(
        self, left: np.ndarray, good: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Covariance (site, 2, 2) of the row of F, misfit (site,), the factor on the errors, and
        the standard deviation of the shared error in px."""
        parts = [self._moments(left, slice(k, k + _AT_ONCE)) for k in range(0, len(left), _AT_ONCE)]
        squares, own, shared, own_cov, shared_cov = (
            np.concatenate([part[k] for part in parts]) for k in range(5)
        )
        factor, rows = _components(squares[good], own[good], shared[good])
        covariance = factor * own_cov + rows * shared_cov
        expected = factor * own[:, 0] + rows * shared[:, 0]
        misfit = squares[:, 0] / np.maximum(expected, 1e-12)
        more = np.where(misfit > _STANDS_OUT, misfit, 1.0)
        covariance = np.where(good[:, None, None], covariance * more[:, None, None], np.nan)
        return covariance, misfit, float(np.sqrt(factor)), float(np.sqrt(rows))

    def _moments(self, left: np.ndarray, rows: slice) -> tuple[np.ndarray, ...]:
        """Of each site: two quadratic forms of what is left over (site, 2), what the stated errors
        (site, 2) and a shared error of 1 px (site, 2) make of them, and of the row of F."""
        weight, inverse = self.weight[rows], self.inverse[rows]
        back = np.einsum("npq,kq,nk->npk", inverse, self.design, weight)
        keep = np.eye(len(self.design)) - np.einsum("kp,npl->nkl", self.design, back)
        seen = weight > 0
        keep = keep * seen[:, :, None] * seen[:, None, :]
        apart = self.height[rows][:, :, None] - self.height[rows][:, None, :]
        alike = np.exp(-(apart**2) / (4 * self.width**2)) * seen[:, :, None] * seen[:, None, :]
        variance = np.where(seen, self.sd[rows] ** 2, 0.0)
        forms = []
        scaled = np.where(seen, 1 / self.sd[rows], 0.0)
        for form in (np.eye(weight.shape[1])[None] + 0 * alike, alike):
            form = scaled[:, :, None] * form * scaled[:, None, :]
            r = left[rows]
            square = np.einsum("nk,nkl,nl->n", r, form, r)
            middle = np.einsum("nkl,nkm,nmo->nlo", keep, form, keep)
            forms.append(
                (
                    square,
                    np.einsum("nkk,nk->n", middle, variance),
                    np.einsum("nkl,nkl->n", middle, alike),
                )
            )
        of_row = back[:, 2:]
        own_cov = np.einsum("npk,nk,nqk->npq", of_row, variance, of_row)
        shared_cov = np.einsum("npk,nkl,nql->npq", of_row, alike, of_row)
        squares, own, shared = (np.stack([f[k] for f in forms], 1) for k in range(3))
        return squares, own, shared, own_cov, shared_cov


def _components(squares: np.ndarray, own: np.ndarray, shared: np.ndarray) -> tuple[float, float]:
    """Factor on the stated variances, at least 1, and variance of the shared error in px²."""
    if not len(squares):
        return 1.0, 0.0
    ratio = squares[:, 0] / np.maximum(own[:, 0], 1e-12)
    usual = ratio <= _DEFECT * max(float(np.median(ratio)), 1e-12)
    matrix = np.stack([own[usual].sum(0), shared[usual].sum(0)], 1)
    right = squares[usual].sum(0)
    factor, rows = np.linalg.lstsq(matrix, right, rcond=1e-9)[0]
    if rows <= 0 or not np.isfinite(rows):
        factor, rows = right[0] / max(matrix[0, 0], 1e-12), 0.0
    if factor < 1:
        factor, rows = 1.0, max((right[0] - matrix[0, 0]) / max(matrix[0, 1], 1e-12), 0.0)
    return float(factor), float(rows)
