"""What the search for modes has to know of windows of a lattice, which walls of domains cross."""

from __future__ import annotations

import numpy as np
import xarray as xr

from vaescope.models.settings import ModelSettings
from vaescope.structure import interior
from vaescope.traits import traits_of


def inside(content: np.ndarray, patches: xr.Dataset) -> np.ndarray | None:
    """The windows (site,) bool inside a domain; None where sites are no windows.

    content : (site, latent), of all members.
    """
    if not traits_of(patches.attrs).windows:
        return None
    place = np.stack([patches["y"].values, patches["x"].values], axis=1)
    return interior.inside(content, patches["frame"].values, place)


def turnable(own: ModelSettings, patches: xr.Dataset) -> bool:
    """Whether modes that differ by a rotation are one structure: not where patches have no angle,
    nor in windows, whose lattice is shifted as well, and whose domains may be rotations of each
    other that the angle does not tell apart."""
    if "rotation" not in own.pose_parts or own.target is not None:
        return False
    return not traits_of(patches.attrs).windows
