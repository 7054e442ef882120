"""Crystals of one kind in several grains, under a wave of strain, in an image perhaps distorted.

The grains are sectors about the centre of the image: two halves, or three or more that meet there.
Each is turned against the one before it. Truth: the grain of every column, and its strain and
rotation relative to the unstrained, unturned lattice (conventions of ``vaescope.deformation``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope import deformation
from vaescope.simulate.arguments import GRAINS, Parameters, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.lattice import Columns, crystal, join, thin
from vaescope.simulate.strained import TRUTHS as OF_STRAIN

TRUTHS = {**OF_STRAIN, "grain": truth("true grain", "1", "categorical")}
_WALL = np.radians(80.0)  # direction of the first wall, off the rows and columns of the image
_LENGTH = 0.7  # of the image's side: length of the wave of strain
_MARGIN = 1.4  # of the side: lattices reach so far, since they are distorted afterwards
_CLOSEST = (
    0.6  # shorter lattice vectors: of columns nearer to each other at a wall one is taken out
)


@dataclass(frozen=True)
class Grains(Parameters):
    """What can be asked of every crystal in grains."""

    grains: int = within(2, 1, 6)  # number of grains
    grain: float = within(27.0, -180.0, 180.0, GRAINS)  # degrees from each grain to the next
    strain: float = within(
        0.0, 0.0, 5.0
    )  # per cent, amplitude of the wave in the frame of the image
    distortion: float = within(0.0, 0.0, 30.0)  # per cent by which one axis of the image is longer
    direction: float = within(37.0, -180.0, 180.0)  # degrees, of this axis from x


@dataclass(frozen=True)
class Oblique(Grains):
    """What can be asked of a crystal whose lattice vectors differ."""

    ratio: float = within(1.12, 0.5, 2.0)  # length of b over that of a
    gamma: float = within(77.0, 45.0, 135.0)  # degrees from a to b


def square_grains(p: Grains, rng: np.random.Generator) -> Columns:
    """Grains of a square lattice of equal columns."""
    return _grains(p, rng, 1.0, 90.0)


def hexagonal_grains(p: Grains, rng: np.random.Generator) -> Columns:
    """Grains of a hexagonal lattice of equal columns."""
    return _grains(p, rng, 1.0, 60.0)


def oblique_grains(p: Oblique, rng: np.random.Generator) -> Columns:
    """Grains of an oblique lattice of equal columns; rectangular with ``gamma`` 90."""
    return _grains(p, rng, p.ratio, p.gamma)


def wave(place: np.ndarray, length: float, amplitude: float) -> tuple[np.ndarray, np.ndarray]:
    """Displacement (site, 2) and its gradient (site, 2, 2) of a wave of strain.

    ``place`` (site, 2) as (right, down); xx is a wave along x of this amplitude, yy one along y
    with the other sign, and x is sheared along y by half as much.
    """
    k = 2 * np.pi / length
    x, y = place.T
    moved = np.stack([np.sin(k * x) + 0.5 * np.cos(k * y), -np.sin(k * y)], 1) * amplitude / k
    gradient = np.zeros((len(place), 2, 2))
    gradient[:, 0, 0] = amplitude * np.cos(k * x)
    gradient[:, 1, 1] = -amplitude * np.cos(k * y)
    gradient[:, 0, 1] = -0.5 * amplitude * np.sin(k * y)
    return moved, gradient


def _grains(p: Grains, rng: np.random.Generator, ratio: float, gamma: float) -> Columns:
    a = p.spacing * np.array([1.0, 0.0])
    b = p.spacing * ratio * np.array([np.cos(np.radians(gamma)), np.sin(np.radians(gamma))])
    axis = deformation.turning(np.radians(p.direction))
    share = np.sqrt(1 + p.distortion / 100)
    distortion = axis @ np.diag([share, 1 / share]) @ axis.T
    centre = (p.size - 1) / 2
    parts = []
    for number in range(p.grains):
        angle = np.radians(p.angle + number * p.grain)
        plain, _ = crystal(int(_MARGIN * p.size), a, b, angle, 0.0, rng.uniform(0, 1, 2))
        straight = plain * np.array([1.0, -1.0]) @ deformation.turning(angle).T  # (right, down)
        moved, gradient = wave(straight, _LENGTH * p.size, p.strain / 100)
        place = (straight + moved) @ distortion.T
        carried = distortion @ (np.eye(2) + gradient) @ deformation.turning(angle)
        strain, turn = deformation.split(carried)
        around = np.arctan2(-place[:, 1], place[:, 0]) - _WALL
        own = np.floor(np.mod(around, 2 * np.pi) / (2 * np.pi) * p.grains) == number
        none = np.zeros(own.sum(), int)
        more = {f"strain_{name}": strain[own, k] for k, name in enumerate(deformation.COMPONENTS)}
        parts.append(
            Columns(
                y=centre + place[own, 1],
                x=centre + place[own, 0],
                angle=turn[own],
                phase=none,
                species=none,
                strength=np.ones(own.sum()),
                more={**more, "grain": np.full(own.sum(), number)},
            )
        )
    return thin(join(parts), _CLOSEST * p.spacing * min(ratio, 1.0))
