"""Make each pixel of a spectrum image one site, or each block of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.quantities import attributes
from vaescope.sites.table import tabulate

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.settings import SpectrumPixels

MOST_WINDOW = 17  # spectrum pixels, side of the window around a site
LEAST_WINDOW = 5


def one_of_each_frame(image: xr.Dataset, spectra: xr.Dataset) -> bool:
    """Whether a stack of patches has one spectrum for each: then every frame is a site."""
    times, height, width = (spectra.sizes[axis] for axis in ("time", "y", "x"))
    return height == width == 1 and times == image.sizes["time"] > 1


def every_pixel(image: xr.Dataset, spectra: xr.Dataset, settings: SpectrumPixels) -> xr.Dataset:
    """Make one site of each pixel of a spectrum image, in the order of y, then x.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    spectra : Dataset with `spectra` (time, y, x, energy); its attributes ``start_y``, ``start_x``
        (px of the image, middle of the first spectrum pixel) and ``pitch_y``, ``pitch_x`` (px of
        the image per spectrum pixel) say where the spectra lie in the image.
    settings : ``bin``, side of the blocks of spectrum pixels that are one site. Pixels left over
        at the far edges, too few for a block, are in no site.

    Returns
    -------
    Dataset over `site`, in the form of a sites store: ``row``, ``column`` of the (first) spectrum
    pixel of each site, and the place of its middle in the image, ``y``, ``x``. Its attribute
    ``window`` (px) is the side of a window about a site: an odd number of spectrum pixels. Windows
    at the edge are padded (attribute ``padded``), so that every site has one.

    Raises
    ------
    UserError : the blocks are larger than the spectrum image.
    """
    times, height, width = (spectra.sizes[axis] for axis in ("time", "y", "x"))
    rows, columns = height // settings.bin, width // settings.bin
    if not rows * columns:
        raise UserError(
            "a block of pixels is larger than the spectrum image",
            found=f"`sites: bin: {settings.bin}` and {height} × {width} spectra",
            remedy="Set a smaller `sites: bin` in the recipe",
        )
    pitch = [float(spectra.attrs.get(f"pitch_{axis}", 1.0)) for axis in ("y", "x")]
    start = [float(spectra.attrs.get(f"start_{axis}", 0.0)) for axis in ("y", "x")]
    frame, row, column = (
        part.ravel() * step
        for part, step in zip(
            np.indices((times, rows, columns)), (1, settings.bin, settings.bin), strict=True
        )
    )
    middle = (settings.bin - 1) / 2
    table = {
        "frame": (frame, attributes("frame", "1")),
        "y": (start[0] + (row + middle) * pitch[0], attributes("row", "px")),
        "x": (start[1] + (column + middle) * pitch[1], attributes("column", "px")),
        "row": (row, attributes("row of the spectrum", "1")),
        "column": (column, attributes("column of the spectrum", "1")),
    }
    apart = float(np.sqrt(pitch[0] * pitch[1]))
    side = min(MOST_WINDOW, max(LEAST_WINDOW, min(height, width) // 4 | 1))
    attrs = {
        "spacing": apart * settings.bin,
        "window": side * apart,
        "bin": settings.bin,
        "padded": True,
    }
    return tabulate(image, table, attrs)
