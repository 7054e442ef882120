"""Geometric phase analysis: strain from the phases of two Bragg peaks of the image.

Source: M. J. Hÿtch, E. Snoeck & R. Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import (
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
    rank_filter,
)

_SEARCH = 0.15  # of the length of a reciprocal vector, about its expected place
_EDGE = 1.5  # resolutions from the edge within which a phase is drawn by what is not there
_WEAK = 0.15  # share of the usual amplitude below which there is no crystal of this lattice
_GAPS = 0.1  # of what a phase is averaged over may be missing
_WIDE = 0.5  # of it is missing at the border of a gap wider than the resolution
_TAPER = 4.0  # resolutions over which a region of the image fades out before its spectrum is taken
_SPIKE = 3.0  # ranges of its neighbours by which a single pixel is beyond them
_QUIET = (0.3, 2.5)  # lengths, in units of |g|, between which the floor of the spectrum is read


@dataclass
class Phases:
    """``deformation`` (site, 2, 2) relative to the reciprocal vectors ``g`` (2, 2), rows in 1/px as
    (x, y); ``covariance`` (site, 2, 2, 2) as in ``neighbours.Deformed``."""

    deformation: np.ndarray
    covariance: np.ndarray
    g: np.ndarray


def analyse(
    image: np.ndarray,
    position: np.ndarray,
    vectors: np.ndarray,
    resolution: float,
    region: np.ndarray | None = None,
) -> Phases | None:
    """Compute deformations at places of an image from the gradients of two geometric phases.

    Parameters
    ----------
    image : (height, width), NaN where nothing was measured: narrow gaps count as the mean, wide
        ones bound the region.
    position : (site, 2) px as (x, y), where the maps are read.
    vectors : (2, 2) rows a and b of the lattice, near whose reciprocal vectors and their sum and
        difference the two strongest non-collinear peaks are looked for.
    resolution : px, standard deviation of the Gaussian over which a phase is averaged; the mask in
        reciprocal space is a Gaussian of 1/(2 pi resolution).
    region : (height, width) bool, the grain whose lattice this is, where its peaks are looked for;
        None: the whole image.

    Returns
    -------
    None if there are no two peaks above the floor of the spectrum. Errors come from white noise at
    the level of that floor; places where an amplitude is low, or near the edge of the image or the
    region, or where a tenth of what they are averaged over was not measured, are NaN.
    """
    picture = without_spikes(np.asarray(image, float))
    missing = (~np.isfinite(picture)).astype(float)
    if missing.any():
        missing = gaussian_filter(missing, resolution)
    if missing.max() > _WIDE:
        region = (missing <= _WIDE) & (True if region is None else region)
        if not region.any():
            return None
    mean = np.nanmean(picture if region is None else picture[region])
    picture = np.where(np.isfinite(picture), picture, mean) - mean
    depth = _depth(picture.shape, region)
    if region is None:
        window = np.outer(*(np.hanning(side + 2)[1:-1] for side in picture.shape))
    else:
        window = np.sin(np.pi / 2 * np.clip(depth / (_TAPER * resolution), 0, 1)) ** 2
    power = np.abs(np.fft.fft2(picture * window)) ** 2 / (window**2).sum()
    y, x = (np.fft.fftfreq(side) for side in picture.shape)
    frequency = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1)
    expected = np.linalg.inv(vectors).T
    floor = _floor(power, frequency, float(np.hypot(*expected.T).mean()))
    g = _peaks(power, frequency, expected, floor)
    if g is None:
        return None
    gradients, variances = [], []
    for vector in g:
        gradient, amplitude = _phase_gradient(picture, vector, resolution, position)
        usual = np.median(amplitude)
        gradients.append(np.where((amplitude > _WEAK * usual)[:, None], gradient, np.nan))
        # Noise of the filtered image and of its derivative: integrals of squared Gaussians.
        spread = floor / (8 * np.pi * resolution**4)
        variances.append(np.broadcast_to((spread / 2 / amplitude**2)[:, None], gradient.shape))
    local = g + np.stack(gradients, 1) / (2 * np.pi)
    variance = np.stack(variances, 1) / (2 * np.pi) ** 2
    place = [position[:, 1], position[:, 0]]
    inside = map_coordinates(depth, place, order=1, mode="nearest") >= 1 + _EDGE * resolution
    inside &= map_coordinates(missing, place, order=1, mode="nearest") < _GAPS
    good = inside & np.isfinite(local).all((1, 2))
    good &= np.abs(np.linalg.det(np.where(good[:, None, None], local, np.eye(2)))) > 1e-12
    inverse = np.linalg.inv(np.where(good[:, None, None], local, np.eye(2)))
    found = inverse @ g
    # d F = - G^-1 dG F, and F is near a turn: its rows follow from the columns of dG F.
    turned = np.einsum("niq,nqj->nij", variance, found**2)
    both = np.einsum("npi,nij->npj", inverse**2, turned)
    covariance = both[..., None] * np.eye(2)
    return Phases(
        np.where(good[:, None, None], found, np.nan),
        np.where(good[:, None, None, None], covariance, np.nan),
        g,
    )


def without_spikes(picture: np.ndarray) -> np.ndarray:
    """Set single pixels far outside the range of their neighbours and of the image, such as cosmic
    rays leave, to the nearest of their neighbours' values; NaN stays.

    A Fourier transform spreads what a fit to one column would notice.
    """
    low, high = np.nanpercentile(picture, [1, 99])
    filled = np.where(np.isfinite(picture), picture, (low + high) / 2)
    around = np.ones((3, 3), bool)
    around[1, 1] = False
    # The second of either end: two spikes may touch.
    least, most = (rank_filter(filled, rank, footprint=around, mode="nearest") for rank in (1, -2))
    beyond = np.maximum(_SPIKE * (most - least), 2 * (high - low))
    calm = np.clip(picture, least, most)
    return np.where(np.abs(picture - calm) > beyond, calm, picture)


def _depth(shape: tuple[int, ...], region: np.ndarray | None) -> np.ndarray:
    """Distance (height, width) in px to the nearest pixel outside a region of an image."""
    if region is None:
        rows, columns = (np.minimum(np.arange(side), side - 1 - np.arange(side)) for side in shape)
        return np.asarray(1.0 + np.minimum(rows[:, None], columns[None]))
    return np.asarray(distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1])


def _floor(power: np.ndarray, frequency: np.ndarray, length: float) -> float:
    """Noise per pixel (variance) from the floor of the spectrum between the peaks."""
    size = np.hypot(frequency[..., 0], frequency[..., 1])
    ring = (size > _QUIET[0] * length) & (size < min(_QUIET[1] * length, 0.5))
    # The power of white noise is distributed exponentially: its median is log 2 of its mean.
    return float(np.median(power[ring]) / np.log(2)) if ring.any() else 0.0


def _peaks(
    power: np.ndarray, frequency: np.ndarray, expected: np.ndarray, floor: float
) -> np.ndarray | None:
    """The two strongest non-collinear peaks (2, 2) near reciprocal vectors (2, 2)."""
    candidates = np.stack([expected[0], expected[1], expected.sum(0), expected[0] - expected[1]])
    found: list[tuple[float, np.ndarray]] = []
    for vector in candidates:
        size = np.hypot(*vector)
        apart = np.hypot(frequency[..., 0] - vector[0], frequency[..., 1] - vector[1])
        near = np.where(apart < _SEARCH * size, power, 0.0)
        if size < 0.45 and near.max() > 20 * floor:
            # The centre of gravity about the highest bin: finer than the bins.
            top = frequency[np.unravel_index(near.argmax(), near.shape)]
            apart = np.hypot(frequency[..., 0] - top[0], frequency[..., 1] - top[1])
            weight = np.where(apart < 2.5 / min(power.shape), power, 0.0)
            centre = (weight[..., None] * frequency).sum((0, 1)) / weight.sum()
            # The shortest first: their phases bear the largest strains without slipping.
            found.append((float(weight.sum()) / size**2, centre))
    found.sort(key=lambda item: -item[0])
    for k in range(1, len(found)):
        first, second = found[0][1], found[k][1]
        cross = abs(first[0] * second[1] - first[1] * second[0])
        if cross > 0.4 * np.hypot(*first) * np.hypot(*second):
            return np.stack([first, second])
    return None


def _phase_gradient(
    picture: np.ndarray, g: np.ndarray, resolution: float, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (site, 2) of the geometric phase along x and y, and amplitude (site,)."""
    rows, columns = np.indices(picture.shape)
    wave = picture * np.exp(-2j * np.pi * (g[0] * columns + g[1] * rows))
    place = [position[:, 1], position[:, 0]]

    def filtered(order: tuple[int, int]) -> np.ndarray:
        parts = [
            map_coordinates(
                gaussian_filter(part, resolution, order=order, mode="constant"),
                place,
                order=1,
                mode="nearest",
            )
            for part in (wave.real, wave.imag)
        ]
        return parts[0] + 1j * parts[1]

    smooth, along_y, along_x = filtered((0, 0)), filtered((1, 0)), filtered((0, 1))
    size = np.maximum(np.abs(smooth) ** 2, 1e-300)
    gradient = np.stack([(np.conj(smooth) * d).imag / size for d in (along_x, along_y)], 1)
    return gradient, np.abs(smooth)
