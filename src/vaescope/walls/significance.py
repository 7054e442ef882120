"""Which curves are walls: those whose contrast is more than noise makes of itself.

Zero lines of smoothed noise have a contrast as well, of a few standard deviations of the difference
between places as far apart as the two sides of a wall. That deviation is measured in the
out-of-phase response, in which the two states are the same, so that noise that is smooth or runs in
lines counts as what it is. Where there is no such response, or where both states have one sign, it
is measured in what the two states leave of the in-phase response; within domains that also varies
with their orientation, which makes the test stricter. Of one sign, two states differ from a single
domain by their difference alone, which has to be half of their mean at least.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from vaescope.walls.curve import Curve
from vaescope.walls.signal import Signal, noise_of
from vaescope.walls.smooth import smooth

_ASIDE = 1.0  # widths of the smoothing from a curve to where its contrast is taken
_LEAST = 2.0  # px, the same at least
_MARGIN = 6.2  # standard deviations; extremes of a picture of noise reach three to five
_BLIND = 8.5  # the same where the noise is known only from the in-phase response itself
_LONG, _SHORT = 3.5, 40.0  # the same of long curves found by their shape; px up to which it is not
_FAINT = 0.05  # of the usual difference of the states: fainter ones are those of a background
_ONE_SIGN = 0.5  # of the level, where both states have one sign: less is a domain that varies
_BLURS = (1.5, 3.0)  # px, of walls as they are
_TO_SD = 1.4826  # from the median absolute deviation of normal values


def contrast(curve: Curve, picture: np.ndarray, aside: float) -> float:
    """Median difference of a smoothed picture (y, x) between the two sides of a curve."""
    tangent = np.gradient(curve.place, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    ahead, behind = (
        map_coordinates(picture, (curve.place + side * normal).T, order=1, mode="nearest")
        for side in (aside, -aside)
    )
    return float(np.median(ahead - behind))


def significant(
    curves: Sequence[Curve], signal: Signal, width: float, *, by_shape: bool = False
) -> list[Curve]:
    """Those of the curves whose contrast is more than the noise accounts for.

    ``by_shape`` : they were found by what a wall looks like, not where a smoothed picture changes
    its sign; a long one then needs less contrast, since noise and topography make short ones.
    """
    aside = max(_ASIDE * width, _LEAST)
    picture = smooth(signal.in_phase, signal.measured, width)
    margin = _BLIND if signal.out_of_phase is None else _MARGIN
    strong = float(np.percentile(np.abs(picture - signal.level)[signal.measured], 90))
    noise = spread(signal, picture, width)
    faintest = max(_FAINT * 2 * strong, _ONE_SIGN * abs(signal.level))

    def least(curve: Curve) -> float:
        share = min(_SHORT / curve.length, 1.0) if by_shape else 1.0
        return max((share * margin + (1 - share) * _LONG) * noise, faintest)

    return [curve for curve in curves if contrast(curve, picture, aside) > least(curve)]


def spread(signal: Signal, picture: np.ndarray, width: float) -> float:
    """Standard deviation of the difference between the two sides of nothing, in noise smoothed by
    ``width`` px like the ``picture`` (y, x)."""
    if signal.genuine and signal.out_of_phase is not None:
        return _rough(signal.out_of_phase, signal.measured, width)
    noises = []
    if signal.out_of_phase is not None:
        across = noise_of(signal.out_of_phase, signal.measured)
        louder = max(signal.noise / across, 1.0) if across > 0 else 1.0
        noises.append(louder * signal.out_of_phase)
    if signal.out_of_phase is None or signal.level:
        noises.append(remainder(signal, picture))
    apart = round(2 * max(_ASIDE * width, _LEAST))
    found = [0.0]
    for noise in noises:
        left = smooth(noise, signal.measured, width)
        for axis in (0, 1):
            turned, seen = np.moveaxis(left, axis, 0), np.moveaxis(signal.measured, axis, 0)
            both = seen[apart:] & seen[:-apart]
            if both.any():
                step = (turned[apart:] - turned[:-apart])[both]
                found.append(_TO_SD * float(np.median(np.abs(step - np.median(step)))))
    return max(found)


def _rough(response: np.ndarray, measured: np.ndarray, width: float) -> float:
    """The same from second differences of a response (y, x), in which what varies slowly cancels:
    that of real domains has a part out of phase."""
    left = smooth(response, measured, width)
    apart = round(max(_ASIDE * width, _LEAST))
    found = [0.0]
    for axis in (0, 1):
        turned, seen = np.moveaxis(left, axis, 0), np.moveaxis(measured, axis, 0)
        whole = seen[2 * apart :] & seen[apart:-apart] & seen[: -2 * apart]
        if whole.any():
            step = (turned[2 * apart :] - 2 * turned[apart:-apart] + turned[: -2 * apart])[whole]
            found.append(_TO_SD * float(np.median(np.abs(step - np.median(step)))) / np.sqrt(3))
    return max(found)


def remainder(signal: Signal, picture: np.ndarray) -> np.ndarray:
    """What two states with blurred walls leave of the in-phase response (y, x)."""
    side = np.where(picture < signal.level, -1.0, 1.0)
    parts = [np.ones_like(side), side, *(gaussian_filter(side, width) for width in _BLURS)]
    design = np.stack([part[signal.measured] for part in parts], axis=1)
    amount = np.linalg.lstsq(design, signal.in_phase[signal.measured], rcond=None)[0]
    return signal.in_phase - sum(a * part for a, part in zip(amount, parts, strict=True))
