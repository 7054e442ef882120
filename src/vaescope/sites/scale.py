"""Estimate the spacing and the width of the atoms from the image itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft, ndimage

from vaescope.sites.median import median_3x3

SMALLEST = 16
"""Side in px of the smallest image in which sites are sought."""
_LARGEST_CROP = 1024  # px; larger images are judged by five crops of this side
# A neighbour must be seen in the autocorrelation with this share of the central peak. A single
# crystal gives 0.5 and more, each of several grains its share; unordered atoms stay below.
_PERIODIC = 0.14
_CLEAR = 0.3  # share of the central peak at which a single pair of peaks makes a crystal
# The nearest of the peaks counts if it has this share of the highest: weak sublattices and
# chance maxima stay below, the nearest neighbours of strained or mixed crystals do not.
_NEAREST = 0.3
# Neighbours farther than so many widths are chance: atoms do not stand so far apart in crystals.
_FARTHEST = 14.0
WIDEST = 0.3  # of the spacing: a wider image of a column is that of several
_NARROWEST = 1.5  # px; without order, narrower specks are taken for noise
# A pixel is an outlier if it leaves the median of its 3 × 3 pixels by so many robust deviations.
_OUTLIER = 12.0


@dataclass(frozen=True)
class Scale:
    """Lengths estimated from an image, in px."""

    spacing: float  # distance of nearest sites
    width: float  # standard deviation of one site's image
    periodic: bool  # whether neighbours were seen; if not, the spacing is a guess from the width
    outlier: float = np.inf  # a pixel so far from the median around it is hot or dead


def crops(height: int, width: int) -> list[tuple[slice, slice]]:
    """Choose parts of an image from which global quantities are estimated.

    They depend on the image's shape only, never on chunks: the whole image if its sides
    are at most 1024 px, else its middle and the middles of its quarters.
    """
    side_y, side_x = min(height, _LARGEST_CROP), min(width, _LARGEST_CROP)
    places = [(0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)]
    corners = {
        (
            int(np.clip(round(y * height - side_y / 2), 0, height - side_y)),
            int(np.clip(round(x * width - side_x / 2), 0, width - side_x)),
        )
        for y, x in places
    }
    return [(slice(top, top + side_y), slice(left, left + side_x)) for top, left in sorted(corners)]


def _outlier_limit(apart: list[np.ndarray]) -> float:
    """Limit of a pixel's deviation from the median of its surroundings, from those of parts of an
    image do.

    Infinite where most pixels equal that median (few counts, saturation): nothing is known then.
    """
    spreads = [np.median(np.abs(one)) for one in apart]
    spread = 1.4826 * float(np.median(spreads))
    return _OUTLIER * spread if spread > 0 else np.inf


def without_outliers(image: np.ndarray, limit: float) -> np.ndarray:
    """The image with hot and dead pixels replaced by the median of their 3 × 3 pixels."""
    if not np.isfinite(limit):
        return image
    middle = median_3x3(image)
    return np.where(np.abs(image - middle) > limit, middle, image)


def estimate(parts: list[np.ndarray], threads: int = 1) -> Scale:
    """Estimate spacing and width from one or several parts of an image.

    Parameters
    ----------
    parts : list of (height, width) float; `crops` says which parts to take.
    threads : parts looked at at once; the result does not depend on it.

    Returns
    -------
    Scale; the median over those parts in which neighbours are seen (over all if in none).
    """
    wide = [np.asarray(part, float) for part in parts]
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        middles = list(pool.map(median_3x3, wide))
        apart = [part - middle for part, middle in zip(wide, middles, strict=True)]
        limit = _outlier_limit(apart)
        clean = [
            np.where(np.abs(one) > limit, middle, part)
            for part, middle, one in zip(wide, middles, apart, strict=True)
        ]
        scales = list(pool.map(_estimate_one, clean))
    seen = [scale for scale in scales if scale.periodic] or scales
    return Scale(
        float(np.median([scale.spacing for scale in seen])),
        float(np.median([scale.width for scale in seen])),
        seen[0].periodic,
        limit,
    )


def autocorrelation(image: np.ndarray) -> np.ndarray:
    """Autocorrelation of an image without its slow background and its scan-line offsets.

    Returns (2 h + 1, 2 w + 1), 1 at the centre, for lags up to half (h, w) the image's sides.
    """
    height, width = image.shape
    flat = image - _blurred(image, min(image.shape) / 12)
    low, high = np.percentile(flat, [0.1, 99.9])
    flat = np.clip(flat, low, high)  # a few bright specks must not outweigh a crystal
    window = _window(image.shape)
    flat = (flat - (flat * window).sum() / window.sum()) * window
    power = np.abs(fft.rfft2(flat, _padded(image.shape))) ** 2
    for column in range(4):  # lines offset along x: power along kx = 0 (4 bins: window and padding)
        power[:, column] = _only_sharp(power[:, column])
    for row in (0, 1, 2, 3, -1, -2, -3):
        power[row] = _only_sharp(power[row])
    correlation = _by_lag(power, image.shape) / _overlap(image.shape)
    return correlation / max(correlation[height // 2, width // 2], np.finfo(float).tiny)


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image under a wide Gaussian, mirrored at its edges: by cosine transform, whose cost does
    not grow with the width."""
    decay = [np.exp(-0.5 * (np.pi * np.arange(side) / side * sigma) ** 2) for side in image.shape]
    return fft.idctn(fft.dctn(image) * decay[0][:, None] * decay[1])


def _window(shape: tuple[int, ...]) -> np.ndarray:
    return np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))


def _padded(shape: tuple[int, ...]) -> list[int]:
    return [fft.next_fast_len(2 * side, real=True) for side in shape]


def _by_lag(power: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The correlation that belongs to a power spectrum, (2 h + 1, 2 w + 1), lag 0 in its middle."""
    lags = [np.arange(-(side // 2), side // 2 + 1) for side in shape]
    return fft.irfft2(power, _padded(shape))[np.ix_(*lags)]


@lru_cache(maxsize=2)
def _overlap(shape: tuple[int, ...]) -> np.ndarray:
    """Compute the overlap of the window with itself at each lag, as ``_by_lag`` orders them."""
    power = np.abs(fft.rfft2(_window(shape), _padded(shape))) ** 2
    overlap = _by_lag(power, shape)
    return np.maximum(overlap, 1e-3 * overlap.max())


def _only_sharp(power: np.ndarray) -> np.ndarray:
    """Keep the peaks of a line of the power spectrum (a crystal), drop its floor (line offsets)."""
    return np.maximum(power - 12 * ndimage.median_filter(power, 41, mode="nearest"), 0)


def _estimate_one(image: np.ndarray) -> Scale:
    correlation = autocorrelation(image)
    centre = np.array(correlation.shape) // 2
    profile = _radial(correlation, centre)
    width = _width(profile)
    smooth = ndimage.gaussian_filter(correlation, max(0.5 * width, 0.7))
    y, x = np.indices(correlation.shape)
    distance = np.hypot(y - centre[0], x - centre[1])
    # Within a radius the largest value makes a peak; radius from the width of one atom.
    size = 2 * int(np.ceil(width)) + 1
    peak = smooth == ndimage.maximum_filter(smooth, size)
    peak &= (
        (distance > 1.8 * width)
        & (distance > 2)
        & (distance < min(0.75 * min(centre), _FARTHEST * width))
    )
    order = np.argsort(distance[peak], kind="stable")
    radii, heights = distance[peak][order], smooth[peak][order]
    central = smooth[centre[0], centre[1]]
    for radius in radii[heights > _PERIODIC * central]:
        # Far peaks may be higher by coincidence of two grains: compare with the vicinity only.
        vicinity = heights[radii < 1.6 * radius]
        shell = (radii > 0.999 * radius) & (radii < 1.15 * radius)
        shell &= heights > _NEAREST * vicinity.max()
        height = heights[np.searchsorted(radii, radius)]
        # One pair of low peaks is chance; the peaks of several grains are low, but many.
        clear = height > _CLEAR * central
        clear |= (heights[radii < 1.6 * radius] > _PERIODIC * central).sum() >= 4
        if clear and height > _NEAREST * vicinity.max():
            # Peaks of the same shell share the estimate, so strain and grains are averaged.
            spacing = float(np.average(radii[shell], weights=heights[shell]))
            return Scale(spacing, float(np.clip(width, 0.1 * spacing, WIDEST * spacing)), True)
    width = max(width, _NARROWEST)
    return Scale(4.0 * width, width, False)


def _radial(correlation: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Mean of an autocorrelation over circles of whole radii, (radius,)."""
    y, x = np.indices(correlation.shape)
    radius = np.rint(np.hypot(y - centre[0], x - centre[1])).astype(int).ravel()
    count = np.bincount(radius)
    profile = np.bincount(radius, correlation.ravel()) / np.maximum(count, 1)
    return profile[: min(centre) + 1]


def _width(profile: np.ndarray) -> float:
    """Standard deviation of an atom's image (px) from the radial autocorrelation.

    The autocorrelation of a Gaussian of standard deviation w is a Gaussian of sqrt(2) w; white
    noise adds to radius 0 only, so the descent from radius 1 to its half-way point is used.
    """
    descent = profile[1:]
    # The descent ends where the profile rises again by more than noise.
    lowest = np.minimum.accumulate(descent)
    rise = descent - lowest > 0.15 * (descent[0] - lowest) + 0.05 * abs(descent[0])
    end = int(np.argmax(rise)) if rise.any() else len(descent)
    bottom = int(np.argmin(descent[: max(end, 1)]))
    level = 0.5 * (descent[0] + descent[bottom])
    below = np.flatnonzero(descent[: bottom + 1] < level)
    last = int(below[0]) if len(below) else bottom
    if last == 0:
        return 0.8
    above, under = descent[last - 1], descent[last]
    half = last + (above - level) / max(above - under, np.finfo(float).tiny)
    # From exp(-half^2 / 4 w^2) = exp(-1 / 4 w^2) / 2, radius 1 being where the descent starts.
    return float(max(np.sqrt(max(half**2 - 1, 0) / (4 * np.log(2.0))), 0.8))
