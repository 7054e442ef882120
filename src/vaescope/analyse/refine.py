"""Content and pose of every site, brought from the encoder's guess to where the bound is largest.

One encoder serves all sites, so its guess for each is a little off (Cremer et al. 2018,
arXiv:1801.03558). Where noise is weak that error, not the noise, limits how well angles and shears
are known; a few damped Gauss-Newton steps remove it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.models.elbo import Weights
from vaescope.models.family import Family

NUDGE = 2e-3  # finite difference, in rad and half patch sides: a few hundredths of a pixel
DAMPING = 1e-3  # first damping, beside the curvature
EASE, BRAKE = 0.3, 8.0  # damping after a step that helped, and after one that did not


def refine(
    model: Family, target: Tensor, turn: Tensor, latents: dict[str, Tensor], told: Tensor
) -> dict[str, Tensor]:
    """Refine all continuous latents; ``model.settings.refine`` steps.

    Parameters
    ----------
    target : (1, site, channel, height, width); sites whose target is not known stay as they are.
    turn : (1, site, 1) rad, the turn of the grid that is followed.
    latents : name -> (1, site, 1, size), ``content`` among them.
    told : (1, site, condition).

    Returns
    -------
    The latents, moved.
    """
    names = list(latents)
    sizes = [latents[name].shape[-1] for name in names]
    final = Weights.of(model.settings)
    beta, dear = max(final.beta, 1e-6), max(final.content, 1e-6)
    prior = {name: dear**-0.5 if name == "content" else model.prior_sd(name) for name in names}
    sd = torch.cat([torch.full((n,), prior[k]) for n, k in zip(sizes, names, strict=True)])
    sd = sd / beta**0.5
    sigma = model.log_noise()[0].detach().exp()

    def whitened(place: Tensor) -> Tensor:
        """What is left over, in standard deviations, of latents (site, number): (site, pixel)."""
        parts = place[None, :, None].split(sizes, dim=-1)
        here = {**latents, **dict(zip(names, parts, strict=True))}
        shown = model.decode_rows(here["content"], model.poses(turn, here), told)
        left = (target - shown[:, :, 0])[0] / sigma[:, None, None]
        return (left * model.mask).flatten(1)

    def cost(left: Tensor, place: Tensor) -> Tensor:
        return 0.5 * (left.square().sum(1) + (place / sd).square().sum(1))

    place = torch.cat([latents[name] for name in names], -1)[0, :, 0]
    damping = torch.full((len(place),), DAMPING)
    left = whitened(place)
    best = cost(left, place)
    for _ in range(model.settings.refine):
        slopes = torch.stack(
            [(whitened(place + nudge) - left) / NUDGE for nudge in NUDGE * torch.eye(sum(sizes))],
            -1,
        )
        gradient = (slopes.transpose(1, 2) @ left.unsqueeze(-1)).squeeze(-1) + place / sd**2
        curvature = slopes.transpose(1, 2) @ slopes + torch.diag(sd**-2)
        size = curvature.diagonal(dim1=1, dim2=2)
        curvature = curvature + torch.diag_embed(damping[:, None] * size)
        known = gradient.isfinite().all(1)
        curvature = torch.where(known[:, None, None], curvature, torch.eye(sum(sizes)))
        tried = place - torch.linalg.solve(curvature, torch.where(known[:, None], gradient, 0.0))
        left_there = whitened(tried)
        there = cost(left_there, tried)
        better = there < best
        place = torch.where(better[:, None], tried, place)
        left = torch.where(better[:, None], left_there, left)
        best = torch.where(better, there, best)
        damping = damping * torch.where(better, EASE, BRAKE)
    moved = place[None, :, None].split(sizes, dim=-1)
    return {**latents, **dict(zip(names, moved, strict=True))}
