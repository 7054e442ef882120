"""The scalar products of pictures and patches from which the photometric pose follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Products:
    """Scalar products of pictures f (…, pixel), of what is left r = t - f of patches t, and of the
    columns of a plane (pixel, number): f·f, f·r, r·r (…,), f·plane, plane·r (…, number) and
    plane·plane (…, number, number)."""

    own: Tensor
    own_left: Tensor
    left: Tensor
    own_plane: Tensor
    plane_left: Tensor
    of_plane: Tensor


def products(shown: Tensor, patch: Tensor, plane: Tensor, known: Tensor | None) -> Products:
    """The products where all pixels count the same but for those that were not measured, which
    are 0 in pictures and patches."""
    own, own_left, left, own_plane = _Scalars.apply(shown, patch, plane)
    plane_left = patch @ plane - own_plane
    of_plane = plane.T @ plane
    if known is not None:
        of_plane = (known @ _squares(plane)).unflatten(-1, of_plane.shape)
    of_plane = of_plane.expand(*own.shape, -1, -1)
    return Products(own, own_left, left, own_plane, plane_left, of_plane)


def weighed_products(
    shown: Tensor, patch: Tensor, plane: Tensor, weight: Tensor, known: Tensor | None
) -> Products:
    """The products with a weight (…, pixel) of every pixel."""
    left = patch - shown
    heavy_shown, heavy_left = weight * shown, weight * left
    weight = weight if known is None else weight * known
    of_plane = (weight @ _squares(plane)).unflatten(-1, (plane.shape[1],) * 2)
    vecdot = torch.linalg.vecdot
    return Products(
        own=vecdot(heavy_shown, shown),
        own_left=vecdot(heavy_shown, left),
        left=vecdot(heavy_left, left),
        own_plane=heavy_shown @ plane,
        plane_left=heavy_left @ plane,
        of_plane=of_plane,
    )


def _squares(plane: Tensor) -> Tensor:
    """Products of every two columns of a plane, (pixel, number * number)."""
    return (plane[:, :, None] * plane[:, None]).flatten(1)


class _Scalars(Function):
    """Scalar products f·f, f·r, r·r and f·plane of pictures f and what is left r = t - f.

    Two arrays are kept, and the gradient is one pass over them, since the pixels of every turn of
    every patch are far more than a cache holds.
    """

    @staticmethod
    def forward(
        ctx: Any, shown: Tensor, patch: Tensor, plane: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        left = patch - shown
        ctx.save_for_backward(shown, left, plane)
        vecdot = torch.linalg.vecdot
        return vecdot(shown, shown), vecdot(shown, left), vecdot(left, left), shown @ plane

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, own: Tensor, own_left: Tensor, left: Tensor, own_plane: Tensor
    ) -> tuple[Tensor, None, None]:
        shown, apart, plane = ctx.saved_tensors
        # d(f·f) = 2 f, d(f·r) = r - f, d(r·r) = -2 r.
        grad = torch.addcmul(own_plane @ plane.T, (2 * own - own_left).unsqueeze(-1), shown)
        return grad.addcmul_((own_left - 2 * left).unsqueeze(-1), apart), None, None
