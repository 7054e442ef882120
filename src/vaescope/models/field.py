"""A small network of coordinates, evaluated patch by patch so that its activations stay in cache.

Hidden layers over every pixel of every patch are far larger than the caches of a processor, and a
plain evaluation waits for memory rather than arithmetic: products of matrices of 10⁵ rows run at
less than half the rate of those of 10³. Here forward and backward go patch by patch. What the
content adds to a layer is the same for all pixels of a patch, so it comes as one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

silu_backward = torch.ops.aten.silu_backward.grad_input


def field(features: Tensor, shifts: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Values (member, row, pixel, output) of hidden layers with SiLU, all of one width.

    Parameters
    ----------
    features : (member, row, pixel, feature) of the coordinates.
    shifts : what is added before each nonlinearity and to the output, (member, row, width).
    weights : of the layers and of the output, (member, inputs, width).
    """
    if features.device.type == "cpu":
        value = _PatchByPatch.apply(len(weights), features, *shifts, *weights)
        assert isinstance(value, Tensor)
        return value
    hidden = features
    for shift, weight in zip(shifts[:-1], weights[:-1], strict=True):
        hidden = functional.silu(hidden @ weight.unsqueeze(1) + shift.unsqueeze(2))
    return hidden @ weights[-1].unsqueeze(1) + shifts[-1].unsqueeze(2)


class _PatchByPatch(Function):
    """``field`` with a gradient of its own.

    The sums before the nonlinearities are stored but for the first layer's: those are cheap to make
    again, and memory that is touched anew in every step costs more than arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, count: int, features: Tensor, *rest: Tensor) -> Tensor:
        shifts, weights = rest[:count], rest[count:]
        members, rows, pixels = features.shape[:3]
        width = weights[0].shape[-1]
        stored = any(ctx.needs_input_grad)
        size = (members, rows) if stored else (1, 1)
        sums = [features.new_empty(*size, pixels, width) for _ in range(count - 2)]
        out = features.new_empty(members, rows, pixels, weights[-1].shape[-1])
        hidden = features.new_empty(pixels, width)
        for m in range(members):
            for r in range(rows):
                _layer(features[m, r], weights[0][m], shifts[0][m, r], hidden)
                functional.silu(hidden, inplace=True)
                for k, whole in enumerate(sums, start=1):
                    here = whole[m, r] if stored else whole[0, 0]
                    _layer(hidden, weights[k][m], shifts[k][m, r], here)
                    _silu(here, hidden)
                _layer(hidden, weights[-1][m], shifts[-1][m, r], out[m, r])
        if stored:
            ctx.save_for_backward(features, shifts[0], *sums, *weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, shift, *rest = ctx.saved_tensors
        count = len(rest) // 2 + 1
        sums, weights = rest[: count - 2], rest[count - 2 :]
        members, rows, pixels = features.shape[:3]
        width = weights[0].shape[-1]
        to_features = torch.empty_like(features) if ctx.needs_input_grad[1] else None
        to_shifts = [grad.new_empty(members, rows, w.shape[-1]) for w in weights]
        to_weights = [torch.zeros_like(w) for w in weights]
        first, hidden, *turns = (grad.new_empty(pixels, width) for _ in range(4))
        for m in range(members):
            back = [w[m].T.contiguous() for w in weights]
            for r in range(rows):
                _layer(features[m, r], weights[0][m], shift[m, r], first)
                above = grad[m, r]
                for k in range(count - 1, 0, -1):
                    before = sums[k - 2][m, r] if k > 1 else first
                    torch.sum(above, 0, out=to_shifts[k][m, r])
                    to_weights[k][m].addmm_(_silu(before, hidden).T, above)
                    below = turns[k % 2]
                    torch.mm(above, back[k], out=below)
                    silu_backward(below, before, grad_input=below)
                    above = below
                torch.sum(above, 0, out=to_shifts[0][m, r])
                to_weights[0][m].addmm_(features[m, r].T, above)
                if to_features is not None:
                    torch.mm(above, back[0], out=to_features[m, r])
        return None, to_features, *to_shifts, *to_weights


def _layer(inputs: Tensor, weight: Tensor, shift: Tensor, out: Tensor) -> None:
    """Inputs (pixel, inputs) times weight, plus one row for all pixels, into ``out``."""
    torch.mm(inputs, weight, out=out)
    out += shift


def _silu(sums: Tensor, out: Tensor) -> Tensor:
    """SiLU of the sums before a nonlinearity, into ``out``."""
    return torch.mul(sums, torch.sigmoid(sums, out=out), out=out)
