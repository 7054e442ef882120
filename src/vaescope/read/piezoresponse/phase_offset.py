"""The phase of the piezoresponse at which the two domain states lie: found from the values alone.

The two states of a ferroelectric respond with opposite signs, so that their phases lie half a turn
apart, about an offset that electronics and contact resonance set. In the complex plane they are two
clouds of points on a line; the line need not pass through zero, since electrostatic forces add a
constant background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SMOOTHING = 1.0  # px, of the complex signal, before clouds are sought in it
_APART = 3.5  # robust widths between two clouds; one normal cloud cut in two has 2.7
_LEAST_ANGLE = np.radians(30)  # between the phases of two states; less is a change of amplitude
_LEAST_SHARE = 0.002  # of the pixels that are a state, not stray ones
_LAG = 3  # px over which a signal is still alike and noise is not
_NOISE = 0.02  # share of the power that is alike over that lag, below which there is no signal
_MOST = 100_000  # pixels from which clouds are found
_ROUNDS = 20
_STEADY = 0.97  # axial resultant of the offsets of a series taken with one setting: about 7°
_AGREE = 0.9  # the same of frames from which the offset of a frame with one state is taken
_INVERTED = 0.1  # share of equal signs below which a frame is inverted, and not switched


@dataclass(frozen=True)
class States:
    """Domain states of one frame.

    ``offset`` : rad, phase of the positive state; ``count`` : how many states the values show, 0
    where they are noise; ``background`` : complex value midway between two states, 0 where there
    are fewer; ``resultant`` : 0 to 1, how well the phases, modulo half a turn, agree.
    """

    offset: float
    count: int
    background: complex = 0j
    resultant: float = 0.0

    def turned(self, response: np.ndarray) -> np.ndarray:
        """The response along the axis of the states, from midway between them."""
        along: np.ndarray = ((response - self.background) * np.exp(-1j * self.offset)).real
        return along

    def inverted(self) -> States:
        """The same states with the other one positive."""
        offset = float(np.angle(np.exp(1j * (self.offset + np.pi))))
        return States(offset, self.count, self.background, self.resultant)


def states_of(response: np.ndarray, measured: np.ndarray | None = None) -> States:
    """Find the domain states in the complex response (y, x) of one frame.

    The states are two clouds in the complex plane, found by dividing the values along the line
    through the middles of both in turn (two means; N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979)
    62, for the first division). Where there is one cloud alone, the offset is the direction of its
    axis through zero: the mean of the doubled phase, weighted by amplitude. Which of the two states
    is positive is left open.

    measured : (y, x) bool, what counts; all that is finite by default.
    """
    good = np.isfinite(response) & (True if measured is None else measured)
    if good.sum() < 16 or not np.any(response[good]):
        return States(0.0, 0)
    values = smoothed(response, good)[good]
    values = values[:: max(1, len(values) // _MOST)]
    doubled = (values**2 / np.maximum(abs(values), np.finfo(float).tiny)).sum() / abs(values).sum()
    offset, resultant = float(np.angle(doubled) / 2), float(abs(doubled))
    if _alike(response, good) < _NOISE:
        return States(offset, 0, 0j, resultant)
    clouds = _clouds(values, offset)
    if clouds is None:
        return States(offset, 1, 0j, resultant)
    low, high = clouds
    return States(float(np.angle(high - low)), 2, complex((low + high) / 2), resultant)


def smoothed(response: np.ndarray, good: np.ndarray) -> np.ndarray:
    """The response (y, x) blurred over about a pixel, from good pixels alone."""
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(good.astype(float), _SMOOTHING)
    clean = np.where(good, response, 0)
    real, imaginary = (gaussian_filter(part, _SMOOTHING) for part in (clean.real, clean.imag))
    return (real + 1j * imaginary) / np.maximum(weight, 1e-12)


def _alike(response: np.ndarray, good: np.ndarray) -> float:
    """The share of the power that pixels three rows or columns apart have in common, the lesser of
    both: the filter of a lock-in amplifier correlates noise along the scan line."""
    clean = np.where(good, response, 0)
    shares = []
    for axis in (0, 1):
        lag = min(_LAG, response.shape[axis] - 1)
        one, other = (
            np.take(clean, range(start, response.shape[axis] - lag + start), axis)
            for start in (0, lag)
        )
        power = (abs(one) ** 2 + abs(other) ** 2).sum() / 2
        shares.append(float((one * other.conj()).sum().real / power) if power else 0.0)
    return min(shares)


def _clouds(values: np.ndarray, offset: float) -> tuple[complex, complex] | None:
    """The middles of two clouds of complex values, the second in the direction of the offset or
    nearest to it; None where there is one cloud, or where the states have nearly one phase."""
    from skimage.filters import threshold_otsu

    along = (values * np.exp(-1j * offset)).real
    if not np.ptp(along):
        return None
    upper = along > threshold_otsu(along)
    for _ in range(_ROUNDS):
        if not _LEAST_SHARE < upper.mean() < 1 - _LEAST_SHARE:
            return None
        low, high = _middle(values[~upper]), _middle(values[upper])
        along = ((values - (low + high) / 2) * np.exp(-1j * np.angle(high - low))).real
        before, upper = upper, along > 0
        if (before == upper).all():
            break
    if not _LEAST_SHARE < upper.mean() < 1 - _LEAST_SHARE:
        return None
    width = np.sqrt((_width(along[upper]) ** 2 + _width(along[~upper]) ** 2) / 2)
    between = abs(np.angle(high * np.conj(low)))
    if abs(high - low) < _APART * width or between < _LEAST_ANGLE:
        return None
    return _densest(values[~upper], along[~upper]), _densest(values[upper], along[upper])


def _middle(values: np.ndarray) -> complex:
    return complex(np.median(values.real), np.median(values.imag))


def _densest(values: np.ndarray, along: np.ndarray) -> complex:
    """The middle of the densest half of a cloud: what lies in walls drags its median inwards."""
    order = np.argsort(along)
    half = max(1, len(order) // 2)
    ranked = along[order]
    first = int(np.argmin(ranked[half - 1 :] - ranked[: len(ranked) - half + 1]))
    return _middle(values[order[first : first + half]])


def _width(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(abs(values - np.median(values))))


def of_series(
    responses: Sequence[np.ndarray], measured: Sequence[np.ndarray], like: np.ndarray | None = None
) -> tuple[list[States], list[float]]:
    """Find the states of every frame of a series, with one sign throughout.

    In the first frame the state that covers the larger area is positive; or, where ``like`` (y, x)
    is given, the sign is that by which the frame correlates with it. From frame to frame: where all
    offsets agree modulo half a turn (one setting of the lock-in amplifier), that half turn is kept
    by which they agree wholly, unless two frames with the same walls are of opposite sign
    throughout, as when the drive has crossed the contact resonance; where they differ, the sign is
    that by which more than half of the area does not switch.

    Parameters
    ----------
    responses : complex (y, x) of each frame; each is taken twice, one at a time.
    measured : (y, x) bool of each frame.

    Returns
    -------
    The states, and for each frame the share of its pixels with the sign of the frame before (NaN
    for the first).
    """
    found = [states_of(*pair) for pair in zip(responses, measured, strict=True)]
    found = _borrowed(found)
    steady = _axial(found) > _STEADY
    signed: list[States] = []
    agreement: list[float] = []
    before: np.ndarray | None = None
    for response, good, own in zip(responses, measured, found, strict=True):
        good = good & np.isfinite(response)
        along = np.where(good, own.turned(smoothed(response, good)), 0.0)
        if before is None:
            share = np.nan
            flip = _first_flip(along, good, like)
        else:
            share = float((np.sign(along) == np.sign(before))[good].mean()) if good.any() else 1.0
            flip = share < 0.5
            if steady:
                flip = bool(np.cos(own.offset - signed[-1].offset) < 0)
                kept = 1 - share if flip else share
                both = own.count == 2 and signed[-1].count == 2
                flip ^= both and kept < _INVERTED
            share = 1 - share if flip else share
        signed.append(own.inverted() if flip else own)
        agreement.append(share)
        before = -along if flip else along
    return signed, agreement


def _first_flip(along: np.ndarray, good: np.ndarray, like: np.ndarray | None) -> bool:
    if like is None:
        return bool((along[good] > 0).mean() < 0.5) if good.any() else False
    one, other = along[good], like[good]
    return bool(((one - one.mean()) * (other - other.mean())).sum() < 0) if good.any() else False


def _axial(states: list[States]) -> float:
    return float(abs(np.mean([np.exp(2j * one.offset) for one in states])))


def _borrowed(states: list[States]) -> list[States]:
    """Give frames without two states the offset of those that have them, where these agree."""
    two = [one for one in states if one.count == 2]
    if not two or _axial(two) < _AGREE:
        return states
    mean = float(np.angle(np.sum([np.exp(2j * one.offset) for one in two])) / 2)
    return [
        one if one.count == 2 else States(mean, one.count, one.background, one.resultant)
        for one in states
    ]
