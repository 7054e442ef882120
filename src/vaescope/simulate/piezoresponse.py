"""What a piezoresponse force microscope records of domains: lock-in signal and height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from vaescope.simulate import domains
from vaescope.simulate.arguments import Spread, within
from vaescope.simulate.level_sets import Plane, TrueWalls

CHANNELS = ("in-phase", "out-of-phase", "height")

FLAT = 6.0
"""Half widths from a wall beyond which a domain is saturated (to 1e-5)."""
_FINEST = 8  # points of a pixel along each axis, at most
_REACH = 5.0  # standard deviations of the tip that are computed
_NEAR = 2.0  # half widths and tips together, within which two walls are near each other
_HILLS, _GRAINS, _GRAIN = 3.0, 0.7, 6.0  # nm, nm: height of hills and grains; px: of a grain
_HEIGHT_NOISE = 0.05  # nm
_APEXES = 4  # of an irregular tip


@dataclass(frozen=True)
class Recorder:
    """Parameters of the microscope that records domains."""

    size: int = within(256, 32, 2048)  # px, side of the square frames
    noise: float = within(0.15, 0.0, 100.0)  # sd per quadrature, share of the saturated response
    # px, half width of the tanh of a wall
    width: float = within(1.5, 0.2, 20.0, Spread(0.5, 3.5))
    tip: float = within(1.5, 0.0, 20.0, Spread(0.6, 3.0))  # px, standard deviation of its blur
    # 0: a round tip, 1: a tip with several apexes
    irregular: float = within(0.0, 0.0, 1.0, Spread(0.2, 1.0, or_none=True))
    contrast: float = within(1.0, 0.0, 1.0)  # share of the response that has a sign (0: no walls)
    crosstalk: float = within(0.0, 0.0, 10.0)  # rms of the topography's share in the signal
    # px by which the specimen moves during one frame
    drift: float = within(0.0, 0.0, 40.0, Spread(1.0, 8.0, or_none=True))
    pixel: float = within(10.0, 0.1, 1000.0)  # nm, size of a pixel


def margin(p: Recorder) -> int:
    """px outside a frame whose walls still change what it shows."""
    return int(np.ceil(_REACH * p.tip * (1 + p.irregular) + FLAT * p.width)) + 2


def near(p: Recorder) -> float:
    """px within which two walls are too near each other to be compared with a model of one, and
    the rim too near a wall."""
    return _NEAR * (p.width + p.tip)


class Response:
    """The response of domains without noise, saturated at −1 and 1, anywhere on a specimen."""

    def __init__(
        self, plane: Plane, curves: TrueWalls, p: Recorder, reach: int, tip: np.ndarray | None
    ) -> None:
        """``reach`` : px beyond the frame. ``tip`` : see ``tip_shape``, None: a point."""
        self._fine = _fineness(p)
        self._start = -float(reach)
        count = (p.size + 2 * reach) * self._fine
        axis = self._start + np.arange(count) / self._fine
        profile = _profile(plane.grid(axis) > 0, axis, curves, p.width)
        if tip is not None:
            pad = tip.shape[0] // 2
            profile = signal.fftconvolve(np.pad(profile, pad, mode="edge"), tip, mode="valid")
        self._profile = ndimage.spline_filter(profile, order=3)

    def at(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The response at some places of the specimen."""
        place = (np.stack([y, x]) - self._start) * self._fine
        return ndimage.map_coordinates(
            self._profile, place, order=3, prefilter=False, mode="mirror"
        )


def tip_shape(p: Recorder, rng: np.random.Generator) -> np.ndarray | None:
    """The tip's blur on the fine grid, (n, n), n odd, with sum 1 and its centre of mass in the
    middle: a Gaussian, or that of several apexes at random; None for a point."""
    if not p.tip:
        return None
    fine = _fineness(p)
    scale = p.tip * fine
    half = int(np.ceil(_REACH * scale * (1 + p.irregular)))
    y, x = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1), indexing="ij")
    apex = p.irregular * scale * rng.normal(size=(_APEXES, 2)).clip(-2, 2)
    weight = rng.dirichlet(np.ones(_APEXES))
    apex = apex - weight @ apex
    blur = sum(
        part * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * scale**2))
        for part, (row, column) in zip(weight, apex, strict=True)
    )
    return np.asarray(blur) / np.sum(blur)


def topography(p: Recorder, reach: int, rng: np.random.Generator) -> np.ndarray:
    """Height in nm of the specimen, hills and grains, from ``reach`` px outside the frame on."""
    side = p.size + 2 * reach
    hills = domains.smooth(side, p.size / 10, rng)
    return _HILLS * hills + _GRAINS * domains.smooth(side, _GRAIN, rng)


def recording(
    response: np.ndarray, height: np.ndarray, p: Recorder, turn: float, rng: np.random.Generator
) -> np.ndarray:
    """The channels of one frame, (channel, y, x) as ``CHANNELS``.

    Parameters
    ----------
    response : (y, x) without noise. height : (y, x) nm.
    turn : rad, phase of the topography's share, which is the slope along the fast axis.
    """
    slope = np.gradient(height, axis=1)
    share = p.crosstalk * slope / max(float(slope.std()), 1e-12)
    noise = p.noise * rng.normal(size=(2, *response.shape))
    along = p.contrast * response + np.cos(turn) * share + noise[0]
    across = np.sin(turn) * share + noise[1]
    return np.stack([along, across, height + _HEIGHT_NOISE * rng.normal(size=height.shape)])


def _fineness(p: Recorder) -> int:
    """Points of a pixel, along each axis, with which wall and tip are computed."""
    narrow = min(p.width / 2, p.tip / 1.5 if p.tip else np.inf)
    return int(np.clip(np.ceil(1 / narrow), 2, _FINEST))


def _profile(positive: np.ndarray, axis: np.ndarray, curves: TrueWalls, width: float) -> np.ndarray:
    """tanh(distance from the wall / ``width``) on a fine grid, (n, n).

    Parameters
    ----------
    positive : (n, n) the domain. axis : (n,) px, of its rows and columns.
    """
    profile = np.where(positive, 1.0, -1.0)
    if not len(curves.place):
        return profile
    far = FLAT * width
    inside, outside = (ndimage.distance_transform_edt(mask) for mask in (positive, ~positive))
    band = np.nonzero(np.maximum(inside, outside) < (far + 1) / (axis[1] - axis[0]))
    point = np.stack([axis[band[0]], axis[band[1]]], axis=1)
    away, which = cKDTree(curves.place).query(point, distance_upper_bound=far)
    close = np.isfinite(away)
    which, rows, columns = which[close], band[0][close], band[1][close]
    # Along the normal, since the nearest point of the curve may lie half a step beside.
    offset = point[close] - curves.place[which]
    direction = curves.direction[which]
    across = offset[:, 0] * np.cos(direction) - offset[:, 1] * np.sin(direction)
    along = offset[:, 1] * np.cos(direction) + offset[:, 0] * np.sin(direction)
    past_end = np.abs(along) > np.maximum(np.abs(across), 1)
    distance = np.where(past_end, away[close] * np.sign(profile[rows, columns]), across)
    profile[rows, columns] = np.tanh(distance / width)
    return profile
