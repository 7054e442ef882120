"""The grid of shifts over the unit cell, over which the posterior of a shift is summed.

A window of a lattice that is shifted by a vector of the lattice shows the same again, so where a
structure lies is known modulo the unit cell. The posterior over the grid is to the shift what that
over the turns is to the angle: a normal posterior that starts at 0 never leaves the cell in which
it starts (``models.family``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vaescope.models.settings import ModelSettings

REACH = 0.6  # steps of the grid that a correction reaches: beyond half, so that shifts can meet
Cell = Sequence[Sequence[float]]
"""Vectors of a unit cell: two of (x, y), in units of half the patch side."""
USUAL = 4  # shifts along each vector of the cell: a step of 6 px in a cell of 24 px
_SAME = 1.1  # ratio of the lengths of vectors that are equal but for distortions of the scan,
_APART = 6.0  # degrees by which these change the angle between them


def fold(cell: Cell) -> int:
    """The rotational symmetry of the lattice with a reduced cell: 2, 4 or 6."""
    (ax, ay), (bx, by) = cell
    sides = math.hypot(ax, ay), math.hypot(bx, by)
    if max(sides) > _SAME * min(sides):
        return 2
    angle = math.degrees(math.acos(min(abs(ax * bx + ay * by) / (sides[0] * sides[1]), 1.0)))
    if abs(angle - 90) < _APART:
        return 4
    return 6 if abs(angle - 60) < _APART else 2


def with_symmetry(settings: ModelSettings, cell: Cell | None) -> ModelSettings:
    """Settings whose symmetry is a number: that of the cell, with turns as far apart as before,
    where `auto` leaves it open and patches show a lattice."""
    if settings.symmetry != "auto":
        return settings
    if cell is None or ShiftGrid.of(settings, cell) is None or not settings.rotation:
        return replace(settings, symmetry=1)
    n = fold(cell)
    return replace(settings, symmetry=n, turns=-(-settings.turns // n))


@dataclass(frozen=True)
class ShiftGrid:
    """``cell`` (2, 2): the vectors of a reduced unit cell as (x, y), in units of half the patch
    side; ``count`` shifts along each."""

    cell: Tensor
    count: int

    @classmethod
    def of(cls, settings: ModelSettings, cell: Cell | None) -> ShiftGrid | None:
        """That of a model with these settings, for patches of a lattice with this cell; None: the
        posterior of a shift is one normal distribution."""
        of_patch = settings.view == settings.decoded == "patch" and settings.spectrum == "none"
        if cell is None or settings.shifts == 1 or not (settings.offsets and of_patch):
            return None
        count = USUAL if settings.shifts == "auto" else settings.shifts
        return cls(torch.tensor(cell, dtype=torch.float32), count)

    @property
    def nodes(self) -> Tensor:
        """The shifts (count², 2) as (x, y) in the patch, each the shortest of its equivalents."""
        share = torch.arange(self.count) / self.count
        each = torch.cartesian_prod(share, share) @ self.cell
        return self.shortest(each)

    @property
    def step(self) -> float:
        """From a shift to the next, along the longer vector."""
        return float(self.cell.norm(dim=-1).max()) / self.count

    @property
    def prior_sd(self) -> float:
        """Of the correction to a shift of the grid: with all shifts alike, nearly uniform over the
        cell."""
        return self.step / 2

    @property
    def margin(self) -> float:
        """How far beyond the patch its canonical picture is seen, in units of half the side."""
        return float(self.nodes.norm(dim=-1).max()) + REACH * self.step

    def shortest(self, shifts: Tensor) -> Tensor:
        """Shifts (…, 2), each the shortest of those that are equivalent modulo the cell."""
        cell = self.cell.to(shifts)
        within = shifts - torch.round(shifts @ torch.linalg.inv(cell)) @ cell
        options = within.unsqueeze(-2) - self._vectors(1).to(shifts)
        best = options.square().sum(-1).argmin(-1, keepdim=True).unsqueeze(-1)
        return options.gather(-2, best.expand(*best.shape[:-1], 2)).squeeze(-2)

    def inside(self, points: Tensor, side: int) -> Tensor:
        """Points (…, 2) as (x, y); those outside of a patch of ``side`` pixels moved into it by the
        shortest vector of the lattice that does so, where one does."""
        limit, near = 1.0 - 1.0 / side, self._vectors(3).to(points)  # the outermost pixels' middles
        near = near[near.norm(dim=-1).argsort()]
        moved = points.unsqueeze(-2) + near
        beyond = (moved.abs().amax(-1) - limit).clamp_min(0)
        best = (beyond + 1e-3 * near.norm(dim=-1)).argmin(-1, keepdim=True)
        return moved.gather(-2, best.unsqueeze(-1).expand(*best.shape, 2)).squeeze(-2)

    def _vectors(self, reach: int) -> Tensor:
        """Vectors (vector, 2) of the lattice, up to ``reach`` steps along each side of its cell."""
        steps = range(-reach, reach + 1)
        whole = torch.tensor(list(itertools.product(steps, steps)), dtype=torch.float32)
        return whole @ self.cell
