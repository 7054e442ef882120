"""The piezoresponse of one frame, with the noise by which everything found in it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope import store
from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

IN_PHASE = "in-phase"
OUT_OF_PHASE = "out-of-phase"
_TO_SD = 1.4826  # from the median absolute deviation of normal values


@dataclass(frozen=True)
class Signal:
    """The piezoresponse of one frame.

    Attributes
    ----------
    in_phase : (y, x) response along the axis of the two domain states, in the unit of the file.
    out_of_phase : (y, x) response across that axis; None where it was not recorded.
    measured : (y, x) what was measured.
    noise : standard deviation of ``in_phase`` from pixel to pixel.
    level : value of ``in_phase`` midway between the two domain states.
    level_known : whether that is known from the complex response, and not from ``in_phase`` alone.
    """

    in_phase: np.ndarray
    measured: np.ndarray
    noise: float
    level: float
    out_of_phase: np.ndarray | None = None
    level_known: bool = False


def signal_of(image: xr.Dataset, frame: int) -> Signal:
    """Take the piezoresponse of one frame from an image store.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x) and the channel ``in-phase``, perhaps
        ``out-of-phase``, perhaps with `measured` (time, y, x).
    frame : number of the frame.

    Raises
    ------
    UserError : the image has no channel ``in-phase``.
    """
    names = [str(name) for name in image["channel"].values]
    if IN_PHASE not in names:
        raise UserError(
            "domain walls are sought in the piezoresponse, which this image lacks",
            found="channels " + ", ".join(names),
            expected=f"a channel `{IN_PHASE}`",
            remedy="Set `ingest: piezoresponse: true` in the recipe: amplitude and phase become"
            f" `{IN_PHASE}` and `{OUT_OF_PHASE}`",
        )
    planes = image["image"][frame]
    along = np.asarray(planes[names.index(IN_PHASE)].values, float)
    across = None
    if OUT_OF_PHASE in names:
        across = np.asarray(planes[names.index(OUT_OF_PHASE)].values, float)
    seen = np.ones(along.shape, bool)
    if "measured" in image:
        seen = np.asarray(image["measured"][frame].values, bool)
    level = recorded_level(image, frame)
    known = level is not None
    found = level if level is not None else level_of(along, seen)
    return Signal(along, seen, noise_of(along, seen), found, across, known)


def recorded_level(image: xr.Dataset, frame: int) -> float | None:
    """The level that the reading of amplitude and phase has found: midway between two states of
    unlike phase; where the response varies in strength more than that, zero, at which the phase
    turns by 180°. None for an image without such a record."""
    responses = store.json_attribute(image, "piezoresponse", {}).get("responses", [])
    frames = responses[0].get("frames", []) if responses else []
    return float(frames[frame]["level"]) if frame < len(frames) else None


def noise_of(values: np.ndarray, measured: np.ndarray) -> float:
    """Standard deviation of the noise of a picture (y, x), robustly, from second differences along
    both axes, in which even values cancel."""
    found = []
    for axis in (0, 1):
        second = np.diff(values, 2, axis)
        kept = np.moveaxis(measured, axis, 0)
        whole = np.moveaxis(kept[:-2] & kept[1:-1] & kept[2:], 0, axis)
        if whole.any():
            part = second[whole]
            found.append(_TO_SD * np.median(np.abs(part - np.median(part))) / np.sqrt(6))
    return float(min(found)) if found else float("nan")


def level_of(values: np.ndarray, measured: np.ndarray) -> float:
    """The value of a picture (y, x) midway between its two states: the threshold of N. Otsu, IEEE
    Trans. Syst. Man Cybern. 9 (1979) 62."""
    from skimage.filters import threshold_otsu

    part = values[measured]
    return float(threshold_otsu(part)) if part.size and np.ptp(part) > 0 else 0.0
