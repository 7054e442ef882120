"""Estimate the errors of strain by neighbours' vectors from the residuals of their fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Standard deviations by which a site's misfit must exceed what noise makes of it to be its own: it
# then says nothing of the noise, and widens the errors of this site.
_STANDS_OUT = 4.0
_DEFECT = 25.0  # times the median misfit beyond which a site counts for nothing at the start
_ROUNDS = 10  # of telling the noise from the other sites
_CLEAR = (9.0, 2.0)  # times its noise from which a bend counts: of a site, and of its surroundings
_AT_ONCE = 8_000  # sites whose matrices are in memory
_TINY = 1e-12


@dataclass
class FitNoise:
    """Position errors of the neighbours of every site along one coordinate: stated ones, ``sd``
    (site, vector), times a factor, and an error shared by sites of about one height.

    ``design`` (vector, term) and ``weight`` (site, vector) are those of the fits, ``prior`` (site,
    term) what holds their terms down, ``read`` (reading, term) what is read from the terms.
    """

    design: np.ndarray
    read: np.ndarray
    weight: np.ndarray
    prior: np.ndarray
    sd: np.ndarray
    height: np.ndarray
    width: float

    def judge(
        self, left: np.ndarray, good: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Covariance (site, reading, reading), misfit (site,), the factor on the errors, and the
        standard deviation of the shared error in px."""
        parts = [self._moments(left, slice(k, k + _AT_ONCE)) for k in range(0, len(left), _AT_ONCE)]
        squares, own, shared, spread, own_cov, shared_cov = (
            np.concatenate([part[k] for part in parts]) for k in range(6)
        )
        factor, rows = _components(squares[good], own[good], shared[good], spread[good])
        covariance = factor * own_cov + rows * shared_cov
        expected = np.maximum(factor * own[:, 0] + rows * shared[:, 0], _TINY)
        misfit = squares[:, 0] / expected
        strange = squares[:, 0] > _limit(factor, rows, expected, spread)
        more = np.where(strange, misfit, 1.0)
        covariance = np.where(good[:, None, None], covariance * more[:, None, None], np.nan)
        return covariance, misfit, float(np.sqrt(factor)), float(np.sqrt(rows))

    def _moments(self, left: np.ndarray, rows: slice) -> tuple[np.ndarray, ...]:
        """Of each site: two quadratic forms of the residuals (site, 2), what the stated errors
        (site, 2) and a shared error of 1 px (site, 2) make of them, the variance of the first by
        the former, both and the latter (site, 3), and what they make of the readings."""
        weight = self.weight[rows]
        inverse = inverted(self.design, weight[..., None], self.prior[rows])[:, 0]
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
            middle = keep.swapaxes(1, 2) @ form @ keep
            forms.append(
                (
                    square,
                    np.einsum("nkk,nk->n", middle, variance),
                    np.einsum("nkl,nkl->n", middle, alike),
                )
            )
            if len(forms) == 1:
                one, other = middle * variance[:, None], middle @ alike
                products = ((one, one), (one, other), (other, other))
                spread = np.stack([2 * np.einsum("nkl,nlk->n", a, b) for a, b in products], 1)
        operator = self.read @ back
        own_cov = (operator * variance[:, None]) @ operator.swapaxes(1, 2)
        shared_cov = operator @ alike @ operator.swapaxes(1, 2)
        squares, own, shared = (np.stack([f[k] for f in forms], 1) for k in range(3))
        return squares, own, shared, spread, own_cov, shared_cov


def _limit(factor: float, rows: float, expected: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Squares (site,) beyond which noise does not explain the residual of a fit."""
    variance = spread @ np.array([factor**2, 2 * factor * rows, rows**2])
    return expected + _STANDS_OUT * np.sqrt(np.maximum(variance, 0.0))


def _components(
    squares: np.ndarray, own: np.ndarray, shared: np.ndarray, spread: np.ndarray
) -> tuple[float, float]:
    """Factor on the stated variances, at least 1, and variance of the shared error in px²."""
    if not len(squares):
        return 1.0, 0.0
    ratio = squares[:, 0] / np.maximum(own[:, 0], _TINY)
    usual = ratio <= _DEFECT * max(float(np.median(ratio)), _TINY)
    factor, rows = 1.0, 0.0
    for _ in range(_ROUNDS):
        matrix = np.stack([own[usual].sum(0), shared[usual].sum(0)], 1)
        right = squares[usual].sum(0)
        factor, rows = np.linalg.lstsq(matrix, right, rcond=1e-9)[0]
        if rows <= 0 or not np.isfinite(rows):
            factor, rows = right[0] / max(matrix[0, 0], _TINY), 0.0
        if factor < 1:
            factor, rows = 1.0, max((right[0] - matrix[0, 0]) / max(matrix[0, 1], _TINY), 0.0)
        expected = factor * own[:, 0] + rows * shared[:, 0]
        usual = squares[:, 0] <= _limit(factor, rows, expected, spread)
        if not usual.any():
            break
    return float(factor), float(rows)


def inverted(design: np.ndarray, weight: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Inverse (site, coordinate, term, term) of the normal matrices of weights (site, vector,
    coordinate) and a prior precision (site, term)."""
    normal = (design.T * weight.swapaxes(1, 2)[:, :, None]) @ design
    return np.linalg.inv(normal + prior[:, None, :, None] * np.eye(design.shape[1]))


def hidden(bend: np.ndarray, noise: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Mean square (site, 2, 2) of the part of F that a map of this resolution does not show.

    Parameters
    ----------
    bend : (site, 2, 2) what smoothing adds to F at a site, by the third derivatives of the fit.
    noise : (site, 2, 2) variance of the same by noise.
    start, stop : (pair,) neighbouring sites.

    A site's own bend counts, there and for its neighbours, where it stands out of the noise by far;
    the mean square of a site and its neighbours does so earlier. What stands out of nothing is
    smaller than the noise that is stated anyway.
    """
    known = np.isfinite(bend).all((1, 2)) & np.isfinite(noise).all((1, 2))
    use = known[start] & known[stop]
    start, stop = start[use], stop[use]
    square = np.where(known[:, None, None], bend**2, 0.0)
    power = np.where(known[:, None, None], noise, 0.0)
    own = np.where(square > _CLEAR[0] * power, square - power, 0.0)
    found = own.copy()
    np.maximum.at(found, start, own[stop])
    mean, usual = square.copy(), power.copy()
    np.add.at(mean, start, square[stop])
    np.add.at(usual, start, power[stop])
    number = 1 + np.bincount(start, minlength=len(bend))[:, None, None]
    around = np.where(mean > _CLEAR[1] * usual, (mean - usual) / number, 0.0)
    return np.maximum(found, around)
