"""Coupled dipoles of small bodies of metal: energies, widths and directions of their plasmons.

A body answers a field as the ellipsoid of its axes does (C. F. Bohren & D. R. Huffman, Absorption
and Scattering of Light by Small Particles, 1983, ch. 5), with the first corrections for its size:
depolarisation and damping by its own radiation (M. Meier & A. Wokaun, Opt. Lett. 8 (1983) 581), and
damping at its surface (U. Kreibig & M. Vollmer, Optical Properties of Metal Clusters, 1995). The
bodies of one object act on each other as dipoles at their centres, which hybridises their modes
(P. Nordlander et al., Nano Lett. 4 (2004) 899). Lengths are in nm, energies in eV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vaescope.simulate.bodies import Body

HBAR_C = 197.327  # eV nm
_FERMI = 0.915  # eV nm, reduced Planck constant times the Fermi velocity of silver and gold
_SOFTEST = 0.015  # least depolarisation: point dipoles closer than they can be would not resonate


@dataclass(frozen=True)
class Metal:
    """Drude's model of a metal, with interband transitions as a damping that sets in.

    ``plasma`` : eV. ``core`` : permittivity of the ions. ``damping`` : eV, of the conduction
    electrons, and ``interband`` beyond ``onset``, within ``rise``.
    """

    plasma: float
    core: float
    damping: float
    interband: float
    onset: float
    rise: float

    def permittivity(self, energy: np.ndarray, more: np.ndarray | float = 0.0) -> np.ndarray:
        """Permittivity at energies in eV, with ``more`` eV of damping."""
        damping = self.damping + more
        damping = damping + self.interband / (1 + np.exp(-(energy - self.onset) / self.rise))
        return self.core - self.plasma**2 / (energy * (energy + 1j * damping))


# H. U. Yang et al., Phys. Rev. B 91 (2015) 235137; ε'' is 0.3 at 3.8 eV: P. B. Johnson &
# R. W. Christy, Phys. Rev. B 6 (1972) 4370.
SILVER = Metal(plasma=8.9, core=5.0, damping=0.039, interband=0.25, onset=3.8, rise=0.07)
# R. L. Olmon et al., Phys. Rev. B 86 (2012) 235147; the core as interband transitions leave it in
# the visible, where ε'' is 4 at 2.6 eV (Johnson & Christy).
GOLD = Metal(plasma=8.45, core=9.0, damping=0.047, interband=0.9, onset=2.5, rise=0.1)


@dataclass(frozen=True)
class Resonances:
    """Plasmons of one object.

    ``energy`` : (mode,) eV. ``factor`` : (mode,) effective depolarisation, its imaginary part the
    negative damping by radiation. ``direction`` : (mode, body, 3), share of each body's axes (long,
    short, beam) in the square roots of volumes. ``damping`` : (mode,) eV, at the surfaces.
    ``host`` : permittivity around the metal.
    """

    energy: np.ndarray
    factor: np.ndarray
    direction: np.ndarray
    damping: np.ndarray
    metal: Metal
    host: float

    def response(self, energy: np.ndarray) -> np.ndarray:
        """1/(N + εₕ/(ε − εₕ)) of every mode, (mode, energy): 4π/V times the polarisability."""
        inside = self.metal.permittivity(energy, self.damping[:, None])
        return 1 / (self.factor[:, None] + self.host / (inside - self.host))

    def moments(self, bodies: Sequence[Body]) -> np.ndarray:
        """Dipole moment of each mode in the image, (mode, 2) as (y, x)."""
        root = np.sqrt([body.volume for body in bodies])
        axes = np.stack([body.axes for body in bodies])
        return np.einsum("mba,bai,b->mi", self.direction[:, :, :2], axes, root)


def surface_damping(bodies: Sequence[Body]) -> float:
    """Damping in eV at the surfaces of some bodies (lengths in nm)."""
    return float(np.mean([_FERMI / body.short for body in bodies]))


def resonance(factor: np.ndarray, metal: Metal = SILVER, host: float = 1.0) -> np.ndarray:
    """Energy in eV at which a body of a depolarisation factor resonates: ε = εₕ(1 − 1/N)."""
    return metal.plasma / np.sqrt(metal.core - host + host / factor)


def modes(bodies: Sequence[Body], metal: Metal = SILVER, host: float = 1.0) -> Resonances:
    """Plasmons of the bodies of one object, whose lengths are in nm."""
    volume = np.array([body.volume for body in bodies])
    factor = np.stack([body.depolarisation for body in bodies])
    semi = np.stack([[body.long, body.short, body.short] for body in bodies])
    wave = np.sqrt(host) * resonance(factor, metal, host) / HBAR_C
    own = factor - wave**2 * volume[:, None] / (4 * np.pi * semi)
    damped = 2 / 3 * wave**3 * volume[:, None] / (4 * np.pi)
    matrix = np.diag(own.ravel())
    for i in range(len(bodies)):
        for k in range(i):
            pair = -np.sqrt(volume[i] * volume[k]) / (4 * np.pi) * _field(bodies[i], bodies[k])
            matrix[3 * i : 3 * i + 3, 3 * k : 3 * k + 3] = pair
            matrix[3 * k : 3 * k + 3, 3 * i : 3 * i + 3] = pair.T
    value, vector = np.linalg.eigh(matrix)
    value = np.maximum(value, _SOFTEST)
    radiated = damped.ravel() @ vector**2
    shared = vector.T.reshape(-1, len(bodies), 3)
    surface = np.array([surface_damping([body]) for body in bodies])
    return Resonances(
        energy=resonance(value, metal, host),
        factor=value - 1j * radiated,
        direction=shared,
        damping=(shared**2).sum(2) @ surface,
        metal=metal,
        host=host,
    )


def _field(at: Body, of: Body) -> np.ndarray:
    """Field along the axes of one body of unit dipoles along those of another, (3, 3), 1/nm³."""
    away = np.array([at.y - of.y, at.x - of.x, 0.0])
    far = np.linalg.norm(away)
    tensor = (3 * np.outer(away, away) / far**2 - np.eye(3)) / far**3
    return _frame(at) @ tensor @ _frame(of).T


def _frame(body: Body) -> np.ndarray:
    """Unit vectors (y, x, beam) of the long axis, the short one and the beam, (3, 3)."""
    frame = np.eye(3)
    frame[:2, :2] = body.axes
    return frame
