"""Shifts of spectra to which the encoder keeps at first, where they are large."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaescope.models.settings import ModelSettings
from vaescope.models.side import Side
from vaescope.models.spectrum_decoder import REACH
from vaescope.models.spectrum_start import align_spectra
from vaescope.train.data import Data

SHARE = 0.4  # of the training, after which the model is left to itself
ERROR = 0.5  # channels by which the encoder may differ from the shift found


class StartShifts:
    """``shift`` (site,) in channels of every spectrum, until the step ``last``."""

    first = 0

    def __init__(self, shift: Tensor, last: int) -> None:
        self.shift, self.last = shift, last

    @classmethod
    def of(cls, data: Data, settings: ModelSettings, device: torch.device) -> StartShifts | None:
        """Those of a training; None where the model has no shift, or finds it by itself."""
        if "shift" not in settings.pose_parts or settings.view != "spectrum":
            return None
        most = math.ceil(REACH * settings.shift_sd) + 2
        aligned = align_spectra(data.patches[:, 0, 0], most)
        if not aligned.large:
            return None
        shift = torch.from_numpy(aligned.shift).float().to(device)
        return cls(shift, int(SHARE * settings.steps))

    def tell(self, side: Side, chosen: Tensor) -> None:
        """Add to ``side`` the shifts of the chosen sites (member, site)."""
        shift = self.shift[chosen].unsqueeze(-1)
        side.pose = {"shift": (shift, torch.full_like(shift, ERROR))}
