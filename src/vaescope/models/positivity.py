"""Pictures that are nowhere negative: the signal of a detector that counts is 0 or more.

What a network says, x, becomes z + s log(1 + exp((x - z) / s)): at least z, the value at which a
patch would be without signal (normalised, it need not be 0), and x itself well above it. The
softness s is a small share of how far the patches differ.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SOFT = 0.05  # softness, in units of the standard deviation of the patches of a channel


class Positive(nn.Module):
    """The bound below of what the members of an ensemble decode; nothing, until ``initialise``.

    ``zero``, ``softness`` (channel, 1): normalised values.
    """

    zero: Tensor
    softness: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(channels, 1))
        self.register_buffer("softness", torch.ones(channels, 1))

    def initialise(self, target: Tensor, zero: Tensor) -> None:
        """Take ``zero`` (channel,) of patches (site, channel, height, width)."""
        self.zero.copy_(zero[:, None])
        spread = target.std(dim=(0, 2, 3)).clamp_min(1e-3)
        self.softness.copy_(SOFT * spread[:, None])

    def forward(self, raw: Tensor) -> Tensor:
        """Pictures (…, channel, pixel) that are nowhere below zero."""
        return self.zero + self.softness * functional.softplus((raw - self.zero) / self.softness)

    def before(self, pictures: Tensor) -> Tensor:
        """What becomes pictures (channel, height, width); next to nothing where they are below."""
        zero, soft = self.zero.unsqueeze(-1), self.softness.unsqueeze(-1)
        above = ((pictures - zero) / soft).clamp_min(0.1)
        return zero + soft * (above + torch.log(-torch.expm1(-above)))
