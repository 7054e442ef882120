"""A small network of coordinates, evaluated patch by patch so that its activations stay in cache.

Two hidden layers over every pixel of every patch are far larger than the caches of a processor, and
a plain evaluation waits for memory rather than arithmetic: products of matrices of 10⁵ rows run at
less than half the rate of those of 10³. Here forward and backward go patch by patch. What the
content adds to a layer is the same for all pixels of a patch, so it comes as one row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

silu_backward = torch.ops.aten.silu_backward.grad_input


def field(
    features: Tensor, shifts: tuple[Tensor, Tensor, Tensor], weights: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Values (member, row, pixel, output) of two hidden layers with SiLU.

    Parameters
    ----------
    features : (member, row, pixel, feature) of the coordinates.
    shifts : what is added before each nonlinearity and to the output, (member, row, width).
    weights : of the three layers, (member, inputs, width).
    """
    if features.device.type == "cpu":
        value = _PatchByPatch.apply(features, *shifts, *weights)
        assert isinstance(value, Tensor)
        return value
    hidden = features
    for shift, weight in zip(shifts[:2], weights[:2], strict=True):
        hidden = functional.silu(hidden @ weight.unsqueeze(1) + shift.unsqueeze(2))
    return hidden @ weights[2].unsqueeze(1) + shifts[2].unsqueeze(2)


class _PatchByPatch(Function):
    """The same with a gradient of its own.

    Only the second layer's sums are kept: the first ones are cheap to make again, and memory that
    is touched anew in every step costs more than arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        shift_1: Tensor,
        shift_2: Tensor,
        shift_3: Tensor,
        weight_1: Tensor,
        weight_2: Tensor,
        weight_3: Tensor,
    ) -> Tensor:
        members, rows, pixels = features.shape[:3]
        width = weight_2.shape[-1]
        kept = any(ctx.needs_input_grad)
        sums = features.new_empty(*((members, rows) if kept else (1, 1)), pixels, width)
        out = features.new_empty(members, rows, pixels, weight_3.shape[-1])
        hidden = features.new_empty(pixels, width)
        for m in range(members):
            for r in range(rows):
                second = sums[m, r] if kept else sums[0, 0]
                _layer(features[m, r], weight_1[m], shift_1[m, r], hidden)
                _layer(functional.silu(hidden, inplace=True), weight_2[m], shift_2[m, r], second)
                torch.mul(second, torch.sigmoid(second, out=hidden), out=hidden)
                _layer(hidden, weight_3[m], shift_3[m, r], out[m, r])
        if kept:
            ctx.save_for_backward(features, shift_1, sums, weight_1, weight_2, weight_3)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        features, shift_1, sums, *weights = ctx.saved_tensors
        members, rows, pixels = features.shape[:3]
        to_features = torch.empty_like(features) if ctx.needs_input_grad[0] else None
        to_shifts = [grad.new_empty(members, rows, w.shape[-1]) for w in weights]
        to_weights = [torch.zeros_like(w) for w in weights]
        first, hidden, two, one = (grad.new_empty(pixels, weights[1].shape[-1]) for _ in range(4))
        for m in range(members):
            back = [w[m].T.contiguous() for w in weights]
            for r in range(rows):
                out, second = grad[m, r], sums[m, r]
                torch.sum(out, 0, out=to_shifts[2][m, r])
                torch.mul(second, torch.sigmoid(second, out=hidden), out=hidden)
                to_weights[2][m].addmm_(hidden.T, out)
                torch.mm(out, back[2], out=two)
                silu_backward(two, second, grad_input=two)
                torch.sum(two, 0, out=to_shifts[1][m, r])
                _layer(features[m, r], weights[0][m], shift_1[m, r], first)
                torch.mul(first, torch.sigmoid(first, out=hidden), out=hidden)
                to_weights[1][m].addmm_(hidden.T, two)
                torch.mm(two, back[1], out=one)
                silu_backward(one, first, grad_input=one)
                torch.sum(one, 0, out=to_shifts[0][m, r])
                to_weights[0][m].addmm_(features[m, r].T, one)
                if to_features is not None:
                    torch.mm(one, back[0], out=to_features[m, r])
        return to_features, *to_shifts, *to_weights


def _layer(inputs: Tensor, weight: Tensor, shift: Tensor, out: Tensor) -> None:
    """Inputs (pixel, inputs) times weight, plus one row for all pixels, into ``out``."""
    torch.mm(inputs, weight, out=out)
    out += shift
