"""The walls of a frame cut into short pieces, of which integrals along walls are sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vaescope.walls.wall import Wall

PIECE = 0.25  # px of wall


@dataclass(frozen=True)
class Pieces:
    """Pieces of about equal length, in order along every wall; axes (piece, …).

    ``place`` (piece, 2) px (y, x) of the middle; ``wall`` the number of the curve, ``at`` px of arc
    from its start and ``whole`` px, its length; ``closed`` whether its end meets its start;
    ``length`` px; ``direction`` rad; ``curvature`` and ``curvature_error`` 1/px; ``normal_error``
    px; ``error_length`` px over which errors are correlated.
    """

    place: np.ndarray
    wall: np.ndarray
    at: np.ndarray
    whole: np.ndarray
    closed: np.ndarray
    length: np.ndarray
    direction: np.ndarray
    curvature: np.ndarray
    curvature_error: np.ndarray
    normal_error: np.ndarray
    error_length: np.ndarray

    def __len__(self) -> int:
        return len(self.wall)

    @property
    def normal(self) -> np.ndarray:
        """(piece, 2) as (y, x), from the negative into the positive domain."""
        return np.stack([np.cos(self.direction), -np.sin(self.direction)], axis=1)


def pieces_of(walls: Sequence[Wall], size: float = PIECE) -> Pieces:
    """Cut walls into pieces of about ``size`` px."""
    parts = []
    for number, wall in enumerate(walls):
        count = max(round(wall.length / size), 1)
        at = (np.arange(count) + 0.5) * (wall.length / count)
        columns = along(wall, at)
        every = np.ones(count)
        parts.append(
            {
                **columns,
                "wall": np.full(count, number),
                "at": at,
                "whole": wall.length * every,
                "closed": np.full(count, wall.closed),
                "length": wall.length / count * every,
            }
        )
    names = Pieces.__dataclass_fields__
    if not parts:
        empty = {name: np.zeros((0, 2) if name == "place" else 0) for name in names}
        return Pieces(**empty | {"wall": np.zeros(0, int), "closed": np.zeros(0, bool)})
    return Pieces(**{name: np.concatenate([part[name] for part in parts]) for name in names})


OF_POINTS = (
    "curvature",
    "normal_error",
    "curvature_error",
    "error_length",
    "width",
    "width_error",
    "contrast",
    "contrast_error",
)
"""What a wall has at each of its points, beside place and direction."""


def along(wall: Wall, at: np.ndarray) -> dict[str, np.ndarray]:
    """``place`` (row, 2), ``direction`` (row,) and all of ``OF_POINTS`` (row,) at arc lengths
    ``at`` (row,) in px from the first point of a wall."""
    ends = np.concatenate([[0.0], np.cumsum(wall.steps)])

    def at_points(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, values[:1]]) if wall.closed else values

    def between(values: np.ndarray) -> np.ndarray:
        return np.interp(at, ends, at_points(values))

    turned = np.interp(at, ends, np.unwrap(at_points(wall.direction)))
    return {
        "place": np.stack([between(wall.place[:, axis]) for axis in (0, 1)], axis=1),
        "direction": np.angle(np.exp(1j * turned)),
        **{name: between(getattr(wall, name)) for name in OF_POINTS},
    }
