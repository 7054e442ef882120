"""A crystal in the power spectrum of a whole image, and the image that its reflections make.

Noise is everywhere in the spectrum, a crystal in few places of it: what no autocorrelation shows
any more still stands out there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

_CHANCE = 1e-3  # that noise alone makes a single peak in the whole spectrum
_LOWEST = 5.0  # periods across the image: slower waves are background
_FLOOR = 21  # bins, side of the square in whose ring the floor of the spectrum is measured
_LEAST = 0.03  # of the mean floor: no floor is taken as lower
_AXES = 2  # bins about the axes: scan lines and the edges of the image
_MOST = 16  # peaks that a lattice is sought in
_NEAR = 1.6  # bins by which a peak may miss its place in the lattice
_ALIKE = 1.7  # ratio of the lengths of two reflections that alone make a lattice
_FARTHEST = 1.5  # of the farthest peak of a crystal: reflections beyond are noise
_SURE = 3.0  # standard deviations by which the power of a reflection must exceed noise
_STEEPEST = 0.35  # sine of the angle between two reflections that span a lattice


@dataclass(frozen=True)
class Reciprocal:
    """Reciprocal lattice: ``basis`` (2, 2) of two vectors (ky, kx) in periods per px; ``peaks``
    (peak, 2) that it explains, half of the plane; ``excess`` (peak,) of their power over noise."""

    basis: np.ndarray
    peaks: np.ndarray
    excess: np.ndarray

    @property
    def vectors(self) -> np.ndarray:
        """Lattice vectors (2, 2) as (y, x) in px, the shortest that span it."""
        return reduced(np.linalg.inv(self.basis).T)


@dataclass(frozen=True)
class Spectrum:
    """Power (height, width) over its local floor, 1 on average where there is noise alone."""

    ratio: np.ndarray
    ky: np.ndarray  # (height, 1) periods per px
    kx: np.ndarray  # (1, width)


def whitened(image: np.ndarray) -> Spectrum:
    """Power spectrum (height, width) of a windowed image over the median of its surroundings.

    Of noise, whatever its colour, the ratio is distributed exponentially.
    """
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in image.shape))
    flat = image - (image * window).sum() / window.sum()
    power = np.abs(fft.fft2(flat * window)) ** 2
    ky, kx = (fft.fftfreq(side) for side in image.shape)
    # The floor: of coarse squares the median, a peak fills but a small part of them.
    floor = _floor(power) / np.log(2)
    # Where filters have left next to nothing, their ripples are no crystal.
    floor = np.maximum(floor, _LEAST * floor.mean())
    ratio = power / np.maximum(floor, np.finfo(float).tiny)
    return Spectrum(ratio, ky[:, None], kx[None, :])


def _floor(power: np.ndarray) -> np.ndarray:
    """Median of the power about every bin, over squares that wrap around, smooth from one to the
    next."""
    shifted = np.log(fft.fftshift(power) + np.finfo(float).tiny)
    return np.asarray(fft.ifftshift(np.exp(_coarse_median(shifted, _FLOOR // 3))))


def _coarse_median(values: np.ndarray, step: int) -> np.ndarray:
    """Median over 3 × 3 blocks of ``step`` bins, interpolated to the bins."""
    height, width = values.shape
    rows, columns = -(-height // step), -(-width // step)
    missing = ((0, rows * step - height), (0, columns * step - width))
    whole = np.pad(values, missing, mode="symmetric")
    blocks = whole.reshape(rows, step, columns, step).transpose(0, 2, 1, 3)
    blocks = np.pad(blocks.reshape(rows, columns, -1), ((1, 1), (1, 1), (0, 0)), mode="symmetric")
    around = np.concatenate(
        [blocks[a : a + rows, b : b + columns] for a in range(3) for b in range(3)], axis=2
    )
    middle = np.median(around, axis=2)
    y = (np.arange(height) + 0.5) / step - 0.5
    x = (np.arange(width) + 0.5) / step - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    return np.asarray(ndimage.map_coordinates(middle, grid, order=1, mode="nearest"))


def crystals(image: np.ndarray, most: int = 4) -> list[Reciprocal]:
    """Lattices that stand out of the noise in an image (height, width), the strongest first.

    A peak counts where noise alone makes one as high in one of a thousand images.
    """
    spectrum = whitened(image)
    peaks, excess = _peaks(spectrum)
    bins = 1 / np.array(image.shape)
    found: list[Reciprocal] = []
    while len(peaks) > 1 and len(found) < most:
        one = _lattice(peaks, excess, bins)
        if one is None:
            break
        found.append(one)
        far = _off(peaks, one.basis, bins) > _NEAR
        peaks, excess = peaks[far], excess[far]
    return found


def _peaks(spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """Significant peaks (peak, 2), one of each opposite two, and their power over noise."""
    ratio = spectrum.ratio
    height, width = ratio.shape
    radius = np.hypot(spectrum.ky * height, spectrum.kx * width)
    short = min(height, width) * np.hypot(spectrum.ky, spectrum.kx)
    level = np.log(ratio.size / 2 / _CHANCE)
    top = ratio == ndimage.maximum_filter(ratio, 5, mode="wrap")
    top &= (ratio > level) & (short > _LOWEST) & (radius > _LOWEST)
    top &= (np.abs(spectrum.ky * height) > _AXES) | (np.abs(spectrum.kx * width) > _AXES)
    half = (spectrum.kx > 0) | ((spectrum.kx == 0) & (spectrum.ky > 0))
    y, x = np.nonzero(top & half)
    order = np.argsort(-ratio[y, x], kind="stable")[:_MOST]
    y, x = y[order], x[order]
    ky = (spectrum.ky[:, 0][y]) + _offset(ratio, y, x, 0) / height
    kx = (spectrum.kx[0][x]) + _offset(ratio, y, x, 1) / width
    return np.stack([ky, kx], axis=1), ratio[y, x]


def _offset(ratio: np.ndarray, y: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """Offset of a peak from its bin, by a parabola through the logarithms."""
    step = (1, 0) if axis == 0 else (0, 1)
    height, width = ratio.shape
    before = np.log(ratio[(y - step[0]) % height, (x - step[1]) % width] + 1e-9)
    after = np.log(ratio[(y + step[0]) % height, (x + step[1]) % width] + 1e-9)
    middle = np.log(ratio[y, x])
    curve = np.minimum(before - 2 * middle + after, -1e-9)
    return np.clip(0.5 * (before - after) / curve, -0.5, 0.5)


def _off(peaks: np.ndarray, basis: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """By how many bins peaks (peak, 2) miss the nearest place of a lattice."""
    index = np.rint(peaks @ np.linalg.inv(basis))
    return np.asarray(np.linalg.norm((peaks - index @ basis) / bins, axis=1))


def _lattice(peaks: np.ndarray, excess: np.ndarray, bins: np.ndarray) -> Reciprocal | None:
    """The lattice that explains most of the peaks, and not by chance: the finer a lattice, the more
    peaks are near a place of it whatever they are."""
    best: tuple[float, np.ndarray] | None = None
    for k, first in enumerate(peaks):
        for j in range(k + 1, len(peaks)):
            second = peaks[j]
            area = abs(first[0] * second[1] - first[1] * second[0])
            if area < _STEEPEST * np.linalg.norm(first) * np.linalg.norm(second):
                continue
            basis = reduced(np.stack([first, second]))
            chance = np.pi * _NEAR**2 * float(np.prod(bins)) / area
            if chance > 0.2:
                continue
            near = _off(peaks, basis, bins) <= _NEAR
            score = float(np.log(excess[near]).sum()) * np.log(1 / chance)
            alike = 1 / _ALIKE < np.linalg.norm(first) / np.linalg.norm(second) < _ALIKE
            if (near.sum() > 2 or alike) and (best is None or score > best[0] * (1 + 1e-9)):
                best = score, basis
    if best is None:
        return None
    basis = best[1]
    for _ in range(3):
        near = _off(peaks, basis, bins) <= _NEAR
        index = np.rint(peaks[near] @ np.linalg.inv(basis))
        weight = np.sqrt(excess[near])[:, None]
        if np.linalg.matrix_rank(index) < 2:
            return None
        basis = np.linalg.lstsq(index * weight, peaks[near] * weight, rcond=None)[0]
    near = _off(peaks, basis, bins) <= _NEAR
    return Reciprocal(reduced(basis), peaks[near], excess[near])


def reduced(basis: np.ndarray) -> np.ndarray:
    """The shortest two vectors (2, 2) of a lattice (Lagrange and Gauss)."""
    a, b = basis
    while True:
        if a @ a > b @ b:
            a, b = b, a
        times = np.rint(a @ b / (a @ a))
        if times == 0:
            return np.stack([a, b])
        b = b - times * a


def filtered(image: np.ndarray, found: list[Reciprocal], reach: float) -> np.ndarray:
    """The image (height, width) that the reflections of crystals make: every cell is the mean of
    those about it, under a Gaussian of ``reach`` px, and of every reflection as much is taken as
    stands out of the noise about it (Wiener).

    Slowly varying strain moves reflections but little, and shows in the image.
    """
    pad = [fft.next_fast_len(side + int(2 * reach), real=True) for side in image.shape]
    low = image - image.mean()
    margin = [(0, p - s) for p, s in zip(pad, image.shape, strict=True)]
    spectrum = fft.rfft2(np.pad(low, margin, mode="symmetric"))
    power = np.abs(spectrum) ** 2
    ky, kx = fft.fftfreq(pad[0])[:, None], fft.rfftfreq(pad[1])[None]
    sigma = 1 / (2 * np.pi * reach)
    mask = np.zeros(spectrum.shape)
    for crystal in found:
        farthest = _FARTHEST**2 * (crystal.peaks**2).sum(1).max()
        size = int(0.5 / np.linalg.norm(crystal.basis, axis=1).min()) + 1
        steps = np.arange(-size, size + 1)
        index = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
        for place in index[(index != 0).any(1)] @ crystal.basis:
            if np.abs(place).max() > 0.5 or place @ place > farthest or place[1] < -3 * sigma:
                continue
            rows = np.flatnonzero(np.abs(ky[:, 0] - place[0]) < 5 * sigma)
            cols = np.flatnonzero(np.abs(kx[0] - place[1]) < 5 * sigma)
            if not len(rows) or not len(cols):
                continue
            block = np.ix_(rows, cols)
            square = (ky[rows] - place[0]) ** 2 + (kx[:, cols] - place[1]) ** 2
            shape = np.exp(-square / (2 * sigma**2))
            ring = (square > (3.0 * sigma) ** 2) & (square < (5 * sigma) ** 2)
            if not ring.any():
                continue
            noise = np.median(power[block][ring]) / np.log(2)
            seen = (power[block] * shape**2).sum() / (shape**2).sum()
            spread = noise * np.sqrt((shape**4).sum()) / (shape**2).sum()
            share = max(seen - noise - _SURE * spread, 0.0) / max(seen, np.finfo(float).tiny)
            mask[block] = np.maximum(mask[block], share * shape)
    return np.asarray(fft.irfft2(spectrum * mask, pad)[: image.shape[0], : image.shape[1]])
