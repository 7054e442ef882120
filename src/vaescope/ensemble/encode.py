"""Encoding every site with one member of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vaescope.ensemble.encode_beside import PREFIX, encode_beside, of_one_view
from vaescope.ensemble.encode_partial import Partly
from vaescope.ensemble.lazy_pictures import LazyPictures
from vaescope.ensemble.members import Member
from vaescope.ensemble.recorded import NUMBERS, on_sites
from vaescope.ensemble.refine import refine
from vaescope.ensemble.refine_spectra import refine_spectra
from vaescope.ensemble.smoothing import Smoothed, SmoothingGraph
from vaescope.ensemble.spool import Spool
from vaescope.models import pose
from vaescope.models.elbo import Weights
from vaescope.models.encoders import Encoded
from vaescope.models.family import Family
from vaescope.models.parts import Part
from vaescope.models.pixel_noise import PixelNoise
from vaescope.models.pose_parts import ANGLE, NAMES, ON_CELL
from vaescope.models.shift_grid import Cell
from vaescope.models.side import Side
from vaescope.train.data import Data

DECODED = 24  # copies of a site that are decoded, the likeliest by the encoder
ROWS = 256  # sites encoded at once, at most: bounds memory to some tens of megabytes
COPIES = 1536  # of their turned copies: enough for a good product, and still near a cache's size

OfSites = np.ndarray | Spool
"""An array over the site, perhaps one on disk: ``[:]`` reads it as a whole, a slice in part."""


@dataclass
class Estimate:
    """A part of the pose of every site with its standard deviation: both over the same axes."""

    value: OfSites
    sd: OfSites
    part: Part


@dataclass
class Encoding:
    """What one member says of every site; absent arrays are None.

    ``content``, ``content_sd`` (site, latent); ``turn_weight`` (site, turn) the posterior over the
    grid of turns; ``class_probability`` (site, class); ``elbo`` (site,) nats; ``pose`` (site, 2, 3)
    as in ``models.pose``; ``conditions`` (site, condition) as numbers; ``reconstruction`` (site,
    channel, height, width) of the target; ``canonical`` without a pose; ``noise`` of a pixel.
    With a grid of shifts ``cell``, as the model has it, and ``centred``, as ``reconstruction`` but
    without the offset.

    ``parts`` of the pose that the model has, by name (see ``models.pose_parts`` and
    ``ensemble.recorded``), in the frame of the image; each can be read as an attribute too, with
    its standard deviation as ``NAME_sd``, and is None where the model has no such part. ``beside``:
    what each view alone says, in models of patch and spectrum (``ensemble.encode_beside``).
    ``smoothed``: what came of the prior that neighbours are alike, which ``content`` then has.
    ``angle`` (site,) rad, at the likeliest turn;
    ``offset`` (site, 2) as (y, x) in units of half the patch side; ``scale`` (site,) factors;
    ``shear`` (site,) rad by which a right angle of the structure closes; ``strain`` (site, 3) as
    xx, yy, xy.
    """

    content: OfSites
    content_sd: OfSites
    elbo: OfSites
    reconstruction: np.ndarray | LazyPictures
    canonical: np.ndarray | LazyPictures
    noise: PixelNoise
    turns: np.ndarray
    pose: OfSites | None = None
    conditions: OfSites | None = None
    turn_weight: OfSites | None = None
    class_probability: OfSites | None = None
    centred: LazyPictures | None = None
    cell: Cell | None = None
    parts: dict[str, Estimate] = field(default_factory=dict)
    beside: dict[str, OfSites] = field(default_factory=dict)
    smoothed: Smoothed | None = None

    @property
    def sigma(self) -> np.ndarray:
        """Noise of a pixel at the mean signal, (channel,), of spectra (signal, 1, channel)."""
        return self.noise.sigma

    def __getattr__(self, name: str) -> OfSites | None:
        part = name.removesuffix("_sd")
        if part not in NAMES:
            raise AttributeError(f"an encoding has no `{name}`")
        if part not in self.parts:
            return None
        return self.parts[part].value if name == part else self.parts[part].sd


def encode(member: Member, data: Data) -> Encoding:
    """Encode the patches of ``train.data.gather``.

    Every turn of the grid is decoded and weighed by its own likelihood, so that the choice of the
    turn does not rest on the encoder's guess alone (of more than ``DECODED`` turns and shifts only
    the likeliest are); where the target is NaN, not known, it does,
    and ``elbo`` is NaN. Labels are not used, even where known. With the setting ``refine`` content
    and pose go on from the encoder's guess; their spreads and ``elbo`` stay those of the guess, but
    for spectra, whose spreads then follow from the Fisher information.
    """
    return encode_all([member], [data], len(data))[0]


def encode_all(
    ensemble: Sequence[Member],
    blocks: Iterable[Data],
    count: int,
    share: Callable[..., Iterable[list[dict[str, np.ndarray]]]] = map,
    room: Callable[..., Any] = np.empty,
) -> list[Encoding]:
    """Encode patches that come block by block with every member of an ensemble, as ``encode``.

    Turned copies of patches, which are the same for all members, are made once.

    Parameters
    ----------
    ensemble : members that were trained together, whose settings are the same.
    blocks : of ``train.data.gather``, ``count`` sites in all.
    share : like ``map``: what encodes batches of sites, some of them side by side.
    room : makes the arrays over the site that are filled, of a shape and a dtype.
    """
    whole: list[dict[str, Any]] = [{} for _ in ensemble]
    done = 0
    partly, places = Partly(), SmoothingGraph()
    size = max(min(ROWS, COPIES // len(ensemble[0].model.turns)), 1)
    seen = places.seen(partly.seen(blocks))
    batches = (batch for block in seen for batch in block.batches(size))
    for parts in share(partial(_encode_by_all, ensemble), batches):
        rows = slice(done, done + len(parts[0]["elbo"]))
        done = rows.stop
        for arrays, part in zip(whole, parts, strict=True):
            for name, values in part.items():
                if name not in arrays:
                    arrays[name] = room((count, *values.shape[1:]), values.dtype)
                arrays[name][rows] = values
    for member, arrays in zip(ensemble, whole, strict=True):
        partly.encode_again(member.model, arrays)
        places.smooth(member.settings, arrays)
    return [_encoding(*each) for each in zip(ensemble, whole, strict=True)]


def _encoding(member: Member, arrays: dict[str, Any]) -> Encoding:
    squares = arrays.pop("squares", None)  # of the residuals, where no noise is learned
    if squares is None:
        noise = _noise(member)
    else:
        noise = PixelNoise.constant(
            np.sqrt(squares[:].mean(0) / float(member.model.mask.sum()) + 1e-12)
        )
    turns = pose.turns_of(member.settings).numpy()
    content, conditions, poses = arrays["content"], arrays["conditions"], arrays["pose"]
    parts = {
        part.name: Estimate(arrays.pop(part.name), arrays.pop(f"{part.name}_sd"), part)
        for part in member.model.all_parts
    }
    if "gain" in parts and member.model.photometry is not None:
        parts["gain"] = _over_typical(parts["gain"])
    recorded = arrays.pop(NUMBERS, None)

    def whole(rows: np.ndarray) -> np.ndarray:
        own = content[rows]
        return own if private is None else np.concatenate([own, private[rows]], axis=1)

    names = [name for name in arrays if name.startswith(PREFIX)]
    beside = {name.removeprefix(PREFIX): arrays.pop(name) for name in names}
    private = beside.get("private")

    @torch.no_grad()
    def reconstruct(rows: np.ndarray, moved: float = 1.0) -> np.ndarray:
        """Some sites (row,) as they lie: (row, channel, height, width); ``moved`` 0: without their
        offsets."""
        placed = poses[rows]
        if moved != 1.0:
            placed = np.concatenate([placed[..., :2], moved * placed[..., 2:]], -1)
        own = whole(rows), placed, conditions[rows]
        parts = [torch.from_numpy(a).unsqueeze(0) for a in own]
        shown = member.model.decode_rows(parts[0].unsqueeze(2), parts[1].unsqueeze(2), parts[2])
        if member.model.photometry is not None:
            numbers = torch.from_numpy(recorded[rows])[None, :, None]
            shown = member.model.photometry.record(shown, numbers)
        return member.model.likelihood.mean(shown[0, :, 0]).numpy()

    size = len(content), member.model.target
    return Encoding(
        **arrays,
        parts=parts,
        beside=beside,
        noise=noise,
        turns=turns,
        canonical=LazyPictures(*size, lambda rows: decode(member, whole(rows), conditions[rows])),
        reconstruction=LazyPictures(*size, reconstruct),
        **_on_cell(member, size, partial(reconstruct, moved=0.0)),
    )


def _noise(member: Member) -> PixelNoise:
    """The noise that a member has learned."""
    model = member.model
    sigma = model.log_noise()[0].detach().exp().numpy()
    if sigma.ndim == 2:  # of spectra, channel by channel
        return PixelNoise.constant(sigma[:, None, :])
    of_signal = None if model.photometry is None else model.photometry.noise
    if of_signal is None:
        return PixelNoise.constant(sigma)
    return PixelNoise(sigma, of_signal.rise[0].numpy(), of_signal.level[0].numpy())


def _over_typical(gain: Estimate) -> Estimate:
    """A gain in units of that of a typical site."""
    value = gain.value[:]
    typical = np.median(np.abs(value), axis=0)
    return Estimate(value / typical, gain.sd[:] / typical, gain.part)


def _on_cell(
    member: Member, size: tuple[int, tuple[int, int, int]], draw: Callable[..., np.ndarray]
) -> dict[str, Any]:
    """What an encoding has of a grid of shifts."""
    if member.model.grid is None:
        return {}
    return {"centred": LazyPictures(*size, draw), "cell": member.model.cell}


@torch.no_grad()
def _encode_by_all(ensemble: Sequence[Member], batch: Data) -> list[dict[str, np.ndarray]]:
    """What each member says of some sites."""
    spectra = None if batch.spectra is None else torch.from_numpy(batch.spectra)
    copies = ensemble[0].model.copies(torch.from_numpy(batch.patches), spectra)
    return [_encode_batch(member.model, batch, copies) for member in ensemble]


def _encode_batch(model: Family, data: Data, copies: Tensor) -> dict[str, np.ndarray]:
    target = torch.from_numpy(data.target)
    known = None if data.known is None else torch.from_numpy(data.known)
    side = Side(
        conditions=torch.from_numpy(data.conditions).unsqueeze(0),
        known=None if known is None else known.unsqueeze(0),
        spectra=None if data.spectra is None else torch.from_numpy(data.spectra).unsqueeze(0),
        spectra_known=None
        if data.spectra_known is None
        else torch.from_numpy(data.spectra_known).unsqueeze(0),
        direction=None if data.direction is None else torch.from_numpy(data.direction)[None],
    )
    final = Weights.of(model.settings)
    conditions = model.conditions_of(side, copies.unsqueeze(0))
    encoded = model.encoder(copies.unsqueeze(0), conditions)
    turns = model.turns.expand_as(encoded.turn_logit)
    log_prior, top = model.log_turn_prior(side).expand_as(turns), None
    if turns.shape[-1] > DECODED:
        top = encoded.turn_logit.topk(DECODED, dim=-1).indices
        turns, log_prior, encoded = (
            turns.gather(2, top),
            log_prior.gather(2, top),
            encoded.pick(top),
        )
    noise = torch.zeros(1, len(copies), turns.shape[2], model.noise_size())
    terms = model.each_turn(target.unsqueeze(0), encoded, turns, noise, side, final, top)
    pose_terms = [terms[f"kl_{part.name}"] for part in model.parts]
    continuous = sum(pose_terms, final.content * terms["kl_content"])
    score = (
        terms["reconstruction"]
        - final.beta * continuous
        - final.beta_class * terms.get("kl_class", torch.zeros(()))
        + log_prior
    )
    # A target that is not known says nothing of the turn: the encoder's own guess stands.
    guess = functional.log_softmax(encoded.turn_logit, -1)
    weight = functional.softmax(torch.where(score.isnan(), guess, score), -1)
    best = weight.argmax(-1, keepdim=True)
    picked = encoded.pick(best)
    turn = turns.gather(2, best)
    out: dict[str, Tensor] = {
        "content_sd": picked.content[1][0, :, 0, : model.settings.latent].exp(),
        "elbo": torch.logsumexp(score, -1)[0],
        # A share: three digits are enough, and there are many.
        "turn_weight": model.of_turns(weight, top)[0].half(),
    }
    latents = {name: mean for name, (mean, _) in picked.parts.items()}
    latents["content"] = picked.content[0]
    errors: dict[str, Tensor] = {}
    node = best if top is None else top.gather(2, best)
    model.add_shifts(latents, _angle(turn, latents), node)
    own = model.settings
    if own.refine and own.decoded == "spectrum" == own.view:
        latents, errors = refine_spectra(model, target, latents, conditions, known)
        out["content_sd"] = errors["content"]
    elif own.refine:
        latents = refine(model, target.unsqueeze(0), turn, latents, conditions, known)
    angle = _angle(turn, latents)[0, :, 0]
    for part in model.parts:
        guess_sd = picked.parts[part.name][1][0, :, 0].exp()
        sd = errors.get(part.name, guess_sd)
        said = part.in_image(latents[part.name][0, :, 0], sd, angle)
        out[part.name], out[f"{part.name}_sd"] = said
    if model.grid is not None:
        apart = _between_shifts(model, encoded, turns, top, weight, out[ON_CELL.name])
        sd = out[f"{ON_CELL.name}_sd"]
        out[f"{ON_CELL.name}_sd"] = (sd.square() + apart).sqrt()
    if "class_probability" in terms:
        out["class_probability"] = (weight.unsqueeze(-1) * terms["class_probability"]).sum(2)[0]
    content = latents["content"]
    poses = model.poses(turn, latents)
    shared = content[0, :, 0, : model.settings.latent]
    out |= {"content": shared, "pose": poses[0, :, 0], "conditions": conditions[0]}
    if model.photometry is not None:
        shown = model.decode_rows(content, poses, conditions)
        out |= on_sites(model, shown, target.unsqueeze(0), known)
    if model.beside is not None:
        out |= encode_beside(model, data, copies, picked)
        out |= of_one_view(out, side)
    if not model.likelihood.learns_noise:
        shown = model.likelihood.mean(model.decode_rows(content, poses, conditions)[0, :, 0])
        counted = model.mask if known is None else model.mask * known.unsqueeze(1)
        out["squares"] = ((target - shown).square() * counted).sum((2, 3))
    if not model.settings.stochastic:
        # An autoencoder's latents are numbers: what its encoder says of their spread is untrained.
        out |= {n: torch.zeros_like(v) for n, v in out.items() if n.endswith("_sd")}
    return {name: value.numpy() for name, value in out.items()}


def _between_shifts(
    model: Family,
    encoded: Encoded,
    turns: Tensor,
    top: Tensor | None,
    weight: Tensor,
    found: Tensor,
) -> Tensor:
    """Variance (site, 2) as (y, x) of the shift between the nodes of the grid, by their ``weight``
    (1, site, node), about the offset ``found`` (site, 2), modulo the cell."""
    assert model.grid is not None
    latents = {name: mean for name, (mean, _) in encoded.parts.items()}
    angle = _angle(turns, latents)
    model.add_shifts(latents, angle, top)
    offset = pose.product(pose.rotation(angle), latents[ON_CELL.name].unsqueeze(-1)).squeeze(-1)
    apart = model.grid.shortest(offset[0] - found.flip(-1).unsqueeze(1)).flip(-1)
    return (weight[0].unsqueeze(-1) * apart.square()).sum(1)


def _angle(turn: Tensor, latents: dict[str, Tensor]) -> Tensor:
    """Angles (1, site, 1) at turns of the grid, with the correction that a model of angles has."""
    correction = latents.get(ANGLE.name)
    return turn if correction is None else turn + correction.squeeze(-1)


@torch.no_grad()
def decode(member: Member, content: np.ndarray, conditions: np.ndarray | None = None) -> np.ndarray:
    """Canonical pictures (row, channel, height, width) of content (row, latent); what is private to
    a view is average, where it is not given.

    ``conditions`` (row, number) as ``Codec.encode`` gives them; None: zeros, an average condition.
    """
    if conditions is None:
        conditions = np.zeros((len(content), member.model.conditions))
    model = member.model
    drawn = content[:, : model.content_drawn]
    average = np.zeros((len(content), model.content_drawn - drawn.shape[1]))
    inputs = np.concatenate([drawn, average, conditions], axis=1)
    rows = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32)).unsqueeze(0)
    return model.likelihood.mean(model.decoder.canonical(rows)[0]).numpy()


@torch.no_grad()
def turned_upright(patches: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Patches (site, channel, side, side) turned back by their angles (site,) in radians."""
    out = []
    for start in range(0, len(patches), ROWS):
        batch = torch.from_numpy(np.ascontiguousarray(patches[start : start + ROWS]))
        angle = torch.from_numpy(np.asarray(angles[start : start + ROWS], dtype=np.float32))
        out.append(pose.resample(batch, pose.affine(-angle, None, None)).numpy())
    return np.concatenate(out)
