"""Columns that are brighter or dimmer than others of the same structure.

A dopant in the place of another atom changes little but the intensity of its own column. A latent
space that also describes strain, neighbours and contamination spends little of itself on so few
sites, while the intensity of a column beside that of the columns around it, on which Z-contrast
imaging rests, tells them at a glance. So each mode of the latents is divided where these
intensities leave a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from vaescope.train.valleys import VALLEY, deviation, far_end, valley

AROUND = 12  # sites of the same mode to whose median intensity that of a site is compared
FEWEST = 24  # sites of a mode that is divided
SMALLEST = 5  # sites of a part
_MOST = 4  # parts of a mode
_PASSES = 2  # in which parts found are taken into account for their neighbours
_DEEP = 3.2  # standard deviations by which the valley between two parts is lower than chance
_ALIKE = 0.95  # of the deepest gap, so deep are others that may be the border instead
# Rare columns, so many of them, leave too few counts for that: these are enough where they lie so
# many deviations of the others away, scatter by no more than so many of these, and leave a gap
# nearly as deep. Tails of six kinds made no more parts with this than without.
_RARE, _RARE_DEEP, _FAR, _COMPACT, _AS_DEEP = (10, 80), 2.5, 8.0, 1.8, 0.9
_WORST = 2.0  # standard deviations below most, so low is the evidence of a contaminated site
_APART = 3.0  # and by which their middles are apart
_REACH = 4.0  # standard deviations from the middle of a part that its sites may be
_BINS = 512  # in which intensities are counted
_LOOKED_AT = (-1.0, 6.0)  # times the usual intensity; what lies beyond is no column
_SMOOTH = (0.2, 0.4, 0.8)  # of the spread of most sites: widths with which minima are looked for


def divided(
    label: np.ndarray,
    intensity: np.ndarray,
    position: np.ndarray,
    frame: np.ndarray,
    among: np.ndarray | None = None,
    evidence: np.ndarray | None = None,
) -> np.ndarray:
    """Divide modes by the intensity of their columns.

    Contamination brightens columns too, one more and another less, and so fills the gap before
    rare bright ones; but what it adds is not what the model draws. So gaps are looked for among
    sites whose evidence is not far below that of most others of their mode.

    Parameters
    ----------
    label : (site,) mode of each site, -1 for none.
    intensity : (site,) of the column; NaN where it is not known: such sites stay with most others.
    position : (site, 2) px. frame : (site,).
    among : which sites (site,) bool say where gaps are; None: all.
    evidence : (site,) evidence lower bound of the patch of each site, nats; None: not known.

    Returns
    -------
    part : (site,) 0 for most sites of a mode, 1, 2, … for those whose columns are brighter or
        dimmer.
    """
    part = np.zeros(len(label), int)
    for mode in range(int(label.max(initial=-1)) + 1):
        own = np.flatnonzero((label == mode) & np.isfinite(intensity))
        sure = np.ones(len(own), bool) if among is None else among[own]
        if evidence is not None:
            sure &= _as_most(evidence[own], sure)
        if sure.sum() >= FEWEST:
            part[own] = _of_mode(intensity[own], position[own], frame[own], sure)
    return part


def _as_most(evidence: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Which sites (site,) the model draws about as well as most of those ``among`` them."""
    if not among.any():
        return among
    usual = evidence[among]
    return np.asarray(evidence > np.median(usual) - _WORST * 1.4826 * deviation(usual))


def _of_mode(
    intensity: np.ndarray, position: np.ndarray, frame: np.ndarray, sure: np.ndarray
) -> np.ndarray:
    """Parts of one mode: by the intensity of a column beside those around it, or by the intensity
    itself, whichever divides it into more."""
    whole = parts(intensity / max(abs(float(np.median(intensity))), 1e-300), sure)
    local = _beside_neighbours(intensity, position, frame, sure)
    return max((local, whole), key=lambda found: int(found.max()))


def _beside_neighbours(
    intensity: np.ndarray, position: np.ndarray, frame: np.ndarray, sure: np.ndarray
) -> np.ndarray:
    """Parts by the intensity of a column beside those around it, each counted as if it were of the
    largest part, once parts are known."""
    local = relative(intensity, intensity, position, frame)
    found = parts(local, sure)
    for _ in range(_PASSES):
        if not found.any():
            break
        usual = np.array([np.median(local[found == k]) for k in range(found.max() + 1)])
        as_most = intensity * usual[0] / np.where(usual == 0, 1, usual)[found]
        local = relative(intensity, as_most, position, frame)
        again = parts(local, sure)
        if not again.any():
            break
        found = again
    return found


def relative(
    intensity: np.ndarray, usual: np.ndarray, position: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """Intensity (site,) over the median of what is ``usual`` (site,) at the ``AROUND`` sites beside
    it in the same frame, so that thickness and shading fall out."""
    beside = np.ones(len(intensity))
    for one in np.unique(frame):
        own = np.flatnonzero(frame == one)
        near = cKDTree(position[own]).query(position[own], min(AROUND + 1, len(own)))[1]
        near = near.reshape(len(own), -1)
        beside[own] = np.median(usual[own][near[:, 1:]], 1) if len(own) > 1 else usual[own]
    floor = 0.05 * float(np.median(np.abs(beside))) + 1e-300
    return np.asarray(intensity / np.maximum(beside, floor))


def parts(values: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """Number (site,) of the part of each value, 0 for the largest; parts have gaps between them,
    as far as the values ``among`` (site,) bool say."""
    borders: list[float] = []
    known = values if among is None else values[among]
    waiting = [known[(known > _LOOKED_AT[0]) & (known < _LOOKED_AT[1])]]
    while waiting and len(borders) < _MOST - 1:
        some = waiting.pop(0)
        border = _border(some)
        if border is None:
            continue
        borders.append(border)
        waiting += [some[some < border], some[some >= border]]
    label = np.searchsorted(np.sort(borders), values, "right")
    size = np.bincount(
        np.searchsorted(np.sort(borders), known, "right"), minlength=len(borders) + 1
    )
    order = np.argsort(-size, kind="stable")
    return np.argsort(order)[label]


def _border(values: np.ndarray) -> float | None:
    """Where the deepest gap is, None without one."""
    if len(values) < FEWEST:
        return None
    found: list[tuple[float, int, float]] = []
    for place in _minima(values):
        low, high = values[values < place], values[values >= place]
        fewer = min(len(low), len(high))
        if fewer >= SMALLEST:
            found.append((_depth(low, high), fewer, place))
    deepest, fewer, border = max(found, default=(0.0, 0, 0.0))
    if deepest >= _DEEP:
        if fewer < FEWEST:  # a gap within a few sites may look deeper than the one before them
            alike = (one for one in found if one[0] > _ALIKE * deepest)
            _, _, border = max(alike, key=itemgetter(1))
        return _nearer(values, border)
    rare = _rare(values, found)
    if rare is not None:
        return _nearer(values, rare)
    above, below = far_end(values), far_end(-values)
    if above is not None:
        return _nearer(values, above)
    return None if below is None else _nearer(values, -below)


def _rare(values: np.ndarray, found: list[tuple[float, int, float]]) -> float | None:
    """The border before rare values that lie close together and far from all others; None without.

    found : depth, size of the smaller side and place of every gap.
    """
    known = []
    for depth, fewer, place in found:
        if depth < _RARE_DEEP * _AS_DEEP or not _RARE[0] <= fewer <= _RARE[1]:
            continue
        few, many = sorted((values[values < place], values[values >= place]), key=len)
        usual = deviation(many)
        far = abs(float(np.median(few)) - float(np.median(many))) > _FAR * 1.4826 * usual
        if far and deviation(few) < _COMPACT * usual:
            known.append((depth, fewer, place))
    deepest = max((one[0] for one in known), default=0.0)
    if deepest < _RARE_DEEP:
        return None
    return max((one for one in known if one[0] >= _AS_DEEP * deepest), key=itemgetter(1))[2]


def _depth(low: np.ndarray, high: np.ndarray) -> float:
    """By how many standard deviations of chance fewer values lie between two samples than in them;
    0 where the samples are not apart.

    Values are counted in windows as wide as the middle half of the narrower sample (``valley``), or
    of the smaller one, whichever tells more.
    """
    few, many = sorted((low, high), key=len)
    middles = float(np.median(few)), float(np.median(many))
    spreads = [deviation(few), deviation(many)]
    if abs(middles[0] - middles[1]) < _APART * 1.4826 * float(np.hypot(spreads[0], spreads[1])):
        return 0.0
    width = max(2 * spreads[0], 1e-6)
    steps = int(np.clip(4 * abs(middles[1] - middles[0]) / width, 2, 400)) + 1
    centre: np.ndarray = np.linspace(*middles, steps)
    line = np.sort(np.concatenate([low, high]))
    above = np.asarray(np.searchsorted(line, centre + width / 2, "right"))
    # The square root of a count scatters by one half, whatever the count.
    least = float((above - np.searchsorted(line, centre - width / 2, "left")).min())
    usual = len(few) / 2
    own = 2**0.5 * (usual**0.5 - least**0.5) if least <= VALLEY * usual else 0.0
    return max(own, valley(low, high).deeper)


def _nearer(values: np.ndarray, border: float) -> float:
    """The border, but not so far from the smaller part that its values cannot lie there, and before
    a rare part where the line is empty farthest."""
    few, many = sorted((values[values < border], values[values >= border]), key=len)
    middle, own = float(np.median(few)), 1.4826 * deviation(few)
    if len(few) <= _RARE[1]:
        usual, spread = float(np.median(many)), 1.4826 * deviation(many)
        sign = np.sign(middle - usual)
        ends = sorted((usual + sign * _APART * spread, middle - sign * own))
        between = values[(values > ends[0]) & (values < ends[1])]
        line = np.array([ends[0], *np.sort(between), ends[1]])
        widest = int(np.diff(line).argmax())
        border = float(line[widest : widest + 2].mean())
    return float(np.clip(border, middle - _REACH * own, middle + _REACH * own))


def _minima(values: np.ndarray) -> Iterator[float]:
    """Minima of the density of values, smoothed more or less."""
    low, high = np.percentile(values, [5, 95])
    spread = (high - low) / 3.3 + 1e-12
    edges = np.linspace(values.min() - spread, values.max() + spread, _BINS + 1)
    count = np.histogram(values, edges)[0].astype(float)
    middle = (edges[:-1] + edges[1:]) / 2
    for width in _SMOOTH:
        smooth = gaussian_filter1d(count, max(width * spread / (edges[1] - edges[0]), 0.5))
        falls = np.flatnonzero((smooth[1:-1] < smooth[:-2]) & (smooth[1:-1] <= smooth[2:])) + 1
        yield from middle[falls].tolist()
