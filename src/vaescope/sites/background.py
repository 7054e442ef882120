"""Steps and low frequencies that outweigh the columns: noticed, and subtracted for the search.

A median over two spacings keeps steps sharp and knows nothing of columns, which cover less than
half of it. What matters is how far it bends: a slope moves no maximum of a Laplacian, whereas steps
and waves as short as a few spacings drown those of columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dask.array as da
import numpy as np
from scipy import ndimage

from vaescope.sites import scale
from vaescope.sites.scale import Scale

_SPACINGS = 2.0  # side of the median's square
_SMOOTH, _REACH = 0.25, 3.0  # of the window, and of these: a Gaussian after the median
_STRONG = 0.3  # bends of the background over those of the columns; 0.25 at a few electrons
_LEVELS = 1024  # to which values are rounded for the median
_COARSE = 8.0  # pixels of a spacing that are enough to judge
_WINDOWS = (3, 401)  # px, sides of the square
_AGAIN = 1.2  # a spacing that differs by more needs another window
_SMALLER = (0.5, 0.25, 0.125)  # of a spacing at which there is no lattice, those tried


@dataclass(frozen=True)
class Background:
    """How strong the background's bends are, over those of the columns, and by a median over how
    many pixels it is subtracted: 0 where it stays. ``low``, ``high`` : values between which the
    median is sought."""

    strength: float = 0.0
    window: int = 0
    low: float = 0.0
    high: float = 1.0

    def subtracted(self, image: np.ndarray) -> np.ndarray:
        """The image (height, width) without it."""
        flat = image - _median(image, self.window, self.low, self.high)
        # What the median leaves of waves is smooth once its steps are gone.
        return flat - ndimage.gaussian_filter(flat, _SMOOTH * self.window, truncate=_REACH)

    def from_frame(self, frame: da.Array) -> da.Array:
        """A frame (height, width) without it, worked out chunk by chunk."""
        if not self.window:
            return frame
        depth = min(int((0.5 + _REACH * _SMOOTH) * self.window) + 2, *frame.shape)
        return da.map_overlap(
            self.subtracted,
            frame,
            depth=depth,
            boundary="reflect",
            dtype=float,
            meta=np.empty((0, 0)),
        )


def judge(
    parts: Sequence[np.ndarray], known: Sequence[np.ndarray] | None, lengths: Scale
) -> Background:
    """Judge the background of an image by its parts (height, width), finite.

    known : bool of the same shapes, the pixels that were measured; None: all.
    """
    found = _of(parts, lengths.spacing)
    shares = []
    for number, part in enumerate(parts):
        mask = None if known is None else known[number]
        shares.append(_strength(part, mask, lengths.spacing))
    strength = float(np.max(shares))
    if strength > _STRONG and not lengths.periodic:
        shares = [
            _strength(_continuous(part), None if known is None else known[number], lengths.spacing)
            for number, part in enumerate(parts)
        ]
        strength = min(strength, float(np.max(shares)))
    return Background(strength, found.window if strength > _STRONG else 0, found.low, found.high)


def without(
    parts: Sequence[np.ndarray], first: Background, spacing: float
) -> tuple[list[np.ndarray], Background, Scale]:
    """Parts without their background, and the lengths seen in them: the window follows these."""
    found = first
    for _ in range(2):
        flat = [found.subtracted(part) for part in parts]
        lengths = scale.estimate(flat)
        if 1 / _AGAIN < lengths.spacing / spacing < _AGAIN:
            break
        spacing = lengths.spacing
        again = _of(parts, spacing)
        found = Background(first.strength, again.window, again.low, again.high)
    return flat, found, lengths


def hidden(
    parts: Sequence[np.ndarray], lengths: Scale
) -> Iterator[tuple[list[np.ndarray], Background, Scale]]:
    """Crystals that may show at smaller scales once the background is subtracted, the largest
    first: parts, background and lengths as ``without`` gives them."""
    for share in _SMALLER:
        spacing = share * lengths.spacing
        if spacing < _WINDOWS[0]:
            return
        found = _of(parts, spacing)
        seen = scale.estimate([found.subtracted(part) for part in parts])
        if seen.periodic and seen.spacing < spacing / share * _SMALLER[0] * _AGAIN:
            yield without(parts, _of(parts, seen.spacing), seen.spacing)


def _of(parts: Sequence[np.ndarray], spacing: float) -> Background:
    low = min(float(np.percentile(part, 0.05)) for part in parts)
    high = max(float(np.percentile(part, 99.95)) for part in parts)
    window = int(np.clip(2 * round(_SPACINGS * spacing / 2) + 1, *_WINDOWS))
    return Background(0.0, window, low, high)


def _continuous(part: np.ndarray) -> np.ndarray:
    """A part (height, width) whose values, where these are few counts, are spread over the steps
    between them: the median of counts is a count, and its steps would look like a background.

    Source: J. A. F. Machado, J. M. C. Santos Silva, Journal of the American Statistical Association
    100 (2005) 1226 (jittered counts).
    """
    step = float(np.median(np.diff(np.unique(part))))
    return part + step * np.random.default_rng(0).uniform(size=part.shape)


def _strength(part: np.ndarray, known: np.ndarray | None, spacing: float) -> float:
    """The bends of the background of a part (height, width) over those of the columns."""
    coarse = max(int(spacing / _COARSE), 1)
    image, spacing = _binned(part, coarse), spacing / coarse
    found = _of([image], spacing)
    flat = image - _median(image, found.window, found.low, found.high)
    sigma = max(spacing / 4, 0.8)
    bends = [np.abs(ndimage.gaussian_laplace(each, sigma)) for each in (image - flat, flat)]
    if known is not None and not known.all():
        whole = _binned(known.astype(float), coarse) > 1 - 1e-9
        far = ndimage.minimum_filter(whole, found.window + int(4 * sigma))
        if not far.any():
            return 0.0
        bends = [each[far] for each in bends]
    of_background, of_columns = (float(np.percentile(each, 99)) for each in bends)
    return of_background / of_columns if of_columns > 0 else 0.0


def _binned(image: np.ndarray, coarse: int) -> np.ndarray:
    """Means over squares of pixels; what is left at the ends is dropped."""
    rows, columns = (side // coarse for side in image.shape)
    whole = image[: rows * coarse, : columns * coarse]
    return np.asarray(whole.reshape(rows, coarse, columns, coarse).mean((1, 3)))


def _median(image: np.ndarray, window: int, low: float, high: float) -> np.ndarray:
    """Median over squares of pixels, of values rounded to so many levels, by a moving histogram."""
    from skimage.filters import rank

    span = high - low
    if not span > 0:
        return np.full(image.shape, low)
    level = np.rint(np.clip((image - low) / span, 0, 1) * (_LEVELS - 1)).astype(np.uint16)
    middle = rank.median(level, np.ones((window, window), np.uint8))
    return np.asarray(low + span / (_LEVELS - 1) * middle)
