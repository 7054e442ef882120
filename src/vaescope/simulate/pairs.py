"""Pairs of pictures: what was recorded, and what a restoring model should make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vaescope.simulate import cards, systems
from vaescope.simulate.arguments import within
from vaescope.simulate.render import expected_counts

LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_PAPER = np.array([0.96, 0.92, 0.80])
_INKS = np.array([[0.10, 0.16, 0.45], [0.10, 0.16, 0.45], [0.78, 0.09, 0.13], [0.78, 0.09, 0.13]])
_FIELD = 256  # px, side of the crystals from which patches are cut
_PER_FIELD = 100  # patches of one crystal


@dataclass(frozen=True)
class StemParameters:
    """Patches around the columns of a perovskite, at two doses (`stem-pairs?parameter=…`)."""

    count: int = within(1600, 16, 1e6)  # patches
    size: int = within(32, 12, 128)  # px, side of a patch
    dose: float = within(400.0, 1.0, 1e7)  # electrons in one strong column: of every other patch
    dose_low: float = within(60.0, 1.0, 1e7)  # of the others
    spacing: float = within(12.0, 4.0, 60.0)  # px, lattice parameter
    width: float = within(1.8, 0.6, 20.0)  # px, standard deviation of a column's image
    held_out: float = within(0.25, 0.0, 0.9)  # share of the patches kept from training


@dataclass(frozen=True)
class ColourParameters:
    """Gray cards and the same in colour (`colour-cards?parameter=…`)."""

    count: int = within(1600, 16, 1e6)  # cards
    size: int = within(32, 12, 512)  # px, side of a card
    rotation: float = within(12.0, 0.0, 180.0)  # degrees: angles are uniform within ± this
    shear: float = within(10.0, 0.0, 60.0)  # degrees: a right angle closes by up to this
    held_out: float = within(0.25, 0.0, 0.9)  # share of the cards kept from training


def stem(p: StemParameters, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Patches of noisy counts and what they would be with any number of electrons.

    Returns
    -------
    ``images`` (patch, size, size) and ``clean`` (patch, size, size), both in units of the peak of a
    strong column; ``dose`` (patch,) electrons in a strong column; ``angle`` (patch,) rad;
    ``phase`` (patch,); ``held_out`` (patch,) 0 or 1.
    """
    clean: list[np.ndarray] = []
    angle: list[float] = []
    phase: list[int] = []
    while len(clean) < p.count:
        chosen = replace(
            systems.Perovskite(),
            size=_FIELD,
            spacing=p.spacing,
            width=p.width,
            angle=float(rng.uniform(0, 90)),
            bend=0.0,
        )
        columns = systems.perovskite(chosen, rng)
        field = expected_counts(columns, _FIELD, 1.0, p.width, chosen.background)
        reach = p.size // 2 + 1
        inside = (columns.y > reach) & (columns.y < _FIELD - reach)
        inside &= (columns.x > reach) & (columns.x < _FIELD - reach)
        rows = rng.permutation(np.flatnonzero(inside))[:_PER_FIELD]
        for k in rows[: p.count - len(clean)]:
            y, x = (round(float(v)) - p.size // 2 for v in (columns.y[k], columns.x[k]))
            clean.append(field[y : y + p.size, x : x + p.size])
            angle.append(columns.angle[k])
            phase.append(columns.phase[k])
    pictures = np.stack(clean)
    dose = np.where(np.arange(p.count) % 2, p.dose_low, p.dose)
    peak = (dose / (2 * np.pi * p.width**2))[:, None, None]
    return {
        "images": (rng.poisson(pictures * peak) / peak).astype(np.float32),
        "clean": pictures.astype(np.float32),
        "dose": dose,
        "angle": np.array(angle),
        "phase": np.array(phase),
        "held_out": _held_out(p.count, p.held_out, rng),
    }


def colour(p: ColourParameters, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Gray cards and the same in colour.

    Returns
    -------
    ``images`` (card, size, size), the luminance of ``colour`` (card, size, size, 3) in [0, 1];
    ``label`` (card,) index into ``cards.SUITS``; ``angle``, ``shear`` (card,) rad; ``held_out``.
    """
    wanted = cards.CardParameters(count=p.count, size=p.size, rotation=p.rotation, shear=p.shear)
    hand = cards.deal(wanted, rng)
    ink = np.clip(hand["images"], 0, 1)[..., None]
    coloured = (1 - ink) * _PAPER + ink * _INKS[hand["label"]][:, None, None]
    return {
        "images": (coloured @ LUMINANCE).astype(np.float32),
        "colour": coloured.astype(np.float32),
        "label": hand["label"],
        "angle": hand["angle"],
        "shear": hand["shear"],
        "held_out": _held_out(p.count, p.held_out, rng),
    }


def _held_out(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros(count, int)
    out[rng.permutation(count)[: round(share * count)]] = 1
    return out
