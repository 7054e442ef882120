"""Layers whose parameters carry a leading axis of ensemble members.

All members are evaluated in one batched product; a single model is an ensemble of one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

Generators = list[torch.Generator]


def draw(parameter: Tensor, generators: Generators, bound: float) -> None:
    """Fill each member's weights from its own generator, uniformly within ± ``bound``, so that
    members do not depend on which others are trained beside them."""
    with torch.no_grad():
        for weight, generator in zip(parameter, generators, strict=True):
            weight.copy_(bound * (torch.rand(weight.shape, generator=generator) * 2 - 1))


class Linear(nn.Module):
    """Affine map of each member: (member, row, inputs) -> (member, row, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def initialise(self, generators: Generators, gain: float = 1.0) -> None:
        """Draw the weights; outputs have about ``gain`` times the size of inputs."""
        draw(self.weight, generators, gain * math.sqrt(3.0 / max(self.weight.shape[1], 1)))
        with torch.no_grad():
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class Perceptron(nn.Module):
    """Two hidden layers with SiLU: (member, row, inputs) -> (member, row, outputs).

    With ``skip`` the inputs enter every layer.
    """

    def __init__(
        self, members: int, inputs: int, hidden: int, outputs: int, skip: bool = False
    ) -> None:
        super().__init__()
        self.skip = skip
        more = inputs if skip else 0
        self.first = Linear(members, inputs, hidden)
        self.second = Linear(members, hidden + more, hidden)
        self.last = Linear(members, hidden + more, outputs)

    def initialise(self, generators: Generators, last_gain: float = 1.0) -> None:
        """Draw all weights; ``last_gain`` scales those of the output."""
        self.first.initialise(generators, math.sqrt(2))
        self.second.initialise(generators, math.sqrt(2))
        self.last.initialise(generators, last_gain)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.silu(self.first(x))
        hidden = functional.silu(self.second(self._with(hidden, x)))
        return self.last(self._with(hidden, x))

    def _with(self, hidden: Tensor, x: Tensor) -> Tensor:
        return torch.cat([hidden, x], dim=-1) if self.skip else hidden


class Convolution(nn.Module):
    """3 × 3 convolution of each member: (member, row, inputs, height, width) -> the same with
    ``outputs`` channels, each side divided by ``stride``."""

    def __init__(self, members: int, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def initialise(self, generators: Generators, gain: float = math.sqrt(2)) -> None:
        """Draw the weights; outputs have about ``gain`` times the size of inputs."""
        draw(self.weight, generators, gain * math.sqrt(3.0 / (9 * self.weight.shape[2])))
        with torch.no_grad():
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        members, rows = x.shape[:2]
        # Members side by side as groups of channels.
        together = x.transpose(0, 1).flatten(1, 2)
        out = functional.conv2d(
            together,
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            stride=self.stride,
            padding=1,
            groups=members,
        )
        return out.reshape(rows, members, -1, *out.shape[2:]).transpose(0, 1)
