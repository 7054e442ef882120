"""Small bodies of metal seen from above: ellipsoids and rods, their places and thickness.

Each is computed in its own frame, so that a scene that is turned or mirrored has its spectra turned
or mirrored and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import elliprd

from vaescope.errors import UserError

_ROUNDS = 8  # of the search for the nearest point of an ellipse: then within 1e-6 of its size
_RADII, _TURNS = 8, 32  # nodes of the quadrature over an ellipse
_ALONG, _ACROSS = 32, 10  # the same of a rod
_OUTLINE = 96  # points of an outline by which overlaps are found
_TRIES = 200  # places tried for one object
_SCENES = 20  # times that a scene is begun anew
_FULL = 0.5  # share of an image that objects fill at most: more are not found room by chance


@dataclass(frozen=True)
class Body:
    """An ellipsoid, or a rod with round ends, lying on its support; as high as it is broad.

    ``y``, ``x`` : of its centre. ``angle`` : of its long axis from x, rad, counter-clockwise as
    seen. ``long``, ``short`` : semi-axes, ``long`` at least ``short``. ``rod`` : a rod. ``group`` :
    number of the object it belongs to. All lengths in one unit, whichever.
    """

    y: float
    x: float
    angle: float
    long: float
    short: float
    rod: bool = False
    group: int = 0

    @property
    def aspect(self) -> float:
        """Length over breadth."""
        return self.long / self.short

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors (y, x) of the long and the short axis, (2, 2)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[-sin, cos], [cos, sin]])

    @property
    def volume(self) -> float:
        """Volume, in the third power of the unit of length."""
        if self.rod:
            return float(np.pi * self.short**2 * (2 * self.long - 2 * self.short / 3))
        return float(4 / 3 * np.pi * self.long * self.short**2)

    @cached_property
    def depolarisation(self) -> np.ndarray:
        """Geometrical factors along the long axis, the short one and the beam, (3,); sum 1.

        Of a rod, those of the spheroid of its aspect ratio.
        Source: C. F. Bohren & D. R. Huffman (1983), eq. 5.33, as Carlson's integral R_D.
        """
        squares = np.array([self.long, self.short, self.short]) ** 2
        others = [np.delete(squares, k) for k in range(3)]
        product = np.sqrt(squares.prod())
        return np.array([product / 3 * elliprd(*others[k], squares[k]) for k in range(3)])

    def scaled(self, factor: float) -> Body:
        """The same body, all lengths multiplied."""
        return replace(
            self,
            y=self.y * factor,
            x=self.x * factor,
            long=self.long * factor,
            short=self.short * factor,
        )

    def local(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of points along the long and the short axis, from the centre."""
        dy, dx = y - self.y, x - self.x
        (ly, lx), (sy, sx) = self.axes
        return dy * ly + dx * lx, dy * sy + dx * sx

    def distance(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Distance of points from the outline, negative within it."""
        u, v = (np.abs(part) for part in self.local(y, x))
        if self.rod:
            return np.hypot(np.maximum(u - (self.long - self.short), 0), v) - self.short
        return _from_ellipse(u, v, self.long, self.short)

    def tip_distance(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Distance of points from the nearer end of the long axis."""
        u, v = (np.abs(part) for part in self.local(y, x))
        return np.hypot(u - self.long, v)

    def thickness(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Thickness of the metal at points, 0 outside."""
        u, v = (np.abs(part) for part in self.local(y, x))
        if self.rod:
            within = self.short**2 - np.maximum(u - (self.long - self.short), 0) ** 2 - v**2
            return 2 * np.sqrt(np.maximum(within, 0))
        within = 1 - (u / self.long) ** 2 - (v / self.short) ** 2
        return 2 * self.short * np.sqrt(np.maximum(within, 0))

    @cached_property
    def nodes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Quadrature over the volume: places along both axes and weights (node,); sum 1."""
        if self.rod:
            at, weight = np.polynomial.legendre.leggauss(_ALONG)
            u = self.long * at
            half = np.sqrt(
                np.maximum(self.short**2 - np.maximum(abs(u) - (self.long - self.short), 0) ** 2, 0)
            )
            turn = np.pi * np.arange(1, _ACROSS + 1) / (_ACROSS + 1)
            v = half[:, None] * np.cos(turn)
            share = (weight * half**2)[:, None] * np.sin(turn) ** 2
            u = np.broadcast_to(u[:, None], v.shape)
        else:
            at, weight = np.polynomial.legendre.leggauss(_RADII)
            square = (at + 1) / 2
            turn = 2 * np.pi * (np.arange(_TURNS) + 0.5) / _TURNS
            radius = np.sqrt(square)[:, None]
            u, v = self.long * radius * np.cos(turn), self.short * radius * np.sin(turn)
            share = np.broadcast_to((weight * np.sqrt(1 - square))[:, None], u.shape)
        return u.ravel(), v.ravel(), (share / share.sum()).ravel()

    @cached_property
    def outline(self) -> np.ndarray:
        """Points of the outline, (point, 2) as (y, x)."""
        turn = 2 * np.pi * np.arange(_OUTLINE) / _OUTLINE
        u, v = np.cos(turn), np.sin(turn)
        if self.rod:
            straight = self.long - self.short
            side = np.linspace(-straight, straight, _OUTLINE // 2)
            u = np.concatenate([self.short * u + straight * np.sign(u), side, side])
            v = np.concatenate([v, np.ones_like(side), -np.ones_like(side)])
        else:
            u = self.long * u
        local = np.stack([u, self.short * v], 1)
        return np.array([self.y, self.x]) + local @ self.axes


def _from_ellipse(u: np.ndarray, v: np.ndarray, long: float, short: float) -> np.ndarray:
    """Signed distance of points (first quadrant) from an ellipse, by its centres of curvature."""
    tu = tv = np.full_like(u, np.sqrt(0.5))
    bent = (long**2 - short**2) * np.array([1 / long, -1 / short])
    for _ in range(_ROUNDS):
        cu, cv = bent[0] * tu**3, bent[1] * tv**3
        radius = np.hypot(long * tu - cu, short * tv - cv)
        reach = np.maximum(np.hypot(u - cu, v - cv), 1e-12)
        tu = np.clip((cu + radius * (u - cu) / reach) / long, 0, 1)
        tv = np.clip((cv + radius * (v - cv) / reach) / short, 0, 1)
        length = np.maximum(np.hypot(tu, tv), 1e-12)
        tu, tv = tu / length, tv / length
    away = np.hypot(u - long * tu, v - short * tv)
    return np.where((u / long) ** 2 + (v / short) ** 2 <= 1, -away, away)


def gap(one: Body, other: Body) -> float:
    """Least distance between two outlines, negative where the bodies overlap."""
    return float(min(one.distance(*other.outline.T).min(), other.distance(*one.outline.T).min()))


def scatter(
    draw: Callable[[int], list[Body]],
    count: int,
    size: int,
    apart: float,
    rng: np.random.Generator,
) -> list[Body]:
    """Objects at random places of a square, wholly inside and at least ``apart`` from each other.

    Parameters
    ----------
    draw : number of an object -> its bodies about the origin.
    count : objects. size : px, side of the square.

    Raises
    ------
    UserError : they do not fit.
    """
    objects = [draw(index) for index in range(count)]
    # The largest first: the small ones find room between them.
    objects.sort(key=lambda bodies: -sum(body.volume for body in bodies))
    filled = sum(np.pi * body.long * body.short for bodies in objects for body in bodies)
    for _ in range(_SCENES if filled < _FULL * size**2 else 0):
        placed: list[Body] = []
        for bodies in objects:
            found = _room(bodies, placed, size, apart, rng)
            if not found:
                break
            placed += found
        else:
            return sorted(placed, key=lambda body: body.group)
    raise UserError(
        "the simulated particles do not fit into the image",
        found=f"{count} particles in {size} × {size} pixels",
        expected=f"room for all of them, {apart:g} pixels apart",
        remedy="Ask for fewer particles, a smaller `radius` or a larger `size`",
    )


def _room(
    bodies: Sequence[Body], placed: list[Body], size: int, apart: float, rng: np.random.Generator
) -> list[Body]:
    """The bodies of an object moved to a free place, or nothing where none was found."""
    outline = np.concatenate([body.outline for body in bodies])
    low = -0.5 - outline.min(0)
    high = size - 0.5 - outline.max(0)
    if (low > high).any():
        return []
    for _ in range(_TRIES):
        y, x = rng.uniform(low, high)
        moved = [replace(body, y=body.y + y, x=body.x + x) for body in bodies]
        if all(_far(one, other, apart) for one in moved for other in placed):
            return moved
    return []


def _far(one: Body, other: Body, apart: float) -> bool:
    away = np.hypot(one.y - other.y, one.x - other.x)
    return bool(away > one.long + other.long + apart or (away > apart and gap(one, other) > apart))
