"""Where poses start: the patches themselves, laid onto prototypes of the structures among them.

An encoder that learns poses by gradient finds a structure lying in several ways if it is nearly
symmetric, or turns and shears it in one part of the patches otherwise than in another; nothing in
the bound brings the ways together again. So structures are looked for first without any network:
some patches become prototypes, all others are laid onto them under every pose of a grid, and the
prototypes become the means of what was laid onto them, again and again (classes and poses by
maximum likelihood as in cryo-electron microscopy: Scheres et al., J. Mol. Biol. 348 (2005) 139).
Prototypes that are alike but for a pose show one structure, which so gets one way up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vaescope.models import register
from vaescope.models.family import Family
from vaescope.models.pose import rotation
from vaescope.models.register import Freedom
from vaescope.train.ways_up import one_way

ROUNDS = 5  # of laying on and averaging, before and again after prototypes are put together
LAST_ROUNDS = 3  # with the prior of strains as it was found
WAYS_UP = (0, ROUNDS - 1)  # rounds of the second kind in which averages of several ways are parted
MOST = 1600  # patches that prototypes are made of; the others are laid onto them at the end
DIRECTIONS = 90  # tried for the axes along which structures shear
LEAST_ERROR = 0.003  # rad, strain, half patch sides: nothing is taught more exactly
INDEPENDENT = 20  # numbers at least that the residuals of a patch amount to
COMPARED = 300  # patches whose residuals are compared for it
LEAST_STRETCH = 0.05  # of the shears: what is left to errors
WAYS = 12  # up from which poses are refined, where they may fit: what is nearly symmetric has many
MOST_FALL = 0.95  # quantile of what refinement takes off a cost: others may fall by as much,
MOST_TRIED = 6  # but no more than this number of poses is refined for a patch
ALIKE = 0.12  # of the contrast: distance up to which prototypes show one structure


@dataclass(frozen=True)
class PatchNoise:
    """What is left of patches: ``sd`` of a pixel, and the ``independent`` numbers that a patch's
    residuals amount to. Where pictures are what is wrong, neighbouring pixels err together; noise
    has as many as there are pixels."""

    sd: float
    independent: float = INDEPENDENT

    @classmethod
    def of(cls, left: Tensor) -> PatchNoise:
        """Of residuals (site, channel, side, side): (tr C)² / tr C² of their covariance C, from
        the products of those of different patches."""
        some = left[:COMPARED].flatten(1)
        products = some @ some.T
        power = products.diagonal()
        between = products - torch.diag(power)
        pairs = max(len(some) * (len(some) - 1), 1)
        common = float(between.square().sum()) / pairs
        count = float(power.mean()) ** 2 / max(common, 1e-30)
        sd = float(left.square().mean().sqrt()) + 1e-6
        return cls(sd, min(max(count, INDEPENDENT), left[0].numel()))

    def doubt(self, pixels: int) -> float:
        """Standard deviation with which ``pixels`` count as the independent numbers they are."""
        return self.sd * max(pixels / self.independent, 1.0) ** 0.5


@dataclass
class Start:
    """``structure`` (site,) index; ``pose`` (site, 5) against the picture of its structure, as
    ``register.Freedom.grid`` gives poses, with shears along the picture's own x and y axes, and
    ``error`` (site, 5) its standard errors; ``pictures`` (structure, channel, side, side)."""

    structure: Tensor
    pose: Tensor
    error: Tensor
    pictures: Tensor

    def turns(self, model: Family) -> Tensor:
        """(site,) index of the turn of the grid that is nearest."""
        return (self.pose[:, 0] / model.step).round().long() % len(model.turns)

    def parts(self, model: Family) -> dict[str, Tensor]:
        """The other parts of the pose that a model has, and ``NAME_error`` their standard errors:
        name -> (site, size)."""
        angle, stretch, shear, *offset = self.pose.unbind(1)
        error = self.error.clamp_min(LEAST_ERROR)
        known = {
            "angle": (angle - (angle / model.step).round() * model.step)[:, None],
            "shear": shear[:, None],
            "strain": torch.stack([stretch, -stretch, shear], 1),
            "offset": (rotation(-angle) @ torch.stack(offset, 1)[..., None])[..., 0],
        }
        errors = {
            "angle": error[:, :1],
            "shear": error[:, 2:3],
            "strain": error[:, [1, 1, 2]],
            "offset": error[:, 3:].amax(1, keepdim=True).expand(-1, 2),
        }
        here = [part.name for part in model.parts if part.name in known]
        return {n: known[n] for n in here} | {f"{n}_error": errors[n] for n in here}


def find(
    patches: Tensor, count: int, freedom: Freedom, generator: torch.Generator, classes: int = 0
) -> Start:
    """Structures among patches, and how every patch lies.

    Parameters
    ----------
    patches : (site, channel, side, side), on torch's default device.
    count : prototypes.
    freedom : what a pose may be.
    generator : of the first prototypes.
    classes : how many structures there are; 0: as many as are not alike.
    """
    some = torch.randperm(len(patches), generator=generator, device="cpu")[:MOST]
    seen = patches[some.to(patches.device)]
    noise = PatchNoise(float(seen.std()) / 2 + 1e-6)
    pictures = seen[_apart(seen, count, freedom, noise.sd, generator)]
    for _ in range(ROUNDS):
        chosen, poses, noise = laid(seen, pictures, freedom, noise)
        pictures = averaged(seen, chosen, poses, pictures)
    pictures = together(pictures, chosen, freedom, noise.sd, classes)
    for done in range(ROUNDS + LAST_ROUNDS):
        chosen, poses, noise = laid(seen, pictures, freedom, noise, every_way=True)
        if done in WAYS_UP:
            poses = one_way(seen, chosen, poses, len(pictures))
        if freedom.strain:
            poses = along_axes(chosen, poses)
        pictures = averaged(seen, chosen, poses, pictures)
        if done == ROUNDS - 1:
            pictures = together(
                pictures, chosen, freedom, noise.sd, classes
            )  # they are sharper now
        if done >= ROUNDS - 1:
            # Structures that shear along their axes and do not stretch: that tells a diamond from
            # the same diamond lying across.
            along, across = poses[:, 1].abs().median(), poses[:, 2].abs().median()
            share = float((along / across.clamp_min(1e-6)).clamp(LEAST_STRETCH, 1.0))
            freedom = replace(freedom, stretch=share)
    parts = [
        laid(part, pictures, freedom, noise, every_way=True)[:2] for part in patches.split(MOST)
    ]
    chosen, poses = (torch.cat(values) for values in zip(*parts, strict=True))
    error = register.errors(pictures, chosen, poses, freedom, noise.sd)
    if freedom.strain:
        poses = along_axes(chosen, poses)
    return Start(chosen, poses, error, pictures)


def _apart(
    patches: Tensor, count: int, freedom: Freedom, noise: float, generator: torch.Generator
) -> list[int]:
    """Rows of patches that differ however they are laid (k-means++: Arthur & Vassilvitskii, SODA
    2007, 1027)."""
    rows = [int(torch.randint(len(patches), (1,), generator=generator, device="cpu"))]
    far = torch.full((len(patches),), torch.inf)
    while len(rows) < min(count, len(patches)):
        cost = register.nearest(patches, patches[rows[-1:]], freedom, noise)[0][:, 0, 0]
        far = torch.minimum(far, cost.clamp_min(0.0))
        rows.append(int(torch.multinomial(far.cpu() + 1e-9, 1, generator=generator)))
    return rows


def laid(
    patches: Tensor, pictures: Tensor, freedom: Freedom, noise: PatchNoise, every_way: bool = False
) -> tuple[Tensor, Tensor, PatchNoise]:
    """The picture (site,) that each patch fits best, its pose (site, 5), and the noise left.

    ``every_way``: pictures and ways up that may come to fit best once poses are refined are chosen
    between after that, and poses refined as well as can be.
    """
    # Poses are compared by what counts in the end, on the grid too: where noise is small, the prior
    # of the strain would be nothing beside the coarseness of the grid.
    doubt = noise.doubt(patches[0].numel())
    scale = doubt if every_way else noise.sd
    cost, poses = register.nearest(patches, pictures, freedom, scale, WAYS if every_way else 1)
    ways = cost.shape[2]
    cost, option = cost.flatten(1).sort(1)
    kind = "spline" if every_way else "bilinear"

    def reached(rows: Tensor, option: Tensor) -> tuple[Tensor, Tensor]:
        start, which = poses.flatten(1, 2)[rows, option], pictures[option // ways]
        moved = register.refined(patches[rows], which, start, freedom, noise.sd, kind)
        return moved, register.cost(patches[rows], which, moved, freedom, doubt)

    best = option[:, 0]
    moved, least = reached(torch.arange(len(patches)), best)
    if every_way:
        # Another pose may come to fit better if it falls by as much as the first ones fell.
        fall = (cost[:, 0] - least).quantile(MOST_FALL)
        may_fit = cost[:, 1:MOST_TRIED] <= (least + fall)[:, None]
        for k in range(1, MOST_TRIED):
            rows = may_fit[:, k - 1].nonzero()[:, 0]
            if not len(rows):
                break
            there, there_cost = reached(rows, option[rows, k])
            better = there_cost < least[rows]
            rows = rows[better]
            moved[rows], least[rows] = there[better], there_cost[better]
            best[rows] = option[rows, k]
    chosen = best // ways
    left = patches - register.shown(pictures[chosen], moved)
    return chosen, moved, PatchNoise.of(left)


def averaged(patches: Tensor, chosen: Tensor, poses: Tensor, pictures: Tensor) -> Tensor:
    """Means of the patches laid onto each picture; one that none is laid onto stays."""
    back = register.upright(patches, poses)
    out = pictures.clone()
    for k in range(len(pictures)):
        if (chosen == k).any():
            out[k] = back[chosen == k].mean(0)
    return out


def together(
    pictures: Tensor, chosen: Tensor, freedom: Freedom, noise: float, classes: int
) -> Tensor:
    """Merge pictures, the most similar first, as long as they are alike or more than ``classes``.

    ``chosen`` (site,) the picture that each patch was laid on. A pair costs what the squared
    distance of its patches from their mean grows by (Ward, J. Am. Stat. Assoc. 58 (1963) 236).
    """
    weight = chosen.bincount(minlength=len(pictures)).float()
    pictures, weight = pictures[weight > 0], weight[weight > 0]
    apart, poses = _pairs(pictures, pictures, freedom, noise)
    power = noise**2 * pictures[0].numel()  # of the noise in a patch; a mean of n has 1 / n of it
    while len(pictures) > 1:
        loss = weight[:, None] * weight / (weight[:, None] + weight) * apart.square()
        loss.fill_diagonal_(torch.inf)
        if classes and len(pictures) <= classes:
            break
        if not classes:
            own = power / weight
            size = (pictures - pictures.mean()).flatten(1).square().sum(1) - own
            structure = apart.square() - own[:, None] - own
            least = torch.minimum(size[:, None], size).clamp_min(0.0)
            loss[structure > ALIKE**2 * least] = torch.inf
        if not loss.isfinite().any():
            break
        one, other = divmod(int(loss.argmin()), len(pictures))
        # ``other`` as it would look in the frame of ``one``.
        like = register.shown(pictures[other : other + 1], poses[one, other][None])[0]
        share = weight[one] / (weight[one] + weight[other])
        merged = share * pictures[one] + (1 - share) * like
        left = [k for k in range(len(pictures)) if k not in (one, other)]
        pictures = torch.cat([pictures[left], merged[None]])
        weight = torch.cat([weight[left], (weight[one] + weight[other])[None]])
        # Those that are left are as far apart as they were.
        row = _pairs(merged[None], pictures, freedom, noise)
        column = _pairs(pictures[:-1], merged[None], freedom, noise)
        apart, poses = (
            torch.cat([torch.cat([before[left][:, left], beside], 1), below])
            for before, beside, below in zip((apart, poses), column, row, strict=True)
        )
    return pictures


def _pairs(ones: Tensor, others: Tensor, freedom: Freedom, noise: float) -> tuple[Tensor, Tensor]:
    """Distance (one, other) of pictures at the best pose, and the pose (one, other, 5) under which
    the other looks like the one."""
    _, poses = register.nearest(ones, others, freedom, noise, WAYS)
    ways = poses.shape[2]
    one = ones.repeat_interleave(len(others) * ways, 0)
    other = others.repeat_interleave(ways, 0).repeat(len(ones), 1, 1, 1)
    moved = register.refined(one, other, poses.flatten(0, 2), freedom, noise)
    left = (one - register.shown(other, moved)).flatten(1).norm(dim=1).reshape(-1, ways)
    best = left.argmin(1)
    rows = torch.arange(len(best))
    moved = moved.reshape(-1, ways, 5)[rows, best]
    return left[rows, best].reshape(len(ones), -1), moved.reshape(len(ones), -1, 5)


def along_axes(structure: Tensor, poses: Tensor) -> Tensor:
    """Poses (site, 5) seen from pictures that lie so that their structures shear along x and y.

    The mean strain of every structure becomes 0.
    """
    out = poses.clone()
    for k in structure.unique():
        here = structure == k
        middle, direction = _line(poses[here, 1:3])
        # In a frame turned by a, the strain xx + i xy is exp(2 i a) times what it was.
        turned = torch.pi / 4 - direction / 2
        zero = torch.zeros(())
        centred = register.matrices(torch.stack([zero, *-middle, zero, zero]))
        turn = register.matrices(torch.stack([turned, zero, zero, zero, zero]))
        frame = register.after(turn, centred)[None]
        out[here] = register.poses_of(register.after(frame, register.matrices(poses[here])))
    return out


def _line(points: Tensor) -> tuple[Tensor, Tensor]:
    """The line near which most points (row, 2) lie: its middle (2,) and direction, rad.

    That with the narrowest strip that holds half of them (least median of squares: Rousseeuw, J.
    Am. Stat. Assoc. 79 (1984) 871), so that points of another line do not pull at it.
    """
    angle = torch.arange(DIRECTIONS) * (torch.pi / DIRECTIONS)
    normal = torch.stack([-angle.sin(), angle.cos()])
    across = (points @ normal).sort(0).values
    half = len(points) // 2
    width, start = (across[half:] - across[: len(points) - half]).min(0)
    best = width.argmin()
    strip = across[start[best] + half, best] + across[start[best], best]
    along = torch.stack([angle[best].cos(), angle[best].sin()])
    near = ((points @ normal)[:, best] - strip / 2).abs() <= width[best]
    middle = (points[near] @ along).median() * along + strip / 2 * normal[:, best]
    moment = torch.complex(*(points[near] - middle).unbind(1)).square().sum()
    return middle, moment.angle() / 2
