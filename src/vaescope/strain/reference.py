"""Refer maps of deformations to a common zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vaescope import deformation
from vaescope.strain.lattice import REACH, Lattice
from vaescope.strain.neighbours import Deformed

_CLUSTER = 0.004  # least radius of the reference region, in strain and rad
_CALM = 0.7  # share of the sites, those most like their neighbours, that may be in it
_ENOUGH = 0.2  # share of these that must lie in a sphere of its radius


@dataclass
class Map:
    """One method's map: ``deformation`` (site, 2, 2), and the standard errors of its strain
    (site, 3) and rotation (site,)."""

    deformation: np.ndarray
    strain_error: np.ndarray
    rotation_error: np.ndarray

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """Strain and rotation (site, 4), and their standard errors."""
        strain, turn = deformation.split(self.deformation)
        error = np.column_stack([self.strain_error, self.rotation_error])
        return np.column_stack([strain, turn]), error

    def drop(self, gone: np.ndarray) -> None:
        """Leave out some sites (site,) bool, with their errors."""
        for values in (self.deformation, self.strain_error, self.rotation_error):
            values[gone] = np.nan


def of_covariance(found: np.ndarray, covariance: np.ndarray) -> Map:
    """Standard errors of strain and rotation from those of a deformation's rows (site, 2, 2, 2)."""
    _, turn = deformation.split(found)
    rotation = deformation.turning(np.nan_to_num(turn))
    rows = rotation[:, None] @ covariance @ rotation[:, None].swapaxes(-1, -2)
    mixed = np.sqrt(rows[:, 0, 1, 1] + rows[:, 1, 0, 0]) / 2
    error = np.stack([np.sqrt(rows[:, 0, 0, 0]), np.sqrt(rows[:, 1, 1, 1]), mixed], 1)
    return Map(found, error, mixed)


def reference_region(found: Map, fitted: Deformed, lattice: Lattice) -> np.ndarray:
    """Select the sites (site,) of the densest cluster of strain and rotation.

    Only sites that are like their neighbours and have all of them count, not those at interfaces.
    The cluster is as wide as the errors make it, and wider where strain varies so much that few
    sites would be left.
    """
    place, error = found.values()
    known = np.isfinite(place).all(1) & np.isfinite(error).all(1)
    if not known.any():
        return known
    whole = known & (fitted.count >= np.quantile(fitted.count[known], 0.5))
    change = np.linalg.norm(place[lattice.start] - place[lattice.stop], axis=1)
    near = np.hypot(*lattice.difference.T) < REACH * lattice.spacing
    near &= np.isfinite(change)
    number = np.bincount(lattice.start[near], minlength=len(place))
    restless = np.bincount(lattice.start[near], change[near], len(place)) / np.maximum(number, 1)
    calm = whole & (restless <= np.quantile(restless[whole], _CALM))
    points = place[calm]
    tree = cKDTree(points)
    radius = max(2.0 * float(np.median(error[known][:, :3])), _CLUSTER)
    crowd = tree.query_ball_point(points, radius, return_length=True)
    while crowd.max() < _ENOUGH * len(points) and radius < 1:
        radius *= 1.3
        crowd = tree.query_ball_point(points, radius, return_length=True)
    middle = points[crowd >= np.quantile(crowd, 0.95)]
    middle = np.median(middle[np.linalg.norm(middle - middle[0], axis=1) < 2 * radius], axis=0)
    region = np.zeros(len(place), bool)
    rows = np.flatnonzero(calm)
    for _ in range(3):
        chosen = np.linalg.norm(points - middle, axis=1) < 1.5 * radius
        if chosen.any():
            middle = np.median(points[chosen], axis=0)
            region[:] = False
            region[rows[chosen]] = True
    return region


def relative(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Deformations (site, 2, 2) relative to their median over a region (site,) bool; NaN where
    nothing is known there."""
    chosen = reference & np.isfinite(found).all((1, 2))
    if not chosen.any():
        return np.full_like(found, np.nan)
    # About one of them first: rotations near each other are far from where they repeat.
    start = found[np.flatnonzero(chosen)[0]]
    strain, turn = deformation.split(found @ np.linalg.inv(start))
    zero = deformation.join(np.nanmedian(strain[chosen], axis=0), np.nanmedian(turn[chosen]))
    return np.asarray(found @ np.linalg.inv(zero @ start))
