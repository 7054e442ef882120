"""The roughness exponent of walls from their structure factor, the noise of positions taken out.

Along the mean line of a wall, u(x) is its displacement from that line, at N equal steps dx. The
structure factor S(q) = |û(q)|² / N of a self-affine wall in two dimensions falls as q^−(1 + 2ζ),
where û are the coefficients of the cosine transform, which needs no periodic wall. Errors of the
position, independent over the error length, add a constant floor that is known from them. Between
the longest waves, 2 of which fit on the wall, and the error length, where the fit of the wall
smooths it, A q^−(1 + 2ζ) plus the floor is fitted to S(q), which is distributed as χ² with one
degree of freedom about its mean: maximum likelihood, with an amplitude for each wall and one ζ.

Sources: N. Caballero et al., arXiv:1904.11726 (structure factor); P. Whittle, Ark. Mat. 2 (1953)
423 (likelihood).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, optimize

from vaescope.walls.wall import Wall

_STEP = 0.5  # px along the mean line
_SHORTEST = 60.0  # px of the mean line of a wall whose roughness is measured
_BEND = 15.0  # px along which the direction of a wall is averaged, to see where it turns back
_LONG = 2  # half waves on the line, of the longest wave that is used
_LOWEST, _HIGHEST = -0.45, 1.45  # of the exponent
_FEWEST = 8  # waves, without which there is no exponent


@dataclass(frozen=True)
class Roughness:
    """Roughness of walls: ``exponent`` ζ with its ``error``, NaN where there are no walls long
    enough; ``walls`` : how many were used, along ``length`` px; ``wave`` (q,) 1/px, mean structure
    ``factor`` (q,) px², the noise floor included, and that ``floor`` (q,) px²."""

    exponent: float
    error: float
    walls: int
    length: float
    wave: np.ndarray
    factor: np.ndarray
    floor: np.ndarray


@dataclass(frozen=True)
class _Spectrum:
    wave: np.ndarray
    factor: np.ndarray
    floor: float
    length: float


def roughness(walls: Iterable[Wall]) -> Roughness:
    """The roughness exponent of walls, those of one frame or independent ones.

    Closed walls, and those that turn back, are used in pieces that run along a line.
    """
    spectra = [s for wall in walls for line in _lines(wall) if (s := _spectrum(*line)) is not None]
    count = sum(len(s.wave) for s in spectra)
    length = sum(s.length for s in spectra)
    edges = np.geomspace(2e-2, np.pi, 17)
    wave, factor, floor = _binned(spectra, edges)
    if count < _FEWEST:
        nan = float("nan")
        return Roughness(nan, nan, len(spectra), length, wave, factor, floor)

    def cost(zeta: float) -> float:
        return sum(_profile(spectrum, zeta) for spectrum in spectra)

    best = optimize.minimize_scalar(cost, bounds=(_LOWEST, _HIGHEST), method="bounded")
    zeta, h = float(best.x), 0.02
    bend = (cost(zeta + h) - 2 * cost(zeta) + cost(zeta - h)) / h**2
    at_bound = not _LOWEST + 0.02 < zeta < _HIGHEST - 0.02
    error = float("nan") if bend <= 0 or at_bound else float(1 / np.sqrt(bend))
    return Roughness(zeta, error, len(spectra), length, wave, factor, floor)


def _lines(wall: Wall) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pieces of a wall that run along a line without turning back: places (point, 2) and errors and
    error lengths (point,) of each."""
    found = []
    steps = wall.steps
    if not len(steps):
        return []
    few = max(int(_BEND / max(float(np.median(steps)), 1e-6)), 1)
    turned = ndimage.uniform_filter1d(np.unwrap(wall.direction), few, mode="nearest")
    start = 0
    for k in range(1, len(wall.place) + 1):
        part = slice(start, k)
        mean = turned[part].mean()
        if k == len(wall.place) or abs(turned[k] - mean) > np.pi / 3:
            if np.linalg.norm(wall.place[k - 1] - wall.place[start]) >= _SHORTEST:
                found.append((wall.place[part], wall.normal_error[part], wall.error_length[part]))
            start = k
    return found


def _spectrum(place: np.ndarray, error: np.ndarray, extent: np.ndarray) -> _Spectrum | None:
    """Structure factor of one piece of wall; None where too few waves exceed its error length."""
    middle = place - place.mean(axis=0)
    axis = np.linalg.svd(middle, full_matrices=False)[2]
    along, across = middle @ axis[0], middle @ axis[1]
    if along[-1] < along[0]:
        along = -along
    ahead = np.maximum.accumulate(along)
    keep = np.append(True, np.diff(ahead) > 1e-9)
    length = float(ahead[-1] - ahead[0])
    count = int(length / _STEP)
    if length < _SHORTEST:
        return None
    at = np.linspace(ahead[0], ahead[-1], count)
    u = np.interp(at, along[keep], across[keep])
    u = u - np.polyval(np.polyfit(at, u, 1), at)
    step = float(at[1] - at[0])
    factor = fft.dct(u, norm="ortho") ** 2
    wave = np.pi * np.arange(count) / (count * step)
    typical = float(np.median(extent))
    used = (np.arange(count) >= _LONG) & (wave < np.pi / (2 * max(typical, step)))
    if used.sum() < 2:
        return None
    floor = float(np.mean(error**2 * np.maximum(extent / step, 1.0)))
    return _Spectrum(wave[used], factor[used], floor, length)


def _profile(spectrum: _Spectrum, zeta: float) -> float:
    """Negative log likelihood of one wall at the best amplitude."""
    shape = spectrum.wave ** -(1 + 2 * zeta)
    shape = shape / np.exp(np.log(shape).mean())

    def cost(log_amplitude: float) -> float:
        mean = np.exp(log_amplitude) * shape + spectrum.floor
        return float(0.5 * (np.log(mean) + spectrum.factor / mean).sum())

    guess = float(np.log(max(spectrum.factor.mean(), 1e-12)))
    best = optimize.minimize_scalar(cost, bounds=(guess - 12, guess + 6), method="bounded")
    return float(best.fun)


def _binned(
    spectra: list[_Spectrum], edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean structure factor and floor of all walls in bands of the wave number."""
    if not spectra:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    wave = np.concatenate([s.wave for s in spectra])
    factor = np.concatenate([s.factor for s in spectra])
    floor = np.concatenate([np.full(len(s.wave), s.floor) for s in spectra])
    band = np.digitize(wave, edges)
    kinds = np.unique(band)
    mean = [np.array([v[band == k].mean() for k in kinds]) for v in (wave, factor, floor)]
    return mean[0], mean[1], mean[2]
