"""What the search for modes has to know of windows of a lattice, which walls of domains cross."""

from __future__ import annotations

import math

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


def reach(own: ModelSettings, patches: xr.Dataset) -> float:
    """By how much (rad) modes of one structure may be rotated against each other: not at all where
    patches have no angle, and in windows by no more than their angles are, since domains that the
    angle does not tell apart are rotated by more."""
    if "rotation" not in own.pose_parts or own.target is not None:
        return 0.0
    return math.pi / int(own.symmetry) if traits_of(patches.attrs).windows else math.pi
