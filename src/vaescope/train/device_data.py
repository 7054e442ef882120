"""What members are shown, on the device that trains them; the same for all members."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaescope.models.contradictions import refuse_shapes
from vaescope.models.copies import TurnedCopies, turned_copies, with_spectra
from vaescope.models.settings import ModelSettings
from vaescope.models.shift_grid import ShiftGrid
from vaescope.train.data import Data

CACHE_BYTES = 2**30  # turned copies are kept if they fit into so much memory


@dataclass
class DeviceData:
    """``patches``, ``target`` (site, channel, height, width), ``conditions`` (site, condition),
    ``labels`` (site,) or None; ``cached`` (site, turn, pixels) all turned copies, or None where
    they are made when they are asked for; ``known`` (site, height, width) the pixels of the target
    that were measured, or None where all were; ``spectra`` (site, channel) beside the patches
    and ``spectra_known`` which of their channels were measured; ``direction`` (site,) of each site
    in rad, or None where the model does not need it."""

    patches: Tensor
    target: Tensor
    conditions: Tensor
    labels: Tensor | None
    turned: TurnedCopies
    cached: Tensor | None = None
    known: Tensor | None = None
    spectra: Tensor | None = None
    spectra_known: Tensor | None = None
    direction: Tensor | None = None

    @classmethod
    def of(cls, data: Data, settings: ModelSettings, device: torch.device) -> DeviceData:
        """The data on a device.

        Raises
        ------
        UserError : the settings have a pose that patches or targets of that shape cannot have.
        """
        shape, target = (tuple(array.shape[1:]) for array in (data.patches, data.target))
        refuse_shapes(settings, shape, target)
        patches = torch.from_numpy(data.patches).to(device)
        same = data.target is data.patches
        grid = ShiftGrid.of(settings, data.cell)
        turned = turned_copies(shape, settings, grid).to(device)
        shown = cls(
            patches,
            patches if same else torch.from_numpy(data.target).to(device),
            torch.from_numpy(data.conditions).to(device),
            None if data.labels is None else torch.from_numpy(data.labels).to(device),
            turned,
            known=None if data.known is None else torch.from_numpy(data.known).to(device),
            spectra=None if data.spectra is None else torch.from_numpy(data.spectra).to(device),
            spectra_known=None
            if data.spectra_known is None
            else torch.from_numpy(data.spectra_known).to(device),
            direction=None
            if data.direction is None
            else torch.from_numpy(data.direction).to(device),
        )
        if patches.numel() * patches.element_size() * turned.count <= CACHE_BYTES:
            shown.cached = with_spectra(turned(patches), shown.spectra)
        return shown

    def __len__(self) -> int:
        return len(self.patches)

    def some(self, chosen: Tensor, best: Tensor) -> Tensor:
        """The copies ``best`` (member, site, copy) alone of chosen sites (member, site)."""
        if self.cached is not None:
            return self.cached[chosen.unsqueeze(-1), best]
        copies = self.turned.some(self.patches[chosen.flatten()], best.flatten(0, 1))
        return copies.reshape(*best.shape, -1)

    def copies(self, chosen: Tensor) -> Tensor:
        """All turned copies (…, turn, pixels) of chosen sites (…)."""
        if self.cached is not None:
            return self.cached[chosen]
        rows = chosen.flatten()
        spectra = None if self.spectra is None else self.spectra[rows]
        copies = with_spectra(self.turned(self.patches[rows]), spectra)
        return copies.reshape(*chosen.shape, *copies.shape[1:])
