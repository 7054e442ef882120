"""Sites of a crystal whose single columns drown in noise: many cells together show where they are.

The reflections of the crystal make an image that is a mean over some cells; its maxima are the
places of the lattice. There a column is likely, so that little evidence of its own is enough to
accept it, and much against it to leave it out; elsewhere it is unlikely, and must stand out by
itself. That is Bayes' rule with the two likelihoods of the matched filter.

Source: S. M. Kay, Fundamentals of Statistical Signal Processing, vol. 2 (1998), chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dask.array as da
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.sites import bragg, detect
from vaescope.sites.scale import Scale, without_outliers
from vaescope.sites.select import CLOSEST, apart

_NOISY = 0.3  # share of white noise in the variance of an image from which on it is looked at
_DROWNING = 7.0  # standard deviations of noise: higher columns are found one by one
_REACH = 1.5  # lattice parameters over which cells are averaged, a standard deviation
_LOWEST = 0.35  # of the strong maxima of that image: lower ones are between columns
_VACANT = 0.01  # prior probability that a place of the lattice is vacant
_ALONE = 0.01  # of the places of the lattice: false sites beside them that noise may make
_APART = 0.6  # spacings from a place of the lattice, at least, of a site beside the lattice
_HALF = 0.5  # of a column of the lattice, the least height of one beside
POOL = 20  # places that are averaged to see whether a crystal is there
_CRYSTAL, _SEEN = 0.5, 4.0  # least mean, over that of the crystal, and in standard errors
_FEWEST = 12  # places of a lattice
_MOST = 3  # parts of an image that are looked at
_TILE, _MARGIN = 1024, 96  # px
_WIDTH = 0.22  # of the spacing: width of a column that is not seen by itself


@dataclass(frozen=True)
class Places:
    """Places of a lattice in an image: ``position`` (place, 2) px, ``response`` (place,) of the
    filter there, ``noise`` its standard deviation, ``usual`` (place,) what columns about have."""

    position: np.ndarray
    response: np.ndarray
    noise: float
    usual: np.ndarray


@dataclass(frozen=True)
class Drowned:
    """A crystal whose columns drown in noise: its ``lengths``, and the height of a column over the
    noise, in standard deviations of the matched filter's response."""

    lengths: Scale
    ratio: float


def crystal(
    parts: Sequence[np.ndarray], limit: float, spacing: float | None = None
) -> Drowned | None:
    """Look for a crystal whose columns drown in the noise of an image.

    Parameters
    ----------
    parts : (height, width) each, finite, in which columns are bright.
    limit : of hot and dead pixels, as in ``Scale``.
    spacing : px, where it is known; None: it is found.

    Returns
    -------
    None where most parts show no crystal, or columns that stand out of the noise by themselves.
    """
    some = parts[:: -(-len(parts) // _MOST)]
    found = [one for part in some if (one := _of_part(part, limit, spacing)) is not None]
    if 2 * len(found) <= len(some):
        return None
    apart = float(np.median([one.lengths.spacing for one in found]))
    ratio = float(np.median([one.ratio for one in found]))
    return Drowned(Scale(apart, _WIDTH * apart, True, limit), ratio)


def _of_part(part: np.ndarray, limit: float, known: float | None) -> Drowned | None:
    part = without_outliers(part, limit)
    if not _mostly_noise(part):
        return None
    found = bragg.crystals(part)
    if not found:
        return None
    averaged = bragg.filtered(part, found, 2 * _reach(found))
    spacing = known or _spacing(averaged, found)
    if spacing is None:
        return None
    scale = Scale(spacing, _WIDTH * spacing, True, limit)
    places = _seen(part, averaged, scale)
    if len(places.position) < _FEWEST:
        return None
    ratio = float(np.median(places.usual)) / places.noise
    return Drowned(scale, ratio) if ratio < _DROWNING else None


def _mostly_noise(part: np.ndarray) -> bool:
    noise = float(detect.white_noise(part).mean())
    flat = part - ndimage.uniform_filter(part, max(min(part.shape) // 8, 3))
    return noise > _NOISY * float(flat.var())


def _reach(found: list[bragg.Reciprocal]) -> float:
    return _REACH * float(np.mean([np.linalg.norm(c.vectors, axis=1) for c in found]))


def _maxima(averaged: np.ndarray, closest: float) -> tuple[np.ndarray, np.ndarray]:
    """Maxima (place, 2) of an averaged image, to a fraction of a pixel, and their heights."""
    size = 2 * max(int(0.5 * closest), 1) + 1
    y, x = np.nonzero((averaged == ndimage.maximum_filter(averaged, size)) & (averaged > 0))
    shift = [detect.parabola(averaged, y, x, axis) for axis in (0, 1)]
    position = np.stack([y + shift[0], x + shift[1]], axis=1)
    return np.clip(position, 0, np.array(averaged.shape) - 1), averaged[y, x]


def _spacing(averaged: np.ndarray, found: list[bragg.Reciprocal]) -> float | None:
    """Median distance of nearest columns; several may stand in a cell."""
    shortest = min(float(np.linalg.norm(c.vectors, axis=1).min()) for c in found)
    position, height = _maxima(averaged, 0.3 * shortest)
    if len(position) < _FEWEST:
        return None
    strong = height > _LOWEST * np.percentile(height, 90)
    if strong.sum() < _FEWEST:
        return None
    near = cKDTree(position[strong]).query(position[strong], k=2)[0][:, 1]
    return float(np.median(near))


def _seen(part: np.ndarray, averaged: np.ndarray, scale: Scale) -> Places:
    filter_ = detect.laplacian(scale)
    response = filter_.apply(part)
    position, height = _maxima(averaged, 0.9 * scale.spacing)
    around = ndimage.gaussian_filter(averaged**2, 3 * scale.spacing) ** 0.5
    row, column = np.rint(position).astype(int).T
    level = height / np.maximum(around[row, column], 0.5 * around.max())
    keep = level > _LOWEST * np.percentile(level, 90)
    position = position[keep]
    if len(position) < _FEWEST:
        return Places(position[:0], np.zeros(0), 1.0, np.zeros(0))
    at = ndimage.map_coordinates(response, position.T, order=1, mode="nearest")
    noise = detect.white_gain(filter_) * float(np.sqrt(np.mean(detect.white_noise(part))))
    usual = _usual(position, at)
    # Beyond the crystal, what is averaged is noise: there, columns about have no height.
    clear = usual > max(_CRYSTAL * np.percentile(usual, 90), _SEEN * noise / POOL**0.5)
    return Places(position[clear], at[clear], noise, usual[clear])


def _usual(position: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Mean response (place,) of the places about each and its own."""
    near = cKDTree(position).query(position, k=min(POOL, len(position)))[1]
    return np.asarray(response[near.reshape(len(position), -1)].mean(1))


def places(frame: da.Array, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Sites (site, 2) px of a frame (height, width) whose columns drown in noise, and their score
    (site,), about 1 for a usual column.

    Large frames are worked through tile by tile, each by its own crystals.
    """
    height, width = frame.shape
    positions, scores = [], []
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            corner = np.maximum([top - _MARGIN, left - _MARGIN], 0)
            block = frame[corner[0] : top + _TILE + _MARGIN, corner[1] : left + _TILE + _MARGIN]
            whole = without_outliers(np.asarray(block, float), scale.outlier)
            position, score = _of_tile(whole, scale)
            position = position + corner
            own = (position >= [top, left]) & (position < [top + _TILE, left + _TILE])
            positions.append(position[own.all(1)])
            scores.append(score[own.all(1)])
    position, score = np.concatenate(positions), np.concatenate(scores)
    alone = apart(position, score, CLOSEST * scale.spacing)
    return position[alone], score[alone]


def _of_tile(part: np.ndarray, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    filter_ = detect.laplacian(scale)
    noise = detect.white_gain(filter_) * float(np.sqrt(np.mean(detect.white_noise(part))))
    found = bragg.crystals(part)
    none = np.zeros((0, 2)), np.zeros(0)
    usual = np.inf
    if found:
        averaged = bragg.filtered(part, found, _reach(found))
        seen = _seen(part, averaged, scale)
        # Where fewer places than usual are filled, as at the end of a crystal, each is less likely.
        whole = max(float(np.percentile(seen.usual, 90)), noise) if len(seen.usual) else noise
        filled = np.clip((seen.usual / whole - 0.25) / 0.5, _VACANT, 1 - _VACANT)
        odds = np.log(filled / (1 - filled))
        column = seen.response > whole / 2 - odds * noise**2 / whole
        none = seen.position[column], seen.response[column] / whole
        usual = whole
    position, score = none
    extra, height = _beside(filter_.apply(part), filter_, position, noise, scale, part.size)
    height = height / (usual if np.isfinite(usual) else max(height.max(initial=0.0), noise))
    tall = height > _HALF
    return np.concatenate([position, extra[tall]]), np.concatenate([score, height[tall]])


def _beside(
    response: np.ndarray,
    filter_: detect.Filter,
    position: np.ndarray,
    noise: float,
    scale: Scale,
    area: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Maxima that stand out of the noise by themselves, away from the places of the lattice."""
    y, x = np.nonzero(
        (response == ndimage.maximum_filter(response, filter_.footprint)) & (response > 0)
    )
    extra, height = np.stack([y, x], axis=1).astype(float), response[y, x]
    cells = area / filter_.blob**2
    wanted = _ALONE * max(len(position), 1.0)
    level = 3.0
    while cells * 1.5 / (2 * np.pi) ** 1.5 * level * np.exp(-(level**2) / 2) > wanted:
        level += 0.1
    keep = height > level * noise
    if len(position) and keep.any():
        keep[keep] = cKDTree(position).query(extra[keep])[0] > _APART * scale.spacing
    return extra[keep], height[keep]
