"""Find the sites of an image: atoms, windows, the frames of a stack, or the pixels of spectra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vaescope.sites.kinds import KINDS, Kind, Means, kind_of
from vaescope.sites.settings import Atoms, Frames, SpectrumPixels, Windows

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector

__all__ = ["KINDS", "Atoms", "Frames", "Kind", "SpectrumPixels", "Windows", "find", "kind_of"]


def find(
    image: xr.Dataset,
    settings: Mapping[str, Any] | Atoms | Windows | Frames | SpectrumPixels | None = None,
    *,
    threads: int = 1,
    detector: Detector | WallDetector | None = None,
    spectra: xr.Dataset | None = None,
) -> xr.Dataset:
    """Find the sites of an image.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    settings : the part `sites` of a recipe: the kind of site by its `method`, and what the data
        class of its settings has (``sites.kinds``); what is missing has its default.
    threads : tiles worked on at once; the result does not depend on it.
    detector : trained by `sites.learned.train`, for the method `model`, or for `walls` with the
        finder `learned`.
    spectra : Dataset with `spectra` (time, y, x, energy), as in a spectra store, for the method
        `pixels`.

    Returns
    -------
    Dataset over `site`, in the form of a sites store, with the traits of its kind as attributes.

    Raises
    ------
    UserError : unknown method or setting, a setting out of range, no detector where one is needed,
        no spectra where these are, an image that is constant, or one in which no site stands out of
        the noise.
    """
    kind, own = kind_of(settings)
    found = kind.find(image, own, Means(threads, detector, spectra))
    return found.assign_attrs({**kind.traits.attributes(), "method": own.method, **found.attrs})
