"""What is given to lattices of polarisation, as tensors, or an error that says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate.ferroelectric import Array

if TYPE_CHECKING:
    import torch

_TYPES = ("float32", "float64")


def tensor(values: Array, kind: dict[str, Any]) -> torch.Tensor:
    """Values as a tensor; ``kind`` : device and type of it, or nothing."""
    import torch

    if not isinstance(values, torch.Tensor):
        values = torch.tensor(np.ascontiguousarray(values))
    return values.to(**kind)


def numbers(dtype: str, device: str) -> dict[str, Any]:
    """Device and type of numbers as torch takes them.

    Raises
    ------
    UserError : there is no such type, or no such device in this machine.
    """
    import torch

    if dtype not in _TYPES:
        raise UserError(
            "lattices have no such type of numbers",
            found=repr(dtype),
            expected=" or ".join(_TYPES),
        )
    try:
        kind = {"device": torch.device(device), "dtype": getattr(torch, dtype)}
        torch.empty(1, **kind)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            "the device for lattices is not there",
            found=f"{device!r}: {str(error).splitlines()[0]}",
            expected="a device of torch, such as cpu or cuda",
        ) from error
    return kind


def defect_fields(
    defects: Array | None, batch: int, side: int, kind: dict[str, Any]
) -> torch.Tensor:
    """Fields (2, side, side, batch or 1) of defects.

    Raises
    ------
    UserError : they do not fit the lattice or are not finite.
    """
    import torch

    if defects is None:
        return torch.zeros(2, side, side, 1, **kind)
    local = tensor(defects, kind)
    if local.shape not in ((side**2, 2), (batch, side**2, 2)):
        raise UserError(
            "the fields of defects do not fit the lattice",
            found=f"shape {tuple(local.shape)}",
            expected=f"({side**2}, 2) or ({batch}, {side**2}, 2), a field (x, y) for every site",
        )
    _refuse_gaps(local, "the fields of defects hold values that are not finite")
    return local.reshape(-1, side, side, 2).permute(3, 1, 2, 0)


def start_state(start: Array, batch: int, side: int, kind: dict[str, Any]) -> torch.Tensor:
    """Polarisation (batch, 2, side, side) at the start.

    Raises
    ------
    UserError : it does not fit the lattice or is not finite.
    """
    p = tensor(start, kind)
    if p.shape not in ((2, side, side), (batch, 2, side, side)):
        raise UserError(
            "the polarisation at the start does not fit the lattice",
            found=f"shape {tuple(p.shape)}",
            expected=f"(2, {side}, {side}) or ({batch}, 2, {side}, {side})",
        )
    _refuse_gaps(p, "the polarisation at the start holds values that are not finite")
    return p.expand(batch, 2, side, side)


def _refuse_gaps(values: torch.Tensor, message: str) -> None:
    if not values.isfinite().all():
        raise UserError(
            message,
            found=f"{int((~values.isfinite()).sum())} of {values.numel()} values",
            expected="numbers",
        )


def times_kept(keep: Sequence[int], last: int) -> list[int]:
    """Numbers of the times to keep, counted from the first.

    Raises
    ------
    UserError : there are none, or a time that is not there.
    """
    kept = [int(number) + (last + 1 if number < 0 else 0) for number in keep]
    if not kept or min(kept) < 0 or max(kept) > last:
        raise UserError(
            "times to keep are not among those of the field",
            found=f"numbers {min(keep)} to {max(keep)}" if kept else "no number",
            expected=f"at least one number from 0 to {last}, or from −{last + 1} to −1",
        )
    return kept


def check_course(field: torch.Tensor, times: np.ndarray, side: int) -> None:
    """Refuse a ``field`` (batch, time, 2), ``times`` or a lattice that cannot be followed.

    Raises
    ------
    UserError : what is wrong.
    """
    if int(side) != side or side < 2:
        raise UserError(
            "the lattice is too small",
            found=f"{side} sites along an edge",
            expected="a whole number of at least 2",
        )
    if field.ndim != 3 or field.shape[2] != 2 or times.shape != field.shape[1:2] or not len(field):
        raise UserError(
            "the field and its times do not fit together",
            found=f"a field of shape {tuple(field.shape)}, times of shape {times.shape}",
            expected="a field (batch, time, 2) and times (time,), at least one of each",
        )
    steps = np.diff(times)
    if not (len(times) and np.isfinite(times).all() and (steps > 0).all()):
        raise UserError(
            "the times of the field do not ascend",
            found=f"{len(times)} times with steps from {steps.min(initial=np.inf):.3g}",
            expected="finite times, each later than the one before",
        )
    if not field.isfinite().all():
        bad = (~field.isfinite()).flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise UserError(
            "the field holds values that are not finite",
            found=f"in {len(bad)} of {len(field)} courses, the first of them number {bad[0]}",
            expected="numbers in units of the coercive field",
            remedy="Leave out or repair these courses",
        )
