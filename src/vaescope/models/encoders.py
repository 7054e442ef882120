"""Encoders: one network shared over turned copies of the patch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import posterior
from vaescope.models.input_scaling import COMPONENTS, InputComponents, InputScaling
from vaescope.models.layers import Convolution, Generators, Linear, Perceptron
from vaescope.models.lines import LineNetwork
from vaescope.models.parts import Pair
from vaescope.models.pose_parts import ON_CELL, parts_of
from vaescope.models.settings import ModelSettings
from vaescope.models.shift_grid import ShiftGrid


@dataclass
class Encoded:
    """Posterior of every turned copy; axes (member, site, turn, …).

    ``turn_logit`` (…): how likely the patch lies at that turn. ``content`` (…, latent); ``parts``
    of the pose by name (…, size), in the canonical frame: the angle as a correction to the turn.
    """

    turn_logit: Tensor
    content: Pair
    parts: dict[str, Pair]

    def pick(self, turns: Tensor) -> Encoded:
        """Posteriors of the given turns of each site: ``turns`` (member, site, picked) indices."""

        def of(pair: Pair) -> Pair:
            mean, log_sd = pair
            rows = turns.unsqueeze(-1).expand(*turns.shape, mean.shape[-1])
            return mean.gather(2, rows), log_sd.gather(2, rows)

        parts = {name: of(pair) for name, pair in self.parts.items()}
        return Encoded(self.turn_logit.gather(2, turns), of(self.content), parts)


class TurnedEncoder(nn.Module):
    """Encodes every turned copy with the same weights: content is that of an upright patch.

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
        shifts: ShiftGrid | None = None,
    ) -> None:
        super().__init__()
        self.step, self.parts = step, parts_of(settings, shifts is not None)
        self.prior_sd = {part.name: part.prior_sd(settings, step) for part in self.parts}
        if shifts is not None:
            self.prior_sd[ON_CELL.name] = shifts.prior_sd
        self.sizes = {"turn": 1, "content": 2 * settings.content_size} | {
            part.name: 2 * part.size for part in self.parts
        }
        outputs = sum(self.sizes.values())
        self.scaling: InputScaling | InputComponents | None = None
        if settings.encoder == "components":
            self.scaling = InputComponents(members, pixels)
            pixels = COMPONENTS
        elif settings.view == "spectrum":
            self.scaling = InputScaling(members, pixels)
        self.network: Perceptron | ConvolutionalNetwork | LineNetwork
        if settings.encoder == "convolutional" and settings.view == "spectrum":
            line = (shape[0], shape[2])
            self.network = LineNetwork(members, line, conditions, settings.hidden, outputs)
        elif settings.encoder == "convolutional":
            self.network = ConvolutionalNetwork(
                members, shape, conditions, settings.hidden, outputs
            )
        else:
            self.network = Perceptron(members, pixels + conditions, settings.hidden, outputs)

    def initialise(self, generators: Generators, seen: Tensor | None = None) -> None:
        """Draw the weights; heads start near zero, so the pose starts at its prior's centre.
        ``seen`` (site, …): what is encoded, from which the scale of spectra is taken."""
        self.network.initialise(generators, last_gain=0.3)
        if self.scaling is not None and seen is not None:
            self.scaling.measure(seen)

    def forward(self, copies: Tensor, conditions: Tensor) -> Encoded:
        """copies (member, site, turn, pixels), conditions (member, site, condition) -> Encoded."""
        members, sites, turns = copies.shape[:3]
        if self.scaling is not None:
            copies = self.scaling(copies)
        inputs = copies
        if conditions.shape[-1]:
            each = conditions.unsqueeze(2).expand(members, sites, turns, conditions.shape[-1])
            inputs = torch.cat([copies, each], dim=-1)
        raw = self.network(inputs.reshape(members, sites * turns, inputs.shape[-1]))
        raw = raw.reshape(members, sites, turns, -1)
        halves = dict(zip(self.sizes, raw.split(list(self.sizes.values()), dim=-1), strict=True))
        content = posterior.split(halves["content"])
        parts = {
            part.name: part.posterior(
                *posterior.split(halves[part.name]), self.prior_sd[part.name], self.step
            )
            for part in self.parts
        }
        return Encoded(halves["turn"].squeeze(-1), content, parts)


class JointEncoder(nn.Module):
    """Encodes rotated copies of a patch, each followed by the spectrum of the site.

    ``spectrum: joint``: every posterior is that given both views; ``encoded``: the content is that
    given the spectrum alone, and everything else that given the patch.
    """

    def __init__(
        self,
        members: int,
        shape: tuple[int, int, int],
        pixels: int,
        conditions: int,
        channels: int,
        settings: ModelSettings,
        step: float,
    ) -> None:
        super().__init__()
        self.pixels, self.joint = pixels, settings.spectrum == "joint"
        self.scaling = InputScaling(members, channels)
        beside = conditions + (channels if self.joint else 0)
        self.both = TurnedEncoder(members, shape, pixels, beside, settings, step)
        self.parts, self.prior_sd = self.both.parts, self.both.prior_sd
        if not self.joint:
            size = 2 * settings.content_size
            self.content = Perceptron(members, channels, settings.hidden, size)

    def initialise(self, generators: Generators, seen: Tensor) -> None:
        """Draw the weights; ``seen`` (site, channel) gives the scale of the spectra."""
        self.scaling.measure(seen)
        self.both.initialise(generators)
        if not self.joint:
            self.content.initialise(generators, last_gain=0.3)

    def forward(self, copies: Tensor, conditions: Tensor) -> Encoded:
        """copies (member, site, turn, pixels + channels), conditions (member, site, condition) ->
        Encoded."""
        patches = copies[..., : self.pixels]
        spectra = self.scaling(copies[:, :, 0, self.pixels :])
        if self.joint:
            return self.both(patches, torch.cat([conditions, spectra], -1))
        found = self.both(patches, conditions)
        content = posterior.split(self.content(spectra).unsqueeze(2))
        size = (*copies.shape[:3], -1)
        found.content = (content[0].expand(size), content[1].expand(size))
        return found


class PooledEncoder(nn.Module):
    """Says one thing of all rotated copies of a patch: what the model predicts has no angle.

    Each copy gives features by the same network; their mean and their maximum over the copies
    (together, since a mean alone blurs what one copy shows) give the content (Cohen & Welling 2016,
    arXiv:1602.07576, section 6.3). It is invariant under rotation by a step of the grid.
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
        self.parts = parts_of(settings)
        self.step, self.prior_sd = step, {p.name: p.prior_sd(settings, step) for p in self.parts}
        self.sizes = {"content": 2 * settings.latent} | {p.name: 2 * p.size for p in self.parts}
        hidden = settings.hidden
        self.features: Perceptron | ConvolutionalNetwork
        if settings.encoder == "convolutional":
            self.features = ConvolutionalNetwork(members, shape, 0, hidden, hidden)
        else:
            self.features = Perceptron(members, pixels, hidden, hidden)
        outputs = sum(self.sizes.values())
        self.network = Perceptron(members, 2 * hidden + conditions, hidden, outputs)

    def initialise(self, generators: Generators, seen: Tensor | None = None) -> None:
        """Draw the weights."""
        self.features.initialise(generators)
        self.network.initialise(generators, last_gain=0.3)

    def forward(self, copies: Tensor, conditions: Tensor) -> Encoded:
        """copies (member, site, copy, pixels), conditions (member, site, condition) -> Encoded, of
        one turn."""
        members, sites, count = copies.shape[:3]
        each = functional.silu(self.features(copies.reshape(members, sites * count, -1)))
        each = each.reshape(members, sites, count, -1)
        pooled = torch.cat([each.mean(2), each.amax(2), conditions], dim=-1)
        raw = self.network(pooled).unsqueeze(2)
        halves = dict(zip(self.sizes, raw.split(list(self.sizes.values()), dim=-1), strict=True))
        pairs = {name: posterior.split(half) for name, half in halves.items()}
        parts = {
            part.name: part.posterior(*pairs[part.name], self.prior_sd[part.name], self.step)
            for part in self.parts
        }
        return Encoded(raw.new_zeros(members, sites, 1), pairs["content"], parts)


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
