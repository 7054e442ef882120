"""The image of simulated columns, and how well their positions can be known from it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vaescope.simulate.lattice import Columns

_REACH = 5.0  # widths beyond which a Gaussian column is left out (4e-6 of its peak)
UPRIGHT = (0.0, 0.0)


def expected_counts(
    columns: Columns,
    size: int,
    peak: float,
    width: float,
    background: float,
    tilt: tuple[float, float] = UPRIGHT,
    jitter: np.ndarray | None = None,
) -> np.ndarray:
    """Expected electrons per pixel, (size, size).

    Parameters
    ----------
    peak : electrons per pixel at the centre of an upright column of strength 1.
    width : standard deviation of a column's image in px.
    background : electrons per pixel everywhere.
    tilt : (y, x) px from the bottom of a column to its top: the same electrons are spread along
        this line, drawn as the Gaussian of the same variance.
    jitter : (size,) px by which each row of the image is shifted to the right.
    """
    image = np.full((size, size), background, float)
    plain = tilt == UPRIGHT and jitter is None
    reach = int(np.ceil(_REACH * _longest(width, tilt)))
    if jitter is not None:
        reach += int(np.ceil(np.abs(jitter).max()))
    shifts = np.zeros(size) if jitter is None else jitter
    metric, height = _shape(width, tilt)
    for y, x, strength in zip(columns.y, columns.x, columns.strength, strict=True):
        top, left = max(round(y) - reach, 0), max(round(x) - reach, 0)
        rows = np.arange(top, min(round(y) + reach + 1, size))
        cols = np.arange(left, min(round(x) + reach + 1, size))
        if not len(rows) or not len(cols):
            continue
        if plain:
            profile_y = np.exp(-((rows - y) ** 2) / (2 * width**2))
            profile_x = np.exp(-((cols - x) ** 2) / (2 * width**2))
            spot = np.outer(profile_y, profile_x)
        else:
            dy, dx = (rows - y)[:, None], cols[None] - x - shifts[rows][:, None]
            spot = height * np.exp(-_quadratic(metric, dy, dx) / 2)
        image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += peak * strength * spot
    return image


def position_bound(
    columns: Columns,
    expected: np.ndarray,
    peak: float,
    width: float,
    which: np.ndarray,
    tilt: tuple[float, float] = UPRIGHT,
) -> np.ndarray:
    """Cramér–Rao bound of the standard deviation per coordinate, (len(which),) px.

    The Fisher information of Poisson counts about the position, amplitude and width of a column
    and of each of its neighbours, and about a constant background, in the window in which they
    overlap. No unbiased estimate from these counts can do better. The bound returned is
    the root mean square over the two coordinates.

    It covers the counts alone. A tilt, the tails of the probe and clutter are in it as if they were
    known; shifted rows are not in it, and drift moves what the position is.

    Source: A. J. den Dekker et al., Ultramicroscopy 104 (2005) 83.
    """
    size = expected.shape[0]
    position = np.stack([columns.y, columns.x], axis=1)
    radius = _REACH * _longest(width, tilt)
    metric, height_factor = _shape(width, tilt)
    # A wider probe widens every direction alike: d(metric)/d(width) = -2 width metric².
    widening = 2 * width * metric @ metric
    tree = cKDTree(position)
    bound = np.full(len(which), np.nan)
    for row, site in enumerate(which):
        y, x = position[site]
        rows = np.arange(max(int(np.ceil(y - radius)), 0), min(int(y + radius) + 1, size))
        cols = np.arange(max(int(np.ceil(x - radius)), 0), min(int(x + radius) + 1, size))
        inside = (rows[:, None] - y) ** 2 + (cols[None] - x) ** 2 <= radius**2
        at_row, at_col = np.nonzero(inside)
        # Columns outside the window are too poorly seen in it to be nuisances of it.
        others = [k for k in tree.query_ball_point((y, x), radius) if k != site]
        near = np.array([site, *others])
        dy = rows[at_row] - columns.y[near, None]
        dx = cols[at_col] - columns.x[near, None]
        shape = np.exp(-_quadratic(metric, dy, dx) / 2)
        lit = peak * height_factor * columns.strength[near, None] * shape
        slopes = [
            lit * (metric[0, 0] * dy + metric[0, 1] * dx),
            lit * (metric[1, 0] * dy + metric[1, 1] * dx),
            shape,
            lit * _quadratic(widening, dy, dx) / 2,
        ]
        # Rows of the gradient: background, then y, x, amplitude, width of each column.
        of_columns = np.stack(slopes, axis=1).reshape(4 * len(near), -1)
        gradient = np.concatenate([np.ones((1, len(at_row))), of_columns])
        fisher = (gradient / expected[rows[at_row], cols[at_col]]) @ gradient.T
        scale = 1 / np.sqrt(np.diag(fisher))
        covariance = np.linalg.pinv(fisher * np.outer(scale, scale), hermitian=True)
        variance = np.diag(covariance)[1:3] * scale[1:3] ** 2
        bound[row] = np.sqrt(variance.mean())
    return bound


def _longest(width: float, tilt: tuple[float, float]) -> float:
    """Standard deviation of a column's image along the tilt, px."""
    return float(np.sqrt(width**2 + np.dot(tilt, tilt) / 12))


def _shape(width: float, tilt: tuple[float, float]) -> tuple[np.ndarray, float]:
    """Inverse covariance (2, 2) in (y, x) of a column's image, and its peak beside an upright's.

    A line of length t has the variance t²/12.
    """
    if tilt == UPRIGHT:
        return np.eye(2) / width**2, 1.0
    covariance = width**2 * np.eye(2) + np.outer(tilt, tilt) / 12
    return np.linalg.inv(covariance), width / _longest(width, tilt)


def _quadratic(metric: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> np.ndarray:
    return metric[0, 0] * dy**2 + 2 * metric[0, 1] * dy * dx + metric[1, 1] * dx**2
