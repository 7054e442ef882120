"""Which pixels of an image were measured: not the black frame of a turned image, the rest of a
scan that was stopped, or a line that was lost.

Programs write such places as NaN or as one value. NaN is plain. One value may also be a vacuum
or a black level that cuts off the background between the atoms, which are data: an area counts
as not measured only if what is left of the image has straight sides, or if its value lies apart
from all values of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

import dask.array as da
import numpy as np

from vaescope.errors import UserError

LEAST_AREA = 0.002  # of a frame; smaller constant areas are saturated columns more often than gaps
RIM = 2  # pixels beside a constant area that interpolation has mixed with it
_CANDIDATES = 3  # values that are looked at: the frame, a beam blanked, a detector saturated
_APART = 0.05  # of the range of the rest: further off, a value cannot be a value of the image
_COMPACT = 0.9  # share of the convex hull that the rest fills, where its value lies apart
_BULGES = 0.1  # of an area of no data may lie within that hull, if the sides are straight
_SIDES, _BEND = 8, 2.0  # sides of a clipped, turned rectangle, and the pixels that they may bend
_LINE = 0.5  # of the width: a shorter run of one value in a single line may be data
_COMMON = 0.2  # of the pixels or lines: what is commoner than that is how the image is, not a gap
_THICK = (3, 11)  # px that an area must be thick; sparse counts have thin empty areas by chance
_ROWS = 1024  # rows worked on at once
_SAMPLE = 200_000  # pixels from which the range of the rest is estimated


def gaps(data: da.Array, *, constant: bool) -> da.Array:
    """Mark what was not measured in (time, channel, y, x): (time, y, x) bool, lazily.

    A pixel is missing where any channel is not finite, and with ``constant`` where all channels
    show lines or areas of one value (see ``constant_areas``) there.
    """
    missing = ~da.isfinite(data).all(axis=1)
    if not constant:
        return missing
    whole = data.rechunk({1: -1, 2: -1, 3: -1})
    meta = np.empty((0, 0, 0), bool)
    return missing | whole.map_blocks(_constant, dtype=bool, drop_axis=1, meta=meta)


def _constant(block: np.ndarray) -> np.ndarray:
    return np.stack(
        [np.logical_and.reduce([constant_areas(one) for one in frame]) for frame in block]
    )


def check(missing: np.ndarray, size: int, *, path: object, least: int) -> None:
    """Refuse a dataset of which hardly anything was measured.

    Parameters
    ----------
    missing : pixels of each frame that were not measured, (time,).
    size : pixels of a frame.
    least : pixels that a side of an image must have.

    Raises
    ------
    UserError : no frame has as many measured pixels as the smallest image.
    """
    if size - missing.min() < least**2:
        raise UserError(
            "hardly anything of the image was measured",
            file=path,
            found=f"{missing.min() / size:.1%} of the pixels are NaN, infinite, or a constant area",
            expected=f"at least {least} × {least} measured pixels",
            remedy="Check the file in the program that wrote it; if the constant areas are data,"
            " set `ingest: unmeasured: nan` in the recipe",
        )


def constant_areas(frame: np.ndarray) -> np.ndarray:
    """Find lines and areas of one value that cannot be data in a frame (y, x): bool (y, x)."""
    # SciPy filters neither half precision nor foreign byte order.
    half = frame.dtype.kind == "f" and frame.dtype.itemsize == 2
    frame = frame.astype(np.float32 if half else frame.dtype.newbyteorder("="), copy=False)
    found = np.zeros(frame.shape, bool)
    if frame.size == 0 or not np.isfinite(frame).any():
        return found
    if np.nanmin(frame) == np.nanmax(frame):
        return ~found
    for area in _areas(frame):
        found |= area
    return found | _lines(frame, found)


def _areas(frame: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the areas of one value at the border of a frame that are no data, with their rim."""
    from scipy.ndimage import binary_dilation

    flat = _flat(frame)
    least = LEAST_AREA * frame.size
    if flat.sum() < least / 2:
        return
    values, counts = np.unique(frame[flat], return_counts=True)
    for value in values[np.argsort(-counts)][:_CANDIDATES]:
        for thick in _THICK:
            area = _at_border(_opened(frame == value, thick))
            if area.sum() >= least and _no_data(frame, area, value):
                yield binary_dilation(area, np.ones((3, 3), bool), iterations=RIM)
                break


def _flat(frame: np.ndarray) -> np.ndarray:
    """Where the 3 × 3 pixels around a pixel are all equal."""
    from scipy.ndimage import maximum_filter, minimum_filter

    flat = np.empty(frame.shape, bool)
    for start in range(0, len(frame), _ROWS):
        low, high = max(start - 1, 0), start + _ROWS + 1
        rows = frame[low:high]
        inside = slice(start - low, start - low + _ROWS)
        same = minimum_filter(rows, 3)[inside] == maximum_filter(rows, 3)[inside]
        flat[start : start + _ROWS] = same
    return flat


def _opened(area: np.ndarray, thick: int) -> np.ndarray:
    """An area without its parts thinner than so many pixels, as if it went on beyond the border."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return maximum_filter(minimum_filter(area, thick), thick) & area


def _at_border(area: np.ndarray) -> np.ndarray:
    """The connected parts of an area that touch the border."""
    from scipy.ndimage import label

    labels, count = label(area)
    touching = np.zeros(count + 1, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[side] = True
    touching[0] = False
    return touching[labels]


def _no_data(frame: np.ndarray, area: np.ndarray, value: float) -> bool:
    """Whether the rest is a whole image by itself, and the area not a part of it."""
    from scipy.ndimage import binary_dilation
    from shapely import MultiPoint

    rest = ~area
    corners = np.concatenate([_ends(rest), _ends(rest.T)[:, ::-1]])
    if len(corners) < 3:
        return False
    # A pixel is a square: its corners, not its middle, make the hull.
    squares = corners[:, None] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    hull = MultiPoint(squares.reshape(-1, 2)).convex_hull
    bulges = hull.area - rest.sum()
    straight = len(hull.simplify(_BEND).exterior.coords) - 1 <= _SIDES
    if straight and bulges <= _BULGES * area.sum():
        return True
    if rest.sum() < _COMPACT * hull.area:
        return False
    inner = frame[~binary_dilation(area, iterations=RIM + 1) & np.isfinite(frame)]
    if not inner.size:
        return False
    low, high = np.quantile(inner[:: -(-inner.size // _SAMPLE)], [0.001, 0.999])
    return bool(max(low - value, value - high) > _APART * (high - low) > 0)


def _ends(rest: np.ndarray) -> np.ndarray:
    """(row, column) of the first and the last pixel of each row that has any."""
    rows = np.flatnonzero(rest.any(axis=1))
    first = rest[rows].argmax(axis=1)
    last = rest.shape[1] - 1 - rest[rows, ::-1].argmax(axis=1)
    return np.stack([np.tile(rows, 2), np.concatenate([first, last])], axis=-1)


def _lines(frame: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Find lines of one value, whole or in part, and copies of the line before."""
    height, width = frame.shape
    found = np.zeros(frame.shape, bool)
    same = frame[:, 1:] == frame[:, :-1]
    for row in np.flatnonzero(same.mean(axis=1) >= _LINE):
        start, end = _longest(same[row])
        value = frame[row, start]
        # Sparse counts have empty lines by chance.
        if end - start >= _LINE * width and (frame[~known] == value).mean() < _COMMON:
            found[row, start:end] = True
    copies = np.r_[False, (frame[1:] == frame[:-1]).all(axis=1)] & ~known.all(axis=1)
    copies &= ~same.all(axis=1) & ~found.any(axis=1)
    last = height - np.argmin(copies[::-1])  # the lines after a stop repeat the last one
    if copies[:last].mean() < _COMMON:  # more, and the image was enlarged by repeating lines
        found[copies] = True
    return found


def _longest(same: np.ndarray) -> tuple[int, int]:
    """Start and end (exclusive) of the longest run of equal values of a line."""
    edges = np.flatnonzero(np.diff(np.r_[False, same, False]))
    starts, ends = edges[::2], edges[1::2]
    k = int(np.argmax(ends - starts))
    return int(starts[k]), int(ends[k]) + 1
