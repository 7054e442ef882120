"""The pixels of a square patch that a patch turned by any angle keeps; without torch."""

from __future__ import annotations

import numpy as np


def in_disc(side: int) -> np.ndarray:
    """(side, side) bool: the pixels inside the circle that fits into the patch."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    return axis[:, None] ** 2 + axis[None, :] ** 2 <= 1.0
