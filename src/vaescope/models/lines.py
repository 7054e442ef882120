"""Convolutional networks along one axis, for spectra and other curves."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models.layers import Generators, Linear, draw

KERNEL = 5


class LineConvolution(nn.Module):
    """Convolution of each member along a line: (member, row, inputs, length) -> the same with
    ``outputs`` channels, the length divided by ``stride``."""

    def __init__(self, members: int, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs, KERNEL))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def initialise(self, generators: Generators, gain: float = math.sqrt(2)) -> None:
        """Draw the weights; outputs have about ``gain`` times the size of inputs."""
        draw(self.weight, generators, gain * math.sqrt(3.0 / (KERNEL * self.weight.shape[2])))
        with torch.no_grad():
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        members, rows = x.shape[:2]
        out = functional.conv1d(
            x.transpose(0, 1).flatten(1, 2),
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            stride=self.stride,
            padding=KERNEL // 2,
            groups=members,
        )
        return out.reshape(rows, members, -1, out.shape[-1]).transpose(0, 1)


class LineNetwork(nn.Module):
    """Four convolutions of stride 2 along a line, then one hidden layer: (member, row, signals *
    length + conditions) -> (member, row, outputs)."""

    WIDTHS = (16, 24, 32, 32)

    def __init__(
        self, members: int, shape: tuple[int, int], conditions: int, hidden: int, outputs: int
    ) -> None:
        super().__init__()
        self.shape = shape
        widths = (shape[0], *self.WIDTHS)
        self.layers = nn.ModuleList(
            LineConvolution(members, a, b, stride=2) for a, b in pairwise(widths)
        )
        length = shape[1]
        for _ in self.WIDTHS:
            length = -(-length // 2)
        self.dense = Linear(members, widths[-1] * length + conditions, hidden)
        self.last = Linear(members, hidden, outputs)

    def initialise(self, generators: Generators, last_gain: float = 1.0) -> None:
        """Draw all weights; ``last_gain`` scales those of the output."""
        for layer in self.layers:
            assert isinstance(layer, LineConvolution)
            layer.initialise(generators)
        self.dense.initialise(generators, math.sqrt(2))
        self.last.initialise(generators, last_gain)

    def forward(self, x: Tensor) -> Tensor:
        count = math.prod(self.shape)
        hidden = x[..., :count].reshape(*x.shape[:2], *self.shape)
        for layer in self.layers:
            hidden = functional.silu(layer(hidden))
        together = torch.cat([hidden.flatten(2), x[..., count:]], dim=-1)
        return self.last(functional.silu(self.dense(together)))


class LineUpsampling(nn.Module):
    """One dense layer to a coarse line, doubled twice with convolutions between: (member, row,
    inputs) -> (member, row, signals * length)."""

    WIDTHS = (32, 32, 16)

    def __init__(self, members: int, inputs: int, hidden: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.length, self.coarse = shape[1], max(-(-shape[1] // 4), 1)
        first, second, third = self.WIDTHS
        self.hidden = Linear(members, inputs, hidden)
        self.dense = Linear(members, hidden, first * self.coarse)
        self.middle = LineConvolution(members, first, second)
        self.fine = LineConvolution(members, second, third)
        self.last = LineConvolution(members, third, shape[0])

    def initialise(self, generators: Generators, last_gain: float = 1.0) -> None:
        """Draw all weights; ``last_gain`` scales those of the output."""
        self.hidden.initialise(generators, math.sqrt(2))
        self.dense.initialise(generators, math.sqrt(2))
        self.middle.initialise(generators)
        self.fine.initialise(generators)
        self.last.initialise(generators, last_gain)

    def forward(self, x: Tensor) -> Tensor:
        members, rows = x.shape[:2]
        hidden = functional.silu(self.dense(functional.silu(self.hidden(x))))
        lines = hidden.reshape(members, rows, self.WIDTHS[0], self.coarse)
        lines = functional.silu(self.middle(_longer(lines, -(-self.length // 2))))
        lines = functional.silu(self.fine(_longer(lines, self.length)))
        return self.last(lines).flatten(2)


def _longer(lines: Tensor, length: int) -> Tensor:
    out = functional.interpolate(
        lines.flatten(0, 1), size=length, mode="linear", align_corners=False
    )
    return out.reshape(*lines.shape[:2], *out.shape[1:])
