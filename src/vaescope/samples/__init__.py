"""The views of sites: their patches, cut out of the image or whole frames, and their spectra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vaescope.samples.settings import Patches

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from vaescope.samples.held_out import HeldOut

__all__ = ["Patches", "extract", "pixels"]


def extract(
    image: xr.Dataset,
    sites: xr.Dataset,
    settings: Mapping[str, Any] | Patches | None = None,
    *,
    threads: int = 1,
    spectra: xr.Dataset | None = None,
    held_out: HeldOut | None = None,
) -> xr.Dataset:
    """Take the views of every site: a patch, if it is far enough from the edge, and a spectrum.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    sites : Dataset as `sites.find` gives it.
    settings : the part `patches` of a recipe (``Patches``); what is missing has its default.
    threads : tiles worked on at once; the result does not depend on it.
    spectra : Dataset with `spectra` (time, y, x, energy), as in a spectra store, if there is one.
    held_out : how sites with both views are held out of training, if they are.

    Returns
    -------
    Dataset over `site` (the index of the site in ``sites``), in the form of a samples store. The
    raw values are ``patch * norm_scale + norm_offset``. Where samples were not measured, a variable
    ``measured`` (site, py, px) tells them from the others. With spectra, those sites that have all
    views, ``spectrum`` (site, energy), and ``held_out`` (site,) if some are held out; without
    patches (``cut: false``) the spectrum alone.

    Raises
    ------
    UserError : unknown setting, a setting out of range, a patch larger than the image, no site far
        enough from the edge, or no view at all.
    """
    from vaescope.samples.views import views

    return views(image, sites, Patches.of(settings), threads, spectra, held_out)


def pixels(patches: xr.Dataset) -> np.ndarray:
    """Load the samples of all patches, (site, channel, height, width) float32."""
    import numpy as np

    return np.ascontiguousarray(patches["patch"].values, dtype=np.float32)
