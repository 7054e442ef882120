"""Images and movies of ferroelectric domains as systems, with the truth of their walls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from vaescope.simulate.arguments import recorded
from vaescope.simulate.crystals import truth
from vaescope.simulate.level_sets import Plane, TrueWalls, walls
from vaescope.simulate.piezoresponse import (
    CHANNELS,
    FLAT,
    Recorder,
    Response,
    near,
    recording,
    tip_shape,
    topography,
)
from vaescope.simulate.specimen_drift import Drift

if TYPE_CHECKING:
    import xarray as xr

TRUTHS = {
    "y": truth("true row of the wall", "px"),
    "x": truth("true column of the wall", "px"),
    "frame": truth("frame in which the wall is seen", "1"),
    "wall": truth("which wall it is, in all frames", "1"),
    "direction": truth("true direction of the wall", "rad", "cyclic", period=2 * np.pi),
    "curvature": truth("true curvature of the wall", "1/px", "diverging"),
    "apart": truth("whether the rim or another wall is too near to score", "1"),
}


_RESPONSE = truth("in-phase response without noise", "1")
_DOMAIN = truth("domain: 1 where the response is positive", "1")


@dataclass(frozen=True)
class PiezoMovie:
    """Frames of domains with their truth.

    ``channels`` : (time, channel, y, x) as ``CHANNELS``. ``response`` : (time, y, x) in-phase
    without noise. ``domain`` : (time, y, x), 1 in the positive one. ``curves`` : of each frame.
    ``drift`` : (time, 2) px. ``more`` : name -> dims, values and attributes of what else is true.
    """

    channels: np.ndarray
    response: np.ndarray
    domain: np.ndarray
    curves: list[TrueWalls]
    drift: np.ndarray
    more: Mapping[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class PiezoSystem:
    """Ferroelectric domains that can be simulated.

    ``build`` : the frames, of its ``parameters``.
    """

    build: Callable[[Any, np.random.Generator], PiezoMovie]
    parameters: Recorder

    def make(self, name: str, parameters: Recorder, seed: int) -> xr.Dataset:
        """Simulate the image or movie that a name with parameters stands for, with its truth."""
        import xarray as xr

        made = self.build(parameters, np.random.default_rng(seed))
        size, pixel = parameters.size, parameters.pixel
        rim = near(parameters)
        known = {
            f"truth_{key}": ("truth_site", values, TRUTHS[key])
            for key, values in _of_points(made.curves, size, rim).items()
        }
        frames = ("time", "y", "x")
        signal = {"long_name": "piezoresponse, saturated at 1; height in nm", "units": "1"}
        axis = np.arange(size) * pixel
        image = xr.Dataset(
            {
                "image": (("time", "channel", "y", "x"), made.channels.astype(np.float32), signal),
                "truth_response": (frames, made.response.astype(np.float32), _RESPONSE),
                "truth_domain": (frames, made.domain.astype(np.uint8), _DOMAIN),
                "truth_drift_y": ("time", made.drift[:, 0], truth("true drift along y", "px")),
                "truth_drift_x": ("time", made.drift[:, 1], truth("true drift along x", "px")),
                **{f"truth_{key}": entry for key, entry in made.more.items()},
                **known,
            },
            coords={
                "time": np.arange(len(made.channels)),
                "channel": list(CHANNELS),
                "y": ("y", axis, {"long_name": "y", "units": "nm"}),
                "x": ("x", axis, {"long_name": "x", "units": "nm"}),
            },
            attrs={
                "pixel_size": pixel,
                "pixel_unit": "nm",
                "calibrated": True,
                **recorded(name, parameters, seed),
            },
        )
        return image.chunk({"time": 1, "channel": 1})


def film(
    planes: Sequence[Plane], p: Recorder, drift: Drift, reach: int, rng: np.random.Generator
) -> PiezoMovie:
    """The frames of domains on a specimen that drifts.

    Parameters
    ----------
    planes : the domains in each frame, known ``reach`` px beyond it on each side; domains that
        stay as they are, are the same object again.
    """
    inner = reach - int(np.ceil(FLAT * p.width))
    tip = tip_shape(p, rng)
    height = ndimage.spline_filter(topography(p, inner, rng), order=3)
    turn = rng.uniform(0, 2 * np.pi)
    shown, channels, domain, seen = [], [], [], []
    for frame, plane in enumerate(planes):
        if frame == 0 or plane is not planes[frame - 1]:
            curves = walls(plane, -reach, p.size - 1 + reach, near(p))
            response = Response(plane, curves, p, inner, tip)
        y, x = drift.specimen(frame, p.size)
        shown.append(response.at(y, x))
        place = np.stack([y, x]) + inner
        above = ndimage.map_coordinates(height, place, order=3, prefilter=False, mode="mirror")
        channels.append(recording(shown[-1], above, p, turn, rng))
        domain.append(plane.value(y, x) > 0)
        seen.append(drift.seen(curves, frame, p.size))
    truth_of = p.contrast * np.stack(shown)
    return PiezoMovie(np.stack(channels), truth_of, np.stack(domain), seen, drift.offset)


def _of_points(curves: list[TrueWalls], size: int, rim: float) -> dict[str, np.ndarray]:
    """What is true of the points of the walls of all frames."""
    place = np.concatenate([each.place for each in curves])
    at_rim = (np.minimum(place, size - 1 - place) < rim).any(axis=1)
    return {
        "y": place[:, 0],
        "x": place[:, 1],
        "frame": np.repeat(np.arange(len(curves)), [len(each.place) for each in curves]),
        "wall": np.concatenate([each.wall for each in curves]),
        "direction": np.concatenate([each.direction for each in curves]),
        "curvature": np.concatenate([each.curvature for each in curves]),
        "apart": at_rim | np.concatenate([each.apart for each in curves]),
    }
