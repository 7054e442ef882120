"""What the data say against a term of the user's own.

At the optimum the slope of the log-likelihood cancels that of the term T. Where the term holds by
itself, both are zero but for noise. Where it contradicts the data, what is decoded stands off from
what the likelihood alone would choose by δ = σ² ∇T, and the likelihood is lower by

    ½ δᵀ σ⁻² δ = ½ σ² |∇T|²    nats per site,

to second order; the same holds for latents, with the variance of their posterior in place of the
noise of a pixel. A model may also have given up what the term forbids: then the residuals r of the
sites are more than noise along the slope of the term, and the *pull* (r·∇T)² / σ² |∇T|² exceeds 1.
"""

from __future__ import annotations

import torch

from vaescope.models import pose
from vaescope.models.family import Family
from vaescope.models.pose_parts import ANGLE
from vaescope.train.device_data import DeviceData

SITES = 256  # from which it is computed


def price(model: Family, shown: DeviceData) -> list[dict[str, float]]:
    """The term of every member at the posterior means of some sites, in nats per site: its mean
    ``value``, the ``price`` that the likelihood pays for it, and the ``pull`` of the residuals, 1
    for white noise; 0 where the pose has a brightness, which no residual contains."""
    step = max(len(shown) // SITES, 1)
    rows = torch.arange(0, len(shown), step, device=shown.target.device)[:SITES]
    chosen = rows.expand(model.members, -1)
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
    slopes: list[torch.Tensor | None] = [None] * len(given)
    if term.requires_grad:
        slopes[:] = torch.autograd.grad(term.sum(), given, allow_unused=True)
    paid, pull = torch.zeros_like(angle), torch.zeros_like(angle)
    of_pixels = slopes[0]
    if of_pixels is not None:
        noise = model.log_noise().detach().exp()[:, None, None, :, None]
        variance = model.likelihood.variance(pose.pixels(mean.detach(), model.counted), noise)
        steep = pose.pixels(of_pixels, model.counted)
        size = (variance * steep.square()).sum((-2, -1))
        paid = paid + 0.5 * size
        if model.photometry is None or not model.photometry.size:
            apart = shown.target[chosen].unsqueeze(2) - mean.detach()
            if shown.known is not None:
                apart = apart * shown.known[chosen][:, :, None, None]
            along = (pose.pixels(apart, model.counted) * steep).sum((-2, -1))
            pull = along.square() / size.clamp_min(1e-20)
    for name, slope in zip(free, slopes[1:], strict=True):
        if slope is not None and name in said:
            paid = paid + 0.5 * ((said[name][1].exp() * slope).square()).sum(-1)
    means = {"value": term.detach(), "price": paid, "pull": pull}
    rounded = {name: each.mean((1, 2)).tolist() for name, each in means.items()}
    return [{name: each[k] for name, each in rounded.items()} for k in range(len(angle))]
