"""Cards: the four suits, turned and sheared, as patches whose truth is known.

The suits are drawn from DejaVu Sans, which matplotlib brings along, at equal area of ink: otherwise
the sum of the pixels alone would tell them apart. The shear is symmetric, so it contains no
rotation that could be confused with the angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from vaescope.simulate.arguments import within

if TYPE_CHECKING:
    from matplotlib.path import Path

SUITS = ("clubs", "spades", "diamonds", "hearts")
GLYPHS = "♣♠♦♥"
_FINE = 512  # px, side of the pictures from which the cards are sampled
_EXTENT = 2.0  # side of these pictures in units of half a card
_INK = 0.16  # share of a card that is ink


@dataclass(frozen=True)
class CardParameters:
    """What can be asked of a set of cards (`NAME?parameter=value&…`)."""

    count: int = within(3000, 16, 1e6)  # cards
    size: int = within(48, 12, 512)  # px, side of a card
    rotation: float = within(120.0, 0.0, 180.0)  # degrees: angles are uniform within ± this
    shear: float = within(20.0, 0.0, 60.0)  # degrees: a right angle closes by up to this
    translation: float = within(0.0, 0.0, 0.5)  # half a card, shift along x and y up to this
    noise: float = within(0.0, 0.0, 10.0)  # standard deviation of normal noise; ink is 1, paper 0
    labelled: int = within(
        0, 0, 1e6
    )  # further cards of the first set; a model may be told their suits
    held_out: int = within(0, 0, 1e6)  # further cards on which no model is trained


SETS: dict[str, dict[str, Any]] = {
    "cards1": {"rotation": 12.0, "shear": 1.0},
    "cards2": {"rotation": 12.0, "shear": 20.0},
    "cards3": {"rotation": 120.0, "shear": 1.0},
    "cards4": {"rotation": 120.0, "shear": 20.0},
}
"""name -> what it differs in from ``CardParameters`` (the sets of the lecture)."""


def deal(
    p: CardParameters, rng: np.random.Generator, shapes: Sequence[np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Draw a set of cards.

    Parameters
    ----------
    shapes : pictures as ``inked`` makes them, in place of the four suits.

    Returns
    -------
    ``images`` (card, size, size) float32 in [0, 1] but for noise; ``label`` (card,) index into
    ``SUITS``, or into ``shapes``; ``known_label`` (card,) the same for the ``labelled`` ones, -1
    for the others;
    ``held_out`` (card,) 1 for those kept from training; ``angle`` (card,) rad, counter-clockwise as
    seen; ``shear`` (card,) rad by which a right angle closes; ``shift_y``, ``shift_x`` (card,) px.
    """
    first = SETS["cards1"]
    count = p.count + p.labelled + p.held_out
    easy = np.arange(count) < p.labelled
    label = np.arange(count)
    label[p.labelled :] -= p.labelled
    fine = [_fine(suit) for suit in range(len(SUITS))] if shapes is None else shapes
    label %= len(fine)
    for part in (easy, ~easy):
        label[part] = rng.permutation(label[part])
    reach = [np.where(easy, first[k], getattr(p, k)) for k in ("rotation", "shear")]
    angle, shear = (np.radians(rng.uniform(-r, r)) for r in reach)
    shift = rng.uniform(-p.translation, p.translation, (count, 2))
    images = np.empty((count, p.size, p.size), np.float32)
    axis = (np.arange(p.size) + 0.5) * (2 / p.size) - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    pictures = [blurred(picture, p.size) for picture in fine]
    for k in range(count):
        cos, sin, lean = np.cos(angle[k]), np.sin(angle[k]), np.tan(shear[k] / 2)
        # r = R(angle) [[1, lean], [lean, 1]] r0, with (x, y) and y down, angles counter-clockwise.
        turned = np.array([[cos, sin], [-sin, cos]]) @ np.array([[1, lean], [lean, 1]])
        back = np.linalg.inv(turned)
        dx, dy = x - shift[k, 1], y - shift[k, 0]
        x0, y0 = back[0, 0] * dx + back[0, 1] * dy, back[1, 0] * dx + back[1, 1] * dy
        place = [(value / _EXTENT + 0.5) * _FINE - 0.5 for value in (y0, x0)]
        images[k] = ndimage.map_coordinates(pictures[label[k]], place, order=1, mode="constant")
    if p.noise:
        images += rng.normal(0, p.noise, images.shape).astype(np.float32)
    shift = shift * p.size / 2
    return {
        "images": images,
        "label": label,
        "known_label": np.where(easy, label, -1),
        "held_out": (np.arange(count) >= p.labelled + p.count).astype(int),
        "angle": angle,
        "shear": shear,
        "shift_y": shift[:, 0],
        "shift_x": shift[:, 1],
    }


def blurred(picture: np.ndarray, size: int) -> np.ndarray:
    """Blur a fine picture (as ``inked`` makes it) as a pixel of a card of ``size`` px does."""
    return ndimage.gaussian_filter(picture, 0.4 * _FINE * 2 / (_EXTENT * size))


@cache
def _fine(suit: int) -> np.ndarray:
    """The fine picture of a suit."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    return inked(TextPath((0, 0), GLYPHS[suit], prop=FontProperties(family="DejaVu Sans")))


def inked(outline: Path) -> np.ndarray:
    """A shape upright about its centre of mass, 1 on ink and 0 on paper, (512, 512) float32: its
    area is ``_INK`` of a card's, wherever and however large the outline is."""
    from matplotlib.path import Path

    corners = np.asarray(outline.vertices, float)
    low, high = corners.min(0), corners.max(0)
    points = (corners - (low + high) / 2) / (high - low).max()
    axis = (np.arange(_FINE) + 0.5) * (_EXTENT / _FINE) - _EXTENT / 2
    x, y = np.meshgrid(axis, -axis)  # rows run downwards, outlines upwards
    grid = np.column_stack([x.ravel(), y.ravel()])

    def ink(scale: float, centre: np.ndarray) -> np.ndarray:
        shape = Path((points - centre) * scale, outline.codes)
        return shape.contains_points(grid).reshape(_FINE, _FINE)

    drawn = ink(1.0, np.zeros(2))
    middle = np.array([x[drawn].mean(), y[drawn].mean()])
    scale = np.sqrt(4 * _INK / (drawn.sum() * (_EXTENT / _FINE) ** 2))
    return ink(scale, middle).astype(np.float32)
