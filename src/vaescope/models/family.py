"""The one generative model of which every variant is a choice of parts.

    p(x | z, pose) = likelihood(x; decoder(z) seen under the pose)

with content z ~ N(0, 1), an angle whose posterior is a mixture over a grid of turns (each with a
small continuous correction), offsets and strain. With unknown classes content is
z = m_class + s_class z', z' ~ N(0, 1): the class enters the decoder through its own place and width
in content (Jiang et al. 2017, arXiv:1611.05148), so that no class can say again what z says. Turns
and classes are summed over exactly; the other latents are sampled once per turn (Kingma & Welling
2014, arXiv:1312.6114; Bepler et al. 2019, arXiv:1909.11663).

The posterior over a grid is there because a normal posterior of the angle that starts at 0 never
finds structures turned by more than about 90 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import pose, posterior
from vaescope.models.decoders import CanonicalDecoder, CoordinateDecoder
from vaescope.models.encoders import Encoded, TurnedEncoder
from vaescope.models.settings import Settings

CLASS_LOG_SD = (-4.0, 2.0)  # bounds of a class's width in content, as logarithms


@dataclass
class Terms:
    """The terms of the evidence lower bound, each (member, site) in nats."""

    elbo: Tensor
    reconstruction: Tensor
    kl_content: Tensor
    kl_turns: Tensor
    kl_offset: Tensor
    kl_strain: Tensor
    kl_class: Tensor


class Family(nn.Module):
    """Ensemble of models of one architecture; every parameter has a leading axis of members."""

    turns: Tensor
    mask: Tensor
    seen: Tensor  # indices of the pixels under the mask
    classes_awake: Tensor
    decoder: CanonicalDecoder | CoordinateDecoder

    def __init__(self, members: int, channels: int, side: int, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.members, self.channels, self.side = members, channels, side
        turns = settings.turns if settings.rotation else 1
        self.register_buffer("turns", pose.turn_grid(turns), persistent=False)
        # Only a rotation moves the corners of a patch out of sight.
        mask = pose.disc(side) if settings.rotation else torch.ones(side, side)
        self.register_buffer("mask", mask, persistent=False)
        seen = mask.expand(channels, side, side).flatten().nonzero().squeeze(1)
        self.register_buffer("seen", seen, persistent=False)
        self.encoder = TurnedEncoder(members, len(seen), settings, turns)
        if settings.decoder == "canonical":
            self.decoder = CanonicalDecoder(members, channels, side, settings)
        else:
            self.decoder = CoordinateDecoder(members, channels, side, settings)
        self.log_sigma = nn.Parameter(torch.zeros(members, channels))
        self.turn_prior = nn.Parameter(torch.zeros(members, turns))
        classes = max(settings.classes, 1)
        self.class_prior = nn.Parameter(torch.zeros(members, classes))
        self.class_mean = nn.Parameter(torch.zeros(members, classes, settings.latent))
        self.class_log_sd = nn.Parameter(torch.zeros(members, classes, settings.latent))
        # Classes sleep until the pose stands (see train.classes): 0 or 1 per member.
        self.register_buffer("classes_awake", torch.zeros(members))

    def initialise(self, generators: list[torch.Generator], patches: Tensor) -> None:
        """Draw the weights of each member; patches (site, channel, side, side) set the scale."""
        self.encoder.initialise(generators)
        self.decoder.initialise(generators, patches.mean(0))
        with torch.no_grad():
            spread = patches.std(dim=(0, 2, 3)).clamp_min(1e-3)
            self.log_sigma.copy_(spread.log().expand_as(self.log_sigma))

    def copies(self, patches: Tensor) -> Tensor:
        """Turned copies of patches (n, channel, side, side), the pixels seen: (n, turn, pixels)."""
        return pose.upright_copies(patches, self.turns).flatten(2)[..., self.seen]

    def noise_size(self) -> int:
        """How many normal numbers one site and turn needs."""
        s = self.settings
        return s.latent + int(s.rotation) + 2 * int(s.offsets) + 3 * int(s.strain)

    def forward(
        self,
        patches: Tensor,
        copies: Tensor,
        noise: Tensor,
        *,
        keep: int | None = None,
        temper: float = 1.0,
        taught: tuple[Tensor, float] | None = None,
    ) -> Terms:
        """The evidence lower bound of every site.

        Parameters
        ----------
        patches : (member, site, channel, side, side).
        copies : (member, site, turn, pixels), from ``copies``.
        noise : (member, site, turn or more, noise_size) standard normal numbers; zeros give the
            bound at the posterior means.
        keep : follow only so many of the likeliest turns of each site; None for all.
        temper : weight of the entropy of the turns; above 1 it keeps all turns in play.
        taught : class probabilities (member, site, class) given from outside and the share, 0 to 1,
            that they have in the posterior of the class; None for the model's own alone.
        """
        turns = self.turns.expand(copies.shape[:3])
        log_prior = functional.log_softmax(self.turn_prior, -1)[:, None, :].expand_as(turns)
        if keep is not None and keep < turns.shape[-1]:
            # The choice of turns has no gradient, so most copies are only looked at.
            with torch.no_grad():
                best = self.encoder(copies).turn_logit.topk(keep, dim=-1).indices
            rows = best.unsqueeze(-1).expand(*best.shape, copies.shape[-1])
            copies, turns = copies.gather(2, rows), turns.gather(2, best)
            log_prior = log_prior.gather(2, best)
        encoded = self.encoder(copies)
        log_turn = functional.log_softmax(encoded.turn_logit, -1)
        return self.bound(patches, encoded, turns, log_turn, log_prior, noise, temper, taught)

    def bound(
        self,
        patches: Tensor,
        encoded: Encoded,
        turns: Tensor,
        log_turn: Tensor,
        log_prior: Tensor,
        noise: Tensor,
        temper: float = 1.0,
        taught: tuple[Tensor, float] | None = None,
    ) -> Terms:
        """The bound for given turns (member, site, turn) with their posterior and prior."""
        each = self.each_turn(patches, encoded, turns, noise, taught)
        weight = log_turn.exp()

        def mean(value: Tensor) -> Tensor:
            return (weight * value).sum(-1)

        kl_turns = (weight * (temper * log_turn - log_prior)).sum(-1)
        beta = self.settings.beta
        values = {name: mean(value) for name, value in each.items() if name != "class_probability"}
        elbo = (
            values["reconstruction"]
            - beta * (values["kl_content"] + values["kl_pose"] + kl_turns)
            - self.settings.beta_class * values["kl_class"]
        )
        return Terms(
            elbo,
            values["reconstruction"],
            values["kl_content"],
            kl_turns + values["kl_angle"],
            values["kl_offset"],
            values["kl_strain"],
            values["kl_class"],
        )

    def each_turn(
        self,
        patches: Tensor,
        encoded: Encoded,
        turns: Tensor,
        noise: Tensor,
        taught: tuple[Tensor, float] | None = None,
    ) -> dict[str, Tensor]:
        """Terms of the bound for every turn: name -> (member, site, turn).

        Awake classes also give ``class_probability`` (member, site, turn, class): the posterior
        that makes the bound largest, in closed form.
        """
        s = self.settings
        noise = noise[:, :, : turns.shape[2]]
        zero = torch.zeros_like(turns)
        parts = iter(noise.split([1] * noise.shape[-1], dim=-1))

        def draw(pair: tuple[Tensor, Tensor]) -> Tensor:
            mean, log_sd = pair
            eps = torch.cat([next(parts) for _ in range(mean.shape[-1])], dim=-1)
            return mean + log_sd.exp() * eps

        content = draw(encoded.content)
        angle, kl_angle, kl_offset, kl_strain = turns, zero, zero, zero
        offset = strain = None
        if encoded.angle is not None:
            angle = turns + draw(encoded.angle).squeeze(-1)
            kl_angle = posterior.kl_normal(*encoded.angle, torch.pi / len(self.turns))
        if encoded.offset is not None:
            upright = draw(encoded.offset)
            offset = (pose.rotation(angle) @ upright.unsqueeze(-1)).squeeze(-1)
            kl_offset = posterior.kl_normal(*encoded.offset, s.offset_sd)
        if encoded.strain is not None:
            strain = draw(encoded.strain)
            kl_strain = posterior.kl_normal(*encoded.strain, s.strain_sd)
        poses = pose.affine(angle, offset, strain)
        out = {"kl_angle": kl_angle, "kl_offset": kl_offset, "kl_strain": kl_strain}
        out["kl_pose"] = kl_angle + kl_offset + kl_strain
        out["reconstruction"] = self._likelihood(patches, content, poses)
        if not (s.classes and bool(self.classes_awake.any())):
            out["kl_content"] = posterior.kl_normal(*encoded.content)
            out["kl_class"] = zero
            return out
        mean, log_sd = (part.unsqueeze(3) for part in encoded.content)
        prior_mean = self.class_mean[:, None, None]
        prior_log_sd = self.class_log_sd[:, None, None].clamp(*CLASS_LOG_SD)
        kl_content = posterior.kl_normals(mean, log_sd, prior_mean, prior_log_sd)
        log_prior = functional.log_softmax(self.class_prior, -1)[:, None, None]
        evidence = log_prior - kl_content * (s.beta / max(s.beta_class, 1e-6))
        q = functional.softmax(evidence.detach(), -1)
        if taught is not None:
            q = (1 - taught[1]) * q + taught[1] * taught[0].unsqueeze(2)
        out["kl_content"] = (q * kl_content).sum(-1)
        out["kl_class"] = posterior.kl_categorical(q.clamp_min(1e-8).log(), log_prior)
        out["class_probability"] = q
        return out

    def shown(self, content: Tensor, poses: Tensor) -> Tensor:
        """Decoded patches (member, row, channel, side, side).

        content (member, row, latent), poses (member, row, 2, 3).
        """
        return self.decoder(content, poses)

    def _likelihood(self, patches: Tensor, content: Tensor, poses: Tensor) -> Tensor:
        """Logarithm of p(patch | …) summed over the pixels seen: (member, site, turn)."""
        members, sites, turns = content.shape[:3]
        shown = self.shown(content.flatten(1, 2), poses.flatten(1, 2))
        shown = shown.reshape(members, sites, turns, *patches.shape[2:])
        seen = patches.unsqueeze(2)
        if self.settings.likelihood == "bernoulli":
            value = -functional.binary_cross_entropy_with_logits(
                shown, seen.expand_as(shown), reduction="none"
            )
            return (value * self.mask).sum((-3, -2, -1))
        # Gaussian: sum of squares first, so that only one large array is made.
        log_sigma = self.log_sigma.clamp_min(-5.0)[:, None, None]
        squares = ((seen - shown).square() * self.mask).sum((-2, -1))
        per_pixel = log_sigma + 0.5 * torch.log(torch.tensor(2 * torch.pi))
        value = -0.5 * squares * (-2 * log_sigma).exp() - self.mask.sum() * per_pixel
        return value.sum(-1)
