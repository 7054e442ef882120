"""Choose the size of patches, and the sites that are far enough from the edge for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.samples.settings import COMPLETE

if TYPE_CHECKING:
    import xarray as xr

# Side of a patch in distances between nearest columns, of all sublattices that have sites, if the
# recipe names none: the nearest neighbours all around, or less where the image is so small that too
# few sites would be left. More would show more than so many latents can tell: of ten places around
# a site each may hold another atom.
_SPACINGS = (3.2, 2.6, 2.0, 1.6)
_ENOUGH = 0.4  # share of the sites that should lie far enough from the edge
_EDGE_MARGIN = 1.0  # px beyond the patch that interpolation needs


def size_of(image: xr.Dataset, sites: xr.Dataset, wanted: float | None) -> float:
    """Choose the side of the patches around sites, in px.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), and `measured` if something is missing.
    sites : Dataset as `sites.find` gives it; its attributes `spacing` and, where there are
        several sublattices, `nearest` (px), or `window` (px) of sites that stand for windows, say
        how large patches are.
    wanted : what the recipe says; None: nothing.
    """
    if wanted is not None:
        return float(wanted)
    if "window" in sites.attrs:
        return float(sites.attrs["window"])
    nearest = float(sites.attrs.get("nearest", sites.attrs["spacing"]))
    sides = [factor * nearest for factor in _SPACINGS]
    large = (side for side in sides if inside(image, sites, side).mean() >= _ENOUGH)
    return next(large, sides[-1])


def inside(image: xr.Dataset, sites: xr.Dataset, size: float, pitch: float = 0) -> np.ndarray:
    """Mask (site,) of the sites whose patch lies in what was measured of the image, with the margin
    that interpolation needs; windows, which are laid up to the edge, without it. Sites whose
    patches are padded (attribute ``padded``) may lie anywhere.

    ``size``, ``pitch`` : px, side of a patch and distance of its samples, the outermost of which
    lie half a pitch inside its sides.
    """
    half = (size - pitch) / 2 if "window" in sites.attrs else size / 2 + _EDGE_MARGIN
    position = np.stack([sites["y"].values, sites["x"].values], axis=1)
    last = np.array([image.sizes["y"], image.sizes["x"]]) - 1
    within = np.all((position >= half) & (position <= last - half), axis=1)
    if sites.attrs.get("padded"):
        within[:] = True
    if "measured" in image:
        within &= _missing(image["measured"], sites["frame"].values, position, half) <= 1 - COMPLETE
    return within


def shown(image: xr.Dataset, sites: xr.Dataset, size: float) -> np.ndarray:
    """Share (site,) of the patch of each site, ``size`` px a side, that lies in what was measured
    of the image."""
    half = size / 2
    position = np.stack([sites["y"].values, sites["x"].values], axis=1)
    last = np.array([image.sizes["y"], image.sizes["x"]]) - 1
    reach = np.minimum(position + half, last + 0.5) - np.maximum(position - half, -0.5)
    share = np.prod(np.clip(reach, 0, None), axis=1) / size**2
    if "measured" in image:
        share *= 1 - _missing(image["measured"], sites["frame"].values, position, half)
    return share


def _missing(
    measured: xr.DataArray, frame: np.ndarray, position: np.ndarray, half: float
) -> np.ndarray:
    """Share (site,) of the squares about positions (site, 2) px that was not measured."""
    share = np.zeros(len(position))
    low = np.maximum(np.ceil(position - half), 0).astype(int)
    high = np.floor(position + half).astype(int) + 1
    for one in np.unique(frame):
        gaps = ~measured[int(one)].values
        if not gaps.any():
            continue
        total = np.zeros(np.add(gaps.shape, 1), np.int64)
        total[1:, 1:] = gaps.cumsum(0, dtype=np.int64).cumsum(1)
        here = np.flatnonzero(frame == one)
        (y0, x0), (y1, x1) = low[here].T, np.minimum(high[here], gaps.shape).T
        y1, x1 = np.maximum(y0, y1), np.maximum(x0, x1)
        y0, x0 = np.minimum(y0, y1), np.minimum(x0, x1)
        count = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        share[here] = count / np.maximum((y1 - y0) * (x1 - x0), 1)
    return share
