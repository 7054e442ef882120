"""What each view alone says of every site, in models of patch and spectrum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vaescope.models import posterior
from vaescope.models.encoders import Encoded
from vaescope.models.family import Family
from vaescope.models.pose_parts import ANGLE
from vaescope.models.side import Side
from vaescope.train.data import Data

PREFIX = "beside_"
"""Of the arrays over the site that ``encode_beside`` gives, among those of an encoding."""


def encode_beside(model: Family, data: Data, copies: Tensor, picked: Encoded) -> dict[str, Tensor]:
    """Encode each view alone, of a model with content of both.

    Parameters
    ----------
    data, copies : of some sites; copies (site, turn, number) with the spectrum at their ends.
    picked : the joint posterior at the likeliest turn of each site.

    Returns
    -------
    By name, each (site, …): ``beside_private`` the content of one view alone; ``beside_content``,
    ``beside_content_sd`` shared content given the patch, and ``beside_angle`` (rad) the angle, in
    the canonical frame; ``beside_spectrum_content``, ``beside_spectrum_content_sd`` the shared
    content given the spectrum;
    ``beside_nats`` (site, 3) the divergence from the prior of the shared content, of that of the
    patch, and of that of the spectrum.
    """
    beside = model.beside
    assert beside is not None and data.spectra is not None
    own = model.settings
    spectra = torch.from_numpy(data.spectra).unsqueeze(0)
    alone = beside.alone(spectra)
    out = {"spectrum_content": alone[0][0], "spectrum_content_sd": alone[1][0].exp()}
    conditions = torch.from_numpy(data.conditions).unsqueeze(0)
    angle, (mean, log_sd) = _from_patch(model, data, copies, conditions)
    out |= {"content": mean[0, :, : own.latent], "angle": angle[0]}
    out["content_sd"] = log_sd[0, :, : own.latent].exp()
    mean, log_sd = (part[0, :, 0] for part in picked.content)
    out["private"] = mean[:, own.latent :]
    each = posterior.kl_normal(mean.unsqueeze(-1), log_sd.unsqueeze(-1))
    sizes = [own.latent, own.private_patch, own.private_spectrum]
    out["nats"] = torch.stack([part.sum(-1) for part in each.split(sizes, -1)], -1)
    return _named(out)


def of_one_view(found: dict[str, Tensor], side: Side) -> dict[str, Tensor]:
    """The shared ``content`` and ``content_sd`` (site, latent) of sites: given both views, or the
    one that was measured.

    found : what ``encode_beside`` gives, beside content and ``content_sd`` given both.
    """
    out = {}
    for name in ("content", "content_sd"):
        value = found[name]
        for has, alone in ((side.has_spectrum, name), (side.has_patch, f"spectrum_{name}")):
            if isinstance(has, Tensor):
                value = torch.where(has[0, :, None] > 0, value, found[f"{PREFIX}{alone}"])
        out[name] = value
    return out


def _from_patch(
    model: Family, data: Data, copies: Tensor, conditions: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Given the patch alone: the angle (1, site), and the content of shared and patch (1, site,
    number)."""
    beside = model.beside
    assert beside is not None
    patches = copies[..., : copies.shape[-1] - model.channels].unsqueeze(0)
    encoded = beside.of_patch(patches, conditions)
    turns = model.turns.expand_as(encoded.turn_logit)
    latents = {name: pair[0] for name, pair in encoded.parts.items()}
    poses = model.poses(turns, latents)
    known = None if data.known is None else torch.from_numpy(data.known)
    side = Side(known=None if known is None else known.unsqueeze(0))
    target = torch.from_numpy(data.target).unsqueeze(0)
    counted = model.decode_rows(encoded.content[0], poses, conditions, model.counted)
    of_patch = model.log_density(counted, target, side)["reconstruction"]
    score = of_patch + functional.log_softmax(encoded.turn_logit, -1)
    best = score.argmax(-1, keepdim=True)
    picked = encoded.pick(best)
    angle = turns.gather(2, best)
    if ANGLE.name in picked.parts:
        angle = angle + picked.parts[ANGLE.name][0].squeeze(-1)
    mean, log_sd = (part[:, :, 0] for part in picked.content)
    return angle[:, :, 0], (mean, log_sd)


def _named(out: dict[str, Tensor]) -> dict[str, Any]:
    return {f"{PREFIX}{name}": value for name, value in out.items()}
