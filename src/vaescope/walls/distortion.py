"""How a scanned frame is stretched and sheared against another: a smooth field, if there is one.

A scanner creeps and drifts while it scans, so that parts of a frame are displaced unlike. What the
parts say is taken as the displacement of the whole, a smooth function of y and one of x (Gaussian
processes with the kernel of Matérn 5/2), what each place has for itself, and the error of a part.
The sizes of all but the errors are those of the largest likelihood; where sizes of zero are as
likely, the frame is displaced as a whole.

Source: C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press
(2006), chapters 2 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

_SMOOTH = 0.4  # of the picture's side, over which the functions change
_GAIN = 6.0  # log likelihood that four sizes of functions have to gain, and
_OWN_GAIN = 4.0  # that of the displacement that every place has for itself
_LARGEST = 10.0  # px, of the functions
_LEAST = -2.5  # logarithm of the size of a function, over that of the scatter of the parts
_FEWEST = 6  # parts
_JITTER = 1e-3  # px, error of a part at least
_WHOLE = 50.0  # px, prior standard deviation of the displacement of the whole


@dataclass(frozen=True)
class FrameDistortion:
    """Displacements of a frame, place by place, from those of its parts.

    ``centre`` (part, 2) px (y, x); ``weight`` (2 part,) and ``inverse`` (2 part, 2 part): the
    solution of the process; ``mean`` (2,) px; ``size`` (2, 2) px: of the functions of y and x
    (axis), of each component; ``own`` px: of what every place has for itself; ``side`` (2,) px of
    the picture.
    """

    centre: np.ndarray
    weight: np.ndarray
    inverse: np.ndarray
    mean: np.ndarray
    size: np.ndarray
    own: float
    side: np.ndarray

    def at(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (point, 2) px of places (point, 2) and its covariance (point, 2, 2)."""
        moved = np.zeros((len(place), 2))
        covariance = np.zeros((len(place), 2, 2))
        parts = len(self.centre)
        across = []
        for component in (0, 1):
            rows = np.zeros((len(place), 2 * parts))
            rows[:, component * parts : (component + 1) * parts] = _kernel(
                place, self.centre, self.size[:, component], self.side
            )
            moved[:, component] = self.mean[component] + rows @ self.weight
            across.append(rows)
        own = _WHOLE**2 + (self.size**2).sum(axis=0) + self.own**2
        for i in (0, 1):
            for j in (0, 1):
                known = np.einsum("pi,ij,pj->p", across[i], self.inverse, across[j])
                covariance[:, i, j] = (own[i] if i == j else 0.0) - known
        return moved, covariance


def distortion(
    centre: np.ndarray, moved: np.ndarray, covariance: np.ndarray, side: tuple[int, int]
) -> FrameDistortion | None:
    """The field by which parts are displaced; None where one displacement says as much.

    Parameters
    ----------
    centre, moved : (part, 2) px (y, x), of the parts of a picture and by how much each is
        displaced; NaN where that is not known.
    covariance : (part, 2, 2) px², of ``moved``.
    side : of the picture, px.
    """
    known = np.isfinite(moved).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2))
    if known.sum() < _FEWEST:
        return None
    centre, moved, covariance = centre[known], moved[known], covariance[known]
    sides = np.array(side, float)
    noise = _stacked(covariance) + _JITTER**2 * np.eye(2 * len(centre))
    mean = np.median(moved, axis=0)
    values = (moved - mean).T.ravel()

    def whole(own: float, size: np.ndarray) -> np.ndarray:
        return _prior(centre, size, sides) + noise + own**2 * np.eye(len(noise))

    still = np.zeros((2, 2))
    spread = float(np.log(max(1.4826 * np.median(np.abs(values)), _JITTER)))
    alone = optimize.minimize_scalar(
        lambda log: -_likelihood(values, whole(np.exp(log), still)),
        bounds=(spread - 4, spread + 2),
        method="bounded",
    )
    limits = [(spread - 4, spread + 2), *[(spread + _LEAST, np.log(_LARGEST))] * 4]
    free = optimize.minimize(
        lambda logs: -_likelihood(values, whole(np.exp(logs[0]), _sizes(logs[1:]))),
        np.array([spread - 1, *[spread] * 4]),
        bounds=limits,
    )
    rigid = -_likelihood(values, whole(0.0, still))
    if min(rigid, alone.fun) - free.fun > _GAIN:
        own, size = float(np.exp(free.x[0])), _sizes(free.x[1:])
    elif rigid - alone.fun > _OWN_GAIN:
        own, size = float(np.exp(alone.x)), still
    else:
        return None
    inverse = np.linalg.inv(whole(own, size))
    return FrameDistortion(centre, inverse @ values, inverse, mean, size, own, sides)


def _sizes(logs: np.ndarray) -> np.ndarray:
    return np.exp(logs).reshape(2, 2)


def _stacked(covariance: np.ndarray) -> np.ndarray:
    """Covariances (part, 2, 2) as one matrix (2 part, 2 part), the first component first."""
    parts = len(covariance)
    found = np.zeros((2 * parts, 2 * parts))
    at = np.arange(parts)
    for i in (0, 1):
        for j in (0, 1):
            found[i * parts + at, j * parts + at] = covariance[:, i, j]
    return found


def _kernel(one: np.ndarray, other: np.ndarray, size: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Covariance (point, point) of one component of the displacement between places."""
    found = np.full((len(one), len(other)), _WHOLE**2)
    for axis in (0, 1):
        apart = np.abs(one[:, None, axis] - other[None, :, axis]) / (_SMOOTH * side[axis])
        far = np.sqrt(5) * apart
        found += size[axis] ** 2 * (1 + far + far**2 / 3) * np.exp(-far)
    return found


def _prior(centre: np.ndarray, size: np.ndarray, side: np.ndarray) -> np.ndarray:
    parts = len(centre)
    found = np.zeros((2 * parts, 2 * parts))
    for component in (0, 1):
        own = slice(component * parts, (component + 1) * parts)
        found[own, own] = _kernel(centre, centre, size[:, component], side)
    return found


def _likelihood(values: np.ndarray, covariance: np.ndarray) -> float:
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return -1e12
    part = np.linalg.solve(factor, values)
    return float(-0.5 * part @ part - np.log(np.diagonal(factor)).sum())
