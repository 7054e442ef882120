"""Spectra in the space of a few components: directions, places with their errors, and how many.

Counts are divided by the square root of the mean spectrum, so that their noise is about the same in
every channel.

Source: M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.baselines.rows import Rows, blocks

_FLOOR = 1e-3  # of the mean of all channels: least mean of a channel that noise is taken from
LEAST_MODEL = 0.05  # of the mean of a channel: least expectation that noise is taken from
_MORE = 10  # directions beyond those wanted, for accuracy
_PASSES = 2  # over the data, to find directions
_ROUNDS = 2  # of noise from expectations and expectations from noise
_DRAWN = 2000  # sites from which the number of directions is estimated
_ABOVE = 1.06  # times the largest singular value of one draw of noise: they differ by 2 %


def mean_of(values: Rows, sites: int) -> np.ndarray:
    """(channel,) mean of all spectra."""
    return np.sum([values(some).sum(0, dtype=np.float64) for some in blocks(sites)], 0) / sites


def channel_scale(mean: np.ndarray, *, counts: bool) -> np.ndarray:
    """(channel,) what a spectrum is divided by so that noise is alike in all channels."""
    if not counts:
        return np.ones(len(mean), np.float32)
    floor = _FLOOR * max(float(mean.mean()), 1e-30)
    return np.sqrt(np.maximum(mean, floor)).astype(np.float32)


@dataclass(frozen=True)
class Directions:
    """``mean`` (channel,) and orthonormal ``vectors`` (direction, channel), strongest first, with
    ``sizes`` (direction,), the singular values of the data, both in units of ``scale`` (channel,).
    """

    mean: np.ndarray
    vectors: np.ndarray
    sizes: np.ndarray
    scale: np.ndarray


def directions(
    values: Rows, sites: int, scale: np.ndarray, mean: np.ndarray, count: int, seed: int
) -> Directions:
    """Principal directions of all spectra, from a few passes over blocks of them.

    Parameters
    ----------
    values : gives (site, channel) of a slice. sites : how many there are.
    scale, mean : (channel,); ``mean`` is subtracted, in units of the signal.
    count : directions wanted.

    Source: N. Halko, P. G. Martinsson and J. A. Tropp, SIAM Rev. 53 (2011) 217: subspace iteration
    from random directions; where there are few channels, their covariance itself.
    """
    channels = len(mean)
    count = min(count, sites - 1, channels)
    wide = min(count + _MORE, channels)
    centre = (mean / scale).astype(np.float32)

    def block(some: slice) -> np.ndarray:
        return np.asarray(values(some) / scale - centre, np.float32)

    if channels <= 512:
        square = np.zeros((channels, channels))
        for some in blocks(sites):
            part = block(some)
            square += part.T @ part
        power, found = np.linalg.eigh(square)
        order = np.argsort(-power)[:count]
        return Directions(centre, found[:, order].T, np.sqrt(np.maximum(power[order], 0)), scale)
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(channels, wide)))[0]
    for _ in range(_PASSES):
        image = np.zeros((channels, wide))
        for some in blocks(sites):
            part = block(some)
            image += part.T @ (part @ basis.astype(np.float32))
        basis = np.linalg.qr(image)[0]
    square = np.zeros((wide, wide))
    for some in blocks(sites):
        score = block(some) @ basis.astype(np.float32)
        square += score.T @ score
    power, turned = np.linalg.eigh(square)
    order = np.argsort(-power)[:count]
    vectors = (basis @ turned[:, order]).T
    return Directions(centre, vectors, np.sqrt(np.maximum(power[order], 0)), scale)


def places(
    values: Rows, sites: int, found: Directions, count: int, noise: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Generalised least squares: places (site, count) on the first directions, and their covariance
    (site, count, count).

    Parameters
    ----------
    noise : (channel,) variance in units of ``scale``², or None for counts, whose variance is their
        expectation.
    """
    vectors = found.vectors[:count]
    products = (vectors[:, None] * vectors[None]).reshape(count * count, -1).T
    place = np.zeros((sites, count))
    spread = np.zeros((sites, count, count))
    for some in blocks(sites):
        data = np.asarray(values(some) / found.scale - found.mean, float)
        fitted = data @ vectors.T
        for _ in range(_ROUNDS if noise is None else 1):
            if noise is None:
                expected = (found.mean + fitted @ vectors) * found.scale
                least = LEAST_MODEL * found.mean * found.scale + 1e-6
                weight = found.scale**2 / np.maximum(expected, least)
            else:
                weight = np.broadcast_to(1 / noise, data.shape)
            inner = np.linalg.inv((weight @ products).reshape(-1, count, count))
            fitted = np.einsum("nde,ne->nd", inner, (data * weight) @ vectors.T)
        place[some], spread[some] = fitted, inner
    return place, spread


def channel_noise(values: Rows, sites: int, found: Directions, count: int) -> np.ndarray:
    """(channel,) variance of what ``count`` directions leave, in units of ``scale``²; of no channel
    less than a hundredth of the median."""
    vectors = found.vectors[:count].astype(np.float32)
    left = np.zeros(vectors.shape[1])
    for some in blocks(sites):
        data = np.asarray(values(some) / found.scale - found.mean, np.float32)
        left += ((data - (data @ vectors.T) @ vectors) ** 2).sum(0, dtype=np.float64)
    held = 1 - (vectors.astype(float) ** 2).sum(0)
    noise = left / (sites * np.maximum(held, 0.1))
    positive = noise[noise > 0]
    least = 0.01 * float(np.median(positive)) if len(positive) else 1.0
    return np.maximum(noise, max(least, 1e-30))


def drawn(values: Rows, sites: int, seed: int) -> np.ndarray:
    """(site, channel) spectra of some sites, drawn evenly."""
    if sites <= 2 * _DRAWN:
        some = np.asarray(values(slice(0, sites)), float)
        return some[np.random.default_rng(seed).permutation(sites)[:_DRAWN]]
    width = max(_DRAWN // 64, 1)
    starts = np.linspace(0, sites - width, 64).astype(int)
    return np.concatenate([np.asarray(values(slice(s, s + width)), float) for s in starts])


def significant(
    spectra: np.ndarray, scale: np.ndarray, most: int, *, counts: bool, seed: int = 0
) -> int:
    """How many directions about the mean are more than noise, at most ``most``.

    Noise is simulated about the directions found so far, as Poisson counts or, for other signals,
    with the variance that is left in each channel; a further direction counts if its singular value
    is larger than that of the simulated noise.

    Parameters
    ----------
    spectra : (site, channel). scale : (channel,), see ``channel_scale``.

    Source: parallel analysis, J. L. Horn, Psychometrika 30 (1965) 179, one direction at a time.
    """
    from scipy.sparse.linalg import svds

    data = spectra / scale
    mean = data.mean(0)
    data = data - mean
    most = min(most, min(data.shape) - 2)
    left, size, right = np.linalg.svd(data, full_matrices=False)
    rng = np.random.default_rng(seed)
    for known in range(most):
        model = (left[:, :known] * size[:known]) @ right[:known]
        if counts:
            expected = np.maximum((model + mean) * scale, 0.0)
            noise = (rng.poisson(expected) - expected) / scale
        else:
            freedom = 1 - known / min(data.shape)
            noise = rng.normal(size=data.shape) * np.sqrt(((data - model) ** 2).mean(0) / freedom)
        noise -= (noise @ right[:known].T) @ right[:known]
        noise -= left[:, :known] @ (left[:, :known].T @ noise)
        largest = svds(noise - noise.mean(0), 1, return_singular_vectors=False, random_state=seed)[
            0
        ]
        if size[known] <= _ABOVE * largest:
            return known
    return most
