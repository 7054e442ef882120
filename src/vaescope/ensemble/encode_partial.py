"""Content and pose of sites of whose patch only a part was seen, as at the edge of an image.

An encoder was trained on whole patches and says nothing reliable of such a site. What was seen
still has a likelihood, and the whole patches say which contents and poses there are: their
contents, in small groups, their turns and the widths of the other parts of their poses are the
prior. Every group is drawn at every turn and compared with what was seen; the likeliest are refined
by least squares, and each counts by its evidence (Laplace's approximation: MacKay, Neural Comput. 4
(1992) 415). So a site whose seen half fits two structures has the errors of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vaescope.ensemble.recorded import on_sites
from vaescope.ensemble.refine import SiteBound
from vaescope.models.elbo import Weights
from vaescope.models.encoders import Encoded
from vaescope.models.family import Family
from vaescope.models.least_squares import NUDGE, descend
from vaescope.models.pose_parts import ANGLE
from vaescope.models.side import Side
from vaescope.train.data import Data

GROUPS = 16  # of the contents of whole patches, at most
IN_A_GROUP = 8  # whole patches, at least on average
TRIED = 3  # groups, each at its likeliest turn, that are refined
ROWS = 24  # sites worked on at once
FIRST = 1  # steps of refinement of all of them,
HOPELESS = 15.0  # nats by which those are worse that then count no more,
STEPS = 4  # and of the others
MOST = 4000  # whole patches from which groups are made
RARE = 1e-5  # share of sites that may lie at turns at which no whole patch does
NARROW = 0.05  # of the prior of a part of the pose in training: it is no narrower beforehand


@dataclass(frozen=True)
class WholePatches:
    """What whole patches say beforehand of those that are seen in part: groups of their contents,
    ``share`` (group,), ``mean`` (group, latent) and ``root`` (group, latent, latent) of their
    covariance; ``log_turn`` (turn,) of how many lie at each turn; ``pose_sd``, standard deviations
    of the other parts of the pose by name."""

    share: Tensor
    mean: Tensor
    root: Tensor
    log_turn: Tensor
    pose_sd: dict[str, float]

    @classmethod
    def of(cls, model: Family, arrays: Mapping[str, Any], whole: np.ndarray) -> WholePatches:
        """From the arrays of a member over all sites, and the rows of whole patches."""
        from sklearn.cluster import KMeans

        some_rows = whole[:: -(-len(whole) // MOST)]
        some = np.asarray(arrays["content"][some_rows], float)
        noise = np.median(arrays["content_sd"][some_rows], axis=0)
        count = int(np.clip(len(some) // IN_A_GROUP, 1, GROUPS))
        label = KMeans(count, n_init=2, random_state=0).fit_predict(some / (noise + 1e-12))
        own = [some[label == k] for k in range(count)]
        means = np.stack([rows.mean(0) for rows in own])
        floor = np.diag(noise**2 + 1e-12)
        covariance = np.stack([np.atleast_2d(np.cov(rows.T, bias=True)) + floor for rows in own])
        turn = np.asarray(arrays["turn_weight"][some_rows], float).mean(0)
        shares = np.bincount(label, minlength=count) / len(label)
        roots = np.linalg.cholesky(covariance)
        parts = (shares, means, roots, np.log(turn + RARE / len(turn)))
        widths: dict[str, float] = {}
        for part in model.parts:
            if part is not ANGLE:  # its turns are counted above
                wide = model.prior_sd(part.name)
                size = np.median(np.abs(_inside(part.name, arrays[part.name][some_rows])))
                widths[part.name] = float(np.clip(1.4826 * size, NARROW * wide, wide))
        share, mean, root, log_turn = (torch.from_numpy(part).float() for part in parts)
        return cls(share, mean, root, log_turn, widths)


def _inside(name: str, values: np.ndarray) -> np.ndarray:
    """Values of a part of the pose in the image as the model has them, but for turns."""
    return np.log(np.abs(values)) if name == "scale" else values


class Partly:
    """The sites of whose patches too little was seen, kept while all are encoded."""

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []
        self._data: list[Data] = []
        self._count = 0

    def seen(self, blocks: Iterable[Data]) -> Iterator[Data]:
        """The same blocks of sites, of which some are kept."""
        for block in blocks:
            if block.partial is not None:
                here = np.flatnonzero(block.partial)
                self._rows.append(self._count + here)
                self._data.append(block.rows(here))
            self._count += len(block)
            yield block

    def encode_again(self, model: Family, arrays: dict[str, Any]) -> None:
        """Put what a member says of the kept sites into its arrays over all sites, by name."""
        own = model.settings
        if not self._rows or own.target is not None or own.learns_spectra:
            return
        whole = np.setdiff1d(np.arange(self._count), np.concatenate(self._rows))
        prior = WholePatches.of(model, arrays, whole)
        for rows, data in zip(self._rows, self._data, strict=True):
            for name, values in encode_partial(model, prior, data).items():
                for row, value in zip(rows, values, strict=True):
                    arrays[name][slice(row, row + 1)] = value[None]


@torch.no_grad()
def encode_partial(model: Family, prior: WholePatches, data: Data) -> dict[str, np.ndarray]:
    """What a member says of sites, from what was seen of their patches alone.

    ``data`` : the sites, with the mask ``known``. The arrays (site, …) are those of
    ``ensemble.encode`` by name.
    """
    parts = [_some(model, prior, batch) for batch in data.batches(ROWS)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def _some(model: Family, prior: WholePatches, data: Data) -> dict[str, Tensor]:
    target = torch.from_numpy(data.target)
    known = None if data.known is None else torch.from_numpy(data.known)
    conditions = torch.from_numpy(data.conditions).unsqueeze(0)
    side = Side(
        conditions=conditions,
        known=None if known is None else known.unsqueeze(0),
        direction=None if data.direction is None else torch.from_numpy(data.direction)[None],
    )
    log_turn = prior.log_turn.expand(len(target), -1)
    if side.direction is not None:
        log_turn = model.log_turn_prior(side)[0].expand(len(target), -1)
    group, turn = _likeliest(model, prior, target, conditions, side, log_turn)
    tried = group.shape[1]

    def each(values: Tensor) -> Tensor:
        """Values (site, …) of the sites, for every start."""
        return values.repeat_interleave(tried, 0)

    zeros = {part.name: torch.zeros(1, group.numel(), 1, part.size) for part in model.parts}
    latents = zeros | {"content": prior.mean[group.flatten()][None, :, None]}
    rows = SiteBound(
        model,
        each(target).unsqueeze(0),
        model.turns[turn.flatten()][None, :, None],
        latents,
        each(conditions[0]).unsqueeze(0),
        None if known is None else each(known),
        (prior.mean[group.flatten()], prior.root[group.flatten()]),
        prior.pose_sd,
    )
    numbers, covariance, kept = rows.start(), None, torch.ones(group.numel(), dtype=torch.bool)
    if model.settings.likelihood == "gaussian":
        numbers = descend(rows.residuals, numbers, rows.precision(), FIRST)
        cost = rows.cost(numbers).reshape(-1, tried)
        kept = (cost - cost.min(1, keepdim=True).values <= HOPELESS).flatten()
        likely = rows.only(kept)
        numbers[kept] = descend(likely.residuals, numbers[kept], rows.precision(), STEPS)
        covariance = torch.diag(1 / rows.precision()).repeat(len(numbers), 1, 1)
        covariance[kept] = _covariance(likely, numbers[kept])
    here = rows.place(numbers)
    evidence = _density(rows, here)
    evidence = evidence + prior.share[group.flatten()].log()
    evidence = evidence + log_turn.gather(1, turn).flatten()
    evidence = evidence - 0.5 * (numbers.square() * rows.precision()).sum(1)
    if covariance is not None:
        evidence = evidence + 0.5 * (torch.logdet(covariance) + rows.precision().log().sum())
    evidence = torch.where(kept & evidence.isfinite(), evidence, -torch.inf).reshape(-1, tried)
    evidence[~evidence.isfinite().any(1)] = 0.0
    return _gathered(rows, here, covariance, evidence, turn)


def _likeliest(
    model: Family,
    prior: WholePatches,
    target: Tensor,
    conditions: Tensor,
    side: Side,
    log_turn: Tensor,
) -> tuple[Tensor, Tensor]:
    """The likeliest groups (site, start) of sites, and the likeliest turn (site, start) of each."""
    sites, groups, turns = len(target), len(prior.share), len(model.turns)
    drawn = sites if model.conditions else 1  # without conditions the same for all sites
    content = prior.mean.repeat_interleave(turns, 0).expand(1, drawn, -1, -1)
    grid = model.turns.repeat(groups).expand(1, drawn, -1)
    poses = model.poses(grid, {})
    shown = model.decode_rows(content, poses, conditions[:, :drawn], model.counted)
    shown = shown.expand(-1, sites, -1, -1, -1)
    score = model.log_density(shown, target.unsqueeze(0), side)["reconstruction"][0]
    score = score.reshape(sites, groups, turns) + log_turn[:, None]
    score = torch.nan_to_num(score + prior.share.log()[:, None], nan=-torch.inf)
    best, turn = score.max(2)
    group = best.topk(min(TRIED, groups), 1).indices
    return group, turn.gather(1, group)


def _covariance(rows: SiteBound, numbers: Tensor) -> Tensor:
    """Covariance (row, number, number) of numbers (row, number) about the optimum."""
    slopes = []
    for step in NUDGE * torch.eye(numbers.shape[1]):
        ahead, behind = rows.residuals(numbers + step), rows.residuals(numbers - step)
        slopes.append((ahead - behind) / (2 * NUDGE))
    jacobian = torch.nan_to_num(torch.stack(slopes, -1).double())
    curvature = jacobian.transpose(1, 2) @ jacobian + torch.diag(rows.precision().double())
    return torch.linalg.inv(curvature).float()


def _density(rows: SiteBound, here: dict[str, Tensor]) -> Tensor:
    """log p (row,) of what was seen, at latents of every row."""
    model = rows.model
    poses = model.poses(rows.turn, here)
    shown = model.decode_rows(here["content"], poses, rows.conditions, model.counted)
    mask = None if rows.known is None else rows.known.unsqueeze(0)
    return model.log_density(shown, rows.target, Side(known=mask))["reconstruction"][0, :, 0]


def _gathered(
    rows: SiteBound,
    here: dict[str, Tensor],
    covariance: Tensor | None,
    evidence: Tensor,
    turn: Tensor,
) -> dict[str, Tensor]:
    """The arrays of sites, from those of every start and its evidence (site, start)."""
    model = rows.model
    sites, tried = evidence.shape
    weight = functional.softmax(evidence, 1)
    best = evidence.argmax(1) + torch.arange(sites) * tried
    sd = _deviations(rows, covariance)

    def spread(value: Tensor, own: Tensor) -> Tensor:
        """Errors (site, size) of the best start: its own, and how far the others are."""
        apart = value.reshape(sites, tried, -1) - value[best].unsqueeze(1)
        squares = own.reshape(sites, tried, -1) ** 2 + apart**2
        return (weight.unsqueeze(-1) * squares).sum(1).sqrt()

    content = here["content"][0, :, 0]
    content_sd = spread(content, sd["content"])
    picked = {name: value[:, best] for name, value in here.items()}
    grid = rows.turn[:, best]
    correction = picked.get(ANGLE.name)
    angle = (grid if correction is None else grid + correction.squeeze(-1))[0, :, 0]
    out: dict[str, Any] = {
        "content": content[best],
        "content_sd": content_sd,
        "elbo": torch.logsumexp(evidence, 1),
        "conditions": rows.conditions[0, best],
    }
    of_turn = torch.zeros(sites, len(model.turns)).scatter_add_(1, turn, weight)
    out["turn_weight"] = of_turn.half()
    for part in model.parts:
        own = sd[part.name][best]
        if part is not ANGLE:
            own = spread(here[part.name][0, :, 0], sd[part.name])
        said = part.in_image(picked[part.name][0, :, 0], own, angle)
        out[part.name], out[f"{part.name}_sd"] = said
    poses = model.poses(grid, picked)
    out["pose"] = poses[0, :, 0]
    target, conditions = rows.target[:, best], rows.conditions[:, best]
    known = None if rows.known is None else rows.known[best]
    if model.photometry is not None:
        shown = model.decode_rows(picked["content"], poses, conditions)
        out |= on_sites(model, shown, target, known)
    if model.settings.classes and model.mixture.is_active:
        pair = content[best][None, :, None], content_sd.log()[None, :, None]
        encoded = Encoded(torch.zeros(1, sites, 1), pair, {})
        out["class_probability"] = model.class_terms(encoded, Side(), Weights.of(model.settings))[
            "class_probability"
        ][0, :, 0]
    if not model.likelihood.learns_noise:
        shown = model.likelihood.mean(
            model.decode_rows(picked["content"], poses, conditions)[0, :, 0]
        )
        counted = model.mask if known is None else model.mask * known.unsqueeze(1)
        out["squares"] = ((target[0] - shown).square() * counted).sum((2, 3))
    if not model.settings.stochastic:
        out |= {n: torch.zeros_like(v) for n, v in out.items() if n.endswith("_sd")}
    return out


def _deviations(rows: SiteBound, covariance: Tensor | None) -> dict[str, Tensor]:
    """Standard deviations (row, size) of the latents of every row; without a covariance those of
    the prior."""
    assert rows.prior is not None
    root = rows.prior[1]
    if covariance is None:
        covariance = torch.diag(1 / rows.precision()).expand(len(root), -1, -1)
    out, start = {}, 0
    for name, size in zip(rows.latents, rows.sizes, strict=True):
        own = covariance[:, start : start + size, start : start + size]
        if name == "content":
            own = root @ own @ root.transpose(1, 2)
        out[name] = own.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
        start += size
    return out
