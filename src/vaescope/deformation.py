"""Deformations of a plane as strain and rotation, and back; the conventions of all strain maps.

A deformation is a matrix F that carries vectors of the undeformed lattice onto those of the image,
with x to the right along the rows and y down along the columns. It is split as F = exp(E) R:

* the strain E is the logarithm (Hencky) of the left stretch, in the frame of the image: (xx, yy,
  xy), positive where the lattice is stretched. Small ones equal the infinitesimal strain. As y
  points down, a positive xy stretches the diagonal from the upper left to the lower right; with y
  up, xy has the other sign, and xx and yy are the same.
* the rotation R counts counter-clockwise as seen on the screen, in radians, like every angle here.

Source: the polar decomposition; see R. W. Ogden, Non-linear Elastic Deformations (1984), ch. 2.
"""

from __future__ import annotations

import numpy as np

COMPONENTS = ("xx", "yy", "xy")


def split(deformation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strain (…, 3) as (xx, yy, xy) and rotation (…,) in rad of deformations (…, 2, 2).

    NaN where a deformation is not finite, or mirrors the plane.
    """
    given = np.asarray(deformation, float)
    good = np.isfinite(given).all((-2, -1))
    safe = np.where(good[..., None, None], given, np.eye(2))
    good &= np.linalg.det(safe) > 0
    safe = np.where(good[..., None, None], safe, np.eye(2))
    square, axes = np.linalg.eigh(safe @ safe.swapaxes(-1, -2))
    log = (axes * (0.5 * np.log(square))[..., None, :]) @ axes.swapaxes(-1, -2)
    strain = np.stack([log[..., 0, 0], log[..., 1, 1], log[..., 0, 1]], -1)
    turn = np.arctan2(safe[..., 0, 1] - safe[..., 1, 0], safe[..., 0, 0] + safe[..., 1, 1])
    return np.where(good[..., None], strain, np.nan), np.where(good, turn, np.nan)


def join(strain: np.ndarray, rotation: np.ndarray | float) -> np.ndarray:
    """Deformations (…, 2, 2) of strains (…, 3) and rotations (…,): the inverse of ``split``."""
    strain, turn = np.asarray(strain, float), np.asarray(rotation, float)
    xx, yy, xy = np.moveaxis(strain, -1, 0)
    matrix = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    good = np.isfinite(matrix).all((-2, -1)) & np.isfinite(turn)
    size, axes = np.linalg.eigh(np.where(good[..., None, None], matrix, 0.0))
    stretch = (axes * np.exp(size)[..., None, :]) @ axes.swapaxes(-1, -2)
    return np.where(good[..., None, None], stretch @ turning(turn), np.nan)


def turning(angle: np.ndarray | float) -> np.ndarray:
    """Matrices (…, 2, 2) that turn (x, y down) counter-clockwise as seen, by angles (…,) in rad."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)
