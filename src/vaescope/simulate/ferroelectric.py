"""Polarisation on a square lattice in a field: Landau energy, coupling of neighbours, relaxation.

The energy per site is F = α1 Σ pᵢ² + α2 Σ pᵢ⁴ + α3 Σ_{i<j} pᵢ² pⱼ² + (k/8) Σ_{neighbours} |p − p'|²
− E·p, with every pair of neighbours counted from both of its sites; E holds the applied field, the
field of defects and the depolarisation −d⟨p⟩. Two components are the tetragonal ferroelectric, one
component the uniaxial one. Relaxation, dp/dt = −γ ∂F/∂p, goes by Euler steps.

Every function takes NumPy arrays and torch tensors alike (of torch it is differentiable), with any
number of simulations along the leading axes.

Sources: S. V. Kalinin, M. Ziatdinov and R. K. Vasudevan, J. Appl. Phys. 128 (2020) 024102 (lattice
model); V. L. Ginzburg, Zh. Eksp. Teor. Fiz. 15 (1945) 739 (energy).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vaescope.errors import UserError

Array = Any
"""A NumPy array or a torch tensor."""
Boundary = Literal["dead", "open", "periodic"]


@dataclass(frozen=True)
class Material:
    """A ferroelectric lattice. Numbers, or arrays that broadcast against (…, component, y, x).

    ``alpha1``, ``alpha2``, ``alpha3`` : Landau coefficients. ``coupling`` : k, of neighbours.
    ``mobility`` : γ. ``depolarisation`` : d, field per mean polarisation. ``boundary`` : what lies
    beyond the rim: sites without polarisation (``dead``), nothing (``open``), or the opposite rim
    (``periodic``). ``unit`` : of fields; by default as FerroSim has it for α1 and α2.
    """

    alpha1: Any = -1.6
    alpha2: Any = 12.2
    alpha3: Any = 40.0
    coupling: float = 100.0
    mobility: float = 1.0
    depolarisation: float = 0.3
    boundary: Boundary = "dead"
    unit: float | None = None

    def __post_init__(self) -> None:
        if self.boundary not in get_args(Boundary):
            raise UserError(
                "there is no such boundary of the lattice",
                found=repr(self.boundary),
                expected="one of " + ", ".join(get_args(Boundary)),
            )

    @property
    def coercive_field(self) -> Any:
        """−(2/3) α1 √|α1 / 3 α2|, the unit of fields in the published code: 1/√2 of the field at
        which a site without neighbours loses its metastable state. Or the ``unit``."""
        if self.unit is not None:
            return self.unit
        return -(2 / 3) * self.alpha1 * abs(self.alpha1 / (3 * self.alpha2)) ** 0.5

    @property
    def saturation(self) -> Any:
        """Spontaneous polarisation along one axis in no field, sqrt(−α1 / 2 α2)."""
        return abs(self.alpha1 / (2 * self.alpha2)) ** 0.5

    @property
    def wall_width(self) -> Any:
        """Half width w, in sites, of a 180° wall p = saturation · tanh(x/w); continuum limit."""
        return (self.coupling / abs(4 * self.alpha1)) ** 0.5


def neighbours(p: Array, boundary: Boundary) -> Array:
    """Sum of the polarisation over the four neighbours of each site, (…, y, x)."""
    total = 0 * p
    total[..., 1:, :] += p[..., :-1, :]
    total[..., :-1, :] += p[..., 1:, :]
    total[..., :, 1:] += p[..., :, :-1]
    total[..., :, :-1] += p[..., :, 1:]
    if boundary == "dead":
        return total
    first, last = (0, -1) if boundary == "open" else (-1, 0)
    total[..., 0, :] += p[..., first, :]
    total[..., -1, :] += p[..., last, :]
    total[..., :, 0] += p[..., :, first]
    total[..., :, -1] += p[..., :, last]
    return total


def beyond(p: Array, axis: int, boundary: Boundary) -> tuple[Array, Array]:
    """What lies beyond the first and the last site along an axis, one site thick each."""
    index = [slice(None)] * p.ndim
    index[axis] = slice(0, 1)
    first = p[tuple(index)]
    index[axis] = slice(-1, None)
    last = p[tuple(index)]
    if boundary == "dead":
        return 0 * first, 0 * last
    return (first, last) if boundary == "open" else (last, first)


def rate(p: Array, field: Array, material: Material) -> Array:
    """dp/dt of polarisation ``p`` (…, component, y, x) in a ``field`` that broadcasts against it,
    the depolarisation not included."""
    m = material
    square = p * p
    slope = 2 * m.alpha1 + 4 * m.alpha2 * square + m.coupling
    if p.shape[-3] > 1:
        slope = slope + 2 * m.alpha3 * (square.sum(axis=-3)[..., None, :, :] - square)
    local = field + m.coupling / 4 * neighbours(p, m.boundary)
    if m.depolarisation:
        local = local - m.depolarisation * p.mean(axis=(-2, -1))[..., None, None]
    return m.mobility * (local - slope * p)


def energy(p: Array, field: Array, material: Material) -> Array:
    """Energy F of each simulation, (…,), summed over the lattice; `rate` is −γ times its gradient.

    ``p`` (…, component, y, x), ``field`` broadcasting against it.
    """
    m = material
    square = p * p
    density = (m.alpha1 + m.coupling / 2) * square + m.alpha2 * square**2 - field * p
    density = density - m.coupling / 8 * p * neighbours(p, m.boundary)
    if p.shape[-3] > 1:
        density = density + m.alpha3 / 2 * square * (square.sum(axis=-3)[..., None, :, :] - square)
    mean = p.mean(axis=(-2, -1))
    sites = p.shape[-2] * p.shape[-1]
    held = m.depolarisation / 2 * sites * (mean * mean).sum(axis=-1)
    return density.sum(axis=(-3, -2, -1)) + held


def longest_step(material: Material, largest: float) -> float:
    """Longest stable Euler step while no component exceeds ``largest``: 2 over the largest
    curvature of the energy, over γ."""
    m = material
    landau = abs(2 * m.alpha1 + (12 * m.alpha2 + 2 * m.alpha3) * largest**2)
    curvature = getattr(landau, "max", lambda: landau)() + 2 * m.coupling + m.depolarisation
    return float(2 / (m.mobility * curvature))


def relax(p: Array, fields: Iterable[Array], step: float, material: Material) -> Iterator[Array]:
    """Polarisation after each of the Euler steps in a course of fields.

    Parameters
    ----------
    p : (…, component, y, x), the start; it is not written to.
    fields : one for each step, broadcasting against ``p``; defects' fields included.
    step : of time, the same for all.

    Raises
    ------
    UserError : the polarisation diverges or a field is not finite.
    """
    for index, field in enumerate(fields):
        p = p + step * rate(p, field, material)
        total = float(p.sum())  # of a sum, one value that is not finite is enough
        if not abs(total) < float("inf"):
            raise UserError(
                "the polarisation of the lattice diverges",
                found=f"values that are not finite after step {index + 1}",
                expected=f"finite fields, steps of time below {longest_step(material, 1.0):.3g}",
                remedy="Take a shorter step of time, or look for gaps in the field",
            )
        yield p
