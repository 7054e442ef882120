"""Find the sites of an image: atoms, windows, or the frames of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vaescope.sites.kinds import KINDS, Kind, kind_of
from vaescope.sites.settings import Atoms, Frames, Windows

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.learned.detector import Detector

__all__ = ["KINDS", "Atoms", "Frames", "Kind", "Windows", "find", "kind_of"]


def find(
    image: xr.Dataset,
    settings: Mapping[str, Any] | Atoms | Windows | Frames | None = None,
    *,
    threads: int = 1,
    detector: Detector | None = None,
) -> xr.Dataset:
    """Find the sites of an image.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    settings : the part `sites` of a recipe: the kind of site by its `method`, and what the data
        class of its settings has (``sites.kinds``); what is missing has its default.
    threads : tiles worked on at once; the result does not depend on it.
    detector : trained by `sites.learned.train`, for the method `model`.

    Returns
    -------
    Dataset over `site`, in the form of a sites store, with the traits of its kind as attributes.

    Raises
    ------
    UserError : unknown method or setting, a setting out of range, no detector where one is needed,
        an image that is constant, or one in which no site stands out of the noise.
    """
    kind, own = kind_of(settings)
    found = kind.find(image, own, threads, detector)
    return found.assign_attrs({**kind.traits.attributes(), **found.attrs, "method": own.method})
