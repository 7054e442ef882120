"""The one generative model of which every variant is a choice of parts.

    p(t | z, pose, c) = likelihood(t; decoder(z, c) seen under the pose)

with content z ~ N(0, 1), conditions c, an angle whose posterior is a mixture over a grid of turns
(each with a small continuous correction), offsets, scale, shear and strain; the target t is the
patch itself, its clean twin or its other modality. With classes content is z = m_class + S_class
z', z' ~ N(0, 1): the class enters the decoder through its own place and width in content (Jiang et
al. 2017, arXiv:1611.05148), so that no class can say again what z says. Turns and classes are
summed over exactly; the other latents are sampled once per turn (Kingma & Welling 2014,
arXiv:1312.6114; Bepler et al. 2019, arXiv:1909.11663).

The posterior over a grid is there because a normal posterior of the angle that starts at 0 never
finds structures turned by more than about 90 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import likelihoods, pose, posterior
from vaescope.models.beside import SpectrumBeside
from vaescope.models.copies import turned_copies, with_spectra
from vaescope.models.decoders import CanonicalDecoder, CoordinateDecoder, Shape
from vaescope.models.elbo import Terms, Weights, gather
from vaescope.models.encoders import Encoded, JointEncoder, PooledEncoder, TurnedEncoder
from vaescope.models.mixture import ContentMixture, best
from vaescope.models.pose_parts import ANGLE, Placement
from vaescope.models.settings import ModelSettings
from vaescope.models.spectrum_decoder import SpectrumDecoder
from vaescope.models.spectrum_parts import SpectrumPose

LEAST_LOG_SIGMA = -5.0  # noise below this would make much of rounding

PhysicsLoss = Callable[[Tensor, dict[str, Tensor]], Tensor]
"""(reconstruction (row, channel, height, width), latents: name -> (row, …)) -> (row,) nats."""


@dataclass
class Side:
    """What is known of a batch beside its pictures; axes (member, site, …), absent parts None.

    ``conditions`` (…, condition); ``target_assignment`` (…, class), class probabilities from
    outside the model, and ``teacher_weight`` (member, site), their share 0 to 1 in the posterior of
    the class; ``turn`` (member, site) index of the turn at which each site lies, ``pose`` name ->
    other parts of its pose and their standard errors, both (…, size); ``top_turns`` (…, turn)
    indices of the turns that count, where they are known; ``known`` (…, height, width) the pixels
    of the target that were measured; ``spectra`` (…, channel) of the sites; ``near_content`` (…,
    latent) and ``near_class`` (…, class) the means of neighbouring sites.
    """

    conditions: Tensor | None = None
    target_assignment: Tensor | None = None
    teacher_weight: Tensor | None = None
    turn: Tensor | None = None
    pose: dict[str, tuple[Tensor, Tensor]] | None = None
    top_turns: Tensor | None = None
    near_content: Tensor | None = None
    near_class: Tensor | None = None
    known: Tensor | None = None
    spectra: Tensor | None = None


class Family(nn.Module):
    """Ensemble of models of one architecture; every parameter has a leading axis of members.

    Parameters
    ----------
    members : of the ensemble.
    shape : (channel, height, width) of a patch.
    settings : the parts switched on.
    target : (channel, height, width) of what is decoded; None: as the patch.
    conditions : how many numbers encoder and decoder are conditioned on.
    channels : of the spectrum of a site, in a model of both views.

    Raises
    ------
    UserError : the settings have a pose that patches or targets of that shape cannot have.
    """

    turns: Tensor
    mask: Tensor
    counted: Tensor  # indices of the pixels under the mask of what is decoded
    decoder: CanonicalDecoder | CoordinateDecoder | SpectrumDecoder

    def __init__(
        self,
        members: int,
        shape: Shape,
        settings: ModelSettings,
        target: Shape | None = None,
        conditions: int = 0,
        channels: int = 0,
    ) -> None:
        super().__init__()
        target = target or shape
        settings.refuse_shapes(shape, target)
        self.settings = settings
        self.members, self.shape, self.target = members, shape, target
        self.conditions = conditions
        self.likelihood = likelihoods.of(settings)
        self.physics: PhysicsLoss | None = None
        self.register_buffer("turns", pose.turns_of(settings), persistent=False)
        turns = len(self.turns)
        self.step = 2 * math.pi / (turns * settings.symmetry)
        # Only a rotation moves the corners of a patch out of sight.
        turned = "rotation" in settings.pose_parts
        mask = pose.disc(target[1]) if turned else torch.ones(target[1:])
        self.register_buffer("mask", mask, persistent=False)
        counted = mask.flatten().nonzero().squeeze(1)
        self.register_buffer("counted", counted, persistent=False)
        self.turned = turned_copies(shape, settings)
        pixels = shape[0] * len(self.turned.where)
        self.encoder: TurnedEncoder | PooledEncoder | JointEncoder
        given = members, shape, pixels, conditions
        if settings.spectrum != "none":
            self.encoder = JointEncoder(*given, channels, settings, self.step)
        elif settings.pooled:
            self.encoder = PooledEncoder(*given, settings, self.step)
        else:
            self.encoder = TurnedEncoder(*given, settings, self.step)
        self.channels = channels
        both = settings.spectrum == "joint"
        self.content_drawn = settings.latent + (settings.private_patch if both else 0)
        inputs = self.content_drawn + conditions
        if settings.decoded == "spectrum":
            self.decoder = SpectrumDecoder(members, inputs, target, settings, self.likelihood)
        elif settings.decoder == "coordinate":
            self.decoder = CoordinateDecoder(members, inputs, target, settings)
        else:
            self.decoder = CanonicalDecoder(members, inputs, target, settings)
        self.parts = self.encoder.parts
        oriented = turned and any(part.learned_axes for part in self.parts)
        self.shear_axis = nn.Parameter(torch.tensor([[1.0, 0.0]]).repeat(members, 1), oriented)
        learned = settings.sigma == 0.0
        start = 0.0 if learned else math.log(settings.sigma)
        each = (target[0], target[2]) if settings.decoded == "spectrum" else (target[0],)
        self.log_sigma = nn.Parameter(torch.full((members, *each), start), learned)
        prior = torch.zeros(members, turns)
        if settings.angle_prior == "normal":
            from_zero = torch.atan2(self.turns.sin(), self.turns.cos())
            prior = prior - 0.5 * (from_zero / settings.angle_sd) ** 2
        self.turn_prior = nn.Parameter(prior, settings.angle_prior == "learned")
        self.mixture = ContentMixture(members, settings.most_classes, settings.latent)
        self.beside: SpectrumBeside | None = None
        if settings.spectrum != "none":
            self.beside = SpectrumBeside(*given, channels, settings, self.step)

    def initialise(
        self,
        generators: list[torch.Generator],
        target: Tensor,
        seen: Tensor | None = None,
        spectra: Tensor | None = None,
    ) -> None:
        """Draw the weights of each member; ``target`` (site, channel, height, width) sets the scale
        of what is decoded, ``seen`` (site, …) that of what is encoded, None: the target, and
        ``spectra`` (site, channel) that of spectra beside the patches."""
        seen = target if seen is None else seen
        if self.beside is not None and spectra is not None:
            self.encoder.initialise(generators, spectra)
            self.beside.initialise(generators, spectra)
        else:
            self.encoder.initialise(generators, seen)
        spectral = isinstance(self.decoder, SpectrumDecoder)
        if isinstance(self.decoder, SpectrumDecoder):
            self.decoder.initialise(generators, target)
        else:
            self.decoder.initialise(generators, self.likelihood.start(target.mean(0)))
        if self.settings.sigma == 0.0:
            over = (0, 2) if spectral else (0, 2, 3)
            with torch.no_grad():
                spread = target.std(dim=over).clamp_min(1e-3)
                self.log_sigma.copy_(spread.log().expand_as(self.log_sigma))

    def copies(self, patches: Tensor, spectra: Tensor | None = None) -> Tensor:
        """Turned copies of patches (n, channel, side, side), the pixels seen: (n, turn, pixels),
        each followed by the spectrum (n, channel) of the site, if it has one."""
        return with_spectra(self.turned(patches), spectra)

    def noise_size(self) -> int:
        """How many normal numbers one site and turn needs."""
        return self.settings.content_size + sum(part.size for part in self.parts)

    def conditions_of(self, side: Side, like: Tensor) -> Tensor:
        """Conditions (member, site, condition) of a batch, for a tensor (member, site, …); zeros,
        which are average conditions, where the batch has none."""
        if side.conditions is not None:
            return side.conditions
        return like.new_zeros(*like.shape[:2], self.conditions)

    def forward(
        self,
        target: Tensor,
        copies: Tensor,
        noise: Tensor,
        side: Side | None = None,
        *,
        keep: int | None = None,
        weights: Weights | None = None,
    ) -> Terms:
        """The bound of every site.

        Parameters
        ----------
        target : (member, site, channel, height, width), what is to be decoded.
        copies : (member, site, turn, pixels), from ``copies``; only those of the turns to follow,
            where ``side`` says which.
        noise : (member, site, turn or more, noise_size) standard normal numbers; zeros give the
            bound at the posterior means.
        side : what else is known of the batch.
        keep : how many of the likeliest turns of each site count; None: all.
        weights : of the terms; None: those at the end of training.
        """
        side = side or Side()
        final = Weights.of(self.settings)
        now = weights or final
        conditions = self.conditions_of(side, copies)
        turns = self.turns.expand(*copies.shape[:2], -1)
        log_prior = functional.log_softmax(self.turn_prior, -1)[:, None, :].expand_as(turns)
        missed = torch.zeros_like(turns[..., 0])
        best = None
        if side.turn is not None:
            best = side.turn.unsqueeze(-1)
            every = functional.log_softmax(self.encoder(copies, conditions).turn_logit, -1)
            missed = -every.gather(2, best).squeeze(-1)
        elif keep is not None and keep < turns.shape[-1] and side.top_turns is None:
            best = self.likeliest(copies, conditions, keep)
        if best is not None:
            rows = best.unsqueeze(-1).expand(*best.shape, copies.shape[-1])
            copies = copies.gather(2, rows)
        elif side.top_turns is not None:
            best = side.top_turns
        if best is not None:
            turns, log_prior = turns.gather(2, best), log_prior.gather(2, best)
        encoded = self.encoder(copies, conditions)
        log_turn = functional.log_softmax(encoded.turn_logit, -1)
        each = self.each_turn(target, encoded, turns, noise, side, now)
        weight = log_turn.exp()
        names = [name for name, value in each.items() if value.dim() == 3]
        means = (weight.unsqueeze(-1) * torch.stack([each[name] for name in names], -1)).sum(2)
        values = dict(zip(names, means.unbind(-1), strict=True))
        values["penalty"] = values["penalty"] + missed
        if self.beside is not None:
            spectra = self.spectra_of(copies)
            apart = self.beside.disagreement(encoded, copies, spectra, turns, conditions)
            values["penalty"] = values["penalty"] + self.settings.agreement * apart
        kl_turns = (weight * (log_turn - log_prior)).sum(-1)
        tempered = kl_turns + (now.temper - 1) * (weight * log_turn).sum(-1)
        return gather(values, kl_turns, tempered, now, final)

    def spectra_of(self, copies: Tensor) -> Tensor:
        """The spectra (member, site, channel) that follow copies (member, site, turn, number)."""
        return copies[:, :, 0, copies.shape[-1] - self.channels :]

    @torch.no_grad()
    def likeliest(self, copies: Tensor, conditions: Tensor, keep: int) -> Tensor:
        """Indices (member, site, ``keep``) of the turns that are likeliest by the encoder.

        The choice of turns has no gradient, so most copies are encoded and not decoded.
        """
        best: Tensor = self.encoder(copies, conditions).turn_logit.topk(keep, dim=-1).indices
        return best

    def each_turn(
        self,
        target: Tensor,
        encoded: Encoded,
        turns: Tensor,
        noise: Tensor,
        side: Side,
        now: Weights,
    ) -> dict[str, Tensor]:
        """Terms of the bound that this model has, for every turn: name -> (member, site, turn).

        Active classes also give ``class_probability`` (member, site, turn, class): the posterior
        that makes the bound largest, in closed form.
        """
        noise = noise[:, :, : turns.shape[2]]
        if not self.settings.stochastic:
            noise = torch.zeros_like(noise)
        pairs = {"content": encoded.content} | encoded.parts
        parts = noise.split([mean.shape[-1] for mean, _ in pairs.values()], dim=-1)
        latents = {
            name: torch.addcmul(mean, log_sd.exp(), part)
            for (name, (mean, log_sd)), part in zip(pairs.items(), parts, strict=True)
        }
        out = {
            f"kl_{name}": posterior.kl_normal(mean, log_sd, self.prior_sd(name))
            for name, (mean, log_sd) in encoded.parts.items()
        }
        poses = self.poses(turns, latents)
        correction = latents.get(ANGLE.name)
        latents["angle"] = turns if correction is None else turns + correction.squeeze(-1)
        # Pixels beyond the mask count for nothing; only physics looks at them.
        conditions = self.conditions_of(side, turns)
        where = self.counted if self.physics is None else None
        shown = self.decode_rows(latents["content"], poses, conditions, where)
        counted = shown if where is not None else pose.pixels(shown, self.counted)
        out["reconstruction"] = self.log_density(counted, target, side)
        if self.beside is not None and self.beside.decoded:
            assert side.spectra is not None
            given = latents["content"], latents["angle"], side.spectra, conditions
            out["reconstruction"] = out["reconstruction"] + self.beside.log_density(*given)
        out["penalty"] = self._penalty(shown, latents, encoded, side)
        return out | self._classes(encoded, side, now)

    def log_density(self, counted: Tensor, target: Tensor, side: Side) -> Tensor:
        """log p(target) (member, site, turn) of what is decoded at the pixels that count (member,
        site, turn, channel, pixel)."""
        seen = pose.pixels(target, self.counted).unsqueeze(2)
        known = None
        if side.known is not None:  # (member, site, 1, 1, pixel)
            known = pose.pixels(side.known, self.counted)[:, :, None, None].to(seen.dtype)
        return self.likelihood.log_density(counted, seen, self.log_noise(), known)

    def log_noise(self) -> Tensor:
        """Logarithm of the noise of a pixel (member, channel); of spectra, whose channels have each
        a noise of their own, (member, signal, channel)."""
        return self.log_sigma.clamp_min(LEAST_LOG_SIGMA)

    @property
    def spectrum_likelihood(self) -> likelihoods.Likelihood:
        """The likelihood of spectra, of a model that decodes them."""
        return self.likelihood if self.beside is None else self.beside.likelihood

    def spectrum_noise(self) -> Tensor:
        """Logarithm of the noise of every channel of a spectrum (member, signal, channel)."""
        return self.log_noise() if self.beside is None else self.beside.log_noise()

    def prior_sd(self, name: str) -> float:
        """Standard deviation of the prior of a part of the pose."""
        return self.encoder.prior_sd[name]

    def poses(self, turns: Tensor, latents: dict[str, Tensor]) -> Tensor:
        """Pose matrices (member, site, turn, 2, 3) of turns (member, site, turn) with those parts
        (member, site, turn, size) of the pose that are given; of spectra their poses (member, site,
        turn, 4)."""
        place: Placement | SpectrumPose = Placement(turns, self.shear_axis)
        if self.settings.decoded == "spectrum":
            place = SpectrumPose(turns)
        for part in self.parts:
            if part.name in latents:
                part.move(place, latents[part.name])
        return place.matrices()

    def decode_rows(
        self, content: Tensor, poses: Tensor, conditions: Tensor, where: Tensor | None = None
    ) -> Tensor:
        """The decoder's output (member, site, turn, channel, height, width).

        content (member, site, turn, latent), poses (member, site, turn, 2, 3), conditions (member,
        site, condition); with ``where`` (pixel,), indices of pixels, these pixels alone: (member,
        site, turn, channel, pixel).
        """
        members, sites, turns = content.shape[:3]
        content = content[..., : self.content_drawn]
        if self.conditions:
            each = conditions.unsqueeze(2).expand(members, sites, turns, self.conditions)
            content = torch.cat([content, each], dim=-1)
        shown = self.decoder(content.flatten(1, 2), poses.flatten(1, 2), where)
        return shown.reshape(members, sites, turns, *shown.shape[2:])

    def _penalty(
        self, shown: Tensor, latents: dict[str, Tensor], encoded: Encoded, side: Side
    ) -> Tensor:
        """What physics and teaching ask beyond the likelihood, (member, site, turn) in nats."""
        value = torch.zeros_like(latents["angle"])
        for name, (mean, error) in (side.pose or {}).items():
            apart = (encoded.parts[name][0] - mean.unsqueeze(2)) / error.unsqueeze(2)
            value = value + 0.5 * apart.square().sum(-1)
        if side.near_content is not None:
            apart = encoded.content[0] - side.near_content.unsqueeze(2)
            value = value + 0.5 * self.settings.smoothness * apart.square().sum(-1)
        if self.physics is not None:
            pictures = self.likelihood.mean(shown)
            rows = {name: tensor.flatten(0, 2) for name, tensor in latents.items()}
            own = self.physics(pictures.flatten(0, 2), rows)
            value = value + own.reshape(value.shape)
        return value

    def _classes(self, encoded: Encoded, side: Side, now: Weights) -> dict[str, Tensor]:
        """Divergences of content and class, with the class's posterior if classes are active."""
        if not (self.settings.classes and self.mixture.is_active):
            return {"kl_content": posterior.kl_normal(*encoded.content)}
        kl_content = self.mixture.divergences(encoded.content)
        logits = self.mixture.logit[:, None]
        if side.near_class is not None:
            # A Potts prior in mean field: neighbours vote for their own class.
            logits = logits + self.settings.smoothness_class * side.near_class
        log_prior = functional.log_softmax(logits, -1).unsqueeze(2)
        q = best(log_prior, kl_content, now)
        if side.target_assignment is not None and side.teacher_weight is not None:
            teacher_weight = side.teacher_weight[:, :, None, None]
            q = (1 - teacher_weight) * q + teacher_weight * side.target_assignment.unsqueeze(2)
        return {
            "kl_content": (q * kl_content).sum(-1),
            "kl_class": posterior.kl_categorical(q.clamp_min(1e-8).log(), log_prior),
            "class_probability": q,
        }
