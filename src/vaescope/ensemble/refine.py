"""Content and pose of every site, brought from the encoder's guess to where the bound is largest.

One encoder serves all sites, so its guess for each is a little off (Cremer et al. 2018,
arXiv:1801.03558). Where noise is weak that error, not the noise, limits how well angles and shears
are known; a few damped Gauss-Newton steps remove it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaescope.models.elbo import Weights
from vaescope.models.family import Family
from vaescope.models.least_squares import descend
from vaescope.models.pose_parts import ON_CELL


def refine(
    model: Family,
    target: Tensor,
    turn: Tensor,
    latents: dict[str, Tensor],
    conditions: Tensor,
    known: Tensor | None = None,
) -> dict[str, Tensor]:
    """Refine all continuous latents; ``model.settings.refine`` steps.

    Parameters
    ----------
    target : (1, site, channel, height, width); sites whose target is not known stay as they are.
    turn : (1, site, 1) rad, a turn of the grid for each site.
    latents : name -> (1, site, 1, size), ``content`` among them.
    conditions : (1, site, condition).
    known : (site, height, width), pixels of the target that were measured; None: all.

    Returns
    -------
    The latents, moved.
    """
    names = list(latents)
    sizes = [latents[name].shape[-1] for name in names]
    final = Weights.of(model.settings)
    beta, dear = max(float(final.beta), 1e-6), max(float(final.content), 1e-6)
    prior = {name: dear**-0.5 if name == "content" else model.prior_sd(name) for name in names}
    if ON_CELL.name in prior:  # uniform over the cell
        prior[ON_CELL.name] = math.inf
    sd = torch.cat([torch.full((n,), prior[k]) for n, k in zip(sizes, names, strict=True)])
    sd = sd / beta**0.5
    sigma = model.log_noise()[0].detach().exp()

    counted = model.mask if known is None else model.mask * known.unsqueeze(1)

    def whitened(place: Tensor) -> Tensor:
        """Residuals (site, pixel), in standard deviations, for latents (site, number)."""
        parts = place[None, :, None].split(sizes, dim=-1)
        here = {**latents, **dict(zip(names, parts, strict=True))}
        shown = model.decode_rows(here["content"], model.poses(turn, here), conditions)
        left = (target - shown[:, :, 0])[0] / sigma[:, None, None]
        return (left * counted).flatten(1)

    start = torch.cat([latents[name] for name in names], -1)[0, :, 0]
    place = descend(whitened, start, sd**-2, model.settings.refine)
    moved = place[None, :, None].split(sizes, dim=-1)
    return {**latents, **dict(zip(names, moved, strict=True))}
