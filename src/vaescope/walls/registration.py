"""Where the specimen lies in each frame: drift between frames with its covariance, and by how much
a frame is distorted against the one before.

The drift is the maximum of the cross-correlation of two pictures, evaluated between pixels from
their Fourier coefficients, so that no picture is interpolated. The windows that take out the rim
are functions, not pictures, and follow the drift. Errors come from the scatter of what parts of
the picture say (jackknife: one Newton step without each of them).

Sources: M. Guizar-Sicairos, S. T. Thurman and J. R. Fienup, Opt. Lett. 33 (2008) 156 (correlation
between pixels); B. Efron and C. Stein, Ann. Stat. 9 (1981) 586 (errors).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy import fft, ndimage

from vaescope.walls.coarse_shift import whole_pixels
from vaescope.walls.distortion import FrameDistortion, distortion

Source = Literal["height", "in-phase", "none"]

_SMOOTH = 1.0  # px, sd of the Gaussian that takes out the noise of single pixels
_COARSE = 12.0, 1 / 16  # px at most and share of the picture: sd of the Gaussian whose background
# is taken out
_PARTS = 5  # parts of the picture along each axis, for the errors
_STEPS = 12  # of Newton's method
_LOCAL = 4  # of its steps for each part by itself
_BLOCK = 12  # px, side of blocks whose errors are independent
_ALONE = 0.25  # how much the noise of a part counts beside that of all, in the logarithm
_FARTHEST = 6.0  # px by which a part is displaced against the whole, at most
_OVERLAP = 1.37  # variance of the sum over parts whose Hann windows overlap by half, over that of
# independent ones: (1 + 2 · 3/35)²
_OF_A_PLACE = 1.0 + _PARTS**2 / _OVERLAP**2  # variance of one place, over that of the mean of all
_RIM = 1.5  # sd of the background, in which it is not known on both sides
_TAPER = 8.0  # px, within which a picture fades out towards what was not measured
_UNKNOWN = 4.0  # px, prior sd of a component of the drift that the picture does not determine


@dataclass(frozen=True)
class Registration:
    """How the specimen moves from frame to frame.

    Attributes
    ----------
    step : (frame - 1, 2) px (y, x) from each frame to the next: what is seen at p in one is seen
        at p + step in the next.
    covariance : (frame - 1, 2, 2) px² of ``step``.
    source : for each step what it was found from: ``height``, ``in-phase`` where there is no
        height that shows it, or ``none`` where nothing does (step 0, with an error of 4 px).
    fields : for each step how its places are displaced where one frame is distorted against the
        other; None where all are displaced by ``step``.
    """

    step: np.ndarray
    covariance: np.ndarray
    source: list[Source]
    fields: list[FrameDistortion | None] = field(default_factory=list)

    def displaced(self, frame: int, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By how much places (point, 2) px of a frame are displaced in the next: (point, 2) px and
        its covariance (point, 2, 2)."""
        found = self.fields[frame] if self.fields else None
        if found is not None:
            return found.at(place)
        count = len(place)
        return (
            np.broadcast_to(self.step[frame], (count, 2)),
            np.broadcast_to(self.covariance[frame], (count, 2, 2)),
        )

    def shared(self, frame: int) -> np.ndarray | None:
        """Covariance (2, 2) px² of the displacement that all places of a frame share; None where
        they are displaced place by place."""
        return None if self.fields and self.fields[frame] is not None else self.covariance[frame]

    def displaced_back(self, frame: int, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By how much places (point, 2) px of the frame after ``frame`` are displaced in it."""
        moved = self.displaced(frame, place - self.step[frame])[0]
        moved, covariance = self.displaced(frame, place - moved)
        return -moved, covariance

    def on_pixels(self, frame: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """By how much each pixel of a frame is displaced in the next: (y, x, 2) px and its
        covariance (y, x, 2, 2); (2,) and (2, 2) where all are displaced alike."""
        if not self.fields or self.fields[frame] is None:
            return self.step[frame], self.covariance[frame]
        moved, covariance = np.empty((*shape, 2)), np.empty((*shape, 2, 2))
        for y in range(shape[0]):
            place = np.stack([np.full(shape[1], y), np.arange(shape[1])], axis=1).astype(float)
            moved[y], covariance[y] = self.displaced(frame, place)
        return moved, covariance

    @property
    def offset(self) -> np.ndarray:
        """(frame, 2) px of each frame against the first."""
        return np.concatenate([np.zeros((1, 2)), np.cumsum(self.step, axis=0)])

    @property
    def error(self) -> np.ndarray:
        """(frame - 1, 2) px, standard error of ``step``."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def register(
    signals: Sequence[np.ndarray],
    measured: Sequence[np.ndarray],
    heights: Sequence[np.ndarray] | None = None,
) -> Registration:
    """The drift between frames, from their heights or, where these show none, their signals.

    Parameters
    ----------
    signals : (y, x) each, in-phase response. Walls that move are a part of the picture like
        others: they widen the errors.
    measured : (y, x) bool each.
    heights : (y, x) each; None: not recorded. They also show by how much a frame is distorted. In
        signals walls that move look like a distortion: where parts of these are displaced unlike,
        the covariance is that of one place, and not that of the mean of all.
    """
    steps, covariances = [], []
    sources: list[Source] = []
    fields: list[FrameDistortion | None] = []
    source: Source
    for frame in range(len(signals) - 1):
        kinds: list[tuple[Source, Sequence[np.ndarray]]] = [("in-phase", signals)]
        if heights is not None:
            kinds.insert(0, ("height", heights))
        found = Shift(np.zeros(2), _UNKNOWN**2 * np.eye(2), None)
        source = "none"
        for kind, pictures in kinds:
            seen = measured[frame], measured[frame + 1]
            better = shift(pictures[frame], pictures[frame + 1], *seen)
            if better is not None:
                found, source = better, kind
                break
        unlike = source == "in-phase" and found.field is not None
        steps.append(found.moved)
        covariances.append((_OF_A_PLACE if unlike else 1.0) * found.covariance)
        sources.append(source)
        fields.append(None if unlike else found.field)
    together = np.reshape(steps, (-1, 2)), np.reshape(covariances, (-1, 2, 2))
    return Registration(*together, sources, fields)


@dataclass(frozen=True)
class Shift:
    """By how much one picture is displaced in another: ``moved`` (2,) px (y, x), its
    ``covariance`` (2, 2) px², and the ``field`` of displacements where places are displaced
    unlike."""

    moved: np.ndarray
    covariance: np.ndarray
    field: FrameDistortion | None


def shift(
    first: np.ndarray, second: np.ndarray, seen_first: np.ndarray, seen_second: np.ndarray
) -> Shift | None:
    """By how much one picture is displaced in another, with its covariance.

    Parameters
    ----------
    first, second : (y, x). seen_first, seen_second : (y, x) bool, what was measured.

    Returns
    -------
    None where no peak of the correlation stands out.
    """
    if first.shape != second.shape or min(first.shape) < 32:
        return None
    one, two = _flattened(first, seen_first), _flattened(second, seen_second)
    start = None if one is None or two is None else whole_pixels(one, two)
    if one is None or two is None or start is None:
        return None
    # What either lacks is taken out of both, at the same places of the specimen.
    by = tuple(np.round(start).astype(int))
    lacks = ~np.isfinite(first) | ~seen_first
    lacks |= np.roll(~np.isfinite(second) | ~seen_second, (-by[0], -by[1]), axis=(0, 1))
    if lacks.any():
        far = np.minimum(ndimage.distance_transform_edt(~lacks) / _TAPER, 1.0)
        weight = np.sin(np.pi / 2 * far) ** 2
        one = _flattened(first, ~lacks)
        two = _flattened(second, ~np.roll(lacks, by, axis=(0, 1)))
        if one is None or two is None:
            return None
        one, two = one * weight, two * np.roll(weight, by, axis=(0, 1))
    return _refined(one, two, start)


def _flattened(picture: np.ndarray, seen: np.ndarray) -> np.ndarray | None:
    """A picture without its background and lines' offsets, zero where it was not measured."""
    seen = seen & np.isfinite(picture)
    if seen.mean() < 0.1:
        return None
    values = _filled(picture, seen)
    smooth, background = (
        ndimage.gaussian_filter(values, sd) for sd in (_SMOOTH, _coarse_sd(picture.shape))
    )
    found = np.where(seen, smooth - background, 0.0)
    spread = found[seen].std()
    if not spread > 0:
        return None
    # A particle or a spike counts no more than four sd.
    return np.clip(found / spread, -4, 4)


def _filled(picture: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A picture whose gaps are bridged along the slow axis, so that its background is known."""
    values = np.where(seen, picture, 0.0).astype(float)
    rows = np.arange(len(values))
    columns = seen.any(axis=0)
    for column in np.flatnonzero(columns & ~seen.all(axis=0)):
        known = seen[:, column]
        values[:, column] = np.interp(rows, rows[known], values[known, column])
    values[:, ~columns] = values[:, columns].mean()
    return values


def _coarse_sd(shape: tuple[int, ...]) -> float:
    most, share = _COARSE
    return min(most, share * min(shape))


def _refined(one: np.ndarray, two: np.ndarray, start: np.ndarray) -> Shift | None:
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
    _, slope, bend = _correlation(one, two, moved)
    slope, total = slope - slope.mean(axis=0), bend.sum(axis=0)
    without = np.stack(
        [np.linalg.solve(total - part, g) for g, part in zip(slope, bend, strict=True)]
    )
    parts = len(slope)
    covariance = _OVERLAP * (parts - 1) / parts * without.T @ without
    along, axes = np.linalg.eigh(covariance)
    covariance = (axes * np.minimum(along, _UNKNOWN**2)) @ axes.T
    return Shift(moved, covariance, _field(one, two, moved))


def _field(one: np.ndarray, two: np.ndarray, moved: np.ndarray) -> FrameDistortion | None:
    """How parts of one picture are displaced in another, where they are displaced unlike."""
    local = np.tile(moved, (_PARTS**2, 1))
    for _ in range(_LOCAL):
        _, slope, bend = _correlation(one, two, local)
        peaked = np.linalg.eigvalsh(bend).max(axis=1) < 0
        bend = np.where(peaked[:, None, None], bend, -np.eye(2))
        step = -np.linalg.solve(bend, slope[..., None])[..., 0]
        step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1.0)
        local = local + np.where(peaked[:, None], step, 0.0)
    apart = np.linalg.norm(local - moved, axis=1)
    sure = peaked & (apart < _FARTHEST)
    local = np.where(sure[:, None], local, np.nan)
    corner, side = _layout(one.shape)
    centre = corner + (side - 1) / 2 - np.where(sure[:, None], local, 0.0) / 2
    height, width = one.shape
    return distortion(centre, local, _OVERLAP * _noise(one, two, local, bend), (height, width))


def _noise(one: np.ndarray, two: np.ndarray, moved: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Covariance (part, 2, 2) px² of the shift (part, 2) of each part: by what blocks of it add to
    the slope of its correlation, whose sum is zero; NaN where the shift is."""
    found = np.full((len(moved), 2, 2), np.nan)
    corners, side = _layout(one.shape)
    ky, kx = (2 * np.pi * fft.fftfreq(n) for n in side)
    k = (ky[:, None], kx[None])
    blocks = np.maximum(side // _BLOCK, 2)
    for part, (corner, own) in enumerate(zip(corners, moved, strict=True)):
        if not np.isfinite(own).all():
            continue
        whole = np.round(own).astype(int)
        rest = own - whole
        left = fft.fft2(_cut(one, corner - whole // 2, side) * _window(tuple(side), -rest / 2))
        right = fft.fft2(
            _cut(two, corner - whole // 2 + whole, side) * _window(tuple(side), rest / 2)
        )
        phase = np.exp(1j * (k[0] * rest[0] + k[1] * rest[1]))
        apart = fft.ifft2(right * phase - left).real
        steep = [fft.ifft2(1j * each * left).real for each in k]
        sums = np.stack([_in_blocks(each * apart, blocks) for each in steep], axis=1)
        own_part = np.stack(
            [[_in_blocks(p * q, blocks) for q in steep] for p in steep], axis=-1
        ).transpose(1, 2, 0)
        share = own_part @ np.linalg.inv(own_part.sum(axis=0))
        # What a block adds is small where the shift follows it (jackknife).
        sums = np.linalg.solve(np.eye(2) - np.minimum(share, 0.9), sums[..., None])[..., 0]
        inverse = np.linalg.inv(bend[part])
        found[part] = inverse @ (sums.T @ sums) @ inverse
    # Few blocks know the noise of one part badly: by what its structure says, it is like others'.
    level = 0.5 * np.einsum("pij,pji->p", found, -bend)
    known = level > 0
    if not known.any():
        return found
    together = level[known].mean() ** (1 - _ALONE) * np.where(known, level, np.nan) ** _ALONE
    return together[:, None, None] * np.linalg.inv(-bend)


def _in_blocks(picture: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Sums (block,) of a picture (y, x) over so many blocks along each axis."""
    rows, columns = (
        np.linspace(0, n, count, endpoint=False).astype(int)
        for n, count in zip(picture.shape, blocks, strict=True)
    )
    return np.add.reduceat(np.add.reduceat(picture, rows, axis=0), columns, axis=1).ravel()


def _layout(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (part, 2) of the parts of a picture, and their sides (2,) px."""
    size = np.array(shape)
    rim = int(_RIM * _coarse_sd(shape))
    side = 2 * (size - 2 * rim) // (_PARTS + 1)
    places = np.indices((_PARTS, _PARTS)).reshape(2, -1).T
    return rim + places * side // 2, side


def _correlation(
    one: np.ndarray, two: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The correlation of each part of two pictures at a shift (2,), or at one of its own (part, 2):
    value (part,), its slope (part, 2) and its second derivatives (part, 2, 2).

    The windows of a part lie half the shift behind and half the shift ahead, so that both show
    the same piece of the specimen.
    """
    values, slopes, bends = [], [], []
    corners, side = _layout(one.shape)
    ky, kx = (2 * np.pi * fft.fftfreq(n) for n in side)
    k = (ky[:, None], kx[None])
    for corner, own in zip(corners, np.broadcast_to(moved, corners.shape), strict=True):
        whole = np.round(own).astype(int)
        a = _cut(one, corner - whole // 2, side)
        b = _cut(two, corner - whole // 2 + whole, side)
        rest = own - whole
        left = fft.fft2(a * _window(tuple(side), -rest / 2))
        right = fft.fft2(b * _window(tuple(side), rest / 2))
        phase = np.exp(1j * (k[0] * rest[0] + k[1] * rest[1]))
        product = np.conj(left) * right * phase / np.prod(side)
        real, imaginary = product.real, product.imag
        values.append(real.sum())
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
