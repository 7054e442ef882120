"""Angles of patches made sharper by what turns in the patches themselves.

A model may put part of a turn into its content, and what its gauge says of that is rough. Harmonics
of a patch on circles about its structure turn by exactly k times the angle, and so does the phase
of any weighted sum of them. Weights are fitted to the angles of the model, and are real but for one
phase that all share, so that they cannot follow a zero of the angle that drifts with the content.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from vaescope import circular
from vaescope.ensemble.readout import RIDGE, ROUNDS, STRONG, WEAK

SAMPLES = 72  # of a circle
REACH = 0.42  # of the side: radius of the largest circle
FOLDS = 5
TRUSTED = (0.3, 1.5)  # amplitudes, in units of the median, between which trust grows
FARTHEST = np.radians(15)  # rad: usual difference beyond which harmonics say another angle


def sharper_angles(
    patches: np.ndarray, offset: np.ndarray, angle: np.ndarray, order: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Angles (site,) in rad by the harmonic ``order`` of patches, near those of the model, and the
    trust (site,) to put in each, about 1; None where the patches do not turn like that.

    Parameters
    ----------
    patches : (site, channel, side, side).
    offset : (site, 2) of the structure from the middle of its patch, (y, x) in px.
    angle : (site,) rad, as the model says it.
    """
    rings = harmonic(patches, offset, order)
    rings = rings / max(float(np.abs(rings).std()), 1e-12)
    number = np.empty(len(angle), complex)
    for part in np.array_split(np.arange(len(angle)), FOLDS):
        given, phase = np.delete(rings, part, 0), np.delete(order * angle, part)
        number[part] = rings[part] @ _weights(given, phase)
    apart = circular.wrap(np.angle(number) - order * angle, 2 * np.pi) / order
    if np.median(np.abs(apart)) > FARTHEST:
        return None
    # The variance of a phase falls with the square of the amplitude.
    size = np.abs(number) / max(float(np.median(np.abs(number))), 1e-12)
    return angle + apart, np.clip(size, *TRUSTED) ** 2


def _weights(rings: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Weights (circle,) of harmonics (site, circle) for phases (site,): real ones times a phase."""
    still = rings * np.exp(-1j * phase)[:, None]
    means = still.mean(0)
    zero = np.angle(means[np.abs(means).argmax()])
    size, ridge = np.ones(len(rings)), RIDGE * np.eye(rings.shape[1])
    found = np.zeros(rings.shape[1])
    for _ in range(ROUNDS):
        along = still * np.exp(-1j * zero)
        weighed = along.conj().T / size**2
        found = np.linalg.solve((weighed @ along).real + ridge, (weighed @ size).real)
        number = still @ found
        zero = np.angle((number / np.maximum(np.abs(number), 1e-12)).mean())
        size = np.maximum((number * np.exp(-1j * zero)).real, 0.0)
        usual = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
        size = np.clip(size / usual, WEAK, STRONG)
    return found * np.exp(-1j * zero)


def harmonic(patches: np.ndarray, offset: np.ndarray, order: int) -> np.ndarray:
    """Harmonic ``order`` (site, circle) of patches (site, channel, side, side) on circles about
    their middle + ``offset`` (site, 2) in px, whose phase grows by ``order`` times a turn."""
    side = patches.shape[-1]
    radii = np.arange(1.5, REACH * side)
    turn = np.arange(SAMPLES) * (2 * np.pi / SAMPLES)
    along = radii[:, None] * np.stack([-np.sin(turn), np.cos(turn)])[:, None]
    wave = np.exp(-1j * order * turn) / SAMPLES
    found = np.empty((len(patches), patches.shape[1] * len(radii)), complex)
    for row, (patch, off) in enumerate(zip(patches, offset, strict=True)):
        place = along + ((side - 1) / 2 + off)[:, None, None]
        circles = [map_coordinates(plane, place, order=1, mode="nearest") for plane in patch]
        found[row] = (np.sqrt(np.tile(radii, len(patch)))[:, None] * np.concatenate(circles)) @ wave
    return found.conj()  # f(φ - θ) has the coefficient exp(-ikθ) F
