"""Tell sites that are two columns in one from elongated ones, by their mean image.

At the scale of its lattice, a crystal of close pairs (the dumbbells of diamond along ⟨110⟩) has one
blob a pair. Astigmatism, drift and saturation elongate blobs as well. Two columns leave two tops
with a dip between them, which the mean over many sites shows beyond noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

_MOST = 600  # sites whose mean is taken
_FEWEST = 12
_REACH = 0.5  # spacings from the middle of a site that are looked at
_WIDTHS = 4.0  # and no more of the widths of a site
_SAMPLES = 12  # from its middle to there
_NEIGHBOURS = 8  # sites that share the direction of a pair
_ELONGATED = 0.1  # difference of the second moments over their sum: of 1.1 : 1 it is 0.1
_DIP = 0.06  # of the height of the weaker column; 0.17 of two that are 2.6 widths apart
_SURE = 4.0  # standard errors of the dip
_BETTER = 0.25  # of the squares that one elongated Gaussian leaves, two may leave
_EQUAL = 0.4  # of the height of the stronger column, the weaker has at least


@dataclass(frozen=True)
class Shape:
    """The mean image of the sites, turned along the long axis of each.

    ``ratio`` : of the widths of one elongated Gaussian fitted to it, long to short. ``distance``
    and ``width`` : of two round ones (px). ``two`` : two columns, with a dip between them.
    ``likely_two`` : two Gaussians fit much better than an elongated one, dip or not.
    """

    ratio: float = 1.0
    distance: float = 0.0
    width: float = 0.0
    two: bool = False
    likely_two: bool = False


def shape_of(image: np.ndarray, position: np.ndarray, spacing: float, width: float) -> Shape:
    """Judge the shape that the sites of an image share.

    Parameters
    ----------
    image : (height, width) float, bright sites, finite.
    position : (site, 2) as (y, x) in px, found at a scale of one spacing.
    spacing, width : px, of these sites.
    """
    reach = min(_REACH * spacing, _WIDTHS * width)
    last = np.array(image.shape) - 1
    position = position[((position >= reach) & (position <= last - reach)).all(1)]
    if len(position) < _FEWEST:
        return Shape()
    if len(position) > _MOST:
        middle = position.mean(0)
        position = position[np.argsort(((position - middle) ** 2).sum(1))[:_MOST]]
    line = np.linspace(-1, 1, 2 * _SAMPLES + 1)
    v, u = np.meshgrid(line, line, indexing="ij")
    disc = np.hypot(u, v) <= 1
    position, moments = _centred(image, position, reach, u[disc], v[disc])
    angle, strength = _direction(position, moments)
    if np.median(strength) < _ELONGATED:
        return Shape()
    # Sites whose neighbours agree on a direction; beside a boundary they do not.
    clear = strength > 0.5 * np.median(strength)
    turned = _sampled(image, position[clear], angle[clear], reach, u, v)
    low, high = np.percentile(turned[:, disc], [20, 99], axis=1)
    turned = turned[high - low > 0.5 * np.median(high - low)]
    mean = turned.mean(0)
    return _fitted(turned, mean, u, v, disc, reach)


def _centred(
    image: np.ndarray, position: np.ndarray, reach: float, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (site, 2) of the light about sites, and their second moments (site,) in complex
    form: their difference along the axes and twice the mixed one, over their sum."""
    start, offset = position, np.zeros_like(position)
    moments = np.zeros(len(position), complex)
    for _ in range(4):
        values = ndimage.map_coordinates(
            image,
            [start[:, :1] + offset[:, :1] + reach * v, start[:, 1:] + offset[:, 1:] + reach * u],
            order=1,
            mode="nearest",
        )
        low = np.percentile(values, 40, axis=1, keepdims=True)
        weight = np.maximum(values - low, 0)
        whole = np.maximum(weight.sum(1), 1e-12 * np.abs(values).max() + 1e-300)
        y, x = (weight * v).sum(1) / whole, (weight * u).sum(1) / whole
        dy, dx = v - y[:, None], u - x[:, None]
        yy, xx, xy = ((weight * each).sum(1) / whole for each in (dy**2, dx**2, dx * dy))
        moments = ((xx - yy) + 2j * xy) / np.maximum(xx + yy, 1e-6)
        offset = np.clip(offset + reach * np.stack([y, x], 1), -0.6 * reach, 0.6 * reach)
    return start + offset, np.where(np.abs(moments) < 1, moments, 0)


def _direction(position: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The long axis (rad, from x to y) of the sites about each site, itself left out lest its own
    noise choose the axis, and how elongated they are together."""
    count = min(_NEIGHBOURS + 1, len(position))
    near = cKDTree(position).query(position, k=count)[1][:, 1:]
    mean = moments[near].mean(1)
    return 0.5 * np.angle(mean), np.abs(mean)


def _sampled(
    image: np.ndarray,
    position: np.ndarray,
    angle: np.ndarray,
    reach: float,
    u: np.ndarray,
    v: np.ndarray,
) -> np.ndarray:
    """Squares (site, v, u) of the image about sites, u along the angle of each."""
    cos, sin = (f(angle)[:, None, None] * reach for f in (np.cos, np.sin))
    y = position[:, 0, None, None] + u * sin + v * cos
    x = position[:, 1, None, None] + u * cos - v * sin
    return ndimage.map_coordinates(image, [y, x], order=1, mode="nearest")


def _fitted(
    turned: np.ndarray,
    mean: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    disc: np.ndarray,
    reach: float,
) -> Shape:
    """One elongated Gaussian, and two round ones, fitted to the mean image."""
    low, high = float(np.percentile(mean[disc], 10)), float(mean[disc].max())
    if not high > low:
        return Shape()
    data, x, y = (mean[disc] - low) / (high - low), u[disc], v[disc]

    def one(p: np.ndarray) -> np.ndarray:
        a, x0, y0, long, short, base = p
        return a * np.exp(-(((x - x0) / long) ** 2 + ((y - y0) / short) ** 2) / 2) + base - data

    def two(p: np.ndarray) -> np.ndarray:
        a, b, x0, y0, half, width, base = p
        across = (y - y0) ** 2
        first = a * np.exp(-((x - x0 - half) ** 2 + across) / (2 * width**2))
        return first + b * np.exp(-((x - x0 + half) ** 2 + across) / (2 * width**2)) + base - data

    single = optimize.least_squares(
        one,
        [1, 0, 0, 0.5, 0.35, 0],
        bounds=([0.2, -0.3, -0.3, 0.1, 0.1, -1], [3, 0.3, 0.3, 2, 2, 0.7]),
    )
    double = optimize.least_squares(
        two,
        [0.9, 0.9, 0, 0, 0.4, 0.3, 0],
        bounds=([0.2, 0.2, -0.3, -0.3, 0.05, 0.08, -1], [3, 3, 0.3, 0.3, 0.8, 1, 0.7]),
    )
    long, short = single.x[3:5]
    half, width = double.x[4:6]
    weaker, stronger = sorted(double.x[:2])
    better = double.cost < _BETTER * single.cost and weaker > _EQUAL * stronger
    dip, error = _dip(turned, double.x, reach)
    return Shape(
        ratio=float(max(long, short) / min(long, short)),
        distance=float(2 * half * reach),
        width=float(width * reach),
        two=bool(better and dip > max(_DIP, _SURE * error)),
        likely_two=bool(better),
    )


def _dip(turned: np.ndarray, found: np.ndarray, reach: float) -> tuple[float, float]:
    """How far the middle between two columns lies below the lower of them, over its height, with
    its standard error over the sites."""
    a, b, x0, y0, half = found[:5]
    places = np.array([[y0, y0, y0], [x0 - half, x0, x0 + half]]) * _SAMPLES + _SAMPLES
    profile = np.stack(
        [ndimage.map_coordinates(each, places, order=1, mode="nearest") for each in turned]
    )
    lower = 0 if a > b else 2  # of the mean: of each site by itself noise would choose
    mean = turned.mean(0)
    height = profile[:, lower].mean() - np.percentile(mean, 10)
    each = (profile[:, lower] - profile[:, 1]) / max(float(height), 1e-300)
    return float(each.mean()), float(each.std() / np.sqrt(len(each)))
