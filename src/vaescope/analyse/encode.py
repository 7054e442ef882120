"""Encoding every site with one member of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vaescope.errors import UserError
from vaescope.models import pose
from vaescope.models.family import Family
from vaescope.models.settings import Settings
from vaescope.train import checkpoint

ROWS = 256  # sites encoded at once: bounds memory to some tens of megabytes


@dataclass
class Member:
    """A trained member and what its file says of it."""

    model: Family
    number: int
    elbo: float

    @property
    def settings(self) -> Settings:
        return self.model.settings


@dataclass
class Encoding:
    """What one member says of every site; absent parts are None.

    ``content``, ``content_sd`` (site, latent); ``turn_weight`` (site, turn) the posterior over the
    grid of turns; ``angle``, ``angle_sd`` (site,) rad, at the likeliest turn; ``offset``,
    ``offset_sd`` (site, 2) as (y, x) in units of half the patch side; ``strain``, ``strain_sd``
    (site, 3) as xx, yy, xy in the frame of the image; ``class_probability`` (site, class);
    ``elbo`` (site,) nats;
    ``reconstruction`` (site, channel, side, side); ``canonical`` the same, upright;
    ``sigma`` (channel,) noise of a pixel.
    """

    content: np.ndarray
    content_sd: np.ndarray
    elbo: np.ndarray
    reconstruction: np.ndarray
    canonical: np.ndarray
    sigma: np.ndarray
    turns: np.ndarray
    turn_weight: np.ndarray | None = None
    angle: np.ndarray | None = None
    angle_sd: np.ndarray | None = None
    offset: np.ndarray | None = None
    offset_sd: np.ndarray | None = None
    strain: np.ndarray | None = None
    strain_sd: np.ndarray | None = None
    class_probability: np.ndarray | None = None


def load_members(folder: Path) -> list[Member]:
    """All members of an ensemble, in the order of their numbers.

    Raises
    ------
    UserError : there are none, or a file cannot be read.
    """
    found = []
    for file in sorted(folder.glob("member-*.safetensors")):
        loaded = checkpoint.load(file)
        if loaded is None:
            raise UserError(
                "the weights cannot be read", file=file, remedy="Delete it and train again"
            )
        tensors, facts = loaded
        settings = Settings(**facts["settings"])
        model = Family(1, facts["channels"], facts["side"], settings)
        model.load_state_dict(tensors)
        model.eval()
        found.append(Member(model, facts["member"], facts["elbo"]))
    if not found:
        raise UserError("no trained members here", file=folder, remedy="Run the training again")
    return sorted(found, key=lambda member: member.number)


def batches(patches: np.ndarray) -> Iterator[Tensor]:
    """Patches (site, channel, side, side) in batches of ``ROWS``."""
    for start in range(0, len(patches), ROWS):
        yield torch.from_numpy(np.ascontiguousarray(patches[start : start + ROWS]))


@torch.no_grad()
def encode(member: Member, patches: np.ndarray) -> Encoding:
    """Encode patches (site, channel, side, side).

    Every turn of the grid is decoded and weighed by its own likelihood, so that the choice of the
    turn does not rest on the encoder's guess alone.
    """
    parts = [_encode_batch(member.model, batch) for batch in batches(patches)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sigma = member.model.log_sigma[0].clamp_min(-5.0).exp().numpy()
    return Encoding(**joined, sigma=sigma, turns=member.model.turns.numpy())


def _encode_batch(model: Family, patches: Tensor) -> dict[str, np.ndarray]:
    settings = model.settings
    encoded = model.encoder(model.copies(patches).unsqueeze(0))
    turns = model.turns.expand_as(encoded.turn_logit)
    noise = torch.zeros(1, len(patches), turns.shape[2], model.noise_size())
    terms = model.each_turn(patches.unsqueeze(0), encoded, turns, noise)
    score = (
        terms["reconstruction"]
        - settings.beta * (terms["kl_content"] + terms["kl_pose"])
        - settings.beta_class * terms["kl_class"]
        + functional.log_softmax(model.turn_prior, -1)[:, None]
    )
    weight = functional.softmax(score, -1)
    best = score.argmax(-1, keepdim=True)
    picked = encoded.pick(best)
    out: dict[str, Tensor] = {
        "content": picked.content[0][0, :, 0],
        "content_sd": picked.content[1][0, :, 0].exp(),
        "elbo": torch.logsumexp(score, -1)[0],
        "turn_weight": weight[0],
    }
    angle = turns.gather(2, best)[0, :, 0]
    offset = strain = None
    if picked.angle is not None:
        angle = angle + picked.angle[0][0, :, 0, 0]
        out["angle"] = torch.atan2(angle.sin(), angle.cos())
        out["angle_sd"] = picked.angle[1][0, :, 0, 0].exp()
    if picked.offset is not None:
        turned = pose.rotation(angle)
        offset = (turned @ picked.offset[0][0, :, 0].unsqueeze(-1)).squeeze(-1)
        variance = (turned**2 @ picked.offset[1][0, :, 0].exp().square().unsqueeze(-1)).squeeze(-1)
        out["offset"], out["offset_sd"] = offset.flip(-1), variance.sqrt().flip(-1)
    if picked.strain is not None:
        strain = picked.strain[0][0, :, 0]
        turned = _strain_rotation(angle)
        variance = picked.strain[1][0, :, 0].exp().square()
        out["strain"] = (turned @ strain.unsqueeze(-1)).squeeze(-1)
        out["strain_sd"] = (turned**2 @ variance.unsqueeze(-1)).squeeze(-1).sqrt()
    if "class_probability" in terms:
        out["class_probability"] = (weight.unsqueeze(-1) * terms["class_probability"]).sum(2)[0]
    content = out["content"].unsqueeze(0)
    out["canonical"] = model.decoder.canonical(content)[0]
    poses = pose.affine(angle, offset, strain).unsqueeze(0)
    shown = model.shown(content, poses)[0]
    if settings.likelihood == "bernoulli":
        shown, out["canonical"] = shown.sigmoid(), out["canonical"].sigmoid()
    out["reconstruction"] = shown
    return {name: value.numpy() for name, value in out.items()}


def _strain_rotation(angle: Tensor) -> Tensor:
    """Matrices (…, 3, 3) from (xx, yy, xy) in the canonical frame to the frame of the image."""
    c, s = angle.cos(), angle.sin()
    rows = [
        torch.stack([c * c, s * s, 2 * c * s], -1),
        torch.stack([s * s, c * c, -2 * c * s], -1),
        torch.stack([-c * s, c * s, c * c - s * s], -1),
    ]
    return torch.stack(rows, -2)


@torch.no_grad()
def decode(member: Member, content: np.ndarray) -> np.ndarray:
    """Canonical pictures (row, channel, side, side) of content (row, latent)."""
    rows = torch.from_numpy(np.ascontiguousarray(content, dtype=np.float32)).unsqueeze(0)
    shown = member.model.decoder.canonical(rows)[0]
    if member.settings.likelihood == "bernoulli":
        shown = shown.sigmoid()
    return shown.numpy()


@torch.no_grad()
def turned_upright(patches: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Patches (site, channel, side, side) turned back by their angles (site,) in radians."""
    out = []
    for start in range(0, len(patches), ROWS):
        batch = torch.from_numpy(np.ascontiguousarray(patches[start : start + ROWS]))
        angle = torch.from_numpy(np.asarray(angles[start : start + ROWS], dtype=np.float32))
        out.append(pose.resample(batch, pose.affine(-angle, None, None)).numpy())
    return np.concatenate(out)
