"""How sure it can be at all which way up a structure lies, given its picture and the noise.

A patch shows its structure as drawn or turned by a part of a circle. If both pictures differ by d
standard deviations of the noise (as a vector of all pixels), the likelihood ratio confuses them in
Φ(-d / 2) of all patches, whatever the model (the error of a linear discriminant between two normals
of equal covariance: Duda, Hart & Stork, Pattern Classification, 2nd ed. 2001, section 2.8).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vaescope.models.disc import in_disc

FOLDS = (2, 3, 4, 6)


def variables(pictures: np.ndarray, noise: np.ndarray) -> dict[str, Any]:
    """What ``latents.zarr`` has of it, name -> (dims, values, attributes), for the pictures of the
    modes (mode, channel, side, side) in noise (channel,)."""
    shares = [[mistaken_turn(picture, noise, fold) for fold in FOLDS] for picture in pictures]
    about = {"long_name": "share of patches that a turned picture fits better", "units": "1"}
    values = np.array(shares).reshape(len(pictures), len(FOLDS))
    return {
        "mode_mistaken_turn": (("mode_number", "fold"), values, about),
        "fold": (("fold",), np.array(FOLDS), {"long_name": "part of a circle turned by"}),
    }


def mistaken_turn(picture: np.ndarray, noise: float | np.ndarray, fold: int) -> float:
    """Share of patches for which a turn by 360 / ``fold`` degrees fits better than the true way up.

    Parameters
    ----------
    picture : (channel, side, side), without noise.
    noise : standard deviation of a pixel, or (channel,) of each channel.
    fold : of the turn.

    Returns
    -------
    0.5 for a picture that is the same after the turn, 0 for one that is not to be confused.
    """
    from scipy import ndimage

    turned = ndimage.rotate(picture, 360 / fold, axes=(1, 2), reshape=False, order=1)
    disc = in_disc(picture.shape[-1])
    scale = np.broadcast_to(np.maximum(noise, 1e-9), len(picture))[:, None, None]
    apart = float(np.sqrt((((turned - picture) / scale)[:, disc > 0] ** 2).sum()))
    return 0.5 * math.erfc(apart / 2 / math.sqrt(2))
