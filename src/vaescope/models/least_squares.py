"""Damped Gauss-Newton for many small problems at once (Nocedal & Wright, Numerical Optimization,
2nd ed. 2006, section 10.3), each with a normal prior on its unknowns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

NUDGE = 2e-3  # finite difference, in rad and half patch sides: a few hundredths of a pixel
DAMPING = 1e-3  # first damping, as a share of the curvature
EASE, BRAKE = 0.3, 8.0  # damping after a step that helped, and after one that did not


def descend(
    residual: Callable[[Tensor], Tensor],
    start: Tensor,
    precision: Tensor,
    steps: int,
    nudge: Tensor | float = NUDGE,
) -> Tensor:
    """Unknowns brought to where the squares are least.

    Parameters
    ----------
    residual : of the data, in standard deviations, (row, datum) for unknowns
        (row, unknown); every row is a problem of its own.
    start : (row, unknown).
    precision : (unknown,) 1 / variance of the prior about 0; 0 for none.
    steps : tried at most; one that does not help is not taken.
    nudge : finite difference of each unknown (unknown,), or of all.

    Returns
    -------
    (row, unknown); a row whose data are not finite stays as it is.
    """

    def cost(left: Tensor, place: Tensor) -> Tensor:
        return 0.5 * (left.square().sum(1) + (place.square() * precision).sum(1))

    size = torch.as_tensor(nudge, device=start.device)
    nudges = size * torch.eye(start.shape[1], device=start.device)
    place, left = start, residual(start)
    best = cost(left, place)
    damping = torch.full_like(best, DAMPING)
    for _ in range(steps if len(nudges) else 0):
        slopes = torch.stack([residual(place + step) - left for step in nudges], -1) / size
        gradient = (slopes.transpose(1, 2) @ left.unsqueeze(-1)).squeeze(-1) + place * precision
        curvature = slopes.transpose(1, 2) @ slopes + torch.diag(precision)
        weight = curvature.diagonal(dim1=1, dim2=2)
        curvature = curvature + torch.diag_embed(damping[:, None] * weight + 1e-6)
        known = gradient.isfinite().all(1)
        curvature = torch.where(known[:, None, None], curvature, torch.eye(len(nudges)).to(place))
        gradient = torch.where(known[:, None], gradient, 0.0)
        tried = place - torch.linalg.solve(curvature, gradient)
        left_there = residual(tried)
        there = cost(left_there, tried)
        better = there < best
        place = torch.where(better[:, None], tried, place)
        left = torch.where(better[:, None], left_there, left)
        best = torch.where(better, there, best)
        damping = damping * torch.where(better, EASE, BRAKE)
    return place
