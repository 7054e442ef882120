"""Choose the size of patches, and the sites that are far enough from the edge for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

# Side of a patch in spacings if the recipe names none: the nearest neighbours all around, or less
# where the image is so small that too few sites would be left.
_SPACINGS = (3.2, 2.6, 2.0, 1.6)
_ENOUGH = 0.4  # share of the sites that should lie far enough from the edge
_EDGE_MARGIN = 1.0  # px beyond the patch that interpolation needs


def size_of(sites: xr.Dataset, shape: tuple[int, int], wanted: float | None) -> float:
    """Choose the side of the patches around sites, in px.

    Parameters
    ----------
    sites : Dataset as `sites.find` gives it; its attribute `spacing` (px), or `window` (px) of
        sites that stand for windows, says how large patches are.
    shape : (height, width) of the image in px.
    wanted : what the recipe says; None: nothing.
    """
    if wanted is not None:
        return float(wanted)
    if "window" in sites.attrs:
        return float(sites.attrs["window"])
    sides = [factor * float(sites.attrs["spacing"]) for factor in _SPACINGS]
    large = (side for side in sides if inside(sites, shape, side).mean() >= _ENOUGH)
    return next(large, sides[-1])


def inside(sites: xr.Dataset, shape: tuple[int, int], size: float, pitch: float = 0) -> np.ndarray:
    """Mask (site,) of the sites whose patch lies in the image, with the margin that interpolation
    needs; windows, which are laid up to the edge, without it.

    ``size``, ``pitch`` : px, side of a patch and distance of its samples, the outermost of which
    lie half a pitch inside its sides.
    """
    half = (size - pitch) / 2 if "window" in sites.attrs else size / 2 + _EDGE_MARGIN
    position = np.stack([sites["y"].values, sites["x"].values], axis=1)
    last = np.array(shape) - 1
    return np.all((position >= half) & (position <= last - half), axis=1)
