"""The rotational symmetry of what a model drew, and the gauge of its angle.

A lattice looks the same after a turn by 360/n degrees, so its angle has a meaning only modulo that.
And nothing in the evidence bound says which way up the canonical picture lies: it may turn slowly
along the latents and between classes. Both are read off the canonical pictures themselves.
"""

from __future__ import annotations

import numpy as np

from vaescope import circular
from vaescope.models.orbit import on_circles

ANGLES = 180  # samples around the circle: 2 degrees, refined by interpolation
CANDIDATES = (6, 4, 3, 2)
SIMILARITY = 0.65
"""Correlation of a picture with its turned copy above which both are the same."""


def polar(pictures: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Sample pictures (row, side, side) on circles of ``radii`` px: (row, radius, angle).

    The mean of every circle is removed, since it does not change under a turn.
    """
    rings = on_circles(pictures, radii, ANGLES)
    return rings - rings.mean(-1, keepdims=True)


def rings(pictures: np.ndarray) -> np.ndarray:
    """Circles of the pictures (row, channel, side, side) themselves: (row, radius, angle).

    Weighted by the square root of the radius, so that products weigh areas alike.
    """
    side = pictures.shape[-1]
    radii = np.arange(1.5, 0.46 * side)
    out = [polar(pictures[:, c], radii) for c in range(pictures.shape[1])]
    return np.concatenate(out, axis=1) * np.sqrt(np.tile(radii, pictures.shape[1]))[:, None]


def spectral_rings(pictures: np.ndarray) -> np.ndarray:
    """Circles of the pictures' Fourier amplitudes: (row, frequency, angle).

    Amplitudes do not depend on which sublattice lies in the centre, so two different sites of one
    crystal have the same orientation by them. A half-turn cannot be seen.
    """
    side = pictures.shape[-1]
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    radius = np.hypot(axis[:, None], axis[None, :])
    window = np.cos(np.clip(radius, 0, 1) * np.pi / 2) ** 2
    padded = 4 * side
    total = []
    for c in range(pictures.shape[1]):
        seen = pictures[:, c]
        level = (seen * window).sum((1, 2)) / window.sum()
        flat = (seen - level[:, None, None]) * window
        amplitude = np.abs(np.fft.fft2(flat, s=(padded, padded)))
        amplitude = np.fft.fftshift(amplitude, axes=(1, 2))
        # An odd window about the zero frequency, whose pixel then lies in the very centre.
        middle, reach = padded // 2, int(padded * 0.25)
        cut = amplitude[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        radii = np.arange(4.0, reach)
        total.append(polar(cut, radii) * np.sqrt(radii)[:, None])
    return np.concatenate(total, axis=1)


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation over the angle by which ``one`` is turned against ``other``.

    one (row, radius, angle), other (radius, angle) or the same shape -> (row, angle), normalised.
    """
    product = np.fft.rfft(one, axis=-1) * np.fft.rfft(other, axis=-1).conj()
    values = np.fft.irfft(product.sum(-2), n=ANGLES, axis=-1)
    norm = np.sqrt((one**2).sum((-2, -1)) * (other**2).sum((-2, -1)))
    return values / np.maximum(norm, 1e-12)[..., None]


def self_similarity(pictures: np.ndarray, anywhere: bool = False) -> np.ndarray:
    """Correlation (angle,) of canonical pictures (row, channel, side, side) with their own turned
    copies, averaged by how much structure each has; those with more than most count no more, so
    that one bright atom does not speak for the lattice. ``anywhere``: the turns may be about any
    point, as those of a crystal; half-turns are then always among them."""
    circles = spectral_rings(pictures) if anywhere else rings(pictures)
    if anywhere:
        circles = circles - circles.mean(2, keepdims=True)
    power = (circles**2).sum((1, 2))
    weight = np.minimum(power, np.median(power))
    similarity = correlation(circles, circles) * weight[:, None]
    return similarity.sum(0) / max(weight.sum(), 1e-12)


def order(similarity: np.ndarray) -> int:
    """The n of the n-fold symmetry that pictures share, from their ``self_similarity`` (angle,).

    The largest n for which turning by every multiple of 360/n leaves them alike; 1 if none does.
    """
    for n in CANDIDATES:
        turned = [similarity[round(ANGLES * k / n) % ANGLES] for k in range(1, n)]
        if min(turned) > SIMILARITY:
            return n
    return 1


def drift(pictures: np.ndarray, reference: np.ndarray, n: int) -> np.ndarray:
    """By how much each canonical picture is turned against the reference picture (rad).

    Parameters
    ----------
    pictures : (row, channel, side, side).
    reference : (channel, side, side).
    n : the symmetry; the answer lies in [-pi/n, pi/n).
    """
    spectral = correlation(spectral_rings(pictures), spectral_rings(reference[None])[0])
    turn = _peak(spectral, max(n, 2) if n % 2 == 0 or n == 1 else 2 * n)
    if n % 2 == 0:
        return circular.wrap(turn, 2 * np.pi / n)
    # Amplitudes do not tell a picture from its half-turn: the pictures themselves do.
    direct = correlation(rings(pictures), rings(reference[None])[0])
    step = 2 * np.pi / ANGLES
    values = [
        np.take_along_axis(
            direct, np.round((turn + half) / step).astype(int)[:, None] % ANGLES, axis=1
        )[:, 0]
        for half in (0.0, np.pi)
    ]
    nearer = np.where(values[1] > values[0], turn + np.pi, turn)
    return circular.wrap(nearer, 2 * np.pi / n)


def _peak(values: np.ndarray, n: int) -> np.ndarray:
    """Angle of the largest correlation, folded n times, by a parabola through its top (rad)."""
    spectrum = np.fft.rfft(values, axis=-1)
    spectrum[:, np.arange(spectrum.shape[1]) % n != 0] = 0  # folding: harmonics of n alone
    folded = np.fft.irfft(spectrum, n=ANGLES, axis=-1)
    top = folded.argmax(-1)
    before, at, after = (
        np.take_along_axis(folded, (top[:, None] + k) % ANGLES, axis=1)[:, 0] for k in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    shift = np.where(np.abs(bend) > 1e-12, 0.5 * (before - after) / np.where(bend, bend, 1), 0.0)
    angle = (top + np.clip(shift, -0.5, 0.5)) * (2 * np.pi / ANGLES)
    return circular.wrap(angle, 2 * np.pi / n)
