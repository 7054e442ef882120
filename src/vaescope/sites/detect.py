"""Finding blobs: local maxima of a filtered image, tile by tile, with a threshold for all tiles.

A tile is computed with a margin as wide as every filter in it reaches, and keeps only the maxima
of its own area, so the result does not depend on the tiles: no atom is lost or doubled at a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import dask
import dask.array as da
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.sites.scale import Scale

TILE = 1024  # px, side of the area that one task keeps
_TRUNCATE = 4.0  # filter reach in standard deviations
_LOCAL = 1.5  # spacings, standard deviation of the window of local contrast
_LOCAL_TRUNCATE = 2.5
_CLOSEST = 0.45  # of the spacing: of two maxima nearer than this the weaker is dropped
# Local contrast is measured against at least this share of the strongest region, so that in an
# empty region nothing is compared with its own noise only.
_CONTRAST_FLOOR = 0.1
_NOISE_SHARE = 0.02  # of the sites of a crystal that white noise alone may make
# Closer atoms than this (px) look like noise to an estimate from differences of pixels; their
# threshold is the valley alone.
_NOISE_SPACING = 8.0
_VALLEY = (0.15, 0.4)  # where the threshold of a crystal is sought, relative to its strong sites
_FALSE_SHARE = 0.05  # of sites without order that may be noise


@dataclass
class Candidates:
    """Local maxima of one frame; arrays of shape (candidate,)."""

    y: np.ndarray  # px, from a parabola through the maximum
    x: np.ndarray
    height: np.ndarray  # of the filtered image, in its units
    contrast: np.ndarray  # root mean square of the filtered image around
    noise: np.ndarray  # what white noise alone gives, standard deviation of the filtered image

    def where(self, keep: np.ndarray) -> Candidates:
        """Only the candidates chosen by a mask or by indices."""
        return Candidates(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


@dataclass(frozen=True)
class Filter:
    """What turns an image into a map whose maxima are sites."""

    apply: Callable[[np.ndarray], np.ndarray]
    reach: int  # px
    footprint: int  # px, side of the square within which a maximum is the largest
    blob: float  # px, standard deviation of the blobs that white noise becomes


def laplacian(scale: Scale, width: float | None = None) -> Filter:
    """Scale-normalised negative Laplacian of Gaussian.

    Its standard deviation is ``width``, or a quarter of the spacing: there a wave of that
    length passes best (the maximum of (k s)^2 exp(-(k s)^2 / 2) lies at s = 0.23 wavelengths),
    and what repeats at other lengths, as weak sublattices, scan lines and background, is damped.

    Source: T. Lindeberg, International Journal of Computer Vision 30 (1998) 79.
    """
    sigma = width or (scale.spacing / 4 if scale.periodic else 1.2 * scale.width)
    sigma = max(sigma, 0.8)

    def apply(image: np.ndarray) -> np.ndarray:
        return -(sigma**2) * ndimage.gaussian_laplace(image, sigma, truncate=_TRUNCATE)

    return Filter(apply, int(_TRUNCATE * sigma + 0.5), 2 * max(int(sigma), 1) + 1, sigma)


def smoothed(scale: Scale, width: float | None = None) -> Filter:
    """Smoothed image over its surroundings: keeps weak sublattices that stand apart."""
    sigma = max(0.7 * (width or scale.width), 0.6)
    outer = max(0.5 * scale.spacing, 2 * sigma)

    def apply(image: np.ndarray) -> np.ndarray:
        near = ndimage.gaussian_filter(image, sigma, truncate=_TRUNCATE)
        return near - ndimage.gaussian_filter(image, outer, truncate=_TRUNCATE)

    side = 2 * max(int(0.3 * scale.spacing), 1) + 1
    return Filter(apply, int(_TRUNCATE * outer + 0.5), side, sigma)


def candidates(
    frame: da.Array, scale: Scale, filter_: Filter, *, threads: int = 1, tile: int = TILE
) -> tuple[Candidates, np.ndarray]:
    """All local maxima of the filtered frame, and the depths of its minima.

    Parameters
    ----------
    frame : (height, width) Dask array, bright sites.
    threads : tiles worked on at the same time; the result does not depend on it.
    tile : side of a tile in px; the result does not depend on it.

    Returns
    -------
    candidates : ordered by tile, then row, then column; positive maxima only.
    depths : (minimum,) float, how deep the minima of the filtered image are (positive values).
    """
    height, width = frame.shape
    gain = _white_gain(filter_)
    margin = filter_.reach + max(
        filter_.footprint, int(_LOCAL_TRUNCATE * _LOCAL * scale.spacing + 0.5)
    )
    tasks = []
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            y0, x0 = max(top - margin, 0), max(left - margin, 0)
            block = frame[y0 : bottom + margin, x0 : right + margin]
            core = (top - y0, bottom - y0, left - x0, right - x0)
            tasks.append(
                dask.delayed(_tile)(block, core, (y0, x0), filter_, _LOCAL * scale.spacing, gain)
            )
    if threads > 1:
        results = dask.compute(*tasks, scheduler="threads", num_workers=threads)
    else:
        results = dask.compute(*tasks, scheduler="synchronous")
    found = [one for one, _ in results]
    merged = Candidates(
        **{
            f.name: np.concatenate([getattr(one, f.name) for one in found])
            for f in fields(Candidates)
        }
    )
    return merged.where(np.lexsort((merged.x, merged.y))), np.concatenate([d for _, d in results])


def select(
    found: Candidates,
    depths: np.ndarray,
    scale: Scale,
    *,
    area: float,
    threshold: float | None = None,
) -> tuple[Candidates, np.ndarray]:
    """Choose the sites among the maxima of a frame.

    In a crystal, a maximum counts by its height over the local contrast, so that the dim side of an
    interface is judged by itself; the threshold lies in the emptiest place between noise and
    sites. Without order, sites are few and noise is everywhere: the depths of the minima say
    how high noise goes, and the threshold leaves a share of 5 % of false sites.

    Parameters
    ----------
    area : of the frame, in squares of the filter's blob.
    threshold : share of a strong site's score below which a maximum is dropped; None: as above.

    Returns
    -------
    The chosen, and their score (site,), about 1 for a strong site.
    """
    if not len(found.y):
        return found, np.zeros(0)
    if scale.periodic:
        strongest = np.percentile(found.contrast, 95)
        contrast = np.hypot(found.contrast, _CONTRAST_FLOOR * strongest)
        score = found.height / contrast
        score = score / np.percentile(score, 90)
        keep = np.ones(len(found.y), bool)
        if scale.spacing >= _NOISE_SPACING:
            ratio = found.height / np.maximum(found.noise, np.finfo(float).tiny)
            keep = ratio > _noise_factor(ratio, area)
        lowest = _valley(score[keep]) if threshold is None else threshold
    else:
        keep = np.ones(len(found.y), bool)
        score = found.height / np.percentile(found.height, 99)
        depth = depths / np.percentile(found.height, 99)
        lowest = _decoy(score, depth) if threshold is None else threshold
    keep &= score >= lowest
    found, score = found.where(keep), score[keep]
    alone = apart(np.stack([found.y, found.x], axis=1), score, _CLOSEST * scale.spacing)
    return found.where(alone), score[alone]


def _tile(
    block: np.ndarray,
    core: tuple[int, int, int, int],
    corner: tuple[int, int],
    filter_: Filter,
    window: float,
    gain: float,
) -> tuple[Candidates, np.ndarray]:
    """Maxima and depths of minima in the core of one tile."""
    block = np.asarray(block, np.float64)
    response = filter_.apply(block)
    top, bottom, left, right = core
    area = (slice(top, bottom), slice(left, right))

    def local(square: np.ndarray) -> np.ndarray:
        mean = ndimage.gaussian_filter(square, window, truncate=_LOCAL_TRUNCATE)
        return np.sqrt(np.maximum(mean, 0))

    largest = ndimage.maximum_filter(response, filter_.footprint)[area]
    least = ndimage.minimum_filter(response, filter_.footprint)[area]
    inside = response[area]
    y, x = np.nonzero((inside == largest) & (inside > 0) & (largest > least))
    low = inside[(inside == least) & (inside < 0) & (largest > least)]
    contrast = local(response**2)[area][y, x]
    noise = gain * local(_white_noise(block))[area][y, x]
    shift_y = _parabola(response, y + top, x + left, 0)
    shift_x = _parabola(response, y + top, x + left, 1)
    return Candidates(
        y + top + corner[0] + shift_y, x + left + corner[1] + shift_x, inside[y, x], contrast, noise
    ), -low


def _white_noise(image: np.ndarray) -> np.ndarray:
    """Square of a difference that is blind to planes and lines; its mean is the noise variance.

    Source: J. Immerkær, Computer Vision and Image Understanding 64 (1996) 300.
    """
    kernel = np.array([1.0, -2.0, 1.0]) / 6**0.5
    once = ndimage.correlate1d(image, kernel, axis=0, mode="reflect")
    return ndimage.correlate1d(once, kernel, axis=1, mode="reflect") ** 2


def _white_gain(filter_: Filter) -> float:
    """Standard deviation of the filtered image for white noise of standard deviation 1."""
    side = 2 * filter_.reach + 3
    pulse = np.zeros((side, side))
    pulse[side // 2, side // 2] = 1.0
    return float(np.sqrt((filter_.apply(pulse) ** 2).sum()))


def _parabola(response: np.ndarray, y: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """Offset (px, within ±0.5) of the top of a parabola through a maximum and its neighbours."""
    step = (1, 0) if axis == 0 else (0, 1)
    last_y, last_x = response.shape[0] - 1, response.shape[1] - 1
    before = response[np.maximum(y - step[0], 0), np.maximum(x - step[1], 0)]
    after = response[np.minimum(y + step[0], last_y), np.minimum(x + step[1], last_x)]
    curve = before - 2 * response[y, x] + after
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(curve < 0, 0.5 * (before - after) / curve, 0.0)
    at_edge = (y == 0) | (y == last_y) if axis == 0 else (x == 0) | (x == last_x)
    return np.where(at_edge, 0.0, np.clip(shift, -0.5, 0.5))


def _noise_factor(ratio: np.ndarray, area: float) -> float:
    """How many standard deviations above white noise a site of a crystal has to be.

    The expected number of maxima of filtered white noise above u deviations is
    area × 1.5 / (2 pi)^1.5 × u exp(-u^2 / 2), the second spectral moment of a Laplacian
    of Gaussian being 1.5 per axis; that may be 2 % of the sites.

    Source: R. J. Adler, The Geometry of Random Fields (1981), chapter 6.
    """
    for level in np.arange(2.5, 5.0, 0.1):
        noise = area * 1.5 / (2 * np.pi) ** 1.5 * level * np.exp(-(level**2) / 2)
        if noise <= _NOISE_SHARE * (ratio > level).sum():
            return float(level)
    return 5.0


def _valley(score: np.ndarray) -> float:
    """Emptiest place of the scores between noise and strong sites."""
    grid = np.linspace(np.log(_VALLEY[0]), np.log(_VALLEY[1]), 51)
    logs = np.log(np.maximum(score, 1e-6))
    density = np.exp(-0.5 * ((grid[:, None] - logs[None, :]) / 0.1) ** 2).sum(axis=1)
    # In an empty stretch the middle is as safe as it gets.
    least = np.flatnonzero(density <= density.min() + 0.05)
    return float(np.exp(grid[least[len(least) // 2]]))


def _decoy(score: np.ndarray, depth: np.ndarray) -> float:
    """Lowest threshold at which the minima, as decoys, say that few of the sites are noise.

    One more decoy than there are is counted, so that chance alone makes no sites; a few lonely
    atoms are found by being twice as high as the deepest minimum.

    Source: L. Käll et al., Journal of Proteome Research 7 (2008) 29 (decoys).
    """
    order = np.sort(score)
    above = len(order) - np.arange(len(order))
    false = len(depth) - np.searchsorted(np.sort(depth), order)
    good = np.flatnonzero(false + 1 <= _FALSE_SHARE * above)
    if len(good):
        return float(order[good[0]])
    return 2 * float(depth.max()) if len(depth) else np.inf


def apart(position: np.ndarray, score: np.ndarray, closest: float) -> np.ndarray:
    """Mask of the sites left when of two that are too close the weaker goes; strongest first."""
    keep = np.ones(len(position), bool)
    if len(position) < 2:
        return keep
    pairs = cKDTree(position).query_pairs(closest, output_type="ndarray")
    if not len(pairs):
        return keep
    swap = score[pairs[:, 0]] < score[pairs[:, 1]]
    pairs[swap] = pairs[swap][:, ::-1]
    for strong, weak in pairs[np.lexsort((pairs[:, 1], pairs[:, 0], -score[pairs[:, 0]]))]:
        if keep[strong]:
            keep[weak] = False
    return keep
