"""Pose and content of spectra made independent of each other, as far as the data leave it open.

A shape that changes with the content z along v, seen under a shift d, is nearly the same as one
that changes along v - c f', seen under a shift of d - c z: they differ in second order only, and a
training ends somewhere near c = 0. The same is true of gain and background. Of two descriptions
that explain the spectra alike, the priors prefer the one whose pose is independent of the content.
So c is the mean of its posterior, whose precision is that of the data, from the cost of nudged
descriptions with all else refined again, and that of independence, from the correlation over the
sites. The cost is that of Laplace's approximation, in which the posteriors of pose and content may
be correlated; training takes them for independent, which draws c away from 0. Where pose and
content clearly go together, they may do so in the specimen, as a valence that shifts an edge and
changes its lines: there nothing is changed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vaescope.ensemble.refine_spectra import STEP, SpectrumFit, refine_spectra
from vaescope.models.family import Family
from vaescope.models.least_squares import descend
from vaescope.models.spectrum_decoder import LinearNetwork, SpectrumDecoder
from vaescope.train.data import Data

SITES = 512  # that are looked at
ROUNDS = 2  # over all parts, since one part moves the others
STEPS = 4  # of refinement after a nudge
CARRIES = 0.3  # standard deviation of a latent that says something
TOGETHER = 0.5  # correlation beyond which pose and content are taken to go together
FARTHEST = 0.5  # channels by which spectra are nudged: beyond, lines do not change along slopes
FLATTEST = 0.05  # least derivative of a mean by the decoder's output by which is divided


@torch.no_grad()
def make_independent(model: Family, data: Data) -> None:
    """Change a model of one member, and note what is left open in ``model.open_pose``; models
    whose decoder is not linear, or whose spectra are not refined, stay as they are.

    data : sites that are looked at; ``SITES`` are enough.
    """
    decoder, own = model.decoder, model.settings
    if not isinstance(decoder, SpectrumDecoder) or not isinstance(decoder.network, LinearNetwork):
        return
    if not own.refine or own.view != "spectrum" or model.conditions or decoder.shape[0] != 1:
        return
    problem = _refined(model, data)
    place, columns = problem.start, problem.columns
    if "shift" in columns:
        unsure = float(place[:, columns["shift"].start].std()) / len(place) ** 0.5
        if 2 * unsure > FARTHEST:
            return
    content = columns["content"].start
    parts = [name for name in ("shift", "gain", "background") if name in columns]
    for _ in range(ROUNDS):
        for name in parts:
            left = torch.zeros(own.latent)
            for k in range(own.latent):
                place, left[k] = _set_free(problem, place, columns[name].start, content + k, name)
            model.open_pose[name] = left


def _refined(model: Family, data: Data) -> SpectrumFit:
    """The latents of some sites as the encoder says them, refined."""
    conditions = torch.zeros(1, len(data), 0)
    encoded = model.encoder(model.copies(torch.from_numpy(data.patches))[None], conditions)
    latents = {name: mean for name, (mean, _) in encoded.parts.items()}
    latents["content"] = encoded.content[0]
    target = torch.from_numpy(data.target)
    known = None if data.known is None else torch.from_numpy(data.known)
    latents, _ = refine_spectra(model, target, latents, conditions, known)
    seen = None if known is None else known.to(target.dtype)
    return SpectrumFit(model, target[:, :, 0], seen, conditions, latents)


def _set_free(
    problem: SpectrumFit, place: Tensor, part: int, latent: int, name: str
) -> tuple[Tensor, float]:
    """Make one part of the pose independent of one latent: the unknowns (site, number) after that,
    and the standard deviation by which the part may still follow the latent."""
    pose, z = place[:, part].double(), place[:, latent].double()
    z = z - z.mean()
    power = float((z**2).sum())
    along = float((pose * z).sum()) / max(power, 1e-12)
    left = float((pose - pose.mean() - along * z).square().mean())
    explained = along**2 * power / len(z)
    if power < CARRIES**2 * len(z) or explained > TOGETHER**2 * (left + explained) or left <= 0:
        return place, 0.0
    prior = power / left  # precision of independence
    nudge = max(abs(along), 2 * prior**-0.5)
    tangent = _tangent(problem.model, name)
    weight = problem.model.get_parameter("decoder.network.last.weight")
    k = latent - problem.columns["content"].start

    def moved(by: float) -> tuple[Tensor, float]:
        before = weight[0, k].clone()
        weight[0, k] += by * tangent
        start = place.clone()
        start[:, part] -= by * (place[:, latent] - place[:, latent].mean())
        sd = problem.prior_sd()
        found = descend(problem.residual, start, sd**-2, STEPS, STEP * sd)
        cost = (
            problem.cost(found, sd).double() + torch.logdet(problem.information(found, sd)).double()
        )
        weight[0, k] = before
        return found, 0.5 * float(cost[cost.isfinite()].sum())

    here, up, down = (moved(by)[1] for by in (0.0, nudge, -nudge))
    curvature = max((up + down - 2 * here) / nudge**2, 0.0)
    gradient = (up - down) / (2 * nudge)
    by = (prior * along - gradient) / (prior + curvature)
    by = max(-2 * nudge, min(by, 2 * nudge))
    found, cost = moved(by)
    gained = 0.5 * prior * (along**2 - (along - by) ** 2)
    if cost - here > gained:  # the parabola is none: a shift of more than a line is wide
        return place, (prior + curvature) ** -0.5
    weight[0, k] += by * tangent
    return found, (prior + curvature) ** -0.5


def _tangent(model: Family, name: str) -> Tensor:
    """By what the weights (channel,) of a latent change, if the typical spectrum is to change with
    the latent as it does with a part of the pose."""
    decoder = model.decoder
    assert isinstance(decoder, SpectrumDecoder)
    raw = decoder.typical_output()
    mean = model.likelihood.mean(raw)
    small = 1e-2
    rise = (model.likelihood.mean(raw + small) - model.likelihood.mean(raw - small)) / (2 * small)
    if name == "shift":
        change = -torch.gradient(raw)[0]
    elif name == "gain":
        change = mean / rise.clamp_min(FLATTEST)
    else:
        margin = decoder.margin
        shape = decoder.background_of_one()[None]
        padded = functional.pad(shape, (margin, margin), "replicate")[0] if margin else shape[0]
        change = padded / rise.clamp_min(FLATTEST)
    return change / decoder.spread[0]
