"""Movies of domains that switch in a field, whose walls are held at known pinning sites.

The domains are those of a lattice of polarisation, see `ferroelectric`, one site per pixel of the
specimen. At a pinning site the double well of the Landau energy is shallower or absent (`wells`),
so that a wall costs less there and is held from both sides; or a field of its own favours the
domain that the applied one removes (`fields`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from vaescope.errors import UserError
from vaescope.simulate import domains, piezoresponse
from vaescope.simulate.arguments import one_of, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.ferroelectric import Material
from vaescope.simulate.level_sets import Sampled, TrueWalls
from vaescope.simulate.piezo_movies import PiezoMovie, film
from vaescope.simulate.piezoresponse import Recorder
from vaescope.simulate.specimen_drift import Drift, drifting

_WIDTH = 2.0  # px, half width of the lattice's walls: wide enough not to be held by the lattice
_STEP = 0.183  # share of the longest stable step: walls move as in continuous time
_SETTLE = 8.0  # of time, in which the domains at the start take their shape without a field
_SATURATED = 0.995  # of the polarisation, beyond which the distance from the wall is unknown
_SITES = 2e9  # sites of the lattice times steps, at most: minutes
_APART = 3.0  # radii between pinning sites, at least
_FARTHEST = 12.0  # px along the normal, in which the same wall is sought in the next frame
_ALONG = 0.25  # px, of the steps of that search
_MEETS = 0.3  # px, within which a point of a wall lies on one of the next frame


@dataclass(frozen=True)
class Switching(Recorder):
    """Parameters of `switching`."""

    domains: str = one_of(*domains.SHAPES)
    # px: sd of the Gaussian that makes domains at random, width of a stripe, radius of a circle
    length: float = within(18.0, 4.0, 200.0)
    share: float = within(0.4, 0.0, 1.0)  # of the area in the positive domain, at the start
    frames: int = within(20, 1, 400)
    field: float = within(0.12, -0.6, 0.6)  # share of a single site's coercive field
    speed: float = within(1.5, 0.0, 20.0)  # px per frame by which a straight free wall moves
    pinning: int = within(20, 0, 2000)  # pinning sites in the area of a frame (0: none)
    pins: str = one_of("wells", "fields")
    strength: float = within(1.5, 0.0, 4.0)  # of a pinning site; of wells 1: no double well
    radius: float = within(3.0, 1.0, 20.0)  # px, standard deviation of a pinning site
    nuclei: int = within(0, 0, 100)  # domains that appear during the movie


TRUTHS = {
    "pinning_y": truth("true row of a pinning site in the first frame", "px"),
    "pinning_x": truth("true column of a pinning site in the first frame", "px"),
    "displacement": truth(
        "true displacement of the wall to the next frame along its normal", "px", "diverging"
    ),
    "switched": truth("true share of the area that has switched by the next frame", "1"),
}


def switching(p: Switching, rng: np.random.Generator) -> PiezoMovie:
    """Domains in a field, seen by a microscope.

    The truth holds as well: `pinning_y`, `pinning_x` (pin,) px in the first frame; `displacement`
    of each point of a wall to the next frame, px along its normal, the specimen's drift taken out,
    NaN where there is no wall within 12 px; `switched` (time,), share of the frame, NaN for the
    last.

    Raises
    ------
    UserError : the movie would take hours.
    """
    drift = drifting(p.drift, p.frames, rng)
    reach = drift.reach + piezoresponse.margin(p)
    side = p.size + 2 * reach
    course = _Course.of(p)
    work = side**2 * max(course.steps * (p.frames - 1), p.frames * 50)
    if work > _SITES:
        raise UserError(
            "the simulated movie would take too long",
            found=f"{work:.2g} steps of lattice sites",
            expected=f"at most {_SITES:.2g}",
            remedy="Ask for fewer `frames`, a smaller `size`, less `speed` or a stronger `field`",
        )
    pins = _scattered(p, side, rng)
    planes = [_plane(each, reach) for each in _lattices(p, course, side, reach, pins, rng)]
    made = film(planes, p, drift, reach, rng)
    curves, moved = _followed(made.curves, planes, drift, p.size)
    more = {
        "pinning_y": (("pin",), pins[:, 0] - reach, TRUTHS["pinning_y"]),
        "pinning_x": (("pin",), pins[:, 1] - reach, TRUTHS["pinning_x"]),
        "displacement": (("truth_site",), moved, TRUTHS["displacement"]),
        "switched": (("time",), _switched(planes, drift, p.size), TRUTHS["switched"]),
    }
    return replace(made, curves=curves, more=more)


def _switched(planes: list[Sampled], drift: Drift, size: int) -> np.ndarray:
    """Share (time,) of what a frame shows that has switched by the next one; NaN for the last."""
    share = np.full(len(planes), np.nan)
    for frame, (before, after) in enumerate(pairwise(planes)):
        y, x = drift.specimen(frame, size)
        share[frame] = ((before.value(y, x) > 0) != (after.value(y, x) > 0)).mean()
    return share


@dataclass(frozen=True)
class _Course:
    """``field`` of the lattice, ``steps`` of time from frame to frame and their ``step``."""

    field: float
    steps: int
    step: float

    @classmethod
    def of(cls, p: Switching) -> _Course:
        material = _material()
        # A single site without neighbours switches at (4/3) |α1| sqrt(|α1| / 6 α2).
        field = p.field * np.sqrt(2) * float(material.coercive_field)
        step = _STEP * material.longest_step(1.3)
        if not (field and p.speed):
            return cls(field, int(np.ceil(_SETTLE / step)) if p.speed else 0, step)
        lasts = p.speed / (1.5 * _WIDTH * abs(field))
        steps = int(np.ceil(lasts / step))
        return cls(field, steps, lasts / steps)


def _material(depth: np.ndarray | float = 1.0) -> Material:
    """A uniaxial lattice, saturated at 1 where the ``depth`` of the double well is 1."""
    return Material(
        alpha1=-1.0 * depth,
        alpha2=0.5,
        alpha3=0.0,
        coupling=4 * _WIDTH**2,
        depolarisation=0.0,
        boundary="open",
    )


def _scattered(p: Switching, side: int, rng: np.random.Generator) -> np.ndarray:
    """Places (pin, 2) of pinning sites on the lattice, apart where there is room."""
    wanted = round(p.pinning * (side / p.size) ** 2)
    place = np.zeros((0, 2))
    for _ in range(20 * wanted):
        if len(place) == wanted:
            break
        new = rng.uniform(0, side - 1, 2)
        if (np.linalg.norm(place - new, axis=1) > 2 * _APART * p.radius).all():
            place = np.vstack([place, new])
    return place


def _lattices(
    p: Switching,
    course: _Course,
    side: int,
    reach: int,
    pins: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """The polarisation (side, side) of each frame."""
    start = domains.plane(p.domains, -reach, side - 1 - reach, p.length, p.share, rng)
    axis = np.arange(side, dtype=float) - reach
    lattice = np.where(start.grid(axis) > 0, 1, -1).astype(np.float32)[None]
    held = _bumps(pins, p.radius, side)
    wells = p.pins == "wells"
    depth = 1 - p.strength * held if wells else 1.0
    own = 0.0 if wells else -np.sign(course.field or 1.0) * 0.6 * p.strength * held
    field = np.asarray(course.field + own, np.float32)
    material = _material(np.asarray(depth, np.float32))
    births = rng.integers(1, max(p.frames, 2), p.nuclei)
    places = rng.uniform(reach, side - 1 - reach, (p.nuclei, 2))
    settling = int(np.ceil(_SETTLE / course.step))
    lattice = _after(lattice, np.zeros(1, np.float32), settling, course.step, material)
    yield lattice[0]
    for frame in range(1, p.frames):
        lattice = _after(lattice, field, course.steps, course.step, material)
        for place in places[births == frame]:
            lattice = np.where(
                _disc(place, _viable(course.field), side), np.sign(course.field or 1.0), lattice
            ).astype(np.float32)
            lattice = _after(lattice, field, int(1 / course.step) + 1, course.step, material)
        yield lattice[0]


def _after(
    lattice: np.ndarray, field: np.ndarray, steps: int, step: float, material: Material
) -> np.ndarray:
    """The polarisation (1, side, side) after some steps in a field that broadcasts against it."""
    import torch

    from vaescope.simulate.relaxation import relax

    p, local = (
        torch.from_numpy(np.broadcast_to(each, lattice.shape).copy())[..., None]
        for each in (lattice, field)
    )
    return relax(p, material, local, np.full(steps, step))[0, ..., 0].numpy()


def _viable(field: float) -> float:
    """Radius in px of a domain that grows: twice that at which the field balances the wall."""
    return float(np.clip(2 * _WIDTH / (1.5 * max(abs(field), 1e-3)), 6, 40))


def _disc(place: np.ndarray, radius: float, side: int) -> np.ndarray:
    y, x = np.ogrid[:side, :side]
    return (y - place[0]) ** 2 + (x - place[1]) ** 2 < radius**2


def _bumps(place: np.ndarray, radius: float, side: int) -> np.ndarray:
    """Gaussians of height 1 at some places, (side, side); the highest where they overlap."""
    axis = np.arange(side)
    total = np.zeros((side, side))
    for row, column in place:
        down, across = (np.exp(-((axis - at) ** 2) / (2 * radius**2)) for at in (row, column))
        total = np.maximum(total, down[:, None] * across)
    return total


def _plane(lattice: np.ndarray, reach: int) -> Sampled:
    """Domains of a lattice as a function of the plane: about the signed distance from the wall."""
    near = np.clip(lattice.astype(float), -_SATURATED, _SATURATED)
    return Sampled(_WIDTH * np.arctanh(near), -reach)


def _followed(
    curves: list[TrueWalls], planes: list[Sampled], drift: Drift, size: int
) -> tuple[list[TrueWalls], np.ndarray]:
    """The walls of each frame, numbered alike in all of them, and the displacement (point,) px of
    their points to the next frame."""
    numbered, moved = [], []
    known, newest = None, 0
    for frame, each in enumerate(curves):
        place = drift.on_specimen(each.place, frame, size)
        wall, newest = _numbers(place, each.wall, known, newest)
        if frame + 1 < len(planes):
            step = _displacement(place, each.direction, planes[frame + 1])
        else:
            step = np.full(len(place), np.nan)
        normal = np.stack([np.cos(each.direction), -np.sin(each.direction)], axis=1)
        known = (place + step[:, None] * normal)[np.isfinite(step)], wall[np.isfinite(step)]
        numbered.append(replace(each, wall=wall))
        moved.append(step)
    return numbered, np.concatenate(moved)


def _displacement(place: np.ndarray, direction: np.ndarray, after: Sampled) -> np.ndarray:
    """Distance (point,) px along the normal, (−sin, cos) in (x, y), to the nearest wall of another
    frame that has its positive domain on the same side; NaN where there is none."""
    reach = np.arange(0, _FARTHEST + _ALONG, _ALONG)
    ahead = np.stack([np.cos(direction), -np.sin(direction)], axis=1)
    found = np.full(len(place), np.inf)
    here = after.value(*place.T)
    # A wall ahead has its negative side here; one behind, its positive side.
    for sign in (1, -1):
        open_ = np.flatnonzero(sign * here <= 0)
        before = here[open_]
        for distance in reach[1:]:
            at = place[open_] + sign * distance * ahead[open_]
            value = after.value(*at.T)
            crossed = sign * value > 0
            past = value[crossed] / (value[crossed] - before[crossed])
            found[open_[crossed]] = sign * (distance - _ALONG * past)
            open_, before = open_[~crossed], value[~crossed]
    return np.where(np.isfinite(found), found, np.nan)


def _numbers(
    place: np.ndarray,
    wall: np.ndarray,
    known: tuple[np.ndarray, np.ndarray] | None,
    newest: int,
) -> tuple[np.ndarray, int]:
    """Numbers (point,) of walls that go on from those of the frame before, each given to the
    largest part of what became of its wall; and the first number not yet used.

    Parameters
    ----------
    known : where the points (point, 2) of the frame before went, and their numbers.
    """
    labels, which = np.unique(wall, return_inverse=True)
    number = np.full(len(labels), -1)
    if known is not None and len(known[0]) and len(place):
        away, nearest = cKDTree(place).query(known[0])
        met = away < _MEETS
        pairs, count = np.unique(
            np.stack([known[1][met], which[nearest[met]]]), axis=1, return_counts=True
        )
        for old, new in pairs.T[np.argsort(-count)]:
            if number[new] < 0 and old not in number:
                number[new] = old
    fresh = np.flatnonzero(number < 0)
    number[fresh] = newest + np.arange(len(fresh))
    return number[which], newest + len(fresh)
