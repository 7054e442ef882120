"""FerroSim: polarisation on a square lattice in a field that varies, any number of them at once.

Site (row, column) has a polarisation P = (Px, Py): x points along the row, to the right, y along
the column, downwards, as rows are counted, so that a picture of the lattice with row 0 on top and
arrows (Px, Py) in its coordinates is true. The Landau energy of a site is

========================  ======================================================  =================
model                     Landau energy                                           minima
========================  ======================================================  =================
``uniaxial``              (α1/2) Py² + (α2/4) Py⁴, Px = 0                         (0, ±1)
``squareelectric``        (α1/2) (Px² + Py²) + (α2/4) (Px⁴ + Py⁴)                 (±1, ±1)
``tetragonal``            α1 (Px² + Py²) + α2 (Px⁴ + Py⁴) + α3 Px² Py²            (±1, 0), (0, ±1)
``rhombohedral``          the same                                                (±1, ±1)
========================  ======================================================  =================

(directions of the minima with the coefficients of `MODELS`); coupling, depolarisation and
relaxation are those of `ferroelectric`. Fields are in units of Ec = −(2/3) α1 √|α1 / 3 α2|, the
coercive field of a single site in the models ``uniaxial`` and ``squareelectric``; that of a
``tetragonal`` or ``rhombohedral`` one along an axis, other component zero, is √2 Ec. Times are in
units of the inverse mobility.

Sources: S. V. Kalinin, M. Ziatdinov and R. K. Vasudevan, J. Appl. Phys. 128 (2020) 024102, and its
program FerroSim; D. Ricinschi et al., J. Phys.: Condens. Matter 10 (1998) 477 (the lattice model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from vaescope.errors import UserError, suggestion
from vaescope.simulate.ferroelectric import Array, Boundary, Material
from vaescope.simulate.lattice_inputs import (
    check_course,
    defect_fields,
    numbers,
    start_state,
    tensor,
    times_kept,
)

if TYPE_CHECKING:
    import torch

Model = Literal["uniaxial", "squareelectric", "tetragonal", "rhombohedral"]


@dataclass(frozen=True)
class Landau:
    """Landau coefficients ``alpha`` as FerroSim states them.

    ``halved`` : α1 and α2 are those of the slope, α1 P + α2 P³. ``diagonal`` : the polarisation of
    the lowest energy points along a diagonal of the lattice.
    """

    alpha: tuple[float, float, float]
    halved: bool = False
    diagonal: bool = False


MODELS: dict[str, Landau] = {
    "uniaxial": Landau((-1.85, 1.25, 0.0), halved=True),
    "squareelectric": Landau((-1.85, 1.25, 0.0), halved=True, diagonal=True),
    "tetragonal": Landau((-1.6, 12.2, 40.0)),
    "rhombohedral": Landau((-10.6, 10.2, -10.0), diagonal=True),
}


def run(
    field: Array,
    times: Array,
    defects: Array | None,
    side: int,
    *,
    model: Model = "tetragonal",
    coupling: float = 100.0,
    depolarisation: float = 0.3,
    boundary: Boundary = "open",
    start: Array | None = None,
    keep: Sequence[int] | None = None,
    as_published: bool = False,
    dtype: str = "float32",
    device: str = "cpu",
) -> Array:
    """Polarisation of lattices after, or during, the course of a field.

    Parameters
    ----------
    field : (batch, time, 2), uniform field (x, y) of each lattice in units of Ec. A torch tensor
        may require its gradient.
    times : (time,), ascending; the state before the first of them is the start, and the field at
        a time acts from the time before to it: the first field acts on nothing.
    defects : (side², 2) or (batch, side², 2), fields of defects (x, y) at the sites, row by row, in
        units of Ec; None: none.
    side : sites along an edge of the lattice.
    model : Landau energy, see above.
    coupling : k between neighbours. depolarisation : d, field per mean polarisation.
    boundary : of the lattice: nothing beyond the rim (``open``), the opposite rim (``periodic``),
        or sites without polarisation (``dead``).
    start : (2, side, side) or (batch, 2, side, side); by default a minimum of the Landau energy
        with negative Px and Py, or Px = 0.
    keep : which of the times are returned; by default the last alone.
    as_published : as FerroSim does it if it updates every site in every step: boundary ``dead``,
        start (0, −√|α1/α2|) cut to whole numbers, 64 bits.
    dtype : ``float32`` or ``float64``. device : of torch, such as ``cuda``.

    Returns
    -------
    (batch, 2, side, side), or (batch, kept, 2, side, side) with ``keep``; a NumPy array, or a
    tensor where field, defects or start is one.

    Raises
    ------
    UserError : shapes that do not fit together, values that are not finite, times that do not
        ascend, a lattice of one site, or steps of time that are too long.
    """
    import torch

    from vaescope.simulate import relaxation

    if as_published:
        boundary, dtype = "dead", "float64"
    material = of_model(model, coupling, depolarisation, boundary)
    kind = numbers(dtype, device)
    course = tensor(field, kind)
    moments = tensor(times, {"dtype": torch.float64}).cpu().numpy()
    check_course(course, moments, side)
    batch, unit = len(course), material.coercive_field
    local = unit * defect_fields(defects, batch, side, kind)
    if start is None:
        p = tensor(_start(model, material, side, as_published), kind).expand(batch, 2, side, side)
    else:
        p = start_state(start, batch, side, kind)
    p = p.movedim(0, -1)
    drive = unit * course[:, 1:].movedim(0, -1)
    if model == "uniaxial":
        p, drive, local = p[1:], drive[:, 1:], local[1:]
    last = len(moments) - 1
    kept = [last] if keep is None else times_kept(keep, last)
    states = relaxation.relax(
        p, material, local, np.diff(moments), drive=drive, keep=sorted(set(kept))
    )
    if model == "uniaxial":
        states = torch.cat([torch.zeros_like(states), states], dim=1)
    if keep is not None and kept != sorted(set(kept)):
        states = states[[sorted(set(kept)).index(number) for number in kept]]
    result = states.movedim(-1, 0).contiguous()
    result = result[:, 0] if keep is None else result
    given = any(isinstance(each, torch.Tensor) for each in (field, defects, start))
    return result if given else result.cpu().numpy()


def of_model(
    model: str, coupling: float = 100.0, depolarisation: float = 0.3, boundary: Boundary = "open"
) -> Material:
    """The material of a model, with the Landau coefficients of `MODELS`.

    Raises
    ------
    UserError : there is no such model or boundary.
    """
    if model not in MODELS:
        raise UserError(
            "there is no such model of a ferroelectric lattice",
            found=repr(model),
            expected="one of " + ", ".join(get_args(Model)),
            remedy=suggestion(model, MODELS),
        )
    landau = MODELS[model]
    one, two, three = landau.alpha
    if landau.halved:
        one, two = one / 2, two / 4
    return Material(
        alpha1=one,
        alpha2=two,
        alpha3=three,
        coupling=coupling,
        depolarisation=depolarisation,
        boundary=boundary,
        unit=-(2 / 3) * landau.alpha[0] * abs(landau.alpha[0] / (3 * landau.alpha[1])) ** 0.5,
    )


def energies(
    polarisation: Array,
    field: Array,
    defects: Array | None = None,
    *,
    model: Model = "tetragonal",
    coupling: float = 100.0,
    depolarisation: float = 0.3,
    boundary: Boundary = "open",
) -> dict[str, Array]:
    """Parts of the energy of lattices, summed over the sites; their sum is the energy.

    Parameters
    ----------
    polarisation : (batch, 2, side, side), or (batch, time, 2, side, side).
    field : (batch, 2), or (batch, time, 2), in units of Ec; the others as in `run`.

    Returns
    -------
    ``landau``, ``coupling``, ``field``, ``defects`` and ``depolarisation``, each (batch,) or
    (batch, time); NumPy arrays, or tensors where the polarisation is one.

    Raises
    ------
    UserError : shapes that do not fit together, or values of defects that are not finite.
    """
    import torch

    from vaescope.simulate import relaxation

    material = of_model(model, coupling, depolarisation, boundary)
    p = tensor(polarisation, {})
    kind = {"device": p.device, "dtype": p.dtype}
    course = tensor(field, kind)
    if p.ndim not in (4, 5) or course.shape != p.shape[:-2] or p.shape[-2] != p.shape[-1]:
        raise UserError(
            "the polarisation and the field do not fit together",
            found=f"shapes {tuple(p.shape)} and {tuple(course.shape)}",
            expected="(batch, 2, side, side) and (batch, 2), or both with times after the batch",
        )
    several = p.shape[: p.ndim - 3]
    local = defect_fields(defects, p.shape[0], p.shape[-1], kind)
    if local.shape[-1] > 1:
        local = local.repeat_interleave(several[1:].numel(), dim=-1)
    unit, used = material.coercive_field, slice(1, 2) if model == "uniaxial" else slice(0, 2)
    found = relaxation.energies(
        p.flatten(0, p.ndim - 4).movedim(0, -1)[used],
        material,
        unit * local[used],
        unit * course.reshape(-1, 2).T[used],
    )
    found = {name: each.reshape(several) for name, each in found.items()}
    if isinstance(polarisation, torch.Tensor):
        return found
    return {name: each.numpy() for name, each in found.items()}


def curl(
    polarisation: Array,
    *,
    boundary: Boundary = "open",
    normalised: bool = False,
    as_published: bool = False,
) -> Array:
    """Curl ∂Py/∂x − ∂Px/∂y of the polarisation per site, by central differences.

    Positive where the polarisation turns from x to y: clockwise in a picture with row 0 on top.

    Parameters
    ----------
    polarisation : (…, 2, y, x), NumPy array or torch tensor.
    boundary : of the lattice, as in `run`; beyond an ``open`` rim the polarisation goes on as it
        is at the rim.
    normalised : the curl of the directions, P / |P|, zero where P is zero.
    as_published : as FerroSim has it: the axes taken for each other, so that a vortex has none, and
        the boundary ``periodic`` although that of the coupling is ``dead``.

    Returns
    -------
    (…, y, x)

    Raises
    ------
    UserError : there is no such boundary, or ``polarisation`` has not two components.
    """
    import torch

    p = tensor(polarisation, {})
    if p.ndim < 3 or p.shape[-3] != 2:
        raise UserError(
            "a curl needs a polarisation with two components",
            found=f"shape {tuple(p.shape)}",
            expected="(…, 2, y, x)",
        )
    if normalised:
        square = (p * p).sum(dim=-3, keepdim=True)
        zero = square == 0
        p = torch.where(zero, 0.0, p / torch.where(zero, 1.0, square).sqrt())
    if as_published:
        p, boundary = p.mT, "periodic"
    px, py = p.unbind(-3)
    found = _slope(py, -1, boundary) - _slope(px, -2, boundary)
    found = found.mT if as_published else found
    return found if isinstance(polarisation, torch.Tensor) else found.numpy()


def _slope(p: torch.Tensor, axis: int, boundary: Boundary) -> torch.Tensor:
    import torch

    from vaescope.simulate.relaxation import beyond

    before, after = beyond(p, axis, boundary)
    n = p.shape[axis]
    whole = torch.cat([before, p, after], dim=axis)
    return (whole.narrow(axis, 2, n) - whole.narrow(axis, 0, n)) / 2


def _start(model: str, material: Material, side: int, as_published: bool) -> np.ndarray:
    """(2, side, side), the same at all sites."""
    at = np.zeros((2, side, side))
    if as_published:
        one, two, _ = MODELS[model].alpha
        at[1] = -int(abs(one / two) ** 0.5)  # FerroSim fills an array of whole numbers with it
    elif MODELS[model].diagonal:
        at[:] = -material.diagonal_saturation
    else:
        at[1] = -material.saturation
    return at
