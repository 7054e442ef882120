"""Extract the surroundings of sites: square patches, or whole frames that are patches already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vaescope.samples.settings import Patches
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

__all__ = ["Patches", "extract", "pixels"]


def extract(
    image: xr.Dataset,
    sites: xr.Dataset,
    settings: Mapping[str, Any] | Patches | None = None,
    *,
    threads: int = 1,
) -> xr.Dataset:
    """Cut a patch around every site that is far enough from the edge.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    sites : Dataset as `sites.find` gives it.
    settings : the part `patches` of a recipe (``Patches``); what is missing has its default.
    threads : tiles worked on at once; the result does not depend on it.

    Returns
    -------
    Dataset over `site` (the index of the site in ``sites``), in the form of a samples store. The
    raw values are ``patch * norm_scale + norm_offset``. Where samples were not measured, a variable
    ``measured`` (site, py, px) tells them from the others.

    Raises
    ------
    UserError : unknown setting, a setting out of range, a patch larger than the image, or no
        site far enough from the edge.
    """
    asked = Patches.of(settings)
    if traits_of(sites.attrs).placed:
        from vaescope.samples.patches import around

        return around(image, sites, asked, threads)
    from vaescope.samples.frames import extract_frames

    return extract_frames(image, sites, asked)


def pixels(patches: xr.Dataset) -> np.ndarray:
    """Load the samples of all patches, (site, channel, height, width) float32."""
    import numpy as np

    return np.ascontiguousarray(patches["patch"].values, dtype=np.float32)
