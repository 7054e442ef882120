"""What the data pay for a term of the user's own.

At the optimum the slope of the log-likelihood cancels that of the term T. Where the term holds by
itself, both are zero but for noise. Where it contradicts the data, what is decoded stands off from
what the likelihood alone would choose by δ = σ² ∇T, and the likelihood is lower by

    ½ δᵀ σ⁻² δ = ½ σ² |∇T|²    nats per site,

to second order; the same holds for latents, with the variance of their posterior in place of the
noise of a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vaescope.models import pose
from vaescope.models.pose_parts import ANGLE

if TYPE_CHECKING:
    from vaescope.train.fitting import Fitting

SITES = 256  # from which it is computed


def price(fitting: Fitting) -> list[dict[str, float]]:
    """The term of every member at the posterior means of some sites, in nats per site: its mean
    ``value``, and the ``price`` that the likelihood pays for it."""
    model, shown = fitting.model, fitting.shown
    step = max(len(shown) // SITES, 1)
    rows = torch.arange(0, len(shown), step, device=fitting.device)[:SITES]
    chosen = rows.expand(len(fitting.members), -1)
    conditions = shown.conditions[chosen]
    with torch.no_grad():
        encoded = model.encoder(shown.copies(chosen), conditions)
        best = encoded.turn_logit.argmax(-1, keepdim=True)
        picked = encoded.pick(best)
        said = {"content": picked.content} | picked.parts
        latents = {name: mean for name, (mean, _) in said.items()}
        turns = model.turns[best]
        angle = turns if ANGLE.name not in latents else turns + latents[ANGLE.name].squeeze(-1)
        model.add_shifts(latents, angle, best)
        poses = model.poses(turns, latents)
        decoded = model.decode_rows(latents["content"], poses, conditions)
    latents["angle"] = angle
    free = {name: value.detach().requires_grad_() for name, value in latents.items()}
    mean = model.likelihood.mean(decoded).detach().requires_grad_()
    flat = {name: value.flatten(0, 2) for name, value in free.items()}
    assert model.physics is not None
    term = model.physics(mean.flatten(0, 2), flat).reshape(angle.shape)
    given = [mean, *free.values()]
    slopes = [None] * len(given)
    if term.requires_grad:
        slopes = list(torch.autograd.grad(term.sum(), given, allow_unused=True))
    paid = torch.zeros_like(angle)
    if slopes[0] is not None:
        noise = model.log_noise().detach().exp()[:, None, None, :, None]
        variance = model.likelihood.variance(pose.pixels(mean.detach(), model.counted), noise)
        steep = pose.pixels(slopes[0], model.counted)
        paid = paid + 0.5 * (variance * steep.square()).sum((-2, -1))
    for name, slope in zip(free, slopes[1:], strict=True):
        if slope is not None and name in said:
            paid = paid + 0.5 * ((said[name][1].exp() * slope).square()).sum(-1)
    values, prices = (each.detach().mean((1, 2)).tolist() for each in (term, paid))
    return [{"value": v, "price": p} for v, p in zip(values, prices, strict=True)]
