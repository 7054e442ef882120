"""Movies under the beam: atoms vanish, holes grow, silicon hops, the specimen drifts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate import graphene, layers
from vaescope.simulate.arguments import GRAINS, Parameters, refuse_crowd, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.graphene import SILICON3, Graphene, GrapheneSheet
from vaescope.simulate.lattice import Columns
from vaescope.simulate.layers import MoS2

_SHELTERED = 0.01  # loss of an atom with three neighbours beside that of one at an edge
_UNSTEADY = 0.5  # random part of a frame's drift beside its steady part
_LIT = 0.75  # sides of what is seen: beyond its corners, within the sheet
_PIXELS = 2**28  # of a whole movie, at most


TRUTHS = {**layers.TRUTHS, "track": truth("which atom it is, in all frames", "1")}


@dataclass(frozen=True)
class Movie(Parameters):
    """What can be asked of every movie."""

    size: int = within(256, 64, 8192)  # px, side of the square frames
    frames: int = within(20, 1, 1000)
    jitter: float = within(0.3, 0.0, 10.0)  # px rms by which each atom is off, anew in each frame
    shift: float = within(0.5, 0.0, 20.0)  # px by which the specimen drifts from frame to frame


@dataclass(frozen=True)
class GrapheneMovie(Movie, Graphene):
    """What can be asked of `graphene-movie`."""

    grain: float = within(
        0.0, -180.0, 180.0, GRAINS
    )  # degrees to the second grain (0: one crystal)
    loss: float = within(0.03, 0.0, 1.0)  # probability that an atom at an edge goes, per frame
    hops: float = within(0.3, 0.0, 1.0)  # probability that silicon hops, per frame


@dataclass(frozen=True)
class MoS2Movie(Movie, MoS2):
    """What can be asked of `mos2-movie`."""

    loss: float = within(0.002, 0.0, 1.0)  # probability that an atom of sulphur goes, per frame


def graphene_movie(p: GrapheneMovie, rng: np.random.Generator) -> list[Columns]:
    """The atoms of every frame, each with its ``track``.

    Carbon at an edge is lost at the rate asked for, other carbon a hundred times more rarely; what
    is left with fewer than two neighbours goes too. Silicon with three neighbours changes places
    with one of them. Source of the hop: T. Susi et al., Phys. Rev. Lett. 113 (2014) 115501.

    Raises
    ------
    UserError : the movie would not fit in memory.
    """
    path = _path(p, rng)
    reach = _reach(p, path)
    made = graphene.sheet(p, rng, reach)
    # Atoms at the rim of the sheet lack neighbours too, but see no beam.
    lit = np.linalg.norm(made.place, axis=1) < _LIT * reach
    track = np.arange(len(made.place))
    frames = []
    for index, offset in enumerate(path):
        if index:
            _lose(made, p, lit, rng)
            _hop(made, track, p, rng)
        found = graphene.columns(made, p)
        found.more["track"] = track[made.here]
        frames.append(_shaken(found, offset, p, rng))
    return frames


def mos2_movie(p: MoS2Movie, rng: np.random.Generator) -> list[Columns]:
    """The columns of every frame, each with its ``track``; sulphur is lost atom by atom.

    Raises
    ------
    UserError : the movie would not fit in memory.
    """
    path = _path(p, rng)
    layer = layers.mos2_layer(p, rng, _reach(p, path))
    layer.metal.more["track"] = np.arange(len(layer.metal))
    layer.pair.more["track"] = len(layer.metal) + np.arange(len(layer.pair))
    frames = []
    for index, offset in enumerate(path):
        if index:
            layer.missing += rng.binomial(2 - layer.missing, p.loss)
        frames.append(_shaken(layers.columns(layer, p.spacing), offset, p, rng))
    return frames


def _reach(p: Movie, path: np.ndarray) -> int:
    """Side in px of what is seen in all frames together, about the first one's centre."""
    if p.frames * p.size**2 > _PIXELS:
        raise UserError(
            "the simulated movie is too large",
            found=f"{p.frames} frames of {p.size} × {p.size} pixels",
            expected=f"at most {_PIXELS:.2g} pixels in all",
            remedy="Ask for fewer frames or a smaller size",
        )
    reach = p.size + 2 * int(np.ceil(np.abs(path).max()))
    refuse_crowd(p, reach)
    return reach


def _shaken(columns: Columns, offset: np.ndarray, p: Movie, rng: np.random.Generator) -> Columns:
    """The columns of one frame: drifted together, and each a little off its place."""
    off_y, off_x = offset[:, None] + rng.normal(0, p.jitter, (2, len(columns)))
    return replace(columns, y=columns.y + off_y, x=columns.x + off_x)


def _path(p: Movie, rng: np.random.Generator) -> np.ndarray:
    """How far the specimen has drifted, (frame, 2) px (y, x), none in the first."""
    angle = rng.uniform(0, 2 * np.pi)
    steady = np.array([np.sin(angle), np.cos(angle)])
    steps = p.shift * (steady + _UNSTEADY * rng.normal(size=(p.frames - 1, 2)))
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _lose(made: GrapheneSheet, p: GrapheneMovie, lit: np.ndarray, rng: np.random.Generator) -> None:
    chance = p.loss * np.where(made.degree() < 3, 1.0, _SHELTERED)
    gone = rng.uniform(size=len(chance)) < chance
    made.here &= ~(gone & lit & ~made.silicon)
    made.prune()


def _hop(
    made: GrapheneSheet, track: np.ndarray, p: GrapheneMovie, rng: np.random.Generator
) -> None:
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
