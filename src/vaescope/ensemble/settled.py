"""What the sites of a group have settled for every image that is mapped among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from vaescope.structure import class_numbers, modes
from vaescope.train.separate import Separated


@dataclass(frozen=True)
class Settled:
    """``frame`` (site,) bool says which of the sites that are mapped are those of the group, and
    ``latents`` is the Dataset of ``latents.zarr`` of these alone, in the same order.

    Which members have a vote, the symmetry, the modes and the number of classes depend on
    thresholds, and the last digits of an encoding on the sites beside it: so they are read here.
    """

    frame: np.ndarray
    latents: xr.Dataset

    @property
    def symmetry(self) -> int:
        """Angles are modulo 360° divided by this."""
        return int(self.latents.attrs["symmetry"])

    def kept(self, numbers: list[int]) -> np.ndarray:
        """Which members (member,) of these numbers have a vote."""
        return np.isin(numbers, np.atleast_1d(self.latents.attrs["members_kept"]))

    @property
    def modes(self) -> modes.Modes:
        """The modes of the sites of the group."""
        return modes.Modes.of(self.latents)

    @property
    def separated(self) -> Separated | None:
        """The classes that the content of the group supports; None where it was not counted."""
        return class_numbers.separated_of(self.latents)
