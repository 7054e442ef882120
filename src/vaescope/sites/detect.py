"""Detect blobs: local maxima of a filtered image, tile by tile.

A tile is computed with a margin as wide as every filter in it reaches, and keeps only the maxima
of its own area, so the result does not depend on the tiles: no atom is lost or doubled at a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import dask.array as da
import numpy as np
from scipy import ndimage

from vaescope.parallel import results
from vaescope.sites import wide
from vaescope.sites.scale import Scale, without_outliers

TILE = 1024  # px, side of the area that one task keeps
_TRUNCATE = 4.0  # filter reach in standard deviations
_LOCAL = 1.5  # spacings, standard deviation of the window of local contrast
_LOCAL_TRUNCATE = 2.5
_WIDE = 3.0  # spacings, the same for the spread where there is no order, of noise and texture
_LOCAL_BLOCKS = 6.0  # squares of pixels in one such standard deviation: finer ones tell no more


@dataclass
class Candidates:
    """Local maxima of one frame; arrays of shape (candidate,)."""

    y: np.ndarray  # px, from a parabola through the maximum
    x: np.ndarray
    height: np.ndarray  # of the filtered image, in its units
    contrast: np.ndarray  # root mean square of the filtered image around
    noise: np.ndarray  # what white noise alone gives, standard deviation of the filtered image
    spread: np.ndarray  # mean magnitude of the filtered image in a wider vicinity

    def where(self, keep: np.ndarray) -> Candidates:
        """Select candidates by a mask or by indices."""
        return Candidates(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


@dataclass(frozen=True)
class Filter:
    """A filter that turns an image into a map whose maxima are sites."""

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
    """Find all local maxima of the filtered frame, and the depths of its minima.

    Parameters
    ----------
    frame : (height, width) Dask array, bright sites.
    threads : tiles worked on at the same time; the result does not depend on it.
    tile : side of a tile in px; the result does not depend on it.

    Returns
    -------
    candidates : ordered by tile, then row, then column; positive maxima only.
    depths : (2, minimum) float, how deep the minima of the filtered image are (positive values),
        and the spread around them.
    """
    height, width = frame.shape
    gain = white_gain(filter_)
    coarse = max(int(_LOCAL * scale.spacing / _LOCAL_BLOCKS), 1)
    reach = int(_LOCAL_TRUNCATE * _vicinity(scale) * scale.spacing + 0.5) + 2 * coarse
    margin = 2 + filter_.reach + max(filter_.footprint, reach)
    tasks = []
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            # Means over squares of pixels must not depend on the tile.
            y0, x0 = (max(side - margin, 0) // coarse * coarse for side in (top, left))
            block = frame[y0 : bottom + margin, x0 : right + margin]
            core = (top - y0, bottom - y0, left - x0, right - x0)
            tasks.append((block, core, (y0, x0), filter_, scale, gain, coarse))
    made = list(results("looking for sites", _tile, tasks, threads))
    found = [one for one, _ in made]
    merged = Candidates(
        **{
            f.name: np.concatenate([getattr(one, f.name) for one in found])
            for f in fields(Candidates)
        }
    )
    depths = np.concatenate([depth for _, depth in made], axis=1)
    return merged.where(np.lexsort((merged.x, merged.y))), depths


def _vicinity(scale: Scale) -> float:
    """Standard deviation (spacings) of the widest vicinity that is looked at."""
    return _LOCAL if scale.periodic else _WIDE


def _tile(
    block: np.ndarray,
    core: tuple[int, int, int, int],
    corner: tuple[int, int],
    filter_: Filter,
    scale: Scale,
    gain: float,
    coarse: int,
) -> tuple[Candidates, np.ndarray]:
    """Maxima and depths of minima in the core of one tile."""
    block = without_outliers(np.asarray(block, np.float64), scale.outlier)
    response = filter_.apply(block)
    top, bottom, left, right = core
    area = (slice(top, bottom), slice(left, right))

    largest = ndimage.maximum_filter(response, filter_.footprint)[area]
    least = ndimage.minimum_filter(response, filter_.footprint)[area]
    inside = response[area]
    y, x = np.nonzero((inside == largest) & (inside > 0) & (largest > least))
    low_y, low_x = np.nonzero((inside == least) & (inside < 0) & (largest > least))
    reach, places = _LOCAL * scale.spacing, np.stack([y + top, x + left])
    contrast = np.sqrt(_around(response**2, places, reach, coarse))
    noise = gain * np.sqrt(_around(white_noise(block), places, reach, coarse))
    vicinity, magnitude = _vicinity(scale) * scale.spacing, np.abs(response)
    spread = _around(magnitude, places, vicinity, coarse)
    beneath = _around(magnitude, np.stack([low_y + top, low_x + left]), vicinity, coarse)
    shift_y = parabola(response, y + top, x + left, 0)
    shift_x = parabola(response, y + top, x + left, 1)
    found = Candidates(
        y + top + corner[0] + shift_y,
        x + left + corner[1] + shift_x,
        inside[y, x],
        contrast,
        noise,
        spread,
    )
    return found, np.stack([-inside[low_y, low_x], beneath])


def _around(values: np.ndarray, places: np.ndarray, sigma: float, coarse: int) -> np.ndarray:
    """Mean of positive values (height, width) under a wide Gaussian about places (2, place), from
    their means over squares of ``coarse`` pixels."""
    smoothed = wide.smooth(values, sigma, coarse, _LOCAL_TRUNCATE)
    return np.maximum(wide.at(smoothed, places, coarse), 0.0)


def white_noise(image: np.ndarray) -> np.ndarray:
    """Square of a difference that is blind to planes and lines; its mean is the noise variance.

    Source: J. Immerkær, Computer Vision and Image Understanding 64 (1996) 300.
    """
    kernel = np.array([1.0, -2.0, 1.0]) / 6**0.5
    once = ndimage.correlate1d(image, kernel, axis=0, mode="reflect")
    return ndimage.correlate1d(once, kernel, axis=1, mode="reflect") ** 2


def white_gain(filter_: Filter) -> float:
    """Standard deviation of the filtered image for white noise of standard deviation 1."""
    side = 2 * filter_.reach + 3
    pulse = np.zeros((side, side))
    pulse[side // 2, side // 2] = 1.0
    return float(np.sqrt((filter_.apply(pulse) ** 2).sum()))


def parabola(response: np.ndarray, y: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
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
