"""Single heavy atoms, scattered over a thin amorphous support."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from vaescope.simulate.arguments import Parameters, within
from vaescope.simulate.lattice import Columns, thin

_CLOSEST = 2.6  # widths: nearer atoms merge into one blob
_SPREAD = 0.15  # standard deviation of an atom's strength: heights differ, and so does the focus
_ISLANDS = 6.0  # widths over which the density of the atoms varies
# Speckle of the support is as fine as the probe; its thickness varies over longer lengths.
_THICKNESS = ((1.0, 1.0), (2.5, 0.7), (8.0, 1.0), (25.0, 1.5))  # length in widths, share of speckle


@dataclass(frozen=True)
class SingleAtoms(Parameters):
    """What can be asked of `single-atoms`; the spacing is the side of a square with one atom."""

    width: float = within(2.5, 0.6, 50.0)  # px, standard deviation of an atom's image
    support: float = within(0.1, 0.0, 10.0)  # speckle of the support, share of an atom's peak


def single_atoms(p: SingleAtoms, rng: np.random.Generator) -> Columns:
    """Atoms at random, one in a square of ``p.spacing`` on average, denser here and there.

    An atom is as strong as a column of dose ``p.dose``, give or take 15 %; the angle means
    nothing.
    """
    margin = 6 * p.width
    side = p.size + 2 * margin
    count = rng.poisson(2 * (side / p.spacing) ** 2)
    place = rng.uniform(0, side, (count, 2))
    density = field(int(np.ceil(side)) + 1, _ISLANDS * p.width, rng)
    # Half of the places are kept: more where the density is high.
    chance = 1 / (1 + np.exp(-1.5 * density[place[:, 0].astype(int), place[:, 1].astype(int)]))
    place = place[rng.uniform(0, 1, count) < chance] - margin
    none = np.zeros(len(place), int)
    strength = np.clip(rng.normal(1.0, _SPREAD, len(place)), 0.4, 1.6)
    atoms = Columns(place[:, 0], place[:, 1], np.zeros(len(place)), none, none, strength)
    return thin(atoms, _CLOSEST * p.width)


def support(size: int, width: float, speckle: float, rng: np.random.Generator) -> np.ndarray:
    """Image of an amorphous support, (size, size), at least 0, in units of an atom's peak.

    Parameters
    ----------
    width : px, standard deviation of an atom's image, by which the support is blurred too.
    speckle : standard deviation of the finest part, as a share of an atom's peak.
    """
    total = sum(share * speckle * field(size, length * width, rng) for length, share in _THICKNESS)
    return np.maximum(np.asarray(total) + 2 * speckle, 0.0)


def field(size: int, length: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field of mean 0 and standard deviation 1, blurred over ``length`` px.

    Returns (size, size) float.
    """
    # A long blur is computed coarsely: nothing is lost but time.
    coarse = max(int(length / 4), 1)
    cells = size // coarse + 4
    small = ndimage.gaussian_filter(rng.normal(size=(cells, cells)), length / coarse, mode="wrap")
    small = small * (2 * np.sqrt(np.pi) * length / coarse)
    if coarse == 1:
        return small[:size, :size]
    shift = rng.uniform(1, 2, 2)
    y, x = (np.arange(size) / coarse + offset for offset in shift)
    grid = np.stack(np.meshgrid(y, x, indexing="ij"))
    return ndimage.map_coordinates(small, grid, order=3, mode="wrap")
