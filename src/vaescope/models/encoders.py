"""The encoder: one network shared over turned copies of the patch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vaescope.models import posterior
from vaescope.models.layers import Perceptron
from vaescope.models.settings import Settings


@dataclass
class Encoded:
    """Posterior of every turned copy; axes (member, site, turn, …). Absent parts are None.

    ``turn_logit`` (…): how likely the patch lies at that turn. ``content``, ``angle`` (correction
    to the turn, rad), ``offset`` (x, y in the upright frame), ``strain`` (xx, yy, xy): pairs of
    mean and log sd with one last axis.
    """

    turn_logit: Tensor
    content: tuple[Tensor, Tensor]
    angle: tuple[Tensor, Tensor] | None
    offset: tuple[Tensor, Tensor] | None
    strain: tuple[Tensor, Tensor] | None

    def pick(self, turns: Tensor) -> Encoded:
        """Keep the given turns of each site: ``turns`` (member, site, kept) indices."""

        def of(value: Tensor) -> Tensor:
            if value.dim() == 3:
                return value.gather(2, turns)
            return value.gather(2, turns.unsqueeze(-1).expand(*turns.shape, value.shape[-1]))

        def pair(value: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor] | None:
            return None if value is None else (of(value[0]), of(value[1]))

        return Encoded(
            of(self.turn_logit),
            (of(self.content[0]), of(self.content[1])),
            pair(self.angle),
            pair(self.offset),
            pair(self.strain),
        )


class TurnedEncoder(nn.Module):
    """Looks at every turned copy with the same eyes, so that content is always seen upright."""

    def __init__(self, members: int, pixels: int, settings: Settings, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.settings = settings
        self.sizes = {
            "turn": 1,
            "content": 2 * settings.latent,
            "angle": 2 if settings.rotation else 0,
            "offset": 4 if settings.offsets else 0,
            "strain": 6 if settings.strain else 0,
        }
        self.network = Perceptron(members, pixels, settings.hidden, sum(self.sizes.values()))

    def initialise(self, generators: list[torch.Generator]) -> None:
        """Draw the weights; heads start near zero, so the pose starts at its prior's centre."""
        self.network.initialise(generators, last_gain=0.3)

    def forward(self, copies: Tensor) -> Encoded:
        """copies: (member, site, turn, pixels) -> Encoded."""
        members, sites, turns, pixels = copies.shape
        raw = self.network(copies.reshape(members, sites * turns, pixels))
        raw = raw.reshape(members, sites, turns, -1)
        parts = dict(zip(self.sizes, raw.split(list(self.sizes.values()), dim=-1), strict=True))
        angle = offset = strain = None
        if self.settings.rotation:
            mean, log_sd = posterior.split(parts["angle"])
            # A little beyond half a step of the grid, so that neighbouring turns can meet.
            reach = 1.2 * torch.pi / self.turns
            angle = (reach * torch.tanh(mean), log_sd - 2.0)
        if self.settings.offsets:
            mean, log_sd = posterior.split(parts["offset"])
            offset = (self.settings.offset_sd * mean, log_sd - 3.0)
        if self.settings.strain:
            mean, log_sd = posterior.split(parts["strain"])
            strain = (self.settings.strain_sd * mean, log_sd - 3.0)
        return Encoded(
            parts["turn"].squeeze(-1),
            posterior.split(parts["content"]),
            angle,
            offset,
            strain,
        )
