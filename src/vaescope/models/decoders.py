"""Decoders: from content and pose to the mean of the patch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import pose
from vaescope.models.layers import Linear, Perceptron
from vaescope.models.settings import Settings


class CanonicalDecoder(nn.Module):
    """Draws one upright picture per content and resamples it under the pose.

    The network runs once per content instead of once per pixel, which makes it some tens of times
    cheaper than a decoder of coordinates.
    """

    def __init__(self, members: int, channels: int, side: int, settings: Settings) -> None:
        super().__init__()
        self.shape = (channels, side, side)
        pixels = channels * side * side
        self.network = Perceptron(members, settings.latent, settings.hidden, pixels)

    def initialise(self, generators: list[torch.Generator], mean_patch: Tensor) -> None:
        """Draw the weights; start from the mean patch (channel, side, side)."""
        self.network.initialise(generators, last_gain=0.3)
        with torch.no_grad():
            self.network.last.bias.copy_(mean_patch.reshape(1, 1, -1))

    def canonical(self, content: Tensor) -> Tensor:
        """content (member, row, latent) -> pictures (member, row, channel, side, side)."""
        return self.network(content).reshape(*content.shape[:2], *self.shape)

    def forward(self, content: Tensor, poses: Tensor) -> Tensor:
        """content (member, row, latent), poses (member, row, 2, 3) -> (member, row, channel, …)."""
        pictures = self.canonical(content)
        shown = pose.resample(pictures.flatten(0, 1), poses.flatten(0, 1))
        return shown.reshape(pictures.shape)


class CoordinateDecoder(nn.Module):
    """A function of content and coordinates, evaluated at every pixel (Bepler et al. 2019,
    arXiv:1909.11663): slower, and free of the canonical picture's pixel grid."""

    grid: Tensor

    def __init__(self, members: int, channels: int, side: int, settings: Settings) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        hidden = settings.hidden
        self.coordinates = Linear(members, 2, hidden)
        self.content = Linear(members, settings.latent, hidden)
        self.second = Linear(members, hidden, hidden)
        self.last = Linear(members, hidden, channels)
        axis = (torch.arange(side) + 0.5) * (2 / side) - 1
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        grid = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
        self.register_buffer("grid", grid, persistent=False)

    def initialise(self, generators: list[torch.Generator], mean_patch: Tensor) -> None:
        """Draw the weights; the output starts at the mean of the patches."""
        # Coordinates reach only to 1: a larger gain lets the first layer resolve single atoms.
        self.coordinates.initialise(generators, 6.0)
        self.content.initialise(generators)
        self.second.initialise(generators, 2**0.5)
        self.last.initialise(generators, 0.3)
        with torch.no_grad():
            self.last.bias.copy_(mean_patch.mean((1, 2)))

    def canonical(self, content: Tensor) -> Tensor:
        """content (member, row, latent) -> pictures (member, row, channel, side, side)."""
        upright = torch.eye(2, 3, device=content.device, dtype=content.dtype)
        return self(content, upright.expand(*content.shape[:2], 2, 3))

    def forward(self, content: Tensor, poses: Tensor) -> Tensor:
        """content (member, row, latent), poses (member, row, 2, 3) -> (member, row, channel, …)."""
        members, rows = content.shape[:2]
        points = self.grid @ poses.transpose(-1, -2)  # (member, row, pixel, 2)
        pixels = points.shape[2]
        hidden = self.coordinates(points.reshape(members, rows * pixels, 2))
        hidden = hidden.reshape(members, rows, pixels, -1) + self.content(content).unsqueeze(2)
        hidden = functional.silu(hidden).flatten(1, 2)
        hidden = functional.silu(self.second(hidden))
        shown = self.last(hidden).reshape(members, rows, self.side, self.side, self.channels)
        return shown.movedim(-1, 2)
