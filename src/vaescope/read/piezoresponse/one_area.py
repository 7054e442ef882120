"""Several files of one area that are no series in time: responses at other frequencies or drives.

They become further responses of one image, put in register by the topography that each recorded.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import align
from vaescope.read.piezoresponse.sources import Source
from vaescope.read.raw import refuse_unlike

_SHIFTED = 0.05  # px: less is no shift
_ROUNDS = 4  # of registration: the window that fades the edges out draws a large shift to nought
_SAME_AREA = 0.5  # correlation of the heights, below which the areas are not the same


def join(read: list[Source], paths: list[Path]) -> Source:
    """Put the responses of all files into the first.

    Raises
    ------
    UserError : sizes or pixel sizes differ, or the heights do not correlate.
    """
    first = read[0]
    planes, channels, units = (
        [first.raw.data[:, k] for k in range(2 * len(first.labels))],
        list(first.raw.channels[: 2 * len(first.labels)]),
        list(first.raw.units[: 2 * len(first.labels)]),
    )
    labels, facts = list(first.labels), [{**one, "file": paths[0].name} for one in first.facts]
    for other, path in zip(read[1:], paths[1:], strict=True):
        refuse_unlike(first.raw, other.raw, path.name, paths[0].name, channels=False)
        shift, words = _registered(first, other, path, paths[0])
        for k, known in enumerate(other.facts):
            label = _next(labels, bool(known["lateral"]))
            labels.append(label)
            facts.append({**known, "name": label.format("in-phase"), "file": path.name, **words})
            for letter, n in (("x", 2 * k), ("y", 2 * k + 1)):
                planes.append(_moved(other.raw.data[:, n], shift))
                channels.append(label.format(letter))
                units.append(other.raw.units[n])
    rest = range(2 * len(first.labels), len(first.raw.channels))
    planes += [first.raw.data[:, k] for k in rest]
    channels += [first.raw.channels[k] for k in rest]
    units += [first.raw.units[k] for k in rest]
    metadata = {"files": {p.name: one.raw.metadata for p, one in zip(paths, read, strict=True)}}
    raw = replace(
        first.raw,
        data=da.stack(planes, axis=1),
        channels=channels,
        units=units,
        metadata=metadata,
    )
    left = [name for one in read for name in one.left_out]
    return replace(first, raw=raw, labels=labels, facts=facts, left_out=list(dict.fromkeys(left)))


def _next(labels: list[str], lateral: bool) -> str:
    base = "lateral {}" if lateral else "{}"
    count = sum(one.startswith("lateral") == lateral for one in labels)
    return base if not count else f"{base} {count + 1}"


def _registered(
    first: Source, other: Source, path: Path, reference: Path
) -> tuple[np.ndarray, dict[str, Any]]:
    """The shift (y, x) in px that brings a file onto the first, by the heights of both."""
    if "height" not in first.others or "height" not in other.others:
        return np.zeros(2), {"shift_px": None, "registered_on": "nothing: a height is missing"}
    pair = [one.raw.data[0, one.raw.channels.index("height")].compute() for one in (first, other)]
    if not all(np.isfinite(one).all() for one in pair):
        pair = [np.where(np.isfinite(one), one, np.nanmean(one)) for one in pair]
    pair = [_level(one) for one in pair]
    shift, placed = np.zeros(2), pair[1]
    for _ in range(_ROUNDS):
        filled = np.where(np.isfinite(placed), placed, 0.0)
        step = align.drift(da.from_array(np.stack([pair[0], filled]), chunks=(1, -1, -1)))[1]
        shift = shift + step
        placed = np.asarray(_moved(pair[1][None], shift)[0])
        if abs(step).max() < _SHIFTED:
            break
    correlation = _correlation(pair[0], placed)
    if not correlation > _SAME_AREA:
        raise UserError(
            "the files are no layers of one area: their heights do not match",
            file=path.name,
            found=f"a correlation of {correlation:.2f} with `{reference.name}` after a shift of"
            f" ({shift[0]:.1f}, {shift[1]:.1f}) px",
            expected=f"at least {_SAME_AREA}",
            remedy="Give each file its own row; or set `ingest: join: series` if they are a series"
            " in time",
        )
    words = {
        "shift_px": [float(value) for value in shift],
        "registered_on": "height",
        "height_correlation": correlation,
    }
    return shift if abs(shift).max() >= _SHIFTED else np.zeros(2), words


def _level(height: np.ndarray) -> np.ndarray:
    """A height (y, x) without the plane fitted to it and without the offsets of its lines."""
    y, x = np.mgrid[-1 : 1 : height.shape[0] * 1j, -1 : 1 : height.shape[1] * 1j]
    design = np.stack([np.ones_like(x), y, x], -1).reshape(-1, 3)
    fitted = design @ np.linalg.lstsq(design, height.ravel(), rcond=None)[0]
    return height - fitted.reshape(height.shape)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    good = np.isfinite(one) & np.isfinite(other)
    if good.sum() < 16:
        return 0.0
    return float(np.corrcoef(one[good], other[good])[0, 1])


def _moved(data: Any, shift: np.ndarray) -> Any:
    """(time, y, x) moved by a shift in px, with NaN where nothing was measured."""
    if not shift.any():
        return data
    whole = da.asarray(data).rechunk((1, -1, -1))
    return whole.map_blocks(_moved_block, shift=shift, dtype=np.float64, meta=np.empty((0, 0, 0)))


def _moved_block(block: np.ndarray, shift: np.ndarray) -> np.ndarray:
    from scipy.ndimage import shift as moved

    done = np.empty(block.shape)
    for k, frame in enumerate(block):
        good = np.isfinite(frame)
        filled = np.where(good, frame, frame[good].mean() if good.any() else 0.0)
        there = moved(good.astype(float), shift, order=1, cval=0.0) > 1 - 1e-3
        done[k] = np.where(there, moved(filled, shift, order=3, mode="nearest"), np.nan)
    return done
