"""Graphene under the beam: atoms vanish, holes grow, silicon hops, the specimen drifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate.asked import within
from vaescope.simulate.graphene import SILICON3, Graphene, Sheet, columns, sheet
from vaescope.simulate.lattice import Columns

_SHELTERED = 0.01  # loss of an atom with three neighbours beside that of one at an edge
_UNSTEADY = 0.5  # random part of a frame's drift beside its steady part
_LIT = 0.75  # sides of what is seen: beyond its corners, within the sheet
_PIXELS = 2**31  # of a whole movie, at most


@dataclass(frozen=True)
class GrapheneMovie(Graphene):
    """What can be asked of `graphene-movie`."""

    size: int = within(256, 64, 8192)  # px, side of the square frames
    grain: float = within(0.0, -180.0, 180.0)  # degrees to the second grain (0: one crystal)
    frames: int = within(20, 1, 1000)
    loss: float = within(0.03, 0.0, 1.0)  # probability that an atom at an edge goes, per frame
    hops: float = within(0.3, 0.0, 1.0)  # probability that silicon hops, per frame
    jitter: float = within(0.3, 0.0, 10.0)  # px rms by which each atom is off, anew in each frame
    shift: float = within(0.5, 0.0, 20.0)  # px by which the specimen drifts from frame to frame


def graphene_movie(p: GrapheneMovie, rng: np.random.Generator) -> list[Columns]:
    """The atoms of every frame, each with its ``track``.

    Carbon at an edge is lost at the rate asked for, other carbon a hundred times more rarely; what
    is left with fewer than two neighbours goes too. Silicon with three neighbours changes places
    with one of them. Source of the hop: T. Susi et al., Phys. Rev. Lett. 113 (2014) 115501.

    Raises
    ------
    UserError : the movie would not fit in memory.
    """
    if p.frames * p.size**2 > _PIXELS:
        raise UserError(
            "the simulated movie is too large",
            found=f"{p.frames} frames of {p.size} × {p.size} pixels",
            expected=f"at most {_PIXELS:.2g} pixels in all",
            remedy="Ask for fewer frames or a smaller size",
        )
    path = _path(p, rng)
    reach = p.size + 2 * int(np.ceil(np.abs(path).max()))
    made = sheet(p, rng, reach)
    # Atoms at the rim of the sheet lack neighbours too, but see no beam.
    lit = np.linalg.norm(made.place, axis=1) < _LIT * reach
    track = np.arange(len(made.place))
    frames = []
    for index, offset in enumerate(path):
        if index:
            _lose(made, p, lit, rng)
            _hop(made, track, p, rng)
        found = columns(made, p)
        found.more["track"] = track[made.here]
        found.y += offset[0] + rng.normal(0, p.jitter, len(found))
        found.x += offset[1] + rng.normal(0, p.jitter, len(found))
        frames.append(found)
    return frames


def _path(p: GrapheneMovie, rng: np.random.Generator) -> np.ndarray:
    """How far the specimen has drifted, (frame, 2) px (y, x), none in the first."""
    angle = rng.uniform(0, 2 * np.pi)
    steady = np.array([np.sin(angle), np.cos(angle)])
    steps = p.shift * (steady + _UNSTEADY * rng.normal(size=(p.frames - 1, 2)))
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _lose(made: Sheet, p: GrapheneMovie, lit: np.ndarray, rng: np.random.Generator) -> None:
    chance = p.loss * np.where(made.degree() < 3, 1.0, _SHELTERED)
    gone = rng.uniform(size=len(chance)) < chance
    made.here &= ~(gone & lit & ~made.silicon)
    made.prune()


def _hop(made: Sheet, track: np.ndarray, p: GrapheneMovie, rng: np.random.Generator) -> None:
    """Silicon and a carbon atom beside it change places; each keeps its track."""
    for k in np.flatnonzero(made.here & (made.defect() == SILICON3)).tolist():
        if rng.uniform() >= p.hops:
            continue
        around = made.neighbours(k)
        carbon = around[~made.silicon[around]]
        if len(carbon):
            j = int(rng.choice(carbon))
            made.silicon[[k, j]] = made.silicon[[j, k]]
            track[[k, j]] = track[[j, k]]
