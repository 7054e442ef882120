"""Whether structures have the symmetry that was set for their angle, judged by their patches alone.

What a model draws shows the noise of the patches that it has learned from, so its pictures differ
from themselves when rotated, however symmetric the structure. Means M and M' of two halves of the
patches of a mode, aligned, have independent noise: with D = M - M rotated,

    sum over pixels of D D' / sigma²

has the expectation d², where d is by how many standard deviations of the noise a single patch
differs from its rotated structure; averaged noise has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from vaescope.models.disc import in_disc

SITES = 400  # of each mode, at most
FEWEST = 16  # and at least
SURE = 3.0  # standard errors that are taken off


def divisors(symmetry: int) -> list[int]:
    """The folds from 2 up that a symmetry contains."""
    return [fold for fold in range(2, symmetry + 1) if symmetry % fold == 0]


def variables(
    label: np.ndarray,
    aligned: Callable[[np.ndarray], np.ndarray],
    noise: np.ndarray,
    symmetry: int,
) -> dict[str, Any]:
    """What ``latents.zarr`` has of it, name -> (dims, values, attributes).

    Parameters
    ----------
    label : (site,) mode of each site, -1 of those left out.
    aligned : gives the patches (row, channel, side, side) of sites, turned back by their angles.
    noise : (channel,) of a pixel.
    symmetry : that was set.
    """
    folds = divisors(symmetry)
    random = np.random.default_rng(0)
    found = np.full((int(label.max(initial=-1)) + 1, len(folds)), np.nan)
    for k in range(len(found)):
        rows = np.flatnonzero(label == k)
        if len(rows) >= FEWEST:
            some = random.permutation(rows)[:SITES]
            patches = aligned(some)
            found[k] = [turned_apart(patches, noise, fold) for fold in folds]
    about = {"long_name": "difference of a rotated mode from itself, at least", "units": "1"}
    parts = {"long_name": "part of a circle rotated by"}
    return {
        "mode_turned_apart": (("mode_number", "set_fold"), found, about),
        "set_fold": (("set_fold",), np.array(folds), parts),
    }


def turned_apart(patches: np.ndarray, noise: np.ndarray, fold: int) -> float:
    """By how many standard deviations of the noise, at least, a patch differs from its structure
    rotated by 360 / ``fold`` degrees; 0 where that is not significant.

    patches (site, channel, side, side) in any order, noise (channel,).
    """
    from scipy import ndimage

    halves = patches[::2].mean(0), patches[1::2].mean(0)
    disc = in_disc(patches.shape[-1]) > 0
    first, second = (
        (ndimage.rotate(half, 360 / fold, axes=(1, 2), reshape=False, order=1) - half)[:, disc]
        / np.maximum(noise, 1e-9)[:, None]
        for half in halves
    )
    square = float((first * second).sum())
    error = 4 * math.sqrt(first.size) / len(patches)
    return math.sqrt(max(square - SURE * error, 0.0))
