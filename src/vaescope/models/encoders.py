"""Encoders: one network shared over turned copies of the patch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import posterior
from vaescope.models.layers import Convolution, Generators, Linear, Perceptron
from vaescope.models.settings import ModelSettings

Pair = tuple[Tensor, Tensor]
"""Mean and logarithm of the standard deviation, with one last axis."""


@dataclass
class Encoded:
    """Posterior of every turned copy; axes (member, site, turn, …). Absent parts are None.

    ``turn_logit`` (…): how likely the patch lies at that turn. ``content``; ``angle`` (correction
    to the turn, rad); ``offset`` (x, y in the upright frame); ``scale`` (logarithm); ``shear``;
    ``strain`` (xx, yy, xy).
    """

    turn_logit: Tensor
    content: Pair
    angle: Pair | None = None
    offset: Pair | None = None
    scale: Pair | None = None
    shear: Pair | None = None
    strain: Pair | None = None

    def pick(self, turns: Tensor) -> Encoded:
        """Keep the given turns of each site: ``turns`` (member, site, kept) indices."""

        def of(value: Tensor) -> Tensor:
            return value.gather(2, turns.unsqueeze(-1).expand(*turns.shape, value.shape[-1]))

        kept: dict[str, Any] = {"turn_logit": self.turn_logit.gather(2, turns)}
        for field in fields(self)[1:]:
            pair = getattr(self, field.name)
            kept[field.name] = None if pair is None else (of(pair[0]), of(pair[1]))
        return Encoded(**kept)


class TurnedEncoder(nn.Module):
    """Looks at every turned copy with the same eyes, so that content is always seen upright.

    With a grid of turns it is equivariant under rotation by a step of the grid; with one turn it is
    the plain encoder of the literature.
    """

    def __init__(
        self,
        members: int,
        shape: tuple[int, int, int],
        pixels: int,
        conditions: int,
        settings: ModelSettings,
        step: float,
    ) -> None:
        super().__init__()
        self.step, self.settings = step, settings
        strained = settings.strain
        self.sizes = {
            "turn": 1,
            "content": 2 * settings.latent,
            "angle": 2 if settings.rotation else 0,
            "offset": 4 if settings.offsets else 0,
            "scale": 2 if settings.scale and not strained else 0,
            "shear": 2 if settings.shear and not strained else 0,
            "strain": 6 if strained else 0,
        }
        outputs = sum(self.sizes.values())
        self.network: Perceptron | ConvolutionalNetwork
        if settings.encoder == "convolutional":
            self.network = ConvolutionalNetwork(
                members, shape, conditions, settings.hidden, outputs
            )
        else:
            self.network = Perceptron(members, pixels + conditions, settings.hidden, outputs)

    def initialise(self, generators: Generators) -> None:
        """Draw the weights; heads start near zero, so the pose starts at its prior's centre."""
        self.network.initialise(generators, last_gain=0.3)

    def forward(self, copies: Tensor, conditions: Tensor) -> Encoded:
        """copies (member, site, turn, pixels), conditions (member, site, condition) -> Encoded."""
        members, sites, turns = copies.shape[:3]
        told = conditions.unsqueeze(2).expand(members, sites, turns, conditions.shape[-1])
        seen = torch.cat([copies, told], dim=-1) if conditions.shape[-1] else copies
        raw = self.network(seen.reshape(members, sites * turns, seen.shape[-1]))
        raw = raw.reshape(members, sites, turns, -1)
        parts = dict(zip(self.sizes, raw.split(list(self.sizes.values()), dim=-1), strict=True))
        out: dict[str, Pair] = {"content": posterior.split(parts["content"])}
        if self.sizes["angle"]:
            mean, log_sd = posterior.split(parts["angle"])
            if self.step < 2 * math.pi:
                # A little beyond half a step, so that neighbouring turns can meet.
                mean, log_sd = 0.6 * self.step * torch.tanh(mean), log_sd - 2.0
            out["angle"] = (mean, log_sd)
        for name in ("offset", "scale", "shear", "strain"):
            if self.sizes[name]:
                mean, log_sd = posterior.split(parts[name])
                out[name] = (getattr(self.settings, f"{name}_sd") * mean, log_sd - 3.0)
        return Encoded(parts["turn"].squeeze(-1), **out)


class ConvolutionalNetwork(nn.Module):
    """Three convolutions of stride 2, then one hidden layer: (member, row, pixels + conditions) ->
    (member, row, outputs)."""

    WIDTHS = (16, 32, 64)

    def __init__(
        self,
        members: int,
        shape: tuple[int, int, int],
        conditions: int,
        hidden: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.shape = shape
        widths = (shape[0], *self.WIDTHS)
        self.layers = nn.ModuleList(
            Convolution(members, a, b, stride=2) for a, b in pairwise(widths)
        )
        sides = [math.ceil(side / 2 ** len(self.WIDTHS)) for side in shape[1:]]
        self.dense = Linear(members, widths[-1] * sides[0] * sides[1] + conditions, hidden)
        self.last = Linear(members, hidden, outputs)

    def initialise(self, generators: Generators, last_gain: float = 1.0) -> None:
        """Draw all weights; ``last_gain`` scales those of the output."""
        for layer in self.layers:
            assert isinstance(layer, Convolution)
            layer.initialise(generators)
        self.dense.initialise(generators, math.sqrt(2))
        self.last.initialise(generators, last_gain)

    def forward(self, x: Tensor) -> Tensor:
        pixels = math.prod(self.shape)
        pictures, conditions = x[..., :pixels], x[..., pixels:]
        hidden = pictures.reshape(*x.shape[:2], *self.shape)
        for layer in self.layers:
            hidden = functional.silu(layer(hidden))
        hidden = torch.cat([hidden.flatten(2), conditions], dim=-1)
        return self.last(functional.silu(self.dense(hidden)))
