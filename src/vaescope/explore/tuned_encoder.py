"""The encoder of a trained model as a function of its weights, for a deep kernel to tune."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from vaescope.ensemble.encode import encode
from vaescope.models.encoders import PooledEncoder

if TYPE_CHECKING:
    from torch import Tensor

    from vaescope.ensemble.members import Member
    from vaescope.train.data import Data

_ROWS = 512
_PRIOR = 3.0
"""Standard deviation of a weight about the trained one, in root mean squares of those of its
layer."""


@dataclass(frozen=True)
class PatchesSeen:
    """Patches as a trained encoder sees them: everything that tuning leaves as it is.

    ``encoder`` : with its trained weights. ``seen`` (site, copy, pixel) : of each patch the copy
    at the likeliest turn, or all copies where the encoder pools them. ``conditions`` (site,
    number). ``content`` (site, latent) : what the trained weights say.
    """

    encoder: nn.Module
    seen: Tensor
    conditions: Tensor
    content: Tensor

    def of(self, encoder: nn.Module, rows: Tensor) -> Tensor:
        """Content (row, latent) that an encoder gives some sites."""
        seen, conditions = self.seen[rows], self.conditions[rows]
        mean = encoder(seen.unsqueeze(0), conditions.unsqueeze(0)).content[0]
        return mean[0, :, 0, : self.content.shape[1]]


def patches(member: Member, data: Data) -> PatchesSeen:
    """Patches as a member sees them, at the turns that it finds likeliest.

    Parameters
    ----------
    member : trained, of patches alone. data : of ``train.data.gather``.
    """
    encoder = copy.deepcopy(member.model.encoder).requires_grad_(False)
    best = np.zeros(len(data), int)
    one = not isinstance(encoder, PooledEncoder)
    if one and len(member.model.turns) > 1:
        weight = encode(member, data).turn_weight
        assert weight is not None
        best = np.asarray(weight[:], np.float32).argmax(1)
    seen = []
    for start in range(0, len(data), _ROWS):
        copies = member.model.copies(torch.from_numpy(data.patches[start : start + _ROWS]))
        if one:
            chosen = torch.as_tensor(best[start : start + _ROWS])
            copies = copies[torch.arange(len(copies)), chosen].unsqueeze(1)
        seen.append(copies)
    latent = member.settings.latent
    known = PatchesSeen(
        encoder, torch.cat(seen), torch.from_numpy(data.conditions), torch.zeros(0, latent)
    )
    every = torch.arange(len(data)).split(_ROWS)
    with torch.no_grad():
        trained = torch.cat([known.of(encoder, rows) for rows in every])
    return replace(known, content=trained)


class TunedEncoder(nn.Module):
    """Moves content by what a change of the weights of its encoder moves it by, in units of its
    range.

    The prior holds the weights near the trained ones. Source: X. Li, Y. Grandvalet and F. Davoine,
    Proc. ICML (2018) 2825.
    """

    rate = 0.005
    rate_of_kernel = 0.01

    def __init__(self, patches: PatchesSeen) -> None:
        super().__init__()
        self.patches = patches
        self.encoder = copy.deepcopy(patches.encoder).requires_grad_(True)
        self.trained = [weight.detach().clone() for weight in self.encoder.parameters()]
        self.sizes = [_PRIOR * w.square().mean().sqrt().clamp_min(1e-3) for w in self.trained]
        low, high = patches.content.min(0).values, patches.content.max(0).values
        self.range = torch.where(high > low, high - low, 1.0)

    def forward(self, rows: Tensor) -> Tensor:
        now = self.patches.of(self.encoder, rows)
        return ((now - self.patches.content[rows]) / self.range).double()

    def penalty(self) -> Tensor:
        """Minus the logarithm of the prior of the weights, in nats."""
        total = self.range.new_zeros(())
        for now, was, size in zip(self.encoder.parameters(), self.trained, self.sizes, strict=True):
            total = total + ((now - was) / size).square().sum() / 2
        return total.double()
