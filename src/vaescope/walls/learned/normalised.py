"""The picture that a detector of walls looks at: one axis, one level, one scale."""

from __future__ import annotations

import numpy as np

from vaescope.walls.signal import Signal, level_of


def standard(signal: Signal) -> np.ndarray:
    """The response along the axis of the two states, (y, x): 0 between them, rms 1 about it, and 0
    where nothing was measured.

    A gain or an offset of the phase leaves it the same but for its sign.
    """
    picture = _along_the_axis(signal)
    level = level_of(picture, signal.measured)
    return np.where(signal.measured, scaled(picture, level, signal.measured), 0.0)


def scaled(picture: np.ndarray, level: float, measured: np.ndarray | None = None) -> np.ndarray:
    """A picture (y, x) less its level, over its rms about it."""
    off = picture - level
    part = off if measured is None else off[measured]
    rms = np.sqrt((part**2).mean()) if part.size else 0.0
    return off / rms if rms > 0 else np.zeros_like(off)


def _along_the_axis(signal: Signal) -> np.ndarray:
    """The response along the direction of the complex plane in which it varies most, (y, x).

    Noise is equal in all directions, so that its square (as a complex number) cancels.
    """
    along = np.where(signal.measured, signal.in_phase, 0.0)
    if signal.out_of_phase is None or not signal.measured.any():
        return along
    whole = signal.in_phase + 1j * signal.out_of_phase
    off = whole[signal.measured] - whole[signal.measured].mean()
    axis = np.angle((off**2).mean()) / 2
    return np.where(signal.measured, np.real(whole * np.exp(-1j * axis)), 0.0)
