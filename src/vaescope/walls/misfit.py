"""How much more a picture leaves of a model of its walls than white noise would.

The response of a real domain varies from place to place: stripes of other domains inside it,
grains, drift of the tip. A fit that knows of white noise alone would bend its walls to follow this.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from vaescope.walls import response
from vaescope.walls.signal import Signal
from vaescope.walls.smooth import smooth

_BLURS = (2.0, 4.0, 8.0)  # px, of the walls in the picture that is taken off; the best counts
_OVER = 2.0  # px, standard deviation of the means by which what is left is judged
MUCH = 2.0  # times the noise: more, and one model of the picture does not hold
_TO_SD = 1.4826  # from the median absolute deviation of normal values


def misfit(signal: Signal, picture: np.ndarray) -> float:
    """What is left of a picture beyond white noise: its standard deviation over that of the noise,
    in means over some pixels; about 1 where two states and their walls are all there is.

    Parameters
    ----------
    signal : the piezoresponse of the frame.
    picture : (y, x), its in-phase response smoothed, which says on which side of a wall a pixel is.
    """
    side = np.where(picture < signal.level, -1.0, 1.0)
    found = np.inf
    for blur in _BLURS:
        profile = gaussian_filter(side, blur, mode="nearest")
        states = response.states(signal.in_phase, signal.measured, profile, signal.noise)
        left = signal.in_phase - states.middle - states.half * profile
        means = smooth(left, signal.measured, _OVER)[signal.measured]
        if not means.size:
            return 1.0
        spread = _TO_SD * float(np.median(abs(means - np.median(means))))
        found = min(found, spread * 2 * np.sqrt(np.pi) * _OVER / signal.noise)
    return found
