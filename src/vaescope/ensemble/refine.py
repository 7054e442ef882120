"""Content and pose of every site, brought from the encoder's guess to where the bound is largest.

One encoder serves all sites, so its guess for each is a little off (Cremer et al. 2018,
arXiv:1801.03558). Where noise is weak that error, not the noise, limits how well angles and shears
are known; a few damped Gauss-Newton steps remove it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from vaescope.ensemble.recorded import counted_pixels
from vaescope.models.elbo import Weights
from vaescope.models.family import Family
from vaescope.models.least_squares import descend
from vaescope.models.pose_parts import ON_CELL


@dataclass(frozen=True)
class SiteBound:
    """The bound of sites as squares of residuals, for least squares of content and pose.

    Parameters
    ----------
    model : of one member.
    target : (1, site, channel, height, width); sites whose target is not known stay as they are.
    turn : (1, site, 1) rad, a turn of the grid for each site.
    latents : name -> (1, site, 1, size), where the search starts, ``content`` among them.
    conditions : (1, site, condition).
    known : (site, height, width), pixels of the target that were measured; None: all.
    prior : mean (site, latent) and root (site, latent, latent) of the covariance of the content
        beforehand; None: the model's own prior.
    pose_sd : standard deviations of parts of the pose beforehand, where they are not the model's.
    """

    model: Family
    target: Tensor
    turn: Tensor
    latents: dict[str, Tensor]
    conditions: Tensor
    known: Tensor | None = None
    prior: tuple[Tensor, Tensor] | None = None
    pose_sd: dict[str, float] = field(default_factory=dict)

    @property
    def sizes(self) -> list[int]:
        return [value.shape[-1] for value in self.latents.values()]

    def precision(self) -> Tensor:
        """1 / variance (number,) of the prior of all numbers of a site."""
        model = self.model
        final = Weights.of(model.settings)
        beta, dear = max(float(final.beta), 1e-6), max(float(final.content), 1e-6)
        content = 1.0 if self.prior is not None else dear**-0.5
        prior = {n: content if n == "content" else model.prior_sd(n) for n in self.latents}
        prior |= self.pose_sd
        if ON_CELL.name in prior:  # uniform over the cell
            prior[ON_CELL.name] = math.inf
        pairs = zip(self.sizes, prior.values(), strict=True)
        return beta * torch.cat([torch.full((size,), sd) for size, sd in pairs]) ** -2

    def start(self) -> Tensor:
        """The numbers (site, number) where the search starts."""
        rows = dict(self.latents)
        if self.prior is not None:
            rows["content"] = torch.zeros_like(rows["content"])
        return torch.cat(list(rows.values()), -1)[0, :, 0]

    def place(self, numbers: Tensor) -> dict[str, Tensor]:
        """Numbers (site, number) as latents."""
        parts = numbers[None, :, None].split(self.sizes, dim=-1)
        here = dict(zip(self.latents, parts, strict=True))
        if self.prior is not None:
            mean, root = self.prior
            inside = here["content"][0, :, 0, :, None]
            here["content"] = (mean + (root @ inside)[..., 0])[None, :, None]
        return here

    @cached_property
    def variance(self) -> Tensor | None:
        """Variance of the pixels that count over that at the mean signal (1, site, 1, channel,
        pixel), at the start; None where it is the same everywhere."""
        model = self.model
        if model.photometry is None or model.photometry.noise is None:
            return None
        seen, where = counted_pixels(model, self.target, self.known)
        here = self.place(self.start())
        poses = model.poses(self.turn, here)
        shown = model.decode_rows(here["content"], poses, self.conditions, model.counted)
        fitted = model.photometry.fit(shown, seen.unsqueeze(2), model.log_noise(), where).mean
        return model.photometry.noise.relative(model.photometry.record_counted(shown, fitted))

    def only(self, kept: Tensor) -> SiteBound:
        """Some of the sites (site,) alone."""
        prior = None if self.prior is None else (self.prior[0][kept], self.prior[1][kept])
        return replace(
            self,
            target=self.target[:, kept],
            turn=self.turn[:, kept],
            latents={name: value[:, kept] for name, value in self.latents.items()},
            conditions=self.conditions[:, kept],
            known=None if self.known is None else self.known[kept],
            prior=prior,
        )

    def cost(self, numbers: Tensor) -> Tensor:
        """Minus the bound (site,) at numbers (site, number), nats, but for constants."""
        squares = self.residuals(numbers).square().sum(1)
        return 0.5 * (squares + (numbers.square() * self.precision()).sum(1))

    def residuals(self, numbers: Tensor) -> Tensor:
        """Residuals (site, pixel), in standard deviations, for numbers (site, number)."""
        model = self.model
        seen, where = counted_pixels(model, self.target, self.known)
        mask = 1.0 if where is None else where[0, :, 0]
        sigma = model.log_noise()[0].detach().exp()[:, None]
        here = self.place(numbers)
        poses = model.poses(self.turn, here)
        shown = model.decode_rows(here["content"], poses, self.conditions, model.counted)
        if model.photometry is None:
            return ((seen[0] - shown[0, :, 0]) / sigma * mask).flatten(1)
        # Gain and background are those that fit best (variable projection: Golub & Pereyra, SIAM
        # J. Numer. Anal. 10 (1973) 413), and what they cost is a residual of its own.
        own, variance = model.photometry, self.variance
        fitted = own.fit(shown, seen.unsqueeze(2), model.log_noise(), where, variance).mean
        left = (seen[0] - own.record_counted(shown, fitted)[0, :, 0]) / sigma
        if variance is not None:
            left = left / variance[0, :, 0].sqrt()
        price = (fitted[0, :, 0] / own.prior_sd()[0]).to(left.dtype)
        return torch.cat([(left * mask).flatten(1), price.flatten(1)], 1)


def refine(
    model: Family,
    target: Tensor,
    turn: Tensor,
    latents: dict[str, Tensor],
    conditions: Tensor,
    known: Tensor | None = None,
) -> dict[str, Tensor]:
    """Refine all continuous latents by ``model.settings.refine`` steps; parameters as of
    ``SiteBound``. The latents, moved."""
    own = SiteBound(model, target, turn, latents, conditions, known)
    steps = model.settings.refine
    return own.place(descend(own.residuals, own.start(), own.precision(), steps))
