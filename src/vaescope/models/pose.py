"""Poses: how the canonical picture of a local structure lies in its patch.

A pose maps a point r of the patch to the point of the canonical picture that is seen there,

    r_canonical = exp(-strain) R(-angle) (r - offset),

with r in units of half the patch side, from -1 to 1, as (x, y) with y pointing down. Angles count
counter-clockwise as seen on the screen. ``strain`` is the logarithmic (Hencky) strain, a symmetric
matrix in the canonical frame: it holds scale (its trace), shear and stretch, and small ones equal
the strain of engineers.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from vaescope.models.disc import in_disc
from vaescope.models.settings import ModelSettings


def turn_grid(turns: int, symmetry: int = 1) -> Tensor:
    """The grid of the posterior over 360/symmetry degrees: (turn,) angles in radians, from 0."""
    return torch.arange(turns) * (2 * math.pi / (turns * symmetry))


def turns_of(settings: ModelSettings) -> Tensor:
    """The grid of a model with these settings: without a rotation, one turn by nothing."""
    turned = "rotation" in settings.pose_parts
    return turn_grid(settings.turns if turned else 1, settings.fold)


def rotation(angle: Tensor) -> Tensor:
    """Matrices (…, 2, 2) acting on (x, y) with y down, counter-clockwise as seen: angles (…)."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-2)


def strain_rotation(angle: Tensor) -> Tensor:
    """Matrices (…, 3, 3) from (xx, yy, xy) in the canonical frame to the frame of the image."""
    c, s = angle.cos(), angle.sin()
    rows = [
        torch.stack([c * c, s * s, 2 * c * s], -1),
        torch.stack([s * s, c * c, -2 * c * s], -1),
        torch.stack([-c * s, c * s, c * c - s * s], -1),
    ]
    return torch.stack(rows, -2)


def compression(strain: Tensor) -> Tensor:
    """exp(-strain), matrices (…, 2, 2), of strains (…, 3) as (xx, yy, xy)."""
    xx, yy, xy = strain.unbind(-1)
    mean, half = (xx + yy) / 2, (xx - yy) / 2
    # exp of a symmetric 2 x 2 matrix in closed form; the small number keeps the root smooth at 0.
    size = (half**2 + xy**2 + 1e-12).sqrt()
    cosh, sinh = torch.cosh(size), torch.sinh(size) / size
    rows = [
        torch.stack([cosh - sinh * half, -sinh * xy], dim=-1),
        torch.stack([-sinh * xy, cosh + sinh * half], dim=-1),
    ]
    return torch.exp(-mean)[..., None, None] * torch.stack(rows, dim=-2)


def product(one: Tensor, other: Tensor) -> Tensor:
    """Products (…, 2, n) of (…, 2, 2) and (…, 2, n), exact however torch multiplies."""
    return one[..., :1] * other[..., :1, :] + one[..., 1:] * other[..., 1:, :]


def affine(angle: Tensor, offset: Tensor | None, strain: Tensor | None) -> Tensor:
    """Pose matrices (…, 2, 3), for points of the patch to points of the canonical picture.

    Parameters
    ----------
    angle : (…,) in radians.
    offset : (…, 2) as (x, y) in the patch, or None.
    strain : (…, 3) as (xx, yy, xy) in the canonical frame, or None.
    """
    linear = rotation(-angle)
    if strain is not None:
        linear = product(compression(strain), linear)
    if offset is None:
        shift = torch.zeros_like(linear[..., :1])
    else:
        shift = -product(linear, offset.unsqueeze(-1))
    return torch.cat([linear, shift], dim=-1)


def resample(
    pictures: Tensor,
    poses: Tensor,
    interpolation: str = "bilinear",
    where: Tensor | None = None,
    sides: tuple[int, ...] | None = None,
) -> Tensor:
    """Show pictures (n, channel, height, width) under poses (n, 2, 3): the same shape, or with
    other ``sides`` (height, width), or (n, channel, pixel) of the pixels ``where`` alone, indices
    (pixel,) of a picture with these sides.

    ``interpolation``: bilinear, or spline, which is sharper and dearer: a spline to a picture twice
    as fine, and bilinear in that, which is nearer to a smooth picture than cubic convolution and,
    with its gradients, twice as fast.
    """
    fine, sides = finer(pictures, interpolation), sides or tuple(pictures.shape[2:])
    if where is None:
        return sample(fine, poses, sides)
    return sample_at(fine, poses, _points(sides, poses.device)[:, where])


def finer(pictures: Tensor, interpolation: str) -> Tensor:
    """Pictures (n, channel, height, width) as ``sample`` takes them, for many poses of one."""
    if interpolation != "spline":
        return pictures
    height, width = (_doubling(side, pictures.device) for side in pictures.shape[2:])
    return height @ pictures @ width.T


def sample(fine: Tensor, poses: Tensor, sides: tuple[int, ...]) -> Tensor:
    """What ``resample`` shows, (n, channel, *sides), of pictures that ``finer`` has made."""
    seen = sample_at(fine, poses, _points(sides, poses.device))
    return seen.reshape(*seen.shape[:2], *sides)


def sample_at(fine: Tensor, poses: Tensor, points: Tensor) -> Tensor:
    """Values (n, channel, pixel) that pictures show at points (3, pixel) of the patch, given as
    (x, y, 1), under poses (n, 2, 3)."""
    grid = places(poses, points).unsqueeze(1)
    return functional.grid_sample(
        fine, grid, mode="bilinear", padding_mode="border", align_corners=False
    ).squeeze(2)


def points_in_disc(side: int) -> Tensor:
    """The pixels under the mask ``disc`` as (x, y, 1): (3, pixel)."""
    return points((side, side))[:, disc(side).flatten() > 0]


def places(poses: Tensor, points: Tensor) -> Tensor:
    """Where points (3, pixel) as (x, y, 1) are seen under poses (n, 2, 3): (n, pixel, 2)."""
    found = _Places.apply(poses, points)
    assert isinstance(found, Tensor)
    return found.movedim(1, -1)


class _Places(Function):
    """Places (n, 2, pixel) where points (3, pixel) are seen under poses (n, 2, 3).

    In place: torch's own grid of an affine map is as dear as sampling at it, and a product of
    matrices with three rows half as dear. Its gradient, though, is one good product.
    """

    @staticmethod
    def forward(ctx: Any, poses: Tensor, points: Tensor) -> Tensor:
        ctx.save_for_backward(points)
        x, y, one = points
        places = poses[..., :1] * x
        return places.addcmul_(poses[..., 1:2], y).addcmul_(poses[..., 2:], one)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (points,) = ctx.saved_tensors
        # It comes as pairs (x, y), pixel by pixel: taken as it lies in memory.
        pairs = grad.movedim(1, -1).reshape(len(grad), -1)
        each = torch.einsum("kp,cd->pcdk", points, torch.eye(2, device=points.device))
        return (pairs @ each.reshape(-1, 6)).reshape(-1, 2, 3), None


def points(sides: tuple[int, ...]) -> Tensor:
    """(x, y, 1) of all pixels of a picture (height, width): (3, pixel)."""
    y, x = ((torch.arange(side) + 0.5) * (2 / side) - 1 for side in sides)
    across = torch.stack([x.expand(sides), y[:, None].expand(sides), torch.ones(sides)])
    return across.flatten(1)


@cache
def _points(sides: tuple[int, ...], device: torch.device) -> Tensor:
    """``points`` on a device, to which they are copied once."""
    return points(sides).to(device)


@cache
def _doubling(side: int, device: torch.device) -> Tensor:
    """Matrix (2 side, side) of interpolation to twice as many samples by splines of fifth order."""
    from scipy.ndimage import map_coordinates

    place = (np.arange(2 * side) + 0.5) / 2 - 0.5
    columns = [map_coordinates(row, [place], order=5, mode="nearest") for row in np.eye(side)]
    return torch.from_numpy(np.stack(columns, axis=1)).float().to(device)


def pixels(pictures: Tensor, where: Tensor) -> Tensor:
    """Some pixels (pixel,), by their indices, of pictures (…, height, width): (…, pixel)."""
    flat = pictures.flatten(-2)
    return flat if len(where) == flat.shape[-1] else flat[..., where]


def disc(side: int) -> Tensor:
    """Circular mask (side, side): a patch turned by any angle keeps just these pixels."""
    return torch.tensor(in_disc(side), dtype=torch.float32)
