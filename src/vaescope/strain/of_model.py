"""Compute strain and rotation from the poses of a model, in the frame of the image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from vaescope import circular, deformation

if TYPE_CHECKING:
    import xarray as xr

_ALIKE = (20, 200)  # fewest and most sites of like content over which a zero is taken
_SHARE = 0.1  # of the sites, between them


def of_model(
    latents: xr.Dataset, rows: np.ndarray, measured: np.ndarray, fold: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deformations (site, 2, 2) by the members of an ensemble, and standard errors of the strain
    (site, 3) and the rotation (site,).

    A member's strain counts from its canonical picture, which may itself be strained or turned
    otherwise for another content (another sublattice, another phase). The zero of each content is
    therefore taken from the neighbours' vectors: the median difference from them over the sites of
    like content. What varies among these sites is the model's own.

    Parameters
    ----------
    latents : Dataset of ``latents.zarr``, with strain.
    rows : (site of latents,) its sites among all.
    measured : (site, 2, 2) deformations from the neighbours' vectors; NaN where not known.
    fold : their rotations are known modulo 2 pi/fold.
    """
    strain, turn = deformation.split(measured)
    strain, turn = strain[rows], turn[rows]
    known = np.isfinite(turn)
    order = math.lcm(fold, int(latents.attrs.get("symmetry", 1)))
    period = 2 * np.pi / order
    kept = latents["member_kept"].values.astype(bool)
    strains, turns = [], []
    for member in np.flatnonzero(kept):
        own = latents.isel(member=member)
        alike = _alike(own["content"].values, known)
        apart = own["strain"].values - strain
        strains.append(own["strain"].values - np.median(apart[alike], axis=1))
        if "angle" not in own:
            turns.append(np.zeros(len(rows)))
            continue
        angle = own["angle"].values - np.where(known, turn, 0.0)
        middle = np.angle(np.exp(1j * order * angle[known]).mean()) / order
        angle = circular.wrap(angle - middle, period)
        turns.append(np.where(known, turn, 0.0) + angle - np.median(angle[alike], axis=1))
    between = np.var(strains, axis=0) + (latents["strain_sd"].values[kept] ** 2).mean(0)
    sway = np.var(turns, axis=0)
    if "angle_sd" in latents:
        sway = sway + (latents["angle_sd"].values[kept] ** 2).mean(0)
    count = len(measured)
    found = np.full((count, 2, 2), np.nan)
    found[rows] = deformation.join(np.mean(strains, axis=0), np.mean(turns, axis=0))
    strain_error, turn_error = np.full((count, 3), np.nan), np.full(count, np.nan)
    strain_error[rows], turn_error[rows] = np.sqrt(between), np.sqrt(sway)
    return found, strain_error, turn_error


def _alike(content: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Find for every site the sites (site, number) with a measured strain nearest in content."""
    place = content / np.maximum(content.std(0), 1e-9)
    rows = np.flatnonzero(known)
    number = int(min(np.clip(_SHARE * len(rows), *_ALIKE), len(rows)))
    _, near = cKDTree(place[rows]).query(place, k=number)
    return rows[np.asarray(near).reshape(len(place), number)]
