"""Samples of patches that were not measured: where they are, and what stands in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.samples.sampling import ANTI_ALIAS

if TYPE_CHECKING:
    import xarray as xr

MEASURED = "measured"
"""Variable (site, py, px) of a store of patches; absent where all samples were measured."""
PARTIAL = "partial"
"""Variable (site,) of a store of patches: too little of the patch was measured for a model to learn
from it; absent where there are no such patches."""
_SURE = 0.95  # of the weight of a sample that must lie on measured pixels
_ROWS = 1024  # patches whose samples are looked at together


def measured_samples(
    measured: xr.DataArray, frame: np.ndarray, position: np.ndarray, size: float, pixels: int
) -> np.ndarray | None:
    """Mask (site, py, px) of the samples of patches that rest on measured pixels; None if all do.

    Parameters
    ----------
    measured : (time, y, x) of an image.
    frame, position : (site,) and (site, 2) px of the patches.
    size, pixels : side of a patch in px, and its samples per side.
    """
    from scipy import ndimage

    pitch = size / pixels
    offsets = (np.arange(pixels) + 0.5) * pitch - size / 2
    found = None
    for one in np.unique(frame):
        mask = measured[int(one)].values.astype(np.float32)
        if mask.all():
            continue
        if pitch > 1:
            mask = ndimage.gaussian_filter(mask, ANTI_ALIAS * pitch)
        here = np.flatnonzero(frame == one)
        for start in range(0, len(here), _ROWS):
            rows = here[start : start + _ROWS]
            y = position[rows, 0, None, None] + offsets[None, :, None] + 0 * offsets
            x = position[rows, 1, None, None] + offsets + 0 * offsets[None, :, None]
            seen = ndimage.map_coordinates(mask, [y, x], order=1, mode="mirror") >= _SURE
            if not seen.all():
                if found is None:
                    found = np.ones((len(frame), pixels, pixels), bool)
                found[rows] = seen
    return found


def in_image(
    sides: tuple[int, int], position: np.ndarray, size: float, pixels: int
) -> np.ndarray | None:
    """Mask (site, py, px) of the samples of patches that lie inside an image of sides (height,
    width) px; None if all do. Other parameters as of ``measured_samples``."""
    offsets = (np.arange(pixels) + 0.5) * size / pixels - size / 2
    place = position[:, :, None] + offsets  # (site, axis, sample)
    last = np.array(sides)[:, None] - 1
    inside = (place >= -0.5) & (place <= last + 0.5)
    if inside.all():
        return None
    return np.asarray(inside[:, 0, :, None] & inside[:, 1, None, :])


def whole(patches: xr.Dataset) -> np.ndarray:
    """Which patches (site,) were measured as far as a model needs to learn from them."""
    if PARTIAL not in patches:
        return np.ones(patches.sizes["site"], bool)
    return ~np.asarray(patches[PARTIAL].values, bool)


def middle(patches: xr.Dataset, share: float) -> np.ndarray:
    """Of which patches (site,) all samples were measured within this share of the side from the
    middle."""
    measured = known(patches)
    if measured is None:
        return np.ones(patches.sizes["site"], bool)
    y, x = (np.abs(np.arange(n) + 0.5 - n / 2) / n for n in measured.shape[1:])
    return np.asarray(measured[:, np.hypot(y[:, None], x) <= share].all(1))


def known(patches: xr.Dataset) -> np.ndarray | None:
    """Load the mask (site, height, width) of measured samples; None where all were measured."""
    return np.asarray(patches[MEASURED].values, bool) if MEASURED in patches else None


def refilled(pictures: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Pictures (site, channel, height, width) whose samples outside a mask (site, height, width)
    follow from the others of the same picture alone; those without any are the mean of the rest."""
    from vaescope.read.clean import fill_gaps

    done = pictures.copy()
    none, whole = ~measured.any((1, 2)), measured.all((1, 2))
    if none.any():
        done[none] = pictures[whole].mean(0) if whole.any() else 0.0
    for site in np.flatnonzero(~measured.all((1, 2)) & measured.any((1, 2))):
        for plane in done[site]:
            plane[~measured[site]] = np.nan
            plane[:] = fill_gaps(plane[None], float(np.nanmean(plane)))[0]
    return done
