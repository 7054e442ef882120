"""What the fits of neighbours that overlap cost each other in precision.

Each site is fitted with its neighbours as they are known by then, so the normal matrix of its own
numbers says how precise it would be if the neighbours were known exactly. They are not: where two
columns overlap, an error of one is passed on to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from vaescope.sites.gaussians import PixelWindows

_REACH = 4.5  # widths from which on two columns are independent (their errors, to a few per cent)
_MOST = 6  # neighbours of a site that count, the nearest
_BATCH = 64  # pairs, or sites, whose matrices are held at the same time
_RIDGE = 1e-9  # added to scaled matrices: none is singular
_LARGEST = 100.0  # ratio of variances beyond which a site cannot be told from its neighbours


def inflation(
    windows: PixelWindows, theta: np.ndarray, weights: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Ratio (site, 2) of the variance of y and x to that with the neighbours known exactly.

    With N the normal matrices of sites and pairs of sites, in the window of the first, and G the
    covariances of the gradients, errors are those of N^-1 G N^-T: each of the sites and those about
    it taken together.

    Parameters
    ----------
    theta : (site, 5) of y, x, amplitude, width, background. weights : (site, pixel) inverse
    variances, 0 outside. own : (site, 5, 5) normal matrices, the prior of the width included.
    """
    count = len(theta)
    ratio = np.ones((count, 2))
    near = _neighbours(theta)
    overlapping = np.flatnonzero((near >= 0).any(1))
    if not len(overlapping):
        return ratio
    near = near[:, (near >= 0).any(0)]
    members = np.column_stack([np.arange(count), near])[overlapping]
    first = np.repeat(members[:, :, None], members.shape[1], 2)
    second = first.swapaxes(1, 2)
    wanted = (first >= 0) & (second >= 0) & (first != second)
    pairs = np.column_stack(np.divmod(np.unique(first[wanted] * count + second[wanted]), count))
    span = np.linalg.norm(theta[pairs[:, 0], :2] - theta[pairs[:, 1], :2], axis=1)
    pairs = pairs[span < _REACH * theta[pairs].mean(1)[:, 3]]
    normal, gradient = _blocks(windows, theta, weights, pairs)
    number = coo_array((np.arange(1, len(pairs) + 1), tuple(pairs.T)), shape=(count, count)).tocsr()
    for start in range(0, len(overlapping), _BATCH):
        group = members[start : start + _BATCH]
        ratio[overlapping[start : start + _BATCH]] = _ratio(group, number, normal, gradient, own)
    return ratio


def _neighbours(theta: np.ndarray) -> np.ndarray:
    """Sites (site, _MOST) that overlap with each, the nearest first; -1 where there is none."""
    tree = cKDTree(theta[:, :2])
    apart, index = tree.query(theta[:, :2], k=np.arange(2, _MOST + 2))
    there = index < len(theta)
    other = theta[np.where(there, index, 0), 3]
    return np.where(there & (apart < _REACH * (theta[:, 3, None] + other) / 2), index, -1)


def _jacobian(theta: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Derivatives (pair, 4, pixel) of Gaussians at pixels by y, x, amplitude and width."""
    dy, dx = y - theta[:, 0, None], x - theta[:, 1, None]
    amplitude, width = theta[:, 2, None], theta[:, 3, None]
    square = dy**2 + dx**2
    shape = np.where(square <= (4.0 * width) ** 2, np.exp(-square / (2 * width**2)), 0.0)
    slope = amplitude / width**2 * shape
    return np.stack([slope * dy, slope * dx, shape, slope * square / width], axis=1)


def _blocks(
    windows: PixelWindows, theta: np.ndarray, weights: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of every pair, in the window of the first: normal matrix and covariance of the gradients,
    (pair, 5, 5) each; nothing depends on the background of the second but its own fit."""
    normal, gradient = np.zeros((2, len(pairs), 5, 5))
    for start in range(0, len(pairs), _BATCH):
        part = slice(start, start + _BATCH)
        one, other = pairs[part].T
        y, x = windows.y[one], windows.x[one]
        mine = np.concatenate([_jacobian(theta[one], y, x), np.ones((len(one), 1, y.shape[1]))], 1)
        mine *= weights[one][:, None]
        theirs = _jacobian(theta[other], y, x).swapaxes(1, 2)
        normal[part, :, :4] = mine @ theirs
        both = windows.covers(other, y, x)[..., None]
        gradient[part, :, :4] = mine @ (theirs * both)
        gradient[part, :, 4:] = mine @ both
    return normal, gradient


def _ratio(
    members: np.ndarray,
    number: coo_array,
    normal: np.ndarray,
    gradient: np.ndarray,
    own: np.ndarray,
) -> np.ndarray:
    """Ratio (site, 2) of variances of the first of ``members`` (site, member)."""
    count, size = members.shape
    there = members >= 0
    index = np.where(there, members, 0)
    lookup = number[index.repeat(size, 1).ravel(), np.tile(index, size).ravel()]
    lookup = np.asarray(lookup).reshape(count, size, size) - 1
    lookup[~(there[:, :, None] & there[:, None, :])] = -1
    known = (lookup >= 0)[..., None, None]
    matrix = np.where(known, normal[lookup], 0.0)
    noise = np.where(known, gradient[lookup], 0.0)
    diagonal = np.arange(size)
    matrix[:, diagonal, diagonal] = noise[:, diagonal, diagonal] = np.where(
        there[..., None, None], own[index], np.eye(5)
    )
    scale = 1 / np.sqrt(np.einsum("smaa->sma", matrix[:, diagonal, diagonal]).clip(1e-300))
    both = scale[:, :, None, :, None] * scale[:, None, :, None, :]
    whole = 5 * size
    matrix, noise = (
        (each * both).transpose(0, 1, 3, 2, 4).reshape(count, whole, whole)
        for each in (matrix, noise)
    )
    place = np.zeros((whole, 2))
    place[0, 0] = place[1, 1] = 1
    rows = np.linalg.solve(matrix.swapaxes(1, 2) + _RIDGE * np.eye(whole), place)
    joint = np.einsum("sia,sia->sa", rows, noise @ rows)
    alone = np.linalg.solve(matrix[:, :5, :5] + _RIDGE * np.eye(5), place[:5])
    alone = np.einsum("saa->sa", alone[:, :2])
    return np.clip(np.nan_to_num(joint / alone, nan=1.0), 1.0, _LARGEST)
