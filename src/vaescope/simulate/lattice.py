"""Where the columns of a simulated crystal stand, and what is true of each of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree


@dataclass
class Columns:
    """Atom columns of a simulated image; every array has shape (site,)."""

    y: np.ndarray  # px, downwards
    x: np.ndarray  # px
    angle: np.ndarray  # rad, local rotation of the lattice, counter-clockwise on the screen
    phase: np.ndarray  # which crystal
    species: np.ndarray  # which sublattice
    strength: np.ndarray  # counts in the column, as a share of the strongest sublattice's
    more: dict[str, np.ndarray] = field(default_factory=dict)  # what else is true of them, by name

    def __len__(self) -> int:
        return len(self.y)

    def where(self, keep: np.ndarray) -> Columns:
        """Only the columns chosen by a mask or by indices."""
        more = {name: values[keep] for name, values in self.more.items()}
        return replace(self, **{name: getattr(self, name)[keep] for name in _PLAIN}, more=more)


_PLAIN = ("y", "x", "angle", "phase", "species", "strength")


def crystal(
    size: int, a: np.ndarray, b: np.ndarray, angle: float, bend: float, origin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lattice points of a gently bent crystal that cover a square image and a margin.

    The bend is the conformal map w -> exp(i k w) / (i k): it turns the lattice by k times the
    distance along x while keeping every angle between rows, so the local rotation is exact.

    Parameters
    ----------
    size : side of the image in px.
    a, b : (2,) lattice vectors at rotation 0, as (right, up) in px.
    angle : rotation of the lattice at the centre of the image, rad, counter-clockwise.
    bend : rotation gained from the left edge of the image to the right one, rad.
    origin : (2,) shift of the lattice in units of a and b.

    Returns
    -------
    points : (site, 2) complex-plane coordinates (right, up) before bending, relative to the
        centre; pass them, with any displacement added, to `place`.
    index : (site, 2) the whole numbers that multiply a and b.
    """
    reach = 0.5 * size * 1.6 + 2 * max(np.hypot(*a), np.hypot(*b))
    count = int(np.ceil(reach / min(np.hypot(*a), np.hypot(*b)) * 1.8))
    i, j = np.meshgrid(np.arange(-count, count + 1), np.arange(-count, count + 1), indexing="ij")
    index = np.stack([i.ravel(), j.ravel()], axis=1)
    points = (index + origin) @ np.stack([a, b])
    keep = np.hypot(points[:, 0], points[:, 1]) < reach
    return points[keep], index[keep]


def place(
    points: np.ndarray, size: int, angle: float, bend: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn and bend points of a crystal and put them on the image.

    Returns (y, x, angle), each (site,): pixels and the local rotation in rad.
    """
    w = points[:, 0] + 1j * points[:, 1]
    k = bend / size
    bent = np.expm1(1j * k * w) / (1j * k) if abs(k) > 1e-12 else w
    z = bent * np.exp(1j * angle)
    local = angle + k * w.real
    centre = (size - 1) / 2
    return centre - z.imag, centre + z.real, local


def thin(columns: Columns, closest: float) -> Columns:
    """Drop the later of any two columns nearer to each other than ``closest`` px (grain walls)."""
    pairs = cKDTree(np.stack([columns.y, columns.x], axis=1)).query_pairs(
        closest, output_type="ndarray"
    )
    gone = np.zeros(len(columns), bool)
    for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if not gone[first]:
            gone[second] = True
    return columns.where(~gone)


def join(parts: list[Columns]) -> Columns:
    """All columns of several crystals, which know the same of each column."""
    return Columns(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _PLAIN},
        more={name: np.concatenate([part.more[name] for part in parts]) for name in parts[0].more},
    )


def interface(y: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """Phase (0 above, 1 below) of a gently waving interface across the image."""
    wave = 0.03 * size * np.sin(2 * np.pi * x / size)
    return (y > 0.5 * size + wave).astype(int)


def first_grain(y: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """Whether a point lies left of the wall between the grains, which runs slightly aslant."""
    return x < 0.5 * size + 0.25 * (y - 0.5 * size)
