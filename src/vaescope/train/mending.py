"""Mending torn latents: one structure in two places of the latents, each another way up.

Nothing in the bound says which way up a canonical picture lies, and a structure that nearly looks
the same after a turn (a diamond after a quarter) may be drawn in two ways. Canonical pictures that
are alike but for a turn give it away. Every site is then told for a while at which turn it lies, so
that one structure is drawn one way up; its content follows by itself, since the encoder sees each
site at that turn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from vaescope.models import likelihood, orbit
from vaescope.models.family import Family

MEASURED = 500  # canonical pictures that are compared; the others follow the likest of them
ALIKE = 0.1  # distance, beside a picture's own contrast, within which two show one structure
TORN = 0.02  # share of the pictures that lie another way up than most of their structure


def mend(model: Family, contents: Tensor, angles: Tensor) -> Tensor | None:
    """The turns (member, site), as indices, at which the sites are to lie; None if no member's
    latents are torn.

    Parameters
    ----------
    contents : (member, site, latent) upright content of the training sites.
    angles : (member, site) their angles, rad.
    """
    upright, torn = [], False
    for k, (content, angle) in enumerate(zip(contents, angles, strict=True)):
        pictures = canonical_pictures(model, k)
        turn = None if pictures is None else _turns(content.cpu().numpy(), pictures, model.step)
        if turn is not None:
            torn = True
            angle = angle + torch.as_tensor(turn, dtype=angle.dtype, device=angle.device)
        upright.append((angle / model.step).round().long() % len(model.turns))
    return torch.stack(upright) if torn else None


def _turns(
    content: np.ndarray, pictures: Callable[[np.ndarray], np.ndarray], step: float
) -> np.ndarray | None:
    """Turn (site,) rad of every canonical picture against those like it; None if all agree."""
    count = len(content)
    rows = np.unique(np.linspace(0, count - 1, min(count, MEASURED)).round().astype(int))
    drawn = orbit.harmonics(pictures(content[rows]))
    measured = _another_way_up(drawn, step)
    if (np.abs(measured) > step / 2).mean() < TORN:
        return None
    return orbit.turns_of_rest(orbit.harmonics(pictures(content)), drawn, measured)


def _another_way_up(drawn: orbit.Harmonics, step: float) -> np.ndarray:
    """Turn (row,) rad of each picture against most of those of its structure."""
    distance = orbit.distances(drawn)
    graph = orbit.neighbours(distance)
    # Structures that are no likeness of each other have no way up in common.
    graph.data[graph.data > ALIKE * np.median(drawn.norm)] = 0.0
    graph.eliminate_zeros()
    turn, structure = orbit.transport(drawn, graph)
    for k in np.unique(structure):
        here = structure == k
        apart = np.angle(np.exp(1j * (turn[here, None] - turn[None, here])))
        most = (np.abs(apart) < step / 2).sum(0).argmax()
        turn[here] = apart[:, most]
    return turn


def canonical_pictures(model: Family, member: int) -> Callable[[np.ndarray], np.ndarray] | None:
    """Canonical pictures of one member's content; None where they depend on what is told."""
    if model.conditions:
        return None

    @torch.no_grad()
    def pictures(content: np.ndarray) -> np.ndarray:
        device = model.mixture.mean.device
        rows = torch.as_tensor(content, dtype=torch.float32, device=device)
        out = []
        for part in rows.split(256):
            inputs = part.new_zeros(model.members, *part.shape)
            inputs[member] = part
            raw = model.decoder.canonical(inputs)[member]
            out.append(likelihood.mean(raw, model.settings.likelihood))
        return torch.cat(out).cpu().numpy()

    return pictures
