"""The one generative model of which every variant is a choice of parts.

    p(t | z, pose, c) = likelihood(t; decoder(z, c) seen under the pose)

with content z ~ N(0, 1), conditions c, gain and background of each patch if it has them
(``models.photometry``), an angle whose posterior is a mixture over a grid of turns
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

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from vaescope.models import pose, posterior
from vaescope.models.elbo import Terms, Weights, gather
from vaescope.models.encoders import Encoded
from vaescope.models.mixture import best
from vaescope.models.networks import Networks
from vaescope.models.pose_parts import ANGLE
from vaescope.models.side import Side

PhysicsLoss = Callable[[Tensor, dict[str, Tensor]], Tensor]
"""(reconstruction (row, channel, height, width), latents: name -> (row, …)) -> (row,) nats."""


class Family(Networks):
    """The bound of every member of an ensemble; ``physics`` is a term of the user's own, if any."""

    physics: PhysicsLoss | None = None

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
        log_prior = self.log_turn_prior(side).expand_as(turns)
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
        each = self.each_turn(target, encoded, turns, noise, side, now, best)
        weight = log_turn.exp()
        if "noise_moments" in each and torch.is_grad_enabled():
            self._learn_noise(each["noise_moments"], weight)
        names = [name for name, value in each.items() if value.dim() == 3]
        means = (weight.unsqueeze(-1) * torch.stack([each[name] for name in names], -1)).sum(2)
        values = dict(zip(names, means.unbind(-1), strict=True))
        values["penalty"] = values["penalty"] + missed
        if self.beside is not None:
            spectra = self.spectra_of(copies)
            apart = self.beside.disagreement(encoded, copies, spectra, conditions, side)
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
        best: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Terms of the bound that this model has, for every turn: name -> (member, site, turn).

        ``best``: indices of these turns in the grid, None: it is the whole grid.
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
        if side.content is not None:  # the encoder does not follow what the decoder would like
            mean = encoded.content[0]
            latents["content"] = latents["content"] - mean + mean.detach()
        out = {
            f"kl_{name}": posterior.kl_normal(mean, log_sd, self.prior_sd(name))
            for name, (mean, log_sd) in encoded.parts.items()
        }
        correction = latents.get(ANGLE.name)
        angle = turns if correction is None else turns + correction.squeeze(-1)
        self.add_shifts(latents, angle, best)
        poses = self.poses(turns, latents)
        latents["angle"] = angle
        # Pixels beyond the mask count for nothing; only physics looks at them.
        conditions = self.conditions_of(side, turns)
        where = self.counted if self.physics is None else None
        shown = self.decode_rows(latents["content"], poses, conditions, where)
        counted = shown if where is not None else pose.pixels(shown, self.counted)
        out |= self.log_density(counted, target, side)
        if self.beside is not None:
            assert side.spectra is not None
            given = latents["content"], latents["angle"], side.spectra, conditions
            of_spectrum = self.beside.log_density(*given, side.spectra_known)
            out["reconstruction"] = out["reconstruction"] + of_spectrum
        out["penalty"] = self._penalty(latents, encoded, side)
        if self.physics is not None:
            out["physics"] = self.own_term(shown, latents)
            out["penalty"] = out["penalty"] + out["physics"]
        return out | self.class_terms(encoded, side, now)

    def log_density(self, counted: Tensor, target: Tensor, side: Side) -> dict[str, Tensor]:
        """``reconstruction``: log p(target) (member, site, turn) of what is decoded at the pixels
        that count (member, site, turn, channel, pixel); ``noise_moments`` (member, site, turn,
        channel, moment), where noise depends on the signal."""
        seen = pose.pixels(target, self.counted).unsqueeze(2)
        known = None
        if side.known is not None:  # (member, site, 1, 1, pixel)
            known = pose.pixels(side.known, self.counted)[:, :, None, None].to(seen.dtype)
        if self.photometry is not None:
            found = self.photometry.log_density(counted, seen, self.log_noise(), known)
            moments = {} if found[1] is None else {"noise_moments": found[1]}
            return {"reconstruction": found[0], **moments}
        value = self.likelihood.log_density(counted, seen, self.log_noise(), known)
        return {"reconstruction": value}

    @torch.no_grad()
    def _learn_noise(self, moments: Tensor, weight: Tensor) -> None:
        """Take moments (member, site, turn, channel, moment) of the residuals of a batch whose
        turns have weights (member, site, turn) into the noise."""
        assert self.photometry is not None and self.photometry.noise is not None
        expected = (weight[..., None, None] * moments).sum(2).mean(1)
        self.log_sigma.copy_(0.5 * self.photometry.noise.learn(expected).log())

    def own_term(self, shown: Tensor, latents: dict[str, Tensor]) -> Tensor:
        """The user's own term (member, site, turn) in nats, of what the decoder says (member, site,
        turn, channel, height, width) and of the latents by name (member, site, turn, …)."""
        assert self.physics is not None
        pictures = self.likelihood.mean(shown)
        if len(self.counted) < self.mask.numel():
            # Or the model would fulfil the term in the corners, which no likelihood sees.
            pictures = torch.where(self.mask > 0, pictures, pictures.detach())
        rows = {name: tensor.flatten(0, 2) for name, tensor in latents.items()}
        return self.physics(pictures.flatten(0, 2), rows).reshape(latents["angle"].shape)

    def _penalty(self, latents: dict[str, Tensor], encoded: Encoded, side: Side) -> Tensor:
        """What guides of the training add to the likelihood, (member, site, turn) in nats."""
        value = torch.zeros_like(latents["angle"])
        for name, (mean, error) in (side.pose or {}).items():
            apart = (encoded.parts[name][0] - mean.unsqueeze(2)) / error.unsqueeze(2)
            value = value + 0.5 * apart.square().sum(-1)
        if side.content is not None:
            mean, within = side.content
            apart = (encoded.content[0] - mean.unsqueeze(2)) / within
            value = value + 0.5 * apart.square().sum(-1)
        return value

    def class_terms(self, encoded: Encoded, side: Side, now: Weights) -> dict[str, Tensor]:
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
