"""Core-loss edges across an interface between two oxides, with a chemical shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from vaescope.simulate.arguments import within
from vaescope.simulate.crystals import truth
from vaescope.simulate.recordings import Recording

_FIRST, _SPAN = 430.0, 256.0  # eV, of the spectra
_POWER = 3.0  # of the energy, with which the background falls
_FALL = 4.0  # the same of an edge beyond its onset
_SPLIT = 5.5  # eV between the two white lines of the metal of both sides
_LATTICE = 4  # px of the image between two atoms (where a spectrum has as many px)
_DARK = 0.15  # share of the dark-field signal that is no atom's
_ROUGH = 0.6  # spectrum pixels rms by which the interface meanders from row to row

TRUTHS = {
    "shift": truth("chemical shift of the metal's edge", "eV", "diverging"),
    "abundance_0": truth("share of the left oxide", "1"),
    "abundance_1": truth("share of the right oxide", "1"),
    "thickness": truth("thickness, of the mean", "1"),
    "distance": truth("distance from the interface, negative on the left", "px", "diverging"),
}


@dataclass(frozen=True)
class EelsInterface:
    """What can be asked of `eels-interface`."""

    rows: int = within(8, 1, 512)  # spectra along the interface
    columns: int = within(48, 3, 512)  # spectra across it
    pixels: int = within(16, 1, 32)  # px of the image for one spectrum, along each axis
    energies: int = within(256, 64, 4096)  # channels, from 430 to 686 eV
    dose: float = within(300.0, 0.01, 1e9)  # counts in the channel just before the first edge
    shift: float = within(1.0, -10.0, 10.0)  # eV from the left side to the right one
    width: float = within(1.5, 0.2, 20.0)  # eV, half width of the white lines
    resolution: float = within(0.8, 0.0, 10.0)  # eV, full width at half maximum
    interface: float = within(1.5, 0.0, 100.0)  # spectrum pixels, standard deviation of the mixing
    jump: float = within(0.8, 0.0, 100.0)  # height of the first edge above the background before it
    pixel: float = within(0.05, 0.001, 10.0)  # nm, size of a pixel of the image
    electrons: float = within(400.0, 1.0, 1e7)  # per pixel of the image, on the heavier atoms


def eels_interface(p: EelsInterface, rng: np.random.Generator) -> Recording:
    """A strip across the interface of two oxides of one metal: on the right a second metal joins.

    Edges are a step that falls as a power of the energy, and white lines of Lorentzian shape, as
    in R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope (2011), ch. 3 and
    4.5, on a background A E^-r. The edge of the common metal lies higher by ``shift`` on the right,
    and in between where the oxides are mixed, as the spectrum of one site with a mean valence.
    """
    wander = np.cumsum(rng.normal(0, _ROUGH, p.rows)) if p.rows > 1 else np.zeros(1)
    middle = (p.columns - 1) / 2 + wander - wander.mean()
    distance = np.arange(p.columns) - middle[:, None]
    right = _mixed(distance, p.interface)
    slope = rng.normal(0, 0.1, 2)
    grid = np.meshgrid(np.linspace(-0.5, 0.5, p.rows), np.linspace(-0.5, 0.5, p.columns),
                       indexing="ij")  # fmt: skip
    thickness = np.exp(slope[0] * grid[0] + slope[1] * grid[1])
    energy = axis(p.energies)
    shape = spectrum(energy, p.shift * right[..., None], right[..., None], p)
    expected = p.dose * thickness[..., None] * shape
    truths = {
        "shift": p.shift * right,
        "abundance_0": 1 - right,
        "abundance_1": right,
        "thickness": thickness,
        "distance": p.pixels * distance,
    }
    return Recording(
        image=rng.poisson(_dark_field(p, middle, thickness))[None],
        spectra=rng.poisson(expected)[None],
        expected=expected[None],
        energy=energy,
        truth={key: values[None] for key, values in truths.items()},
        pixel=p.pixel,
        pitch=(p.pixels, p.pixels),
        start=((p.pixels - 1) / 2, (p.pixels - 1) / 2),
    )


def axis(energies: int) -> np.ndarray:
    """Centres of the channels in eV."""
    return _FIRST + (np.arange(energies) + 0.5) * _SPAN / energies


def spectrum(
    energy: np.ndarray,
    shift: np.ndarray | float,
    right: np.ndarray | float,
    p: EelsInterface,
) -> np.ndarray:
    """Counts per channel over those of the background just before the first edge.

    Parameters
    ----------
    energy : (energy,) eV. shift : (…, 1) eV, of the common metal's edge. right : (…, 1), share of
        the right oxide.

    Returns
    -------
    (…, energy) float.
    """
    metal, oxygen, second = 456.0, 532.0, 640.0  # eV, onsets: L3 of Ti, K of O, L3 of Mn
    background = (energy / metal) ** -_POWER
    lines = 2.2 * _line(energy, metal + shift + p.width, p)
    lines = lines + 2.4 * _line(energy, metal + shift + p.width + _SPLIT, p)
    first = p.jump * (0.5 * _step(energy, metal + shift, p) + lines)
    near = _step(energy, oxygen, p) + 0.5 * _line(energy, oxygen + 4 - 2 * right, p, 2.0)
    other = _step(energy, second, p) + 3 * _line(energy, second + 2, p)
    other = other + 1.6 * _line(energy, second + 12.5, p)
    return background + first + 0.45 * p.jump * near + 0.3 * p.jump * right * other


def _step(energy: np.ndarray, onset: np.ndarray | float, p: EelsInterface) -> np.ndarray:
    """An edge of height 1 that falls as a power of the energy, its onset as broad as the lines."""
    rise = 0.5 + np.arctan((energy - onset) / (_half(p) / 2)) / np.pi
    return rise * (energy / onset) ** -_FALL


def _line(
    energy: np.ndarray, centre: np.ndarray | float, p: EelsInterface, wider: float = 1.0
) -> np.ndarray:
    """A white line of height 1 where the spectrometer broadens nothing: a Voigt profile."""
    sigma, gamma = p.resolution / 2.3548, wider * p.width
    return special.voigt_profile(energy - centre, sigma, gamma) * np.pi * gamma


def _half(p: EelsInterface) -> float:
    return float(np.hypot(p.width, p.resolution / 2))


def _mixed(distance: np.ndarray, spread: float) -> np.ndarray:
    """Share of the right side at a distance from the interface."""
    if not spread:
        return np.where(distance > 0, 1.0, np.where(distance < 0, 0.0, 0.5))
    return special.ndtr(distance / spread)


def _dark_field(p: EelsInterface, middle: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Expected electrons per pixel of the image, (rows · pixels, columns · pixels)."""
    n = p.pixels
    y, x = (np.arange(count * n) for count in (p.rows, p.columns))
    spacing = max(n, 2 * _LATTICE)
    comb_y, comb_x = (
        np.exp((np.cos(2 * np.pi * (place + 0.5) / spacing) - 1) * 4) for place in (y, x)
    )
    place = (x + 0.5) / n - 0.5
    from_interface = place - np.interp((y + 0.5) / n - 0.5, np.arange(p.rows), middle)[:, None]
    heavy = 0.45 + 0.55 * _mixed(from_interface, p.interface)
    atoms = np.outer(comb_y, comb_x)
    coarse = np.kron(thickness, np.ones((n, n)))
    return p.electrons * coarse * (_DARK + (1 - _DARK) * atoms) * heavy
