"""A trained detector of walls, and what it says of every pixel of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vaescope.learned.calibration import calibrated
from vaescope.learned.network import HALVINGS, REACH, UNet, best_device
from vaescope.learned.settings import DetectorSettings
from vaescope.walls.learned import normalised
from vaescope.walls.signal import Signal

TILE = 512  # px, side of the area that is looked at at once
WALL, DOMAIN = 0, 1
"""The maps of a network: whether a wall runs through a pixel, and which state it is in."""
MAPS = 2
_STEP = 2**HALVINGS
_MARGIN = -(-REACH // _STEP) * _STEP


@dataclass
class WallDetector:
    """An ensemble of networks, the calibration of its maps, and its accuracy in simulation.

    ``facts`` : ``calibration`` (slope, offset) of the probability of a wall, ``threshold`` of the
    score of a curve, ``false_alarms`` (share of pictures of 256 × 256 px of noise in which a curve
    reaches it), ``f1``, ``precision`` and ``recall`` of points of walls.
    """

    members: list[UNet]
    settings: DetectorSettings
    facts: dict[str, Any]


@dataclass(frozen=True)
class WallMaps:
    """What a detector says of every pixel of a frame; arrays are (y, x).

    ``probability`` : that a wall lies within 1 px, mean over the members. ``spread`` : its standard
    deviation over them. ``state`` : logarithm of the odds of one of the two states, mean over the
    members; its zero is the wall, its sign means nothing.
    """

    probability: np.ndarray
    spread: np.ndarray
    state: np.ndarray


def maps(detector: WallDetector, signal: Signal) -> WallMaps:
    """What a detector says of a frame.

    The sign of the response, an offset of its phase and its gain do not matter, nor does what lies
    farther than ``network.REACH`` px from a pixel, but for the level and the scale.
    """
    slope, offset = detector.facts["calibration"]
    seen = look(detector.members, normalised.standard(signal))
    probability = calibrated(seen[:, WALL], (slope, offset)) * signal.measured
    return WallMaps(probability.mean(axis=0), probability.std(axis=0), seen[:, DOMAIN].mean(axis=0))


@torch.no_grad()
def look(members: list[UNet], picture: np.ndarray, tile: int = TILE) -> np.ndarray:
    """Score of a wall, from 0 to 1, and logarithm of the odds of the states: (member, 2, y, x).

    Each member sees the picture and its negative: the first map does not change with the sign of
    the picture, the second changes its own.

    Parameters
    ----------
    picture : (y, x) as ``normalised.standard`` gives.
    tile : px, side of the area that is looked at at once; the result does not depend on it.
    """
    device = best_device()
    models = [member.to(device) for member in members]
    padded = np.pad(picture, [(0, -side % _STEP) for side in picture.shape], mode="symmetric")
    found = np.zeros((len(members), MAPS, *padded.shape), np.float32)
    for top in range(0, padded.shape[0], tile):
        for left in range(0, padded.shape[1], tile):
            low = [max(at - _MARGIN, 0) for at in (top, left)]
            seen = padded[low[0] : top + tile + _MARGIN, low[1] : left + tile + _MARGIN]
            both = torch.from_numpy(np.stack([seen, -seen])[:, None].astype(np.float32)).to(device)
            part = (slice(top - low[0], None), slice(left - low[1], None))
            for number, model in enumerate(models):
                logits = model(both).cpu().numpy()
                wall = logits[:, WALL].mean(axis=0)[part][:tile, :tile]
                state = (logits[0, DOMAIN] - logits[1, DOMAIN])[part][:tile, :tile] / 2
                area = (slice(top, top + wall.shape[0]), slice(left, left + wall.shape[1]))
                found[(number, WALL, *area)] = 1 / (1 + np.exp(-wall))
                found[(number, DOMAIN, *area)] = state
    return found[..., : picture.shape[0], : picture.shape[1]]
