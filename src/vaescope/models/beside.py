"""The spectrum beside the patch, in models of both views.

A model of both has content that the views share and, beside it, content of the patch alone and of
the spectrum alone. In training all of it is encoded from both views together; a product of the
posteriors of each view would be too sure of itself, and a mixture of them cannot reach the joint
posterior (Daunhawer et al. 2022, arXiv:2110.04121). Encoders of one view alone are fitted to the
joint posterior, with a Kullback-Leibler term that also holds the shared content to what each view
can say (Suzuki et al. 2016, arXiv:1611.01891). The spectrum may depend on the angle of the patch,
as that of polarised light does, and then says something of the angle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import likelihoods, posterior
from vaescope.models.encoders import Encoded, InputScaling, TurnedEncoder
from vaescope.models.layers import Generators, Linear, Perceptron
from vaescope.models.parts import Pair
from vaescope.models.pose_parts import ANGLE
from vaescope.models.settings import ModelSettings
from vaescope.models.spectrum_decoder import SpectrumDecoder

AXES = 2  # directions modulo a half-turn that a spectrum can say
DIRECTIONS = 2 * AXES  # each both ways round: von Mises distributions of a mixture
HARMONICS = (1, 2)  # of the angle, on which a spectrum may depend
LEAST_LOG_SIGMA = -7.0
MOST_CONCENTRATED = 1e4  # 1/rad²: an angle known to half a degree


@dataclass(frozen=True)
class FromSpectrum:
    """What a spectrum alone says: ``content`` (member, site, latent) shared; of the angle a mixture
    with ``log_weight``, ``direction`` in rad and ``concentration`` (member, site, direction)."""

    content: Pair
    log_weight: Tensor
    direction: Tensor
    concentration: Tensor

    def log_density(self, angle: Tensor) -> Tensor:
        """log p of angles (member, site, turn) in rad: the same shape."""
        about = angle.unsqueeze(-1) - self.direction.unsqueeze(2)
        size = self.concentration.unsqueeze(2)
        normal = math.log(2 * math.pi) + torch.log(torch.special.i0e(size))
        each = size * (about.cos() - 1) - normal
        return torch.logsumexp(self.log_weight.unsqueeze(2) + each, -1)

    def mixture(self) -> Tensor:
        """The numbers (member, site, 3 directions) of the mixture, as ``angle_of`` takes them."""
        return torch.cat([self.log_weight, self.direction, self.concentration], -1)


def angle_of(mixture: Tensor, order: int) -> Pair:
    """Mean angle (…,) modulo 2π/``order`` of mixtures (…, number), and its standard deviation, both
    in rad (Mardia & Jupp, Directional Statistics, 2000, section 2.3)."""
    log_weight, direction, concentration = mixture.double().chunk(3, -1)
    # The resultant of a von Mises distribution, as that of the wrapped normal that it is close to.
    weight = log_weight.exp() * torch.exp(-0.5 * order**2 / concentration)
    real = (weight * (order * direction).cos()).sum(-1)
    imaginary = (weight * (order * direction).sin()).sum(-1)
    size = torch.hypot(real, imaginary).clamp(1e-6, 1 - 1e-9)
    return torch.atan2(imaginary, real) / order, (-2 * size.log()).sqrt() / order


class SpectrumBeside(nn.Module):
    """What a model has for the spectra of its sites.

    Parameters
    ----------
    members, shape, pixels, conditions, settings, step : as of ``encoders.TurnedEncoder``.
    channels : of a spectrum.
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
        self.settings, self.latent = settings, settings.latent
        self.scaling = InputScaling(members, channels)
        outputs = 2 * settings.latent + 2 * AXES + 2 * DIRECTIONS
        self.of_spectrum = Perceptron(members, channels, settings.hidden, outputs)
        self.straight = Linear(members, channels, outputs)
        self.decoded = settings.spectrum == "joint"
        if not self.decoded:
            return
        self.likelihood = likelihoods.LIKELIHOODS["gaussian"]
        angles = 2 * len(HARMONICS) if settings.rotation else 0
        inputs = settings.latent + settings.private_spectrum + angles + conditions
        plain = replace(settings, decoder="canonical", skip=False)
        line = (1, 1, channels)
        self.decoder = SpectrumDecoder(members, inputs, line, plain, self.likelihood)
        self.log_sigma = nn.Parameter(torch.zeros(members, 1, channels))
        alone = replace(settings, spectrum="none", latent=settings.latent + settings.private_patch)
        self.of_patch = TurnedEncoder(members, shape, pixels, conditions, alone, step)

    def initialise(self, generators: Generators, spectra: Tensor) -> None:
        """Draw the weights; spectra (site, channel) give the scales."""
        self.scaling.measure(spectra)
        self.of_spectrum.initialise(generators, last_gain=0.1)
        self.straight.initialise(generators, 0.1)
        if self.decoded:
            self.decoder.initialise(generators, spectra[:, None, None])
            self.of_patch.initialise(generators)
            with torch.no_grad():
                spread = spectra.std(0).clamp_min(1e-4 * float(spectra.std()) + 1e-9)
                self.log_sigma.copy_(spread.log().expand_as(self.log_sigma))

    def log_noise(self) -> Tensor:
        """Logarithm of the noise of every channel (member, 1, channel)."""
        return self.log_sigma.clamp_min(LEAST_LOG_SIGMA)

    def alone(self, spectra: Tensor) -> FromSpectrum:
        """What spectra (member, site, channel) say by themselves."""
        scaled = self.scaling(spectra)
        raw = self.of_spectrum(scaled) + self.straight(scaled)
        sizes = [2 * self.latent, AXES, AXES, DIRECTIONS, DIRECTIONS]
        content, x, y, logit, size = raw.split(sizes, -1)
        # Light scattered by an axis follows twice its angle, in which intensities are linear. The
        # axes start spread over the half-circle, so that none has to pass through the others.
        start = torch.arange(AXES, device=raw.device) * (2 * math.pi / AXES)
        axis = 0.5 * torch.atan2(y + 0.3 * start.sin(), x + 0.3 * start.cos())
        direction = torch.cat([axis, axis + math.pi], -1)
        concentration = (functional.softplus(size) + 0.05).clamp_max(MOST_CONCENTRATED)
        return FromSpectrum(
            posterior.split(content), functional.log_softmax(logit, -1), direction, concentration
        )

    def mean(self, content: Tensor, angle: Tensor, conditions: Tensor) -> Tensor:
        """Mean spectra (member, site, turn, channel) of content (member, site, turn, latent +
        private of the spectrum) at angles (member, site, turn)."""
        inputs = [content]
        if self.settings.rotation:
            inputs += [
                f(k * angle).unsqueeze(-1) for k in HARMONICS for f in (torch.cos, torch.sin)
            ]
        if conditions.shape[-1]:
            inputs.append(conditions.unsqueeze(2).expand(*content.shape[:3], -1))
        rows = torch.cat(inputs, -1).flatten(1, 2)
        return self.decoder.canonical(rows)[:, :, 0, 0].reshape(*content.shape[:3], -1)

    def of_both(self, content: Tensor) -> Tensor:
        """The content (…, number) of the spectrum: what is shared, and what is its own."""
        own = content[..., self.latent + self.settings.private_patch :]
        return torch.cat([content[..., : self.latent], own], -1)

    def log_density(
        self, content: Tensor, angle: Tensor, spectra: Tensor, conditions: Tensor
    ) -> Tensor:
        """log p(spectrum) (member, site, turn) of all content (member, site, turn, number)."""
        shown = self.mean(self.of_both(content), angle, conditions).unsqueeze(3)
        seen = spectra[:, :, None, None]
        return self.likelihood.log_density(shown, seen, self.log_noise(), None)

    def disagreement(
        self, encoded: Encoded, copies: Tensor, spectra: Tensor, turns: Tensor, conditions: Tensor
    ) -> Tensor:
        """How far the joint posterior is from those of each view alone, (member, site) in nats."""
        weight = functional.softmax(encoded.turn_logit, -1)
        own = self.alone(spectra)
        total = torch.zeros_like(weight[..., 0])
        if self.decoded:
            shared = tuple(part[..., : self.latent] for part in encoded.content)
            both = tuple(part.unsqueeze(2) for part in own.content)
            total = total + (weight * posterior.kl_between(shared, both)).sum(-1)
            total = total + self._of_patch_alone(encoded, copies, weight, conditions)
        if self.settings.rotation:
            angle = turns
            if ANGLE.name in encoded.parts:
                angle = angle + encoded.parts[ANGLE.name][0].squeeze(-1)
            total = total - (weight.detach() * own.log_density(angle.detach())).sum(-1)
        return total

    def _of_patch_alone(
        self, encoded: Encoded, copies: Tensor, weight: Tensor, conditions: Tensor
    ) -> Tensor:
        alone = self.of_patch(
            copies[..., : copies.shape[-1] - self.scaling.mean.shape[-1]], conditions
        )
        count = self.latent
        pairs = [(encoded.content, alone.content, slice(0, count), False)]
        pairs.append((encoded.content, alone.content, slice(count, count + self._private), True))
        pairs += [(encoded.parts[k], alone.parts[k], slice(None), True) for k in encoded.parts]
        apart = torch.zeros_like(weight)
        for joint, single, which, fixed in pairs:
            q = tuple(part[..., which] for part in joint)
            if fixed:
                q = tuple(part.detach() for part in q)
            apart = apart + posterior.kl_between(q, tuple(part[..., which] for part in single))
        log_turn = functional.log_softmax(alone.turn_logit, -1)
        return (weight * apart).sum(-1) - (weight.detach() * log_turn).sum(-1)

    @property
    def _private(self) -> int:
        return self.settings.private_patch
