"""Patches that were averaged with some of them the wrong way up, brought to one way.

A structure that looks nearly the same after a part of a full turn can be averaged in both ways at
once. The mean then shows the same however it is turned, so patches fit it equally well in both and
alternating between poses and means goes no further. What the mean has lost is still in the single
patches: seen from the frame of the mean, their parts that change sign (or phase) under the turn lie
on either side of zero, along the first principal component of that part (a spectral start as of
phase synchronisation: Singer, Appl. Comput. Harmon. Anal. 30 (2011) 20).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaescope.models import pose, register

FOLDS = ((2, 1), (3, 1), (4, 1), (4, 2))
"""Turns by 1 / m of a circle, and which Fourier component over these turns is looked at."""
FEWEST = 20  # patches of a structure: fewer do not show a component
STANDS_OUT = 1.25  # times the variance of the second component: a first one that is no noise
NORMAL, DOUBT = 0.66, 0.6
"""Share of a component's power in its mean once its ways are separate, if it were normal and had no
ways (2 / pi for two), and how far above that, over the square root of the patches, chance comes."""
GAIN = 0.05  # of that share: less is not worth a change
ITERATIONS = 20  # of the power method
PASSES = 2  # four ways are brought to two and these to one


def one_way(patches: Tensor, chosen: Tensor, poses: Tensor, pictures: int) -> Tensor:
    """Poses (site, 5) by which the patches of each structure lie the same way up.

    Parameters
    ----------
    patches : (site, channel, side, side).
    chosen : (site,) the structure of each.
    poses : (site, 5) as ``register.Freedom.grid`` gives them.
    pictures : number of structures.
    """
    out = poses.clone()
    for _ in range(PASSES):
        back = register.upright(patches, out) * pose.disc(patches.shape[-1])
        before = out.clone()
        for k in range(pictures):
            here = (chosen == k).nonzero()[:, 0]
            if len(here) < FEWEST:
                continue
            found = [(*_steps(back[here], *fold), fold[0]) for fold in FOLDS]
            gain, steps, fold = max(found, key=lambda way: way[0])
            if gain > GAIN:
                turn = register.inverse(register.matrices(_turns(steps * (2 * math.pi / fold))))
                maps = register.after(turn, register.matrices(out[here]))
                out[here] = register.poses_of(maps)
        if torch.equal(before, out):
            break
    return out


def _turns(angle: Tensor) -> Tensor:
    """Poses (n, 5) that are turns by angles (n,)."""
    return torch.cat([angle[:, None], torch.zeros(len(angle), 4)], 1)


def _steps(back: Tensor, fold: int, harmonic: int) -> tuple[float, Tensor]:
    """Steps of 1 / ``fold`` of a circle by which patches (site, channel, side, side) are turned
    from one of them, and how much more of the component their mean has without these; 0 where there
    are no such ways."""
    none = (0.0, torch.zeros(len(back)))
    ways = fold // math.gcd(fold, harmonic)
    part = torch.zeros(len(back), back[0].numel(), dtype=torch.complex64)
    for r in range(fold):
        angle = torch.full((1,), 2 * math.pi * r / fold)
        maps = register.inverse(register.matrices(_turns(angle)))
        turned = pose.resample(back, maps.expand(len(back), -1, -1)).flatten(1)
        phase = 2 * math.pi * harmonic * r / fold
        part += turned * complex(math.cos(phase), -math.sin(phase)) / fold
    score, first = _component(part)
    if not first > STANDS_OUT * _component(part, score)[1]:
        return none
    zero = score.pow(ways).mean().angle() / ways
    steps = ((score.angle() - zero) * (ways / (2 * math.pi))).round().remainder(ways)
    power = score.abs().square().mean()
    before = score.mean().abs().square() / power
    away = torch.polar(torch.ones(len(steps)), -2 * math.pi * steps / ways)
    after = (score * away).mean().abs().square() / power
    return (float(after - before), steps) if after > NORMAL + DOUBT / len(back) ** 0.5 else none


def _component(rows: Tensor, without: Tensor | None = None) -> tuple[Tensor, float]:
    """Scores (row,) of rows (row, number) on their first component, and their variance about zero;
    ``without`` those scores."""
    gram = rows @ rows.conj().T / len(rows)
    if without is not None:
        unit = (without / without.abs().square().sum().sqrt().clamp_min(1e-12))[:, None]
        gram = gram - gram @ unit @ unit.conj().T
        gram = gram - unit @ (unit.conj().T @ gram)
    vector = gram[:, int(gram.diagonal().abs().argmax())].clone()
    for _ in range(ITERATIONS):
        vector = gram @ vector
        vector = vector / vector.abs().square().sum().sqrt().clamp_min(1e-12)
    variance = float((vector.conj() @ gram @ vector).real)
    return vector * math.sqrt(max(variance * len(rows), 0.0)), variance
