"""Scan lines that a probe spoilt: lines that jump, lines after which the tip is another, stripes in
which the contrast is lost.

A probe scans line by line, so that what happens to it changes all pixels of a line at once and from
one line to the next. Domains do not: the tip smooths their walls over some lines as over some
columns, a wall has ends or bends, and one that does lie along a line over its whole length reverses
the response. So lines are compared with their neighbours, and with how much columns differ.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["jump", "tip change", "lost contrast"]

_BLUR = 1.5  # px along the lines
_OUTLYING = 8.0  # robust standard deviations above the other lines
_SHARP = 3.5  # times what the lines beside differ by; a step smoothed by a tip has less
_ACROSS = 1.3  # times what any two neighbouring columns differ by
_SIZE = 0.25  # of the response: smaller steps do no harm
_TURNED_OVER = 0.2  # correlation of the lines before and after, below which a step may be a wall
_THICKEST = 4  # lines: between two steps, so few are a jump; more are a stripe
_LOST = 0.5  # of the contrast of the rest
_GONE = 0.3  # of the response of the rest
_ROTATED = np.radians(25)  # of the phase, modulo half a turn
_LARGE = 0.15  # of the lines: parts that may stand for the whole
_FEWEST = 24  # lines and columns without which nothing is said
_LEFT = 0.2  # share of the lines; if fewer were left, nothing is masked


@dataclass(frozen=True)
class Stripe:
    """Lines ``first`` to ``last``, both included, and what is wrong with them."""

    first: int
    last: int
    kind: Kind


@dataclass(frozen=True)
class BadLines:
    """Bad scan lines of a frame: ``axis`` across which the lines follow each other, 0 (lines are
    rows) or 1, and the ``stripes``, in order."""

    axis: int = 0
    stripes: tuple[Stripe, ...] = ()

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """Which pixels of a frame (y, x) lie on good lines: bool (y, x)."""
        good = np.ones(shape, bool)
        for stripe in self.stripes:
            lines = slice(stripe.first, stripe.last + 1)
            good[(lines, slice(None)) if self.axis == 0 else (slice(None), lines)] = False
        return good


def bad_lines(response: np.ndarray, measured: np.ndarray) -> BadLines:
    """Find the bad scan lines of a frame.

    Which axis is the slow one is found as well: the one along which lines differ more than columns.

    Parameters
    ----------
    response : (y, x) complex, turned so that the domain states lie on the real axis.
    measured : (y, x) bool; lines of which nothing was measured are left out.
    """
    if min(response.shape) < _FEWEST:
        return BadLines()
    size = float(np.median(abs(response[measured]))) if measured.any() else 0.0
    if not size > 0:
        return BadLines()
    scaled = np.where(measured, response / size, np.nan)
    found = []
    for axis, lines in ((0, scaled), (1, scaled.T)):
        stripes, strength = _of_lines(lines, lines.T)
        found.append((strength, -axis, stripes))
    strength, axis, stripes = max(found, key=lambda each: each[:2])
    return BadLines(-axis, tuple(stripes)) if stripes else BadLines()


def _of_lines(lines: np.ndarray, columns: np.ndarray) -> tuple[list[Stripe], float]:
    """Stripes of (line, place) and how strongly they stand out from columns."""
    kept = np.flatnonzero(np.isfinite(lines).mean(1) > 0.5)
    columns = columns[np.isfinite(columns).mean(1) > 0.5]
    if min(len(kept), len(columns)) < _FEWEST:
        return [], 0.0
    lines = lines[kept]
    calm = _along(lines), _along(columns)
    steps, strength = _steps(*calm)
    single, other = _single(*calm)
    stripes = _between(lines, steps) + single
    count = sum(stripe.last - stripe.first + 1 for stripe in stripes)
    if count > (1 - _LEFT) * len(kept):
        return [], 0.0
    moved = [Stripe(int(kept[s.first]), int(kept[s.last]), s.kind) for s in stripes]
    return _merged(moved, int(kept[-1]) + 1), max(strength, other)


def _steps(lines: np.ndarray, columns: np.ndarray) -> tuple[list[int], float]:
    """Lines k between which and k + 1 more than half of the pixels change at once."""
    change, across = _excess(_change(lines)), _excess(_change(columns))
    limit = max(_OUTLYING * _spread(change), _ACROSS * np.nanmax(across))
    padded = np.pad(change, 1, mode="edge")
    beside = np.maximum(padded[:-2], padded[2:])
    found = []
    for k in map(int, np.flatnonzero((change > limit) & (change > _SHARP * beside))):
        before, after = _mean(lines, k - 2, k + 1), _mean(lines, k + 1, k + 4)
        weak, strong = sorted(float(np.nanmedian(abs(one))) for one in (before, after))
        wall = _likeness(before, after) < _TURNED_OVER and weak > _GONE * strong
        if change[k] > (_SIZE * strong) ** 2 and not wall:
            found.append(k)
    return found, float(np.nanmax(change) / max(np.nanmax(across), 1e-12)) if found else 0.0


def _along(lines: np.ndarray) -> np.ndarray:
    """Lines blurred along themselves, which takes off noise and leaves what differs between them;
    gaps are filled with the mean of their line."""
    from scipy.ndimage import gaussian_filter1d

    filled = np.where(np.isfinite(lines), lines, np.nanmean(lines, axis=1, keepdims=True))
    real, imaginary = (
        gaussian_filter1d(part, _BLUR, axis=1) for part in (filled.real, filled.imag)
    )
    return np.asarray(real + 1j * imaginary)


def _excess(values: np.ndarray) -> np.ndarray:
    """How far values lie above their median, which is that of the noise."""
    return values - np.nanmedian(values)


def _spread(values: np.ndarray) -> float:
    return 1.4826 * float(np.nanmedian(abs(_excess(values))))


def _change(lines: np.ndarray) -> np.ndarray:
    """The median squared change from each line to the next: it takes half of a line to change."""
    return np.asarray(np.nanmedian(abs(np.diff(lines, axis=0)) ** 2, axis=1))


def _mean(lines: np.ndarray, start: int, stop: int) -> np.ndarray:
    return np.asarray(np.nanmean(lines[max(start, 0) : max(stop, 1)], axis=0))


def _likeness(before: np.ndarray, after: np.ndarray) -> float:
    """Correlation of two lines of complex values about zero, whatever phase lies between them but
    half a turn."""
    good = np.isfinite(before) & np.isfinite(after)
    product = (after * before.conj())[good]
    power = np.sqrt((abs(before[good]) ** 2).sum() * (abs(after[good]) ** 2).sum())
    total = product.sum()
    return float(abs(total) / power * np.sign(np.cos(np.angle(total)) + 0.7)) if power else 1.0


def _single(lines: np.ndarray, columns: np.ndarray) -> tuple[list[Stripe], float]:
    """Single lines that leave their neighbours and are left by them again: changes from the line
    before and to the line after are opposite, which in what a tip has smoothed they hardly are."""
    off, across = _excess(_off(lines)), _excess(_off(columns))
    limit = max(_OUTLYING * _spread(off), _ACROSS * np.nanmax(across), _SIZE**2)
    found = [Stripe(int(k) + 1, int(k) + 1, "jump") for k in np.flatnonzero(off > limit)]
    return found, float(np.nanmax(off) / max(np.nanmax(across), 1e-12)) if found else 0.0


def _off(lines: np.ndarray) -> np.ndarray:
    steps = np.diff(lines, axis=0)
    return np.asarray(-np.nanmean((steps[:-1].conj() * steps[1:]).real, axis=1))


def _between(lines: np.ndarray, steps: list[int]) -> list[Stripe]:
    """Judge the parts between steps, and the steps themselves."""
    if not steps:
        return []
    edges = [0, *(k + 1 for k in steps), len(lines)]
    parts = [(a, b) for a, b in itertools.pairwise(edges) if b > a]
    contrast = [_contrast(lines[a:b]) for a, b in parts]
    large = [k for k, (a, b) in enumerate(parts) if b - a >= _LARGE * len(lines)]
    if not large:
        large = [int(np.argmax([b - a for a, b in parts]))]
    size = [float(np.nanmedian(abs(lines[a:b]))) for a, b in parts]
    best = max(large, key=lambda k: contrast[k] * (abs(_axis(lines[slice(*parts[k])])) < _ROTATED))
    axis = _axis(lines[slice(*parts[best])])
    found = []
    for k, (a, b) in enumerate(parts):
        apart = _axis(lines[a:b]) - axis
        rotated = abs(np.angle(np.exp(2j * apart)) / 2) > _ROTATED
        inside = a > 0 and b < len(lines)
        if b - a <= _THICKEST and inside:
            found.append(Stripe(a, b - 1, "jump"))
        elif rotated or _lost(contrast[k] / contrast[best], size[k] / size[best]):
            found.append(Stripe(a, b - 1, "lost contrast"))
    masked = {line for stripe in found for line in range(stripe.first, stripe.last + 1)}
    seams = [k for k in steps if k not in masked and k + 1 not in masked]
    return found + [Stripe(k, k + 1, "tip change") for k in seams]


def _lost(contrast: float, size: float) -> bool:
    """Whether a part has lost its contrast, and is not only weaker as a whole; both relative to the
    rest."""
    return contrast < _LOST and (contrast < _LOST * size or size < _GONE)


def _contrast(lines: np.ndarray) -> float:
    """How much the response varies along a line beyond its noise (median of the lines)."""
    noise = np.nanmedian(abs(np.diff(lines.real, 2, axis=1)), axis=1) * 1.4826 / np.sqrt(6)
    variance = np.nanvar(lines.real, axis=1) - noise**2
    return float(np.sqrt(max(np.median(variance), 0.0)))


def _axis(lines: np.ndarray) -> float:
    """The phase of the response modulo half a turn, about zero, from -90° to 90° in rad."""
    values = lines[np.isfinite(lines)]
    doubled = (values**2 / np.maximum(abs(values), 1e-12)).sum()
    return float(np.angle(doubled) / 2)


def _merged(stripes: list[Stripe], count: int) -> list[Stripe]:
    """Stripes in order that share no line; of those that do, the worse kind holds."""
    worse: tuple[Kind, ...] = ("tip change", "jump", "lost contrast")
    rank = np.zeros(count, int)
    for stripe in stripes:
        lines = slice(stripe.first, stripe.last + 1)
        rank[lines] = np.maximum(rank[lines], 1 + worse.index(stripe.kind))
    edges = np.concatenate([[0], np.flatnonzero(np.diff(rank)) + 1, [count]])
    return [
        Stripe(int(a), int(b) - 1, worse[rank[a] - 1])
        for a, b in itertools.pairwise(edges)
        if rank[a]
    ]
