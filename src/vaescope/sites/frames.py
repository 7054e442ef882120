"""Make each frame of a stack one site: pictures that are already patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.quantities import attributes
from vaescope.sites.table import tabulate

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 2


def every_frame(image: xr.Dataset) -> xr.Dataset:
    """Make one site in the middle of each frame, whose patch is the whole frame.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.

    Returns
    -------
    Dataset over `site`, in the form of a sites store.

    Raises
    ------
    UserError : the image is no stack.
    """
    frames, height, width = (image.sizes[axis] for axis in ("time", "y", "x"))
    if frames < FEWEST:
        raise UserError(
            "this is one picture, not a stack of patches",
            found=f"1 frame of {height} × {width} px",
            expected="a stack, such as an npz file with `images` (n, height, width)",
            remedy="Set `sites: method: log` in the recipe to find the sites in a picture",
        )
    ones = np.ones(frames)
    table = {
        "frame": (np.arange(frames), attributes("frame", "1")),
        "y": (ones * (height - 1) / 2, attributes("row", "px")),
        "x": (ones * (width - 1) / 2, attributes("column", "px")),
    }
    return tabulate(image, table, {"spacing": float(max(height, width))}, physical=False)
