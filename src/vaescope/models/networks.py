"""Encoder, decoder and all other parameters of an ensemble, and what they decode under a pose."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import likelihoods, photometry, pose
from vaescope.models.beside import SpectrumBeside
from vaescope.models.contradictions import refuse_shapes
from vaescope.models.copies import turned_copies, with_spectra
from vaescope.models.decoders import CanonicalDecoder, CoordinateDecoder, Shape
from vaescope.models.encoders import JointEncoder, PooledEncoder, TurnedEncoder
from vaescope.models.mixture import ContentMixture
from vaescope.models.parts import Part
from vaescope.models.pose_parts import ON_CELL, Placement
from vaescope.models.settings import ModelSettings
from vaescope.models.shift_grid import Cell, ShiftGrid
from vaescope.models.side import Side
from vaescope.models.spectrum_decoder import SpectrumDecoder
from vaescope.models.spectrum_parts import SpectrumPose

LEAST_LOG_SIGMA = -5.0  # noise below this would make much of rounding


class Networks(nn.Module):
    """Networks of an ensemble of one architecture; every parameter has a leading axis of members.

    ``open_pose``: by how much (latent,) parts of the pose of a spectrum may follow the content, as
    standard deviations, where the data leave that open (``ensemble.independent_pose``).

    Parameters
    ----------
    members : of the ensemble.
    shape : (channel, height, width) of a patch.
    settings : the parts switched on.
    target : (channel, height, width) of what is decoded; None: as the patch.
    conditions : how many numbers encoder and decoder are conditioned on.
    channels : of the spectrum of a site, in a model of both views.
    cell : the vectors of the unit cell of the lattice that patches show, as (x, y) in units of half
        the patch side; None: patches show none, or their sites are points of it.

    Raises
    ------
    UserError : the settings have a pose that patches or targets of that shape cannot have.
    """

    turns: Tensor  # (copy,) rad, with a grid of shifts each as often as there are shifts
    shifts: Tensor | None  # (copy, 2) of the same copies
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
        cell: Cell | None = None,
    ) -> None:
        super().__init__()
        target = target or shape
        refuse_shapes(settings, shape, target)
        self.cell, self.grid = cell, ShiftGrid.of(settings, cell)
        self.settings = settings
        self.members, self.shape, self.target = members, shape, target
        self.conditions = conditions
        self.likelihood = likelihoods.of(settings)
        angles, shifts = pose.turns_of(settings), None
        turns = len(angles)
        if self.grid is not None:
            nodes = self.grid.nodes
            angles, shifts = angles.repeat_interleave(len(nodes)), nodes.repeat(turns, 1)
        self.register_buffer("turns", angles, persistent=False)
        self.register_buffer("shifts", shifts, persistent=False)
        self.open_pose: dict[str, Tensor] = {}
        self.step = 2 * math.pi / (turns * settings.fold)
        # Only a rotation moves the corners of a patch out of sight.
        turned = "rotation" in settings.pose_parts
        mask = pose.disc(target[1]) if turned else torch.ones(target[1:])
        self.register_buffer("mask", mask, persistent=False)
        counted = mask.flatten().nonzero().squeeze(1)
        self.register_buffer("counted", counted, persistent=False)
        self.photometry = photometry.of(settings, members, target, counted)
        self.turned = turned_copies(shape, settings, self.grid)
        pixels = shape[0] * len(self.turned.where)
        self.encoder: TurnedEncoder | PooledEncoder | JointEncoder
        given = members, shape, pixels, conditions
        if settings.spectrum != "none":
            self.encoder = JointEncoder(*given, channels, settings, self.step)
        elif settings.pooled:
            self.encoder = PooledEncoder(*given, settings, self.step)
        else:
            self.encoder = TurnedEncoder(*given, settings, self.step, self.grid)
        self.channels = channels
        both = settings.spectrum == "joint"
        self.content_drawn = settings.latent + (settings.private_patch if both else 0)
        inputs = self.content_drawn + conditions
        if settings.decoded == "spectrum":
            self.decoder = SpectrumDecoder(members, inputs, target, settings, self.likelihood)
        elif settings.decoder == "coordinate":
            self.decoder = CoordinateDecoder(members, inputs, target, settings)
        else:
            margin = 0.0 if self.grid is None else self.grid.margin
            self.decoder = CanonicalDecoder(members, inputs, target, settings, margin)
        self.parts = self.encoder.parts
        oriented = turned and any(part.learned_axes for part in self.parts)
        self.shear_axis = nn.Parameter(torch.tensor([[1.0, 0.0]]).repeat(members, 1), oriented)
        learned = settings.sigma == 0.0
        start = 0.0 if learned else math.log(settings.sigma)
        each = (target[0], target[2]) if settings.decoded == "spectrum" else (target[0],)
        if self.photometry is not None and self.photometry.noise is not None:
            learned = False  # not by gradients
        self.log_sigma = nn.Parameter(torch.full((members, *each), start), learned)
        prior = torch.zeros(members, turns)
        if settings.angle_prior == "normal":
            prior = prior + self._about(torch.zeros(1))[0]
        self.turn_prior = nn.Parameter(prior, settings.angle_prior == "learned")
        self.mixture = ContentMixture(members, settings.most_classes, settings.latent)
        self.beside: SpectrumBeside | None = None
        if settings.spectrum == "joint":
            self.beside = SpectrumBeside(*given, channels, settings, self.step)

    def initialise(
        self,
        generators: list[torch.Generator],
        target: Tensor,
        seen: Tensor | None = None,
        spectra: Tensor | None = None,
        axis: Tensor | None = None,
        zero: Tensor | None = None,
    ) -> None:
        """Draw the weights of each member; ``target`` (site, channel, height, width) sets the scale
        of what is decoded, ``seen`` (site, …) that of what is encoded, None: the target, and
        ``spectra`` (site, channel) that of spectra beside the patches. ``axis`` (channel,): that of
        the spectra decoded, which a power law needs. ``zero`` (channel,): value of the target
        without signal, which ``positive`` needs."""
        seen = target if seen is None else seen
        self.encoder.initialise(generators, seen if spectra is None else spectra)
        if self.beside is not None and spectra is not None:
            self.beside.initialise(generators, spectra)
        spectral = isinstance(self.decoder, SpectrumDecoder)
        if isinstance(self.decoder, SpectrumDecoder):
            self.decoder.initialise(generators, target, axis)
        else:
            if self.decoder.positive is not None and zero is not None:
                self.decoder.positive.initialise(target, zero)
            self.decoder.initialise(generators, self.likelihood.start(target.mean(0)))
        if self.photometry is not None:
            self.photometry.initialise(target)
        if self.settings.sigma == 0.0:
            over = (0, 2) if spectral else (0, 2, 3)
            with torch.no_grad():
                spread = target.std(dim=over).clamp_min(1e-3)
                self.log_sigma.copy_(spread.log().expand_as(self.log_sigma))

    def copies(self, patches: Tensor, spectra: Tensor | None = None) -> Tensor:
        """Turned copies of patches (n, channel, side, side), the pixels seen: (n, turn, pixels),
        each followed by the spectrum (n, channel) of the site, if it has one."""
        return with_spectra(self.turned(patches), spectra)

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The parts of the pose, those that no encoder guesses too."""
        return (*self.parts, *(() if self.photometry is None else self.photometry.parts))

    def noise_size(self) -> int:
        """How many normal numbers one site and turn needs."""
        return self.settings.content_size + sum(part.size for part in self.parts)

    def conditions_of(self, side: Side, like: Tensor) -> Tensor:
        """Conditions (member, site, condition) of a batch, for a tensor (member, site, …); zeros,
        which are average conditions, where the batch has none."""
        if side.conditions is not None:
            return side.conditions
        return like.new_zeros(*like.shape[:2], self.conditions)

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

    def log_turn_prior(self, side: Side) -> Tensor:
        """Logarithm of the prior of every turn (member, site or 1, turn): about the direction of
        each site, where the settings say so; a site without one may lie at any turn."""
        prior = self.turn_prior[:, None]
        if self.settings.angle_prior == "direction" and side.direction is not None:
            # A direction runs clockwise as seen, from x to y, and an angle the other way.
            prior = prior + self._about(-side.direction)
        log_prior = functional.log_softmax(prior, -1)
        if self.grid is None:
            return log_prior
        count = len(self.grid.nodes)
        return log_prior.repeat_interleave(count, -1) - math.log(count)

    def _about(self, centre: Tensor) -> Tensor:
        """Logarithm of a normal density about centres (…,) in rad, at every turn (…, turn), up to a
        constant; 0 where the centre is not known."""
        period = 2 * math.pi / self.settings.fold
        apart = pose.turns_of(self.settings).to(centre) - centre.unsqueeze(-1)
        apart = apart - period * torch.round(apart / period)
        return torch.nan_to_num(-0.5 * (apart / self.settings.angle_sd) ** 2)

    def poses(self, turns: Tensor, latents: dict[str, Tensor]) -> Tensor:
        """Pose matrices (member, site, turn, 2, 3) of turns (member, site, turn) with those parts
        (member, site, turn, size) of the pose that are given; of spectra their poses (member, site,
        turn, number)."""
        place: Placement | SpectrumPose = Placement(turns, self.shear_axis)
        if self.settings.decoded == "spectrum":
            place = SpectrumPose(turns)
        for part in self.parts:
            if part.name in latents:
                part.move(place, latents[part.name])
        return place.matrices()

    def of_turns(self, weight: Tensor, best: Tensor | None = None) -> Tensor:
        """The posterior of the turns (member, site, turn), of weights (member, site, copy) of the
        nodes of the grid of turns and shifts; ``best`` as in ``add_shifts``."""
        if best is not None:
            whole = weight.new_zeros(*weight.shape[:2], len(self.turns))
            weight = whole.scatter(2, best, weight)
        if self.grid is None:
            return weight
        return weight.unflatten(2, (-1, len(self.grid.nodes))).sum(-1)

    def add_shifts(
        self, latents: dict[str, Tensor], angle: Tensor, best: Tensor | None = None
    ) -> None:
        """Add the shifts of the grid to the corrections of the offset (member, site, turn, 2); both
        are in the canonical frame, at ``angle`` (member, site, turn) in rad.

        ``best`` (member, site, turn): indices of the nodes of the grid; None: all.
        """
        if self.shifts is None:
            return
        shifts = self.shifts if best is None else self.shifts[best]
        back = pose.product(pose.rotation(-angle), shifts.expand(*angle.shape, 2).unsqueeze(-1))
        latents[ON_CELL.name] = latents[ON_CELL.name] + back.squeeze(-1)

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
