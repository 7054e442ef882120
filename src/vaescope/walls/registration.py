"""Where the specimen lies in each frame: drift between frames with its covariance.

The drift is the maximum of the cross-correlation of two pictures, evaluated between pixels from
their Fourier coefficients, so that no picture is interpolated. The windows that take out the rim
are functions, not pictures, and follow the drift. Errors come from the scatter of what parts of
the picture say (sandwich estimator: H⁻¹ Σ g gᵀ H⁻¹ of the scores g of the parts).

Sources: M. Guizar-Sicairos, S. T. Thurman and J. R. Fienup, Opt. Lett. 33 (2008) 156 (correlation
between pixels); P. J. Huber, Proc. Fifth Berkeley Symp. 1 (1967) 221 (errors).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import fft, ndimage

Source = Literal["height", "in-phase", "none"]

_SMOOTH = 1.0  # px, sd of the Gaussian that takes out the noise of single pixels
_COARSE = 12.0  # px, sd of the Gaussian whose background is taken out
_PARTS = 5  # parts of the picture along each axis, for the errors
_STEPS = 12  # of Newton's method
_OVERLAP = 1.37  # variance of the sum over parts whose Hann windows overlap by half, over that of
# independent ones: (1 + 2 · 3/35)²
_RIM = 1.5  # sd of the background, in which it is not known on both sides
_LARGEST = 0.2  # share of the picture by which it may have moved
_DISTINCT = 5.0  # a peak of the correlation stands out if so many sd above the rest
_UNKNOWN = 4.0  # px, prior sd of a component of the drift that the picture does not determine


@dataclass(frozen=True)
class Drift:
    """How the specimen moves from frame to frame.

    Attributes
    ----------
    step : (frame - 1, 2) px (y, x) from each frame to the next: what is seen at p in one is seen
        at p + step in the next.
    covariance : (frame - 1, 2, 2) px² of ``step``.
    source : for each step what it was found from: ``height``, ``in-phase`` where there is no
        height that shows it, or ``none`` where nothing does (step 0, with an error of 4 px).
    """

    step: np.ndarray
    covariance: np.ndarray
    source: list[Source]

    @property
    def offset(self) -> np.ndarray:
        """(frame, 2) px of each frame against the first."""
        return np.concatenate([np.zeros((1, 2)), np.cumsum(self.step, axis=0)])

    @property
    def error(self) -> np.ndarray:
        """(frame - 1, 2) px, standard error of ``step``."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def drift_of(
    signals: Sequence[np.ndarray],
    measured: Sequence[np.ndarray],
    heights: Sequence[np.ndarray] | None = None,
) -> Drift:
    """The drift between frames, from their heights or, where these show none, their signals.

    Parameters
    ----------
    signals : (y, x) each, in-phase response. Walls that move are a part of the picture like
        others: they widen the errors.
    measured : (y, x) bool each.
    heights : (y, x) each; None: not recorded.
    """
    steps, covariances, sources = [], [], []
    for frame in range(len(signals) - 1):
        seen = measured[frame], measured[frame + 1]
        kinds: list[tuple[Source, Sequence[np.ndarray]]] = [("in-phase", signals)]
        if heights is not None:
            kinds.insert(0, ("height", heights))
        for source, pictures in kinds:
            found = shift(pictures[frame], pictures[frame + 1], *seen)
            if found is not None:
                break
        else:
            source, found = "none", (np.zeros(2), _UNKNOWN**2 * np.eye(2))
        steps.append(found[0])
        covariances.append(found[1])
        sources.append(source)
    return Drift(
        np.reshape(steps, (-1, 2)), np.reshape(covariances, (-1, 2, 2)), sources
    )


def shift(
    first: np.ndarray, second: np.ndarray, seen_first: np.ndarray, seen_second: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """By how much one picture is displaced in another, with its covariance.

    Parameters
    ----------
    first, second : (y, x). seen_first, seen_second : (y, x) bool, what was measured.

    Returns
    -------
    (2,) px (y, x) and (2, 2) px²; None where no peak of the correlation stands out.
    """
    if first.shape != second.shape or min(first.shape) < 16:
        return None
    pair = [_flattened(*each) for each in ((first, seen_first), (second, seen_second))]
    if pair[0] is None or pair[1] is None:
        return None
    one, two = pair
    start = _coarse(one, two)
    if start is None:
        return None
    return _refined(one, two, start)


def _flattened(picture: np.ndarray, seen: np.ndarray) -> np.ndarray | None:
    """A picture without its background and lines' offsets, zero where it was not measured."""
    seen = seen & np.isfinite(picture)
    if seen.mean() < 0.1:
        return None
    values = np.where(seen, picture, 0.0).astype(float)
    weight = seen.astype(float)
    mean = values.sum() / weight.sum()
    values = np.where(seen, values - mean, 0.0)

    def smoothed(sd: float) -> np.ndarray:
        below = ndimage.gaussian_filter(weight, sd, mode="constant")
        above = ndimage.gaussian_filter(values, sd, mode="constant")
        return above / np.maximum(below, 1e-6)

    found = np.where(seen, smoothed(_SMOOTH) - smoothed(_COARSE), 0.0)
    spread = found[seen].std()
    if not spread > 0:
        return None
    # A particle or a spike counts no more than four sd.
    return np.clip(found / spread, -4, 4)


def _coarse(one: np.ndarray, two: np.ndarray) -> np.ndarray | None:
    """The shift in whole pixels, (2,); None where no peak stands out."""
    window = _window(one.shape, np.zeros(2))
    spectra = [fft.rfft2(window * each) for each in (one, two)]
    correlation = fft.irfft2(np.conj(spectra[0]) * spectra[1], one.shape)
    near = [np.minimum(np.arange(n), n - np.arange(n)) <= _LARGEST * n for n in one.shape]
    inside = np.where(near[0][:, None] & near[1][None], correlation, -np.inf)
    peak = np.unravel_index(np.argmax(inside), one.shape)
    rest = correlation.copy()
    reach = int(4 * _SMOOTH + 6)
    rows, columns = (
        (at + np.arange(-reach, reach + 1)) % n for at, n in zip(peak, one.shape, strict=True)
    )
    rest[np.ix_(rows, columns)] = np.nan
    if correlation[peak] < np.nanmean(rest) + _DISTINCT * np.nanstd(rest):
        return None
    size = np.array(one.shape)
    at = np.array(peak)
    return np.where(at > size / 2, at - size, at).astype(float)


def _refined(
    one: np.ndarray, two: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Newton's method on the correlation, summed over overlapping parts of the picture."""
    moved = start
    for _ in range(_STEPS):
        _, slope, bend = _correlation(one, two, moved)
        total = bend.sum(axis=0)
        if np.linalg.eigvalsh(total).max() >= 0:
            return None
        step = -np.linalg.solve(total, slope.sum(axis=0))
        step *= min(1.0, 0.5 / max(float(np.linalg.norm(step)), 1e-12))
        moved = moved + step
        if np.linalg.norm(moved - start) > 3:
            return None
        if np.linalg.norm(step) < 1e-4:
            break
    value, slope, bend = _correlation(one, two, moved)
    inverse = np.linalg.inv(bend.sum(axis=0))
    parts = len(value)
    slope = slope - slope.mean(axis=0)
    scores = parts / (parts - 1) * _OVERLAP * slope.T @ slope
    covariance = inverse @ scores @ inverse
    along, axes = np.linalg.eigh(covariance)
    return moved, (axes * np.minimum(along, _UNKNOWN**2)) @ axes.T


def _correlation(
    one: np.ndarray, two: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The correlation of each part of two pictures at a shift: value (part,), its slope (part, 2)
    and its second derivatives (part, 2, 2).

    The windows of a part lie half the shift behind and half the shift ahead, so that both show
    the same piece of the specimen.
    """
    values, slopes, bends = [], [], []
    size = np.array(one.shape)
    rim = np.minimum(int(_RIM * _COARSE), size // 8)
    side = 2 * (size - 2 * rim) // (_PARTS + 1)
    whole = np.round(moved).astype(int)
    for row in range(_PARTS):
        for column in range(_PARTS):
            corner = rim + np.array([row, column]) * side // 2
            a = _cut(one, corner - whole // 2, side)
            b = _cut(two, corner - whole // 2 + whole, side)
            rest = moved - whole
            left = fft.fft2(a * _window(tuple(side), -rest / 2))
            right = fft.fft2(b * _window(tuple(side), rest / 2))
            ky, kx = (2 * np.pi * fft.fftfreq(n) for n in side)
            phase = np.exp(1j * (ky[:, None] * rest[0] + kx[None] * rest[1]))
            product = np.conj(left) * right * phase / np.prod(side)
            real, imaginary = product.real, product.imag
            values.append(real.sum())
            k = (ky[:, None], kx[None])
            slopes.append([-(imaginary * each).sum() for each in k])
            bends.append([[-(real * p * q).sum() for q in k] for p in k])
    return np.array(values), np.array(slopes), np.array(bends)


def _cut(picture: np.ndarray, corner: np.ndarray, side: np.ndarray) -> np.ndarray:
    """A part of a picture, zero outside it."""
    found = np.zeros(tuple(side))
    low = np.maximum(corner, 0)
    high = np.minimum(corner + side, picture.shape)
    if (high > low).all():
        to = low - corner
        found[to[0] : to[0] + high[0] - low[0], to[1] : to[1] + high[1] - low[1]] = picture[
            low[0] : high[0], low[1] : high[1]
        ]
    return found


def _window(shape: tuple[int, ...], moved: np.ndarray) -> np.ndarray:
    """A Hann window (y, x), displaced by some px."""
    sides = []
    for length, by in zip(shape, moved, strict=True):
        at = (np.arange(length) + 0.5 - by) / length
        sides.append(np.where((at > 0) & (at < 1), np.sin(np.pi * at) ** 2, 0.0))
    return sides[0][:, None] * sides[1][None]
