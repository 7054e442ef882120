"""Layers whose parameters carry a leading axis of ensemble members.

All members are evaluated in one batched matrix product; a single model is an ensemble of one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """Affine map of each member: (member, row, inputs) -> (member, row, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def initialise(self, generators: list[torch.Generator], gain: float = 1.0) -> None:
        """Draw each member's weights from its own generator, so that members do not depend on
        which others are trained beside them."""
        bound = gain * math.sqrt(3.0 / self.weight.shape[1])
        with torch.no_grad():
            for weight, generator in zip(self.weight, generators, strict=True):
                draw = torch.rand(weight.shape, generator=generator) * 2 - 1
                weight.copy_(bound * draw)
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class Perceptron(nn.Module):
    """Two hidden layers with SiLU: (member, row, inputs) -> (member, row, outputs)."""

    def __init__(self, members: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = Linear(members, inputs, hidden)
        self.second = Linear(members, hidden, hidden)
        self.last = Linear(members, hidden, outputs)

    def initialise(self, generators: list[torch.Generator], last_gain: float = 1.0) -> None:
        """Draw all weights; ``last_gain`` scales those of the output."""
        self.first.initialise(generators, math.sqrt(2))
        self.second.initialise(generators, math.sqrt(2))
        self.last.initialise(generators, last_gain)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.silu(self.first(x), inplace=False)
        hidden = nn.functional.silu(self.second(hidden))
        return self.last(hidden)
