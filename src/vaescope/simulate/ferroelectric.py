"""A ferroelectric lattice: Landau energy, coupling of neighbours, depolarisation, and their scales.

The energy F of a lattice is, summed over its sites, α1 Σ pᵢ² + α2 Σ pᵢ⁴ + α3 Σ_{i<j} pᵢ² pⱼ² − E·p
+ (d/2) ⟨p⟩·p, and (k/8) |p − p'|² for every pair of neighbours; E holds the applied field and the
field of defects, −d⟨p⟩ is the field of depolarisation. Two components are a tetragonal or
rhombohedral ferroelectric, one component a uniaxial one. `relaxation` follows dp/dt = −γ ∂F/∂p.

Sources: S. V. Kalinin, M. Ziatdinov and R. K. Vasudevan, J. Appl. Phys. 128 (2020) 024102 (lattice
model); V. L. Ginzburg, Zh. Eksp. Teor. Fiz. 15 (1945) 739 (energy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from vaescope.errors import UserError

Array = Any
"""A NumPy array or a torch tensor."""
Boundary = Literal["dead", "open", "periodic"]


@dataclass(frozen=True)
class Material:
    """A ferroelectric lattice.

    ``alpha1``, ``alpha2``, ``alpha3`` : Landau coefficients; the first a number or an array (y, x),
    one for each site. ``coupling`` : k, of neighbours. ``mobility`` : γ. ``depolarisation`` : d,
    field per mean polarisation. ``boundary`` : what lies beyond the rim: sites without polarisation
    (``dead``), nothing (``open``), or the opposite rim (``periodic``). ``unit`` : of fields; by
    default as FerroSim has it for α1 and α2.

    Raises
    ------
    UserError : there is no such boundary, a coupling or depolarisation is negative, or nothing
        bounds the polarisation.
    """

    alpha1: Any = -1.6
    alpha2: float = 12.2
    alpha3: float = 40.0
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
        if not (0 <= self.coupling < np.inf and 0 <= self.depolarisation < np.inf):
            raise UserError(
                "coupling and depolarisation of a ferroelectric lattice have no such values",
                found=f"coupling {self.coupling:g}, depolarisation {self.depolarisation:g}",
                expected="finite numbers from 0",
            )
        if not self._stiffness > 0:
            raise UserError(
                "nothing bounds the polarisation of this ferroelectric",
                found=f"alpha2 {self.alpha2:g}, alpha3 {self.alpha3:g}",
                expected="2 alpha2 > 0 and 2 alpha2 + alpha3 > 0",
            )

    @property
    def _stiffness(self) -> float:
        """Coefficient of p³ in the slope of the energy, in the softest direction."""
        return 4 * self.alpha2 + 2 * min(self.alpha3, 0.0)

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
    def diagonal_saturation(self) -> Any:
        """Each of two equal components of the spontaneous polarisation, sqrt(−α1 / (2 α2 + α3))."""
        return abs(self.alpha1 / (2 * self.alpha2 + self.alpha3)) ** 0.5

    @property
    def wall_width(self) -> Any:
        """Half width w, in sites, of a 180° wall p = saturation · tanh(x/w); continuum limit."""
        return (self.coupling / abs(4 * self.alpha1)) ** 0.5

    def largest(self, field: float) -> float:
        """Bound of a component of the polarisation at rest in fields up to ``field``."""
        roots = np.roots([self._stiffness, 0.0, 2 * float(np.min(self.alpha1)), -abs(field)])
        return float(roots.real[np.abs(roots.imag) < 1e-9].max())

    def longest_step(self, largest: float) -> float:
        """Longest stable Euler step while no component exceeds ``largest``: 2 over the largest
        curvature of the energy, over γ."""
        two, three = self.alpha2, self.alpha3
        landau = 2 * self.alpha1 + (12 * two + 2 * three + 4 * abs(three)) * largest**2
        return 2 / (self.mobility * self.curvature(float(np.max(landau))))

    def curvature(self, landau: Any) -> Any:
        """Largest curvature of the energy of a lattice, from that of the ``landau`` energy of one
        site."""
        return landau + 2 * self.coupling + self.depolarisation
