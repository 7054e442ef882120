"""What a map is like from row to row, or from column to column, of the sites of an image.

A ripple of the scan has a period in time and knows nothing of the lattice; a superstructure of the
crystal repeats after a whole number of its columns, and stays in step with them over the whole
image. A boundary between two domains that lies along a row or column is one step, no ripple.
"""

from __future__ import annotations

import numpy as np

_GAP = 0.2  # spacings between sites of neighbouring lines, at least
_FEWEST = 8  # lines: of fewer, anything repeats by chance
_PERIODS = (2, 3, 4)  # lines after which superstructures repeat
_BREAK = 1.5  # of the larger of the usual distances between lines: one is missing
_REPEATS = 0.7  # share of the variance between lines, beyond chance, that a period explains
_ROUGH = 0.75  # of the mean square difference of any two lines
_STEPS = (0.85, 0.94)  # share of it that one level more explains, and two: of a slope 0.75 and 0.89


def profile(across: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of every line of sites, and the mean of a map on it.

    Parameters
    ----------
    across : (site,) place across the lines, in spacings. values : (site, part).

    Returns
    -------
    (line,) and (line, part), in order; lines of fewer than three sites are left out.
    """
    order = np.argsort(across, kind="stable")
    lines = np.split(order, np.flatnonzero(np.diff(across[order]) > _GAP) + 1)
    lines = [rows for rows in lines if len(rows) > 2]
    means = np.array([values[rows].mean(0) for rows in lines])
    places = np.array([across[rows].mean() for rows in lines])
    return places, means.reshape(len(lines), values.shape[1])


def unbroken(places: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The longest run of lines (line, part) among which none is missing, as a lost scan line or a
    gap of the image takes them away; all of them where that run is short.

    places : (line,) of each line, in any unit.
    """
    steps = np.diff(places)
    if len(steps) < _FEWEST:
        return lines
    breaks = np.flatnonzero(steps > _BREAK * np.percentile(steps, 90)) + 1
    longest = max(np.split(lines, breaks), key=len)
    return longest if len(longest) >= _FEWEST else lines


def period(lines: np.ndarray) -> int:
    """After how many lines (line, part) a map repeats: 2 to 4; 0 where it does not.

    Compared are lines with the mean of all that are a whole number of periods away; what so many
    means would explain by chance is taken off. Lines are to follow each other without a gap (see
    ``unbroken``): beyond one, they are out of step.
    """
    count = len(lines)
    if count < _FEWEST:
        return 0
    whole = _squares(lines)
    for steps in _PERIODS:
        left = sum(_squares(lines[start::steps]) for start in range(steps))
        if count > 2 * steps and 1 - left / (count - steps) / whole * (count - 1) > _REPEATS:
            return steps
    return 0


def rough(lines: np.ndarray) -> bool:
    """Whether neighbouring lines (line, part) differ about as much as any two (von Neumann, Ann.
    Math. Stat. 12 (1941) 367)."""
    if len(lines) < _FEWEST:
        return False
    return bool(float((np.diff(lines, axis=0) ** 2).sum()) > _ROUGH * 2 * _squares(lines))


def stepped(lines: np.ndarray) -> bool:
    """Whether lines (line, part) lie on two or three levels, each a block of neighbouring lines."""
    count = len(lines)
    if count < _FEWEST:
        return False
    whole = _squares(lines)
    first, left = _split(lines, 0, count)
    if 1 - left / whole > _STEPS[0]:
        return True
    parts = ((0, first), (first, count))
    second = [
        _split(lines, *part)[1] + _squares(lines[slice(*other)])
        for part, other in (parts, parts[::-1])
    ]
    return bool(1 - min(second) / whole > _STEPS[1])


def _split(lines: np.ndarray, start: int, end: int) -> tuple[int, float]:
    """Where to part some lines so that least squares are left, and the squares left."""
    if end - start < 4:
        return start, _squares(lines[start:end])
    cuts = range(start + 2, end - 1)
    left = [_squares(lines[start:cut]) + _squares(lines[cut:end]) for cut in cuts]
    best = int(np.argmin(left))
    return cuts[best], left[best]


def _squares(lines: np.ndarray) -> float:
    """Sum of squares about the mean, never quite 0."""
    return float(((lines - lines.mean(0)) ** 2).sum()) + 1e-300
