"""The spectrum beside the patch, in models of both views.

A model of both has content that the views share and, beside it, content of the patch alone and of
the spectrum alone. In training all of it is encoded from both views together; a product of the
posteriors of each view would be too sure of itself, and a mixture of them cannot reach the joint
posterior (Daunhawer et al. 2022, arXiv:2110.04121). Encoders of one view alone are fitted to the
joint posterior, with a Kullback-Leibler term that also holds the shared content to what each view
can say (Suzuki et al. 2016, arXiv:1611.01891). The spectrum may depend on the angle of the patch,
as that of polarised light does; what it then says of the angle is learned from all sites together
(``ensemble.angle_of_spectra``).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import likelihoods, posterior
from vaescope.models.encoders import Encoded, InputScaling, TurnedEncoder
from vaescope.models.layers import Generators, Linear, Perceptron
from vaescope.models.parts import Pair
from vaescope.models.settings import ModelSettings
from vaescope.models.side import Side
from vaescope.models.spectrum_decoder import SpectrumDecoder

HARMONICS = (1, 2)  # of the angle, on which a spectrum may depend
LEAST_LOG_SIGMA = -7.0


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
        outputs = 2 * settings.latent
        self.of_spectrum = Perceptron(members, channels, settings.hidden, outputs)
        self.straight = Linear(members, channels, outputs)
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
        self.decoder.initialise(generators, spectra[:, None, None])
        self.of_patch.initialise(generators)
        with torch.no_grad():
            spread = spectra.std(0).clamp_min(1e-4 * float(spectra.std()) + 1e-9)
            self.log_sigma.copy_(spread.log().expand_as(self.log_sigma))

    def log_noise(self) -> Tensor:
        """Logarithm of the noise of every channel (member, 1, channel)."""
        return self.log_sigma.clamp_min(LEAST_LOG_SIGMA)

    def alone(self, spectra: Tensor) -> Pair:
        """The shared content (member, site, latent) that spectra (member, site, channel) say by
        themselves."""
        scaled = self.scaling(spectra)
        return posterior.split(self.of_spectrum(scaled) + self.straight(scaled))

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
        self,
        content: Tensor,
        angle: Tensor,
        spectra: Tensor,
        conditions: Tensor,
        known: Tensor | None = None,
    ) -> Tensor:
        """log p(spectrum) (member, site, turn) of all content (member, site, turn, number), of the
        channels ``known`` (member, site, channel)."""
        shown = self.mean(self.of_both(content), angle, conditions).unsqueeze(3)
        seen = spectra[:, :, None, None]
        mask = None if known is None else known[:, :, None, None].to(seen.dtype)
        return self.likelihood.log_density(shown, seen, self.log_noise(), mask)

    def disagreement(
        self, encoded: Encoded, copies: Tensor, spectra: Tensor, conditions: Tensor, side: Side
    ) -> Tensor:
        """How far the joint posterior is from those of each view alone, (member, site) in nats, of
        the views that were measured."""
        weight = functional.softmax(encoded.turn_logit, -1)
        shared = tuple(part[..., : self.latent] for part in encoded.content)
        both = tuple(part.unsqueeze(2) for part in self.alone(spectra))
        of_spectrum = (weight * posterior.kl_between(shared, both)).sum(-1)
        of_patch = self._of_patch_alone(encoded, copies, weight, conditions)
        return of_spectrum * side.has_spectrum + of_patch * side.has_patch

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
