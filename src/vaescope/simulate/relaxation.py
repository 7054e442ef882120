"""Relaxation of ferroelectric lattices by Euler steps, any number of lattices at once.

Tensors have the axes (component, y, x, batch), in this order also in memory: neighbours of all
lattices are contiguous rows, so that every operation runs at the speed of the memory, which is that
of the cache since the batch is worked off in blocks. Gradients go through; while they are recorded,
only every `_SEGMENT`-th state is kept and those between are computed again on the way back.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from vaescope.errors import UserError
from vaescope.simulate.ferroelectric import Boundary, Material

_SEGMENT = 32  # steps between looks at the length of the step
_BLOCK = 2**20  # bytes of the state of one block: with less, the calls themselves take longer
_BLOCK_ON_GPU = 2**28


def relax(
    p: torch.Tensor,
    material: Material,
    local: torch.Tensor,
    steps: np.ndarray,
    *,
    drive: torch.Tensor | None = None,
    keep: Collection[int] | None = None,
) -> torch.Tensor:
    """Polarisation of lattices in the course of time.

    Parameters
    ----------
    p : (component, y, x, batch), the start; it is not written to.
    local : (component, y, x, batch or 1), field that stays.
    steps : (step,) of time.
    drive : (step, component, batch), field of each step that is the same at all sites.
    keep : numbers of the states to return, ascending, 0 the start; by default the last.

    Returns
    -------
    (kept, component, y, x, batch)

    Raises
    ------
    UserError : a step is too long, so that the polarisation oscillates or diverges.
    """
    keep = [len(steps)] if keep is None else keep
    batch = p.shape[-1]
    bytes_ = _BLOCK if p.device.type == "cpu" else _BLOCK_ON_GPU
    block = max(1, bytes_ * batch // max(p.numel() * p.element_size(), 1))
    found = []
    for first in range(0, batch, block):
        part = slice(first, first + block)
        within = _Lattices(
            material,
            local if local.shape[-1] == 1 else local[..., part].contiguous(),
            steps,
            None if drive is None else drive[..., part].contiguous(),
            set(keep),
        )
        states, sharpest = within.run(p[..., part].contiguous())
        _check(sharpest, first, material, float(np.max(steps, initial=0.0)), local, drive)
        found.append(states)
    return torch.cat(found, dim=-1) if len(found) > 1 else found[0]


class _Lattices:
    """One block of lattices, as in `relax`."""

    def __init__(
        self,
        material: Material,
        local: torch.Tensor,
        steps: np.ndarray,
        drive: torch.Tensor | None,
        keep: set[int],
    ) -> None:
        self.material, self.local, self.steps, self.drive = material, local, steps, drive
        self.keep = keep
        self.alpha1 = torch.as_tensor(material.alpha1, dtype=local.dtype, device=local.device)
        if self.alpha1.ndim:
            self.alpha1 = self.alpha1[..., None]
        # p² (1 − mixed) + (p² + q²) mixed is p² + (α3 / 2 α2) q².
        self.mixed = material.alpha3 / (2 * material.alpha2) if len(local) > 1 else 0.0

    def run(self, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States (kept, component, y, x, batch), and the largest curvature of the Landau energy
        of a site (batch,) that was met."""
        recorded = torch.is_grad_enabled() and any(
            each.requires_grad for each in (p, self.local, self.drive) if each is not None
        )
        kept = [p] if 0 in self.keep else []
        sharpest = self._sharpest(p)
        for first in range(0, len(self.steps), _SEGMENT):
            until = min(first + _SEGMENT, len(self.steps))
            if recorded:
                p, *more = checkpoint(self._segment, p, first, until, use_reentrant=False)
            else:
                p, *more = self._segment(p, first, until)
            kept += more
            sharpest = torch.maximum(sharpest, self._sharpest(p))
        return torch.stack(kept), sharpest

    def _segment(self, p: torch.Tensor, first: int, until: int) -> list[torch.Tensor]:
        """The state after some steps, and those on the way that are kept."""
        kept, step = [], math.nan
        for number in range(first, until):
            if not math.isclose(self.steps[number], step, rel_tol=1e-12):
                step = float(self.steps[number])
                still, linear = self._shared(step)
            p = self._step(p, number, still, linear)
            if number + 1 in self.keep:
                kept.append(p)
        return [p, *kept]

    def _shared(self, step: float) -> tuple[torch.Tensor, torch.Tensor]:
        """What steps of one length share: what the local field adds, and the coefficient of the
        linear term over that of the cubic one."""
        m = self.material
        dt = m.mobility * step
        linear = 1 - dt * (2 * self.alpha1 + m.coupling)
        return dt * self.local, linear / (-4 * dt * m.alpha2 * (1 + self.mixed))

    def _step(
        self, p: torch.Tensor, number: int, still: torch.Tensor, linear: torch.Tensor
    ) -> torch.Tensor:
        """p + γ dt (−2 α1 p − 4 α2 p³ − 2 α3 q² p − k p + k/4 Σ p' + E − d⟨p⟩), q the other
        component; in as few passes over the memory as torch's operations allow."""
        m = self.material
        dt = m.mobility * float(self.steps[number])
        after = still.expand_as(p).clone(memory_format=torch.contiguous_format)
        add_neighbours(after, p, dt * m.coupling / 4, m.boundary)
        square = torch.addcmul(linear, p, p)
        if len(p) > 1:
            square = torch.lerp(square, square[0] + square[1], self.mixed)
        after.addcmul_(p, square, value=-4 * dt * m.alpha2)
        drive = None if self.drive is None else self.drive[number, :, None, None]
        if m.depolarisation:
            against = -m.depolarisation * p.mean(dim=(1, 2), keepdim=True)
            drive = against if drive is None else drive + against
        return after if drive is None else after.add_(drive, alpha=dt)

    @torch.no_grad()
    def _sharpest(self, p: torch.Tensor) -> torch.Tensor:
        """Largest curvature (batch,) of the Landau energy of a site."""
        m = self.material
        square = p * p
        if len(p) == 1:
            found = 2 * self.alpha1 + 12 * m.alpha2 * square[0]
        else:
            one, other = square
            half = (6 * m.alpha2 - m.alpha3) * (one - other)
            off = 4 * m.alpha3 * p[0] * p[1]
            found = 2 * self.alpha1 + (6 * m.alpha2 + m.alpha3) * (one + other)
            found = found + torch.hypot(half, off)
        return found.amax(dim=(0, 1))


def add_neighbours(total: torch.Tensor, p: torch.Tensor, factor: float, boundary: Boundary) -> None:
    """Add to ``total`` ``factor`` times the sum of the polarisation over the four neighbours of
    each site; both (component, y, x, batch)."""
    for axis in (1, 2):
        n = p.shape[axis]
        total.narrow(axis, 1, n - 1).add_(p.narrow(axis, 0, n - 1), alpha=factor)
        total.narrow(axis, 0, n - 1).add_(p.narrow(axis, 1, n - 1), alpha=factor)
        if boundary != "dead":
            before, after = beyond(p, axis, boundary)
            total.narrow(axis, 0, 1).add_(before, alpha=factor)
            total.narrow(axis, n - 1, 1).add_(after, alpha=factor)


def beyond(p: torch.Tensor, axis: int, boundary: Boundary) -> tuple[torch.Tensor, torch.Tensor]:
    """What lies beyond the first and beyond the last site along an axis."""
    n = p.shape[axis]
    first, last = p.narrow(axis, 0, 1), p.narrow(axis, n - 1, 1)
    if boundary == "dead":
        return torch.zeros_like(first), torch.zeros_like(last)
    return (first, last) if boundary == "open" else (last, first)


def energies(
    p: torch.Tensor, material: Material, local: torch.Tensor, drive: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Parts of the energy (batch,) of lattices, summed over the sites.

    Parameters
    ----------
    p : (component, y, x, batch). local : (component, y, x, batch or 1). drive : (component, batch).

    Returns
    -------
    ``landau``, ``coupling``, ``defects`` (of the field ``local``), ``field`` (of ``drive``) and
    ``depolarisation``.
    """
    m = material
    sites = p.shape[1] * p.shape[2]
    alpha1 = torch.as_tensor(m.alpha1, dtype=p.dtype, device=p.device)
    square = p * p
    landau = (alpha1[..., None] if alpha1.ndim else alpha1) * square + m.alpha2 * square**2
    landau = landau.sum(dim=0)
    if len(p) > 1:
        landau = landau + m.alpha3 * square[0] * square[1]
    around = torch.zeros_like(p)
    add_neighbours(around, p, 1.0, m.boundary)
    mean = p.mean(dim=(1, 2))
    return {
        "landau": landau.sum(dim=(0, 1)),
        "coupling": m.coupling / 8 * (p * (4 * p - around)).sum(dim=(0, 1, 2)),
        "defects": -(local * p).sum(dim=(0, 1, 2)),
        "field": -sites * ((0.0 if drive is None else drive) * mean).sum(dim=0),
        "depolarisation": m.depolarisation / 2 * sites * (mean * mean).sum(dim=0),
    }


def _check(
    sharpest: torch.Tensor,
    first: int,
    material: Material,
    step: float,
    local: torch.Tensor,
    drive: torch.Tensor | None,
) -> None:
    """Refuse steps for which the lattices, the first of them number ``first``, are too stiff."""
    wrong = ~(material.mobility * step * material.curvature(sharpest) <= 2)
    if not step or not wrong.any():
        return
    field = sum(float(each.detach().abs().max()) for each in (local, drive) if each is not None)
    limit = material.longest_step(material.largest(field))
    raise UserError(
        "the steps of time are too long for the lattice: its polarisation oscillates or diverges",
        found=f"steps of {step:.3g}, unstable in at least {int(wrong.sum())} lattices, the first "
        f"of them number {first + int(wrong.nonzero()[0])}",
        expected=f"steps up to {limit:.3g} in these fields",
        remedy="Take shorter steps of time, or weaker fields",
    )
