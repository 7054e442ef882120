"""The image of simulated columns, and how well their positions can be known from it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vaescope.simulate.lattice import Columns

_REACH = 5.0  # widths beyond which a Gaussian column is left out (4e-6 of its peak)


def expected_counts(
    columns: Columns, size: int, peak: float, width: float, background: float | np.ndarray
) -> np.ndarray:
    """Expected electrons per pixel, (size, size).

    Parameters
    ----------
    peak : electrons per pixel at the centre of a column of strength 1.
    width : standard deviation of a column's image in px.
    background : electrons per pixel everywhere, or (size, size) of each.
    """
    image = np.full((size, size), background, float)
    reach = int(np.ceil(_REACH * width))
    for y, x, strength in zip(columns.y, columns.x, columns.strength, strict=True):
        top, left = max(round(y) - reach, 0), max(round(x) - reach, 0)
        rows = np.arange(top, min(round(y) + reach + 1, size))
        cols = np.arange(left, min(round(x) + reach + 1, size))
        if len(rows) and len(cols):
            profile_y = np.exp(-((rows - y) ** 2) / (2 * width**2))
            profile_x = np.exp(-((cols - x) ** 2) / (2 * width**2))
            image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += (
                peak * strength * np.outer(profile_y, profile_x)
            )
    return image


def position_bound(
    columns: Columns, expected: np.ndarray, peak: float, width: float, which: np.ndarray
) -> np.ndarray:
    """Cramér–Rao bound of the standard deviation per coordinate, (len(which),) px.

    The Fisher information of Poisson counts about the position, amplitude and width of a column
    and of each of its neighbours, and about a constant background, in the window in which they
    overlap. No unbiased estimate from these counts can do better. The bound returned is
    the root mean square over the two coordinates.

    Source: A. J. den Dekker et al., Ultramicroscopy 104 (2005) 83.
    """
    size = expected.shape[0]
    position = np.stack([columns.y, columns.x], axis=1)
    radius = _REACH * width
    tree = cKDTree(position)
    bound = np.full(len(which), np.nan)
    for row, site in enumerate(which):
        y, x = position[site]
        rows = np.arange(max(int(np.ceil(y - radius)), 0), min(int(y + radius) + 1, size))
        cols = np.arange(max(int(np.ceil(x - radius)), 0), min(int(x + radius) + 1, size))
        grid_y, grid_x = np.meshgrid(rows, cols, indexing="ij")
        inside = (grid_y - y) ** 2 + (grid_x - x) ** 2 <= radius**2
        # Columns outside the window are too poorly seen in it to be nuisances of it.
        others = [k for k in tree.query_ball_point((y, x), radius) if k != site]
        gradient = [np.ones(inside.sum())]
        for k in [site, *others]:
            dy, dx = (grid_y - position[k, 0])[inside], (grid_x - position[k, 1])[inside]
            shape = np.exp(-(dy**2 + dx**2) / (2 * width**2))
            height = peak * columns.strength[k]
            gradient += [
                height * shape * dy / width**2,
                height * shape * dx / width**2,
                shape,
                height * shape * (dy**2 + dx**2) / width**3,
            ]
        jacobian = np.stack(gradient, axis=1)
        fisher = (
            jacobian / expected[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1][inside][:, None]
        ).T @ jacobian
        scale = 1 / np.sqrt(np.diag(fisher))
        covariance = np.linalg.pinv(fisher * np.outer(scale, scale), hermitian=True)
        variance = np.diag(covariance)[1:3] * scale[1:3] ** 2
        bound[row] = np.sqrt(variance.mean())
    return bound
