"""Coupled dipoles of small bodies of silver: energies, widths and directions of their plasmons.

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
# Drude's model of silver below its interband transitions. Source: H. U. Yang et al., Phys. Rev. B
# 91 (2015) 235137.
_PLASMA, _CORE, _DAMPING = 8.9, 5.0, 0.039
# Interband transitions damp the volume plasmon: ε'' is 0.3 at 3.8 eV. Source: P. B. Johnson &
# R. W. Christy, Phys. Rev. B 6 (1972) 4370.
_INTERBAND, _ONSET, _RISE = 0.25, 3.8, 0.07
_FERMI = 0.915  # eV nm, reduced Planck constant times the Fermi velocity
_SOFTEST = 0.015  # least depolarisation: point dipoles closer than they can be would not resonate


@dataclass(frozen=True)
class Resonances:
    """Plasmons of one object.

    ``energy`` : (mode,) eV. ``factor`` : (mode,) effective depolarisation, its imaginary part the
    negative damping by radiation. ``direction`` : (mode, body, 3), share of each body's axes (long,
    short, beam) in the square roots of volumes. ``damping`` : (mode,) eV, of the metal.
    """

    energy: np.ndarray
    factor: np.ndarray
    direction: np.ndarray
    damping: np.ndarray

    def response(self, energy: np.ndarray) -> np.ndarray:
        """Im 1/(N + 1/(ε − 1)) of every mode, (mode, energy): 4π/V times Im α of one body."""
        metal = permittivity(energy, self.damping[:, None])
        return np.imag(1 / (self.factor[:, None] + 1 / (metal - 1)))


def permittivity(energy: np.ndarray, damping: np.ndarray | float = _DAMPING) -> np.ndarray:
    """Permittivity of the metal at energies in eV, relative to that of vacuum."""
    damping = damping + _INTERBAND / (1 + np.exp(-(energy - _ONSET) / _RISE))
    return _CORE - _PLASMA**2 / (energy * (energy + 1j * damping))


def surface_damping(bodies: Sequence[Body]) -> float:
    """Damping in eV of the metal of some bodies (lengths in nm), with that at their surface."""
    return float(np.mean([_DAMPING + _FERMI / body.short for body in bodies]))


def resonance(factor: np.ndarray) -> np.ndarray:
    """Energy in eV at which a body of a depolarisation factor resonates: ε = 1 − 1/N."""
    return _PLASMA / np.sqrt(_CORE - 1 + 1 / factor)


def modes(bodies: Sequence[Body]) -> Resonances:
    """Plasmons of the bodies of one object, whose lengths are in nm."""
    volume = np.array([body.volume for body in bodies])
    factor = np.stack([body.depolarisation for body in bodies])
    semi = np.stack([[body.long, body.short, body.short] for body in bodies])
    wave = resonance(factor) / HBAR_C
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
        energy=resonance(value),
        factor=value - 1j * radiated,
        direction=shared,
        damping=(shared**2).sum(2) @ surface,
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
