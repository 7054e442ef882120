"""Decoders: from content, conditions and pose to what is said of every pixel of the patch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import pose
from vaescope.models.field import field
from vaescope.models.layers import Convolution, Generators, Linear, Perceptron
from vaescope.models.positivity import Positive
from vaescope.models.settings import ModelSettings

Shape = tuple[int, int, int]  # channel, height, width


class CanonicalDecoder(nn.Module):
    """Draws one upright picture per content and resamples it under the pose.

    The network runs once per content instead of once per pixel, which makes it some tens of times
    cheaper than a decoder of coordinates. Without a pose the picture is the patch: then it is a
    plain dense or convolutional decoder, and ``height`` 1 makes it one of curves. ``margin``, in
    units of half a side: by how much the picture is wider on every side than the patch, so that a
    patch shifted that far lies within.
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        shape: Shape,
        settings: ModelSettings,
        margin: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape, self.pose_parts = shape, bool(settings.pose_parts)
        self.interpolation = settings.interpolation
        self.positive = Positive(shape[0]) if settings.positive else None
        self.rims = [math.ceil(margin * side / 2) for side in shape[1:]]
        height, width = (side + 2 * rim for side, rim in zip(shape[1:], self.rims, strict=True))
        self.drawn = (shape[0], height, width)
        self.network: Perceptron | UpsamplingNetwork
        if settings.decoder == "convolutional":
            self.network = UpsamplingNetwork(members, inputs, settings.hidden, self.drawn)
        else:
            pixels = math.prod(self.drawn)
            self.network = Perceptron(members, inputs, settings.hidden, pixels, settings.skip)

    def initialise(self, generators: Generators, mean_patch: Tensor) -> None:
        """Draw the weights; start from the mean patch (channel, height, width)."""
        if self.positive is not None:
            mean_patch = self.positive.before(mean_patch)
        self.network.initialise(generators, last_gain=0.3)
        with torch.no_grad():
            bias = self.network.last.bias
            if bias.shape[-1] == math.prod(self.drawn):
                height, width = self.rims
                whole = functional.pad(
                    mean_patch[None], (width, width, height, height), "replicate"
                )
                bias.copy_(whole.reshape(1, 1, -1))
            else:
                bias.copy_(mean_patch.mean((1, 2)))

    def canonical(self, content: Tensor) -> Tensor:
        """content (member, row, inputs) -> pictures (member, row, channel, height, width)."""
        (top, left), (height, width) = self.rims, self.shape[1:]
        return self._whole(content)[..., top : top + height, left : left + width]

    def _whole(self, content: Tensor) -> Tensor:
        """Canonical pictures with the margin that only shifted patches show."""
        drawn = self.network(content)
        if self.positive is not None:
            drawn = self.positive(drawn.reshape(*content.shape[:2], self.shape[0], -1))
        return drawn.reshape(*content.shape[:2], *self.drawn)

    def forward(self, content: Tensor, poses: Tensor, where: Tensor | None = None) -> Tensor:
        """content (member, row, inputs), poses (member, row, 2, 3) -> (member, row, channel,
        height, width), or (member, row, channel, pixel) of the pixels ``where`` alone."""
        pictures = self._whole(content)
        if not self.pose_parts:
            return pictures if where is None else pose.pixels(pictures, where)
        flat, sides = pictures.flatten(0, 1), self.shape[1:]
        if any(self.rims):
            share = [side / whole for side, whole in zip(sides, self.drawn[1:], strict=True)]
            poses = poses * poses.new_tensor(share[::-1]).unsqueeze(-1)
        shown = pose.resample(flat, poses.flatten(0, 1), self.interpolation, where, sides)
        return shown.reshape(*pictures.shape[:2], *shown.shape[1:])


class UpsamplingNetwork(nn.Module):
    """One dense layer to a coarse map, doubled twice with convolutions between: (member, row,
    inputs) -> (member, row, channel, height, width)."""

    WIDTHS = (32, 32, 16)

    def __init__(self, members: int, inputs: int, hidden: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.coarse = [max(side // 4, 1) for side in shape[1:]]
        first, second, third = self.WIDTHS
        self.hidden = Linear(members, inputs, hidden)
        self.dense = Linear(members, hidden, first * self.coarse[0] * self.coarse[1])
        self.middle = Convolution(members, first, second)
        self.fine = Convolution(members, second, third)
        self.last = Convolution(members, third, shape[0])

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
        maps = hidden.reshape(members, rows, self.WIDTHS[0], *self.coarse)
        height, width = self.shape[1:]
        half = [max(height // 2, 1), max(width // 2, 1)]
        maps = functional.silu(self.middle(_resized(maps, half)))
        maps = functional.silu(self.fine(_resized(maps, [height, width])))
        return self.last(maps)


def _resized(maps: Tensor, size: list[int]) -> Tensor:
    members, rows = maps.shape[:2]
    out = functional.interpolate(
        maps.flatten(0, 1), size=size, mode="bilinear", align_corners=False
    )
    return out.reshape(members, rows, *out.shape[1:])


class CoordinateDecoder(nn.Module):
    """A function of content and coordinates, evaluated at every pixel (Bepler et al. 2019,
    arXiv:1909.11663): slower, and free of the canonical picture's pixel grid.

    ``fourier`` octaves of sines and cosines of the coordinates sharpen it (Tancik et al. 2020,
    arXiv:2006.10739); with ``skip`` content enters every layer.
    """

    grid: Tensor

    def __init__(self, members: int, inputs: int, shape: Shape, settings: ModelSettings) -> None:
        super().__init__()
        self.shape, self.skip, self.octaves = shape, settings.skip, settings.fourier
        hidden = settings.hidden
        self.positive = Positive(shape[0]) if settings.positive else None
        more = inputs if settings.skip else 0
        self.coordinates = Linear(members, 2 + 4 * self.octaves, hidden)
        self.content = Linear(members, inputs, hidden)
        self.second = Linear(members, hidden + more, hidden)
        self.deeper = nn.ModuleList(
            Linear(members, hidden + more, hidden) for _ in range(settings.depth - 2)
        )
        self.last = Linear(members, hidden + more, shape[0])
        axes = [(torch.arange(side) + 0.5) * (2 / side) - 1 for side in shape[1:]]
        y, x = torch.meshgrid(*axes, indexing="ij")
        grid = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
        self.register_buffer("grid", grid, persistent=False)

    def initialise(self, generators: Generators, mean_patch: Tensor) -> None:
        """Draw the weights; the output starts at the mean of the patches."""
        if self.positive is not None:
            mean_patch = self.positive.before(mean_patch)
        # Coordinates reach only to 1: a larger gain lets the first layer resolve single atoms.
        self.coordinates.initialise(generators, 2.0 if self.octaves else 6.0)
        self.content.initialise(generators)
        for layer in self._hidden():
            layer.initialise(generators, 2**0.5)
        self.last.initialise(generators, 0.3)
        with torch.no_grad():
            self.last.bias.copy_(mean_patch.mean((1, 2)))

    def canonical(self, content: Tensor) -> Tensor:
        """content (member, row, inputs) -> pictures (member, row, channel, height, width)."""
        upright = torch.eye(2, 3, device=content.device, dtype=content.dtype)
        return self(content, upright.expand(*content.shape[:2], 2, 3))

    def forward(self, content: Tensor, poses: Tensor, where: Tensor | None = None) -> Tensor:
        """content (member, row, inputs), poses (member, row, 2, 3) -> (member, row, channel,
        height, width), or (member, row, channel, pixel) of the pixels ``where`` alone."""
        members, rows = content.shape[:2]
        grid = self.grid if where is None else self.grid[where]
        points = pose.places(poses.flatten(0, 1), grid.T).reshape(members, rows, len(grid), 2)
        features = [points]
        for octave in range(self.octaves):
            angle = math.pi * 2**octave * points
            features += [angle.sin(), angle.cos()]
        # Content is the same at all pixels of a patch: what it adds to a layer is one row.
        shifts = [self.content(content) + self.coordinates.bias]
        weights: list[Tensor] = [self.coordinates.weight]
        width = self.second.weight.shape[-1]
        for layer in (*self._hidden(), self.last):
            weights.append(layer.weight[:, :width])
            shift = layer.bias.expand(members, rows, -1)
            shifts.append(shift + content @ layer.weight[:, width:] if self.skip else shift)
        shown = field(torch.cat(features, dim=-1), shifts, weights).movedim(-1, 2)
        if self.positive is not None:
            shown = self.positive(shown)
        if where is not None:
            return shown
        return shown.reshape(members, rows, self.shape[0], *self.shape[1:])

    def _hidden(self) -> list[Linear]:
        """The hidden layers behind the one that takes the coordinates."""
        return [self.second, *(layer for layer in self.deeper if isinstance(layer, Linear))]
