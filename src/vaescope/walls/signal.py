"""The piezoresponse of one frame, with the noise by which everything found in it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope import store
from vaescope.errors import UserError
from vaescope.walls.topography import leaked

if TYPE_CHECKING:
    import xarray as xr

IN_PHASE = "in-phase"
OUT_OF_PHASE = "out-of-phase"
HEIGHT = "height"
_TO_SD = 1.4826  # from the median absolute deviation of normal values
_BLUR = 2.0  # px, in which the signs of the response are read
_STRONG = 6.0  # standard deviations of the smoothed noise, from which on a sign counts
_PASSES = 3  # of finding it and the sides of walls in turn
_WIDTHS = (0.0, 1.5, 3.0)  # px, of walls beside which it is found
_BOTH = 0.001  # of the picture, that each sign has at least where there are two states


@dataclass(frozen=True)
class Signal:
    """The piezoresponse of one frame.

    Attributes
    ----------
    in_phase : (y, x) response along the axis of the two domain states, in the unit of the file,
        without what the topography explains of it beside the two states.
    out_of_phase : (y, x) response across that axis, without the topography that leaks into it;
        None where it was not recorded.
    measured : (y, x) what was measured.
    noise : standard deviation of ``in_phase`` from pixel to pixel.
    level : value of ``in_phase`` that parts the two domain states (``level_of``).
    leaked : rms of the topography that was taken out of ``in_phase``, over half the difference of
        the two states.
    genuine : whether the reading of amplitude and phase has found that they are no noise.
    """

    in_phase: np.ndarray
    measured: np.ndarray
    noise: float
    level: float
    out_of_phase: np.ndarray | None = None
    genuine: bool = False
    leaked: float = 0.0


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
    level = level_of(along, seen)
    share = 0.0
    if HEIGHT in names:
        height = np.asarray(planes[names.index(HEIGHT)].values, float)
        if across is not None:
            across = across - leaked(across, height, seen)
        added = np.zeros(along.shape)
        for _ in range(_PASSES):
            added = leaked(along, height, seen, sides(along - added, seen, level))
            level = level_of(along - added, seen)
        along = along - added
        if added.any():
            strength = float(np.median(np.abs(smoothed(along, seen) - level)[seen]))
            share = float(np.std(added[seen])) / max(strength, 1e-300)
    known = genuine(image, frame)
    return Signal(along, seen, noise_of(along, seen), level, across, known, share)


def sides(response: np.ndarray, measured: np.ndarray, level: float) -> np.ndarray:
    """The state of each pixel of a response (y, x) from -1 to 1 with walls of several widths,
    (y, x, width)."""
    from scipy.ndimage import gaussian_filter

    side = np.where(smoothed(response, measured) < level, -1.0, 1.0)
    return np.stack([gaussian_filter(side, width) for width in _WIDTHS], axis=-1)


def genuine(image: xr.Dataset, frame: int) -> bool:
    """Whether the record of reading says that the response of a frame has domain states, as of 0
    it says that it is noise; without a record that is not known."""
    responses = store.json_attribute(image, "piezoresponse", {}).get("responses", [])
    frames = responses[0].get("frames", []) if responses else []
    return frame < len(frames) and int(frames[frame].get("states", 0)) > 0


def smoothed(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """A picture (y, x) in which the signs of the response can be read."""
    from scipy.ndimage import gaussian_filter

    part = values[measured]
    return gaussian_filter(np.where(measured, values, np.median(part) if part.size else 0.0), _BLUR)


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


def both_signs(picture: np.ndarray, measured: np.ndarray, noise: float, width: float) -> bool:
    """Whether an in-phase response (y, x), smoothed by ``width`` px, has both signs, so that a wall
    is where it changes its sign, however strong the response of each domain is."""
    part = picture[measured]
    if not part.size:
        return False
    strong = _STRONG * noise / (2 * np.sqrt(np.pi) * width)
    return min(float((part > strong).mean()), float((part < -strong).mean())) > _BOTH


def level_of(values: np.ndarray, measured: np.ndarray) -> float:
    """The value of an in-phase response (y, x) that parts its two states: zero where it has both
    signs; else, the response lying on a background, the threshold of N. Otsu, IEEE Trans. Syst. Man
    Cybern. 9 (1979) 62."""
    from skimage.filters import threshold_otsu

    part = values[measured]
    if not (part.size and np.ptp(part) > 0):
        return 0.0
    if both_signs(smoothed(values, measured), measured, noise_of(values, measured), _BLUR):
        return 0.0
    return float(threshold_otsu(part))
