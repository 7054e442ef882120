"""Columns between strong ones: weak sublattices, and dim columns in places of the strong ones.

Whatever stands in a crystal stands there again at every lattice vector. So a maximum between
strong sites is judged by what the image shows at the same place about other sites: these pixels
have not been searched for a maximum, and are evidence by themselves. A column is bent downwards in
every direction; tails of neighbours, which add up between them, and streaks are so in one direction
at most, and the texture of a support is not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import dask.array as da
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.sites import detect
from vaescope.sites.brightness import kinds
from vaescope.sites.scale import Scale, without_outliers
from vaescope.sites.select import apart
from vaescope.sites.tiles import Unrefined

_NEIGHBOURS, _REACH = 12, 2.1  # strong sites, within so many spacings, whose places are compared
_FEWEST = 6  # places, at least, that are compared
_SHARPEST = 0.17  # of the spacing: standard deviation of the filter, at most
_NEAR = 0.33  # spacings from a strong site: nearer maxima are its own
_SEEN = 4.0  # standard errors by which the repeated curvature is one
_ROUND = 0.2  # lesser over greater curvature of a column, at least
_LEAST = 0.06  # of the curvature of strong sites: weaker ones may be the probe's side lobes
_COMMON = 0.3  # sites of a sublattice for every strong one, at least
_FEWEST_SITES = 12
_LAX = 0.3  # of the usual curvature, from which on a maximum is one more of a sublattice
_OWN = 0.5  # of what a sublattice usually has, so much must a column have itself
_NOISE = 3.0  # standard deviations of white noise that it must exceed
_CERTAIN = 5.0  # and in a place of the strong lattice, where no other evidence is pooled
_FILLED = 0.75  # share of strong sites at the ends of lattice vectors about such a place
_DIM = 0.3  # of a strong column, the height of a dim one in its place
_EDGE = 0.6  # spacings from the edge, where halves of columns beyond it look dim
_CLOSEST = 0.3  # spacings between two sites
_TILE = 1024


@dataclass(frozen=True)
class Sublattices:
    """Sites of all sublattices of a frame.

    ``position`` (site, 2) px, ``score`` (site,) as of the strong ones, ``number`` (site,) of the
    sublattice, 0 for the brightest; ``found`` (site,) : which were added to the strong ones.
    """

    position: np.ndarray
    score: np.ndarray
    number: np.ndarray
    found: np.ndarray

    @property
    def weak(self) -> np.ndarray:
        """Which sites (site,) are of a sublattice that was added."""
        return self.found & (self.number > 0)


def complete(
    frame: da.Array, position: np.ndarray, score: np.ndarray, lengths: Scale
) -> Sublattices:
    """Add to the strong sites of a frame what stands between them, and number the sublattices.

    Parameters
    ----------
    frame : (height, width), in which columns are bright.
    position, score : (site, 2) px and (site,) of the strong sites.
    lengths : of these.
    """
    number = kinds(score, position)
    old = Sublattices(position, score, number, np.zeros(len(position), bool))
    if not lengths.periodic or len(position) < _FEWEST_SITES:
        return old
    filter_ = detect.laplacian(lengths, _sigma(lengths))
    maxima, _ = detect.candidates(frame, lengths, filter_)
    place = np.stack([maxima.y, maxima.x], axis=1)
    off, own = cKDTree(position).query(place)
    at = off < _NEAR * lengths.spacing / 2
    if not at.any():
        return old
    strong = float(np.median(maxima.height[at]))
    between = off > _NEAR * lengths.spacing
    maxima, place, own = maxima.where(between), place[between], own[between]
    if not len(place):
        return old
    seen = _repeated(frame, place, own, position, lengths)
    weak = _weak(maxima, seen, strong, len(position))
    dim = (seen.filled >= _FILLED) & (maxima.height > _DIM * strong)
    dim &= maxima.height > _CERTAIN * maxima.noise
    border = _EDGE * lengths.spacing
    dim &= ((place > border) & (place < np.array(frame.shape) - 1 - border)).all(1)
    take = weak | dim
    alone = apart(place[take], maxima.height[take], _CLOSEST * lengths.spacing)
    rows = np.flatnonzero(take)[alone]
    return Sublattices(
        np.concatenate([position, place[rows]]),
        np.concatenate([score, maxima.height[rows] / strong]),
        np.concatenate([number, np.where(weak[rows], number.max() + 1, 0)]),
        np.concatenate([old.found, np.ones(len(rows), bool)]),
    )


def _sigma(lengths: Scale) -> float:
    return max(min(lengths.width, _SHARPEST * lengths.spacing), 0.8)


@dataclass(frozen=True)
class _Repeated:
    """What stands at the ends of lattice vectors from maxima (maximum,): lesser and greater
    curvature of its mean, the standard error of the lesser, and the share of strong sites."""

    lesser: np.ndarray
    greater: np.ndarray
    error: np.ndarray
    filled: np.ndarray


def _repeated(
    frame: da.Array, place: np.ndarray, own: np.ndarray, strong: np.ndarray, lengths: Scale
) -> _Repeated:
    tree = cKDTree(strong)
    most = min(_NEIGHBOURS + 1, len(strong))
    away, number = tree.query(strong, k=most, distance_upper_bound=_REACH * lengths.spacing)
    known = np.isfinite(away[:, 1:])[own]
    vector = strong[np.where(np.isfinite(away), number, 0)[:, 1:]] - strong[:, None]
    ends = place[:, None] + vector[own]
    inside = ((ends >= 0) & (ends <= np.array(frame.shape) - 1)).all(2) & known
    taken = tree.query(ends)[0] < _NEAR * lengths.spacing
    filled = (taken & inside).sum(1) / np.maximum(inside.sum(1), 1)
    filled[inside.sum(1) < _FEWEST] = 0
    use = inside & ~taken
    bends = np.zeros((3, *use.shape))
    bends[:, use] = _curvatures(frame, ends[use], lengths)
    count = use.sum(1)
    mean = bends.sum(2) / np.maximum(count, 1)
    half, turn = (mean[0] + mean[1]) / 2, np.hypot((mean[0] - mean[1]) / 2, mean[2])
    # Curvatures at single places in the direction in which the mean is bent least.
    angle = 0.5 * np.arctan2(-2 * mean[2], -(mean[0] - mean[1]))
    y, x = np.cos(angle)[:, None], np.sin(angle)[:, None]
    single = bends[0] * y**2 + bends[1] * x**2 + 2 * bends[2] * x * y
    lesser = (single * use).sum(1) / np.maximum(count, 1)
    lesser[count < _FEWEST // 2] = 0.0
    spread = np.sqrt((((single - lesser[:, None]) * use) ** 2).sum(1) / np.maximum(count - 1, 1))
    error = np.where(count >= _FEWEST, spread / np.sqrt(np.maximum(count, 1)), np.inf)
    return _Repeated(lesser, half + turn, error, filled)


def _curvatures(frame: da.Array, place: np.ndarray, lengths: Scale) -> np.ndarray:
    """Negative second derivatives (3, place), yy, xx and xy, of the smoothed frame at places
    (place, 2), times the square of the filter's standard deviation; tile by tile."""
    sigma = _sigma(lengths)
    margin = int(4 * sigma) + 3
    found = np.zeros((3, len(place)))
    for top in range(0, frame.shape[0], _TILE):
        for left in range(0, frame.shape[1], _TILE):
            own = ((place >= [top, left]) & (place < [top + _TILE, left + _TILE])).all(1)
            if not own.any():
                continue
            y0, x0 = max(top - margin, 0), max(left - margin, 0)
            block = frame[y0 : top + _TILE + margin, x0 : left + _TILE + margin]
            image = without_outliers(np.asarray(block, float), lengths.outlier)
            for k, way in enumerate(((2, 0), (0, 2), (1, 1))):
                bent = -(sigma**2) * ndimage.gaussian_filter(image, sigma, order=way)
                at = (place[own] - [y0, x0]).T
                found[k, own] = ndimage.map_coordinates(bent, at, order=1, mode="nearest")
    return found


def _weak(maxima: detect.Candidates, seen: _Repeated, strong: float, count: int) -> np.ndarray:
    """Which maxima (maximum,) are columns of a weak sublattice; none where there is no such."""
    repeated = (seen.lesser > _SEEN * seen.error) & (seen.lesser > _ROUND * seen.greater)
    repeated &= seen.lesser + seen.greater > _LEAST * strong
    usual = seen.lesser + seen.greater
    keep = repeated & (maxima.height > _OWN * usual) & (maxima.height > _NOISE * maxima.noise)
    if keep.sum() < max(_FEWEST_SITES, _COMMON * count):
        return np.zeros(len(keep), bool)
    # Once a sublattice is there, fewer places to compare with are enough, as beside the edge.
    like = seen.lesser > _LAX * np.median(seen.lesser[keep])
    like &= maxima.height > _OWN * np.median(maxima.height[keep])
    return np.asarray(keep | (like & (maxima.height > _NOISE * maxima.noise)))


def of_frames(
    frames: list[da.Array], chosen: list[Unrefined], lengths: Scale
) -> tuple[list[Unrefined], int]:
    """Complete the sites of every frame; a weak sublattice is one in most frames, or in none.

    Returns
    -------
    The sites, with their `sublattice` where there are several, and how many of the sublattices are
    strong: those whose nearest distance is that of ``lengths``; 0 where there is but one.
    """
    every = [
        complete(frame, seen.position, seen.score, lengths)
        for frame, seen in zip(frames, chosen, strict=True)
    ]
    if 2 * sum(bool(each.weak.any()) for each in every) <= len(every):
        every = [_where(each, ~each.weak) for each in every]
    # Strong sites are of two kinds in most frames, or of one.
    strong = 1 + (2 * sum(bool(each.number[~each.found].any()) for each in every) > len(every))
    for k, each in enumerate(every):
        number = np.where(each.weak, strong, np.minimum(each.number, strong - 1))
        every[k] = replace(each, number=number)
    several = any(each.number.any() for each in every)
    made = [
        replace(
            seen,
            position=each.position,
            score=each.score,
            more={"sublattice": each.number} if several else {},
        )
        for seen, each in zip(chosen, every, strict=True)
    ]
    return made, strong if several else 0


def _where(one: Sublattices, keep: np.ndarray) -> Sublattices:
    return Sublattices(one.position[keep], one.score[keep], one.number[keep], one.found[keep])
