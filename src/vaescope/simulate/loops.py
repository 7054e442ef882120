"""Switching loops of a ferroelectric on a grid of points, and how domain walls soften them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from vaescope.simulate.arguments import within
from vaescope.simulate.crystals import truth
from vaescope.simulate.recordings import Recording
from vaescope.simulate.scattered import field

DOMAINS = ("down", "up")
_DOMAIN = 6.0  # a domain is so many px across where the image is 48 px wide
_CRISP = 1.5  # px, half width of a wall as the tip sees it
_TRAP = 0.15  # relative spread of the coercive field from place to place
_PATCH = 3.0  # px over which the coercive field varies

TRUTHS = {
    "domain": truth("domain before switching", "1", "categorical"),
    "distance": truth("distance from the nearest domain wall, negative in down", "px", "diverging"),
    "coercive": truth("coercive bias, half the width of the loop", "V"),
    "imprint": truth("imprint, centre of the loop", "V", "diverging"),
    "response": truth("response at saturation", "1"),
    "offset": truth("offset of the response", "1", "diverging"),
}


@dataclass(frozen=True)
class Loops:
    """What can be asked of `loops`."""

    size: int = within(48, 8, 512)  # px, side of the grid, one loop per pixel
    steps: int = within(64, 16, 4096)  # biases of one loop
    bias: float = within(10.0, 0.1, 1000.0)  # V, greatest bias
    coercive: float = within(4.0, 0.01, 1000.0)  # V, far from walls
    imprint: float = within(0.8, 0.0, 1000.0)  # V, inside a domain: towards the state it is in
    sharpness: float = within(1.2, 0.01, 1000.0)  # V, width of the switching
    drop: float = within(0.4, 0.0, 0.95)  # share of the coercive bias that is missing at a wall
    reach: float = within(3.0, 0.1, 100.0)  # px over which a wall is felt
    noise: float = within(0.08, 0.0, 10.0)  # standard deviation, share of the saturated response
    pixel: float = within(10.0, 0.1, 1000.0)  # nm, size of a pixel


def loops(p: Loops, rng: np.random.Generator) -> Recording:
    """Loops of the response against bias at every pixel beside the picture of the domains.

    The bias goes up, down, and back to zero, and the loop is the one that repeats. A branch is an
    error function, as in S. Jesse, H. N. Lee & S. V. Kalinin, Rev. Sci. Instrum. 77 (2006) 073702;
    the coercive bias falls to walls, where new domains need not nucleate, and each domain is
    imprinted towards the state it is in.
    """
    length = _DOMAIN * p.size / 48
    above = field(p.size, length, rng)
    up = above > np.median(above)
    distance = _from_wall(up)
    near = np.exp(-np.abs(distance) / p.reach)
    traps = np.exp(_TRAP * field(p.size, _PATCH, rng))
    coercive = p.coercive * traps * (1 - p.drop * near)
    imprint = -p.imprint * np.tanh(distance / p.reach)
    response = 1 + 0.1 * field(p.size, 2 * _PATCH, rng)
    offset = 0.1 * field(p.size, length, rng)
    bias, rising = waveform(p.steps, p.bias)
    expected = loop(bias, rising, coercive, imprint, p.sharpness, response, offset)
    picture = np.tanh(distance / _CRISP)
    truths = {
        "domain": up.astype(int),
        "distance": distance,
        "coercive": coercive,
        "imprint": imprint,
        "response": response,
        "offset": offset,
    }
    return Recording(
        image=(picture + rng.normal(0, p.noise, picture.shape))[None],
        spectra=(expected + rng.normal(0, p.noise, expected.shape))[None],
        expected=expected[None],
        energy=bias,
        truth={key: values[None] for key, values in truths.items()},
        pixel=p.pixel,
        channels={"rising": (rising.astype(int), {"long_name": "bias goes up", "units": "1"})},
    )


def waveform(steps: int, greatest: float) -> tuple[np.ndarray, np.ndarray]:
    """Bias (step,) in V of one cycle 0, greatest, −greatest, 0, and whether it goes up (step,)."""
    phase = (np.arange(steps) + 0.5) / steps
    bias = greatest * np.interp(phase, [0, 0.25, 0.75, 1], [0, 1, -1, 0])
    return bias, (phase < 0.25) | (phase > 0.75)


def loop(
    bias: np.ndarray,
    rising: np.ndarray,
    coercive: np.ndarray,
    imprint: np.ndarray,
    sharpness: float,
    response: np.ndarray,
    offset: np.ndarray,
) -> np.ndarray:
    """Response (…, step) of places (…) at biases (step,), see ``loops``."""
    turn = np.where(rising, 1.0, -1.0) * np.asarray(coercive)[..., None]
    inside = (bias - np.asarray(imprint)[..., None] - turn) / sharpness
    return np.asarray(offset)[..., None] + np.asarray(response)[..., None] * special.erf(inside)


def _from_wall(up: np.ndarray) -> np.ndarray:
    """Distance of pixels from the nearest wall, px: positive in up, negative in down."""
    if up.all() or not up.any():
        return np.where(up, 1.0, -1.0) * up.shape[0]
    inside, outside = (ndimage.distance_transform_edt(part) for part in (up, ~up))
    return np.where(up, inside - 0.5, 0.5 - outside)
