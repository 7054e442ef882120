"""Patches laid onto pictures: the pose of each by trying a whole grid, then by least squares.

Nothing here is learned and nothing is started from a guess, so no pose is missed for being far from
where a search began: all patches are compared with all pictures under all poses of a grid in matrix
products, and the best pose of each patch is refined by damped Gauss-Newton steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vaescope.models import pose
from vaescope.models.least_squares import NUDGE, descend

TURNS = 24  # of the grid over the circle; refinement bridges the steps of 15 degrees
RINGS = ((0.5, 6), (1.0, 12))
"""Strains of the grid beside none: radius in units of the widest, and how many directions."""
STEPS = 3  # of refinement
ROWS = 512  # patches refined at once


@dataclass(frozen=True)
class Freedom:
    """What a pose may be: ``angles`` (turn,) rad that are tried; ``strain``, standard deviation of
    the prior of a strain that keeps the area, which is tried up to about as much; ``offset``, the
    same of the shift, which is only refined. 0: none. ``stretch``, as a share of ``strain``: the
    same of the part along the axes of the picture."""

    angles: Tensor
    strain: float = 0.0
    offset: float = 0.0
    stretch: float = 1.0

    @classmethod
    def of(cls, rotation: bool, symmetry: int, strain: float, offset: float) -> Freedom:
        angles = pose.turn_grid(TURNS, symmetry) if rotation else torch.zeros(1)
        return cls(angles, strain, offset)

    def grid(self) -> Tensor:
        """All poses to try: (pose, 5) as angle, strain (xx, xy), offset (x, y)."""
        strains = [torch.zeros(1, 2)]
        for radius, count in RINGS if self.strain else ():
            around = torch.arange(count) * (2 * math.pi / count)
            strains.append(radius * self.strain * torch.stack([around.cos(), around.sin()], -1))
        strain = torch.cat(strains)
        turned = self.angles.repeat_interleave(len(strain))[:, None]
        out = torch.cat([turned, strain.repeat(len(self.angles), 1)], -1)
        return torch.cat([out, torch.zeros(len(out), 2)], -1)

    def spread(self) -> Tensor:
        """Standard deviations (5,) of the prior; 0 for what stays as it is."""
        turned = math.inf if len(self.angles) > 1 else 0.0
        along = self.strain * self.stretch
        return torch.tensor([turned, along, self.strain, self.offset, self.offset])


def matrices(poses: Tensor) -> Tensor:
    """Pose matrices (…, 2, 3) of poses (…, 5) as ``Freedom.grid`` gives them."""
    angle, xx, xy = poses[..., 0], poses[..., 1], poses[..., 2]
    return pose.affine(angle, poses[..., 3:], torch.stack([xx, -xx, xy], -1))


def poses_of(maps: Tensor) -> Tensor:
    """The poses (…, 5) whose matrices are nearest to maps (…, 2, 3): a change of area is left out.

    The linear part is exp(-strain) R(-angle), its polar decomposition.
    """
    left, size, right = torch.linalg.svd(maps[..., :2])
    turned = left @ right
    # R(-angle) = [[cos, -sin], [sin, cos]] with (x, y) and y down.
    angle = torch.atan2(turned[..., 1, 0], turned[..., 0, 0])
    strain = -(left * size.log().unsqueeze(-2)) @ left.transpose(-1, -2)
    half = (strain[..., 0, 0] - strain[..., 1, 1]) / 2
    shift = -torch.linalg.solve(maps[..., :2], maps[..., 2:])[..., 0]
    return torch.cat([torch.stack([angle, half, strain[..., 0, 1]], -1), shift], -1)


def inverse(maps: Tensor) -> Tensor:
    """The maps (…, 2, 3) back."""
    back = torch.linalg.inv(maps[..., :2])
    return torch.cat([back, -back @ maps[..., 2:]], -1)


def after(second: Tensor, first: Tensor) -> Tensor:
    """The maps (…, 2, 3) that do ``first`` and then ``second``."""
    linear = second[..., :2] @ first[..., :2]
    return torch.cat([linear, second[..., :2] @ first[..., 2:] + second[..., 2:]], -1)


def costs(patches: Tensor, picture: Tensor, freedom: Freedom, noise: float) -> Tensor:
    """Cost (patch, turn, strain) of patches (patch, channel, side, side) that show a picture
    (channel, side, side) under every pose of the grid: half the squared distance over the squared
    noise, and the prior's part."""
    mask = _mask(patches).flatten() > 0
    seen = patches.flatten(1)[:, mask]
    grid = freedom.grid()
    tried = pose.resample(picture.expand(len(grid), *picture.shape), matrices(grid))
    tried = tried.flatten(1)[:, mask]
    level = tried.square().sum(1) / 2 + _prior(grid, freedom) * noise**2
    power = seen.square().sum(1, keepdim=True) / 2
    # Rounding leaves a little less than nothing where patch and picture are the same.
    cost = (power + level - seen @ tried.T).clamp_min(0.0) / noise**2
    return cost.reshape(len(patches), len(freedom.angles), -1)


def nearest(
    patches: Tensor, pictures: Tensor, freedom: Freedom, noise: float, ways: int = 1
) -> tuple[Tensor, Tensor]:
    """For every patch and picture, the best of all poses.

    Parameters
    ----------
    patches : (patch, channel, side, side).
    pictures : (picture, channel, side, side), upright.
    freedom : the poses to try.
    noise : standard deviation of a pixel, which says how much the prior of the pose counts.
    ways : more than 1: the best pose of all, and the best of those about one, two, … of this many
        parts of the circle further, since a picture that is nearly the same after such a turn may
        lie best in any of these once poses are refined.

    Returns
    -------
    cost (patch, picture, way) and pose (patch, picture, way, 5).
    """
    found = [_ways(costs(patches, p, freedom, noise), freedom, ways) for p in pictures]
    cost, poses = zip(*found, strict=True)
    return torch.stack(cost, 1), torch.stack(poses, 1)


def _ways(cost: Tensor, freedom: Freedom, ways: int) -> tuple[Tensor, Tensor]:
    """Cost (patch, way) and pose (patch, way, 5) of the best poses of each way up."""
    _, count, strains = cost.shape
    least, strain = cost.min(2)
    turns = least.argmin(1, keepdim=True)
    if ways > 1 and count >= 2 * ways:
        part = count // ways
        reach = torch.arange(part) - part // 2
        near = (turns[:, :, None] + torch.arange(ways)[:, None] * part + reach).remainder(count)
        costs_near = least.gather(1, near.flatten(1)).reshape(near.shape)
        turns = near.gather(2, costs_near.argmin(2, keepdim=True))[..., 0]
    grid = freedom.grid().reshape(count, strains, 5)
    return least.gather(1, turns), grid[turns, strain.gather(1, turns)]


def refined(
    patches: Tensor,
    pictures: Tensor,
    poses: Tensor,
    freedom: Freedom,
    noise: float,
    interpolation: str = "bilinear",
) -> Tensor:
    """Poses (patch, 5) brought to where the cost is least.

    ``pictures`` (patch, channel, side, side): the one that each patch is laid on.
    """
    parts = [
        _refined(*rows, freedom, noise, interpolation)
        for rows in zip(patches.split(ROWS), pictures.split(ROWS), poses.split(ROWS), strict=True)
    ]
    return torch.cat(parts)


def _refined(
    patches: Tensor,
    pictures: Tensor,
    poses: Tensor,
    freedom: Freedom,
    noise: float,
    interpolation: str,
) -> Tensor:
    spread = freedom.spread()
    free = spread > 0
    fine, points = pose.finer(pictures, interpolation), pose.points_in_disc(patches.shape[-1])
    seen = patches.flatten(2)[..., _mask(patches)[0].flatten() > 0]

    def whole(place: Tensor) -> Tensor:
        full = poses.clone()
        full[:, free] = place
        return full

    def residual(place: Tensor) -> Tensor:
        left = seen - pose.sample_at(fine, matrices(whole(place)), points)
        return left.flatten(1) / noise

    return whole(descend(residual, poses[:, free], spread[free] ** -2, STEPS))


def cost(
    patches: Tensor, pictures: Tensor, poses: Tensor, freedom: Freedom, noise: float
) -> Tensor:
    """Cost (patch,) of patches that show their pictures, both (patch, channel, side, side), under
    poses (patch, 5)."""
    left = (patches - shown(pictures, poses)) * _mask(patches)
    return left.flatten(1).square().sum(1) / (2 * noise**2) + _prior(poses, freedom)


def shown(pictures: Tensor, poses: Tensor) -> Tensor:
    """Pictures (n, channel, side, side) under poses (n, 5)."""
    return pose.resample(pictures, matrices(poses), "spline")


def errors(
    pictures: Tensor, chosen: Tensor, poses: Tensor, freedom: Freedom, noise: float
) -> Tensor:
    """Standard errors (patch, 5) of poses (patch, 5) of patches that show the ``chosen`` (patch,)
    of some pictures, by the curvature of the cost; 0 for what is not free."""
    parts = zip(chosen.split(ROWS), poses.split(ROWS), strict=True)
    return torch.cat([_errors(pictures[k], place, freedom, noise) for k, place in parts])


def _errors(pictures: Tensor, poses: Tensor, freedom: Freedom, noise: float) -> Tensor:
    spread = freedom.spread()
    free = (spread > 0).nonzero()[:, 0]
    fine, points = pose.finer(pictures, "spline"), pose.points_in_disc(pictures.shape[-1])

    def see(place: Tensor) -> Tensor:
        return pose.sample_at(fine, matrices(place), points).flatten(1) / noise

    nudges = NUDGE * torch.eye(5)[free]
    slopes = torch.stack([(see(poses + n) - see(poses - n)) / (2 * NUDGE) for n in nudges], -1)
    curvature = slopes.transpose(1, 2) @ slopes + torch.diag(spread[free] ** -2)
    out = torch.zeros_like(poses)
    variance = torch.linalg.inv(curvature + 1e-6 * torch.eye(len(free)))
    out[:, free] = variance.diagonal(dim1=1, dim2=2).sqrt()
    return out


def upright(patches: Tensor, poses: Tensor) -> Tensor:
    """Patches (patch, channel, side, side) as they look with their poses (patch, 5) taken away."""
    back = inverse(matrices(poses))
    parts = zip(patches.split(ROWS), back.split(ROWS), strict=True)
    return torch.cat([pose.resample(some, maps, "spline") for some, maps in parts])


def _prior(poses: Tensor, freedom: Freedom) -> Tensor:
    """Cost (…,) of poses (…, 5) by the prior, nats."""
    spread = freedom.spread()[1:]
    scaled = torch.where(spread > 0, poses[..., 1:] / spread.clamp_min(1e-9), 0.0)
    return 0.5 * scaled.square().sum(-1)


def _mask(patches: Tensor) -> Tensor:
    return pose.disc(patches.shape[-1]).expand(patches.shape[1:])
