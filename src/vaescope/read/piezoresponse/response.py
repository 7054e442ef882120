"""One complex piezoresponse, turned so that the two domain states lie at + and - of one axis.

Source of the description as one complex signal: S. Jesse et al., Nanotechnology 17 (2006) 1615.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read.piezoresponse import one_area, phase_offset, scan_lines, sources
from vaescope.read.piezoresponse.phase_offset import States
from vaescope.read.piezoresponse.sources import Source
from vaescope.read.raw import Raw, stack
from vaescope.read.settings import IngestSettings

ATTRIBUTE = "piezoresponse"
"""Attribute of an image: JSON of how its response was made."""
SIGN = (
    "The state that covers the larger area of the first frame is positive; other frames have the"
    " sign with which they agree with the one before, further responses the one with which they"
    " correlate with the first."
)
_CERTAIN = 3.0  # standard deviations of the smoothed noise beyond which a pixel is of a domain


@dataclass(frozen=True)
class _Frames(Sequence[np.ndarray]):
    """The complex response of each frame, computed when it is taken."""

    x: da.Array
    y: da.Array

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def __getitem__(self, k: Any) -> Any:
        if k >= len(self):
            raise IndexError(k)
        x, y = dask.compute(self.x[k], self.y[k])
        return np.asarray(x + 1j * y)


def join(read: list[Source], paths: list[Path], settings: IngestSettings) -> Source:
    """Join the files of a dataset: as frames in time, or as layers of one area.

    Raises
    ------
    UserError : sizes, pixel sizes, scan angles or responses differ.
    """
    sources.refuse_other_angles([one.raw for one in read], paths)
    if settings.join == "layers":
        return one_area.join(read, paths)
    common = [name for name in read[0].others if all(name in one.others for one in read)]
    kept = [_only(one, common) for one in read]
    raw = stack([one.raw for one in kept], [path.name for path in paths])
    return replace(kept[0], raw=raw)


def _only(source: Source, others: list[str]) -> Source:
    """A source without those other channels that not all files have."""
    raw = source.raw
    keep = [k for k, name in enumerate(raw.channels) if name not in source.others or name in others]
    lost = [name for name in source.others if name not in others]
    raw = replace(
        raw,
        data=raw.data[:, keep],
        channels=[raw.channels[k] for k in keep],
        units=[raw.units[k] for k in keep],
    )
    return replace(source, raw=raw, others=others, left_out=source.left_out + lost)


def turned(source: Source) -> tuple[Raw, dict[str, Any], np.ndarray]:
    """Turn every response so that its domain states lie on the in-phase axis, lazily.

    Phase offsets are found on good scan lines alone, which are those of the first response.

    Returns
    -------
    The image with the channels `in-phase`, `out-of-phase`, `amplitude`, the same of further
    responses, and the other channels; what was done, for the record; and what lies on good scan
    lines, (time, y, x) bool.
    """
    raw = source.raw
    planes: list[da.Array] = []
    channels: list[str] = []
    units: list[str] = []
    facts: list[dict[str, Any]] = []
    first: np.ndarray | None = None
    good, lines = _lines_of(_Frames(raw.data[:, 0], raw.data[:, 1]))
    for k, (label, known) in enumerate(zip(source.labels, source.facts, strict=True)):
        x, y = raw.data[:, 2 * k], raw.data[:, 2 * k + 1]
        frames = _Frames(x, y)
        measured = [one & np.isfinite(frame) for one, frame in zip(good, frames, strict=True)]
        states, agreement = phase_offset.of_series(frames, measured, first)
        if first is None:
            first = states[0].turned(phase_offset.smoothed(frames[0], measured[0]))
        turn = np.array([one.offset for one in states])[:, None, None]
        cos, sin = np.cos(turn), np.sin(turn)
        planes += [x * cos + y * sin, y * cos - x * sin, da.sqrt(x**2 + y**2)]
        channels += [label.format(name) for name in ("in-phase", "out-of-phase", "amplitude")]
        units += [raw.units[2 * k]] * 3
        per_frame = [
            _facts(*each) for each in zip(frames, measured, states, agreement, strict=True)
        ]
        facts.append({**known, "frames": per_frame})
    start = 2 * len(source.labels)
    planes += [raw.data[:, k] for k in range(start, len(raw.channels))]
    channels += raw.channels[start:]
    units += raw.units[start:]
    done = replace(raw, data=da.stack(planes, axis=1), channels=channels, units=units)
    made = {
        "responses": facts,
        "sign": SIGN,
        "direction": source.direction,
        "other_direction": source.other_direction,
        "left_out": source.left_out,
        "bad_lines": lines,
    }
    return done, made, np.stack(good)


def _facts(
    response: np.ndarray, good: np.ndarray, states: States, agreement: float
) -> dict[str, Any]:
    """What is recorded of a frame: ``offset`` (rad), ``states`` (2: two clouds in the complex
    plane, 1: one, 0: noise), ``level`` (in-phase value midway between two states, else 0),
    ``across`` (the same of the out-of-phase value), ``positive`` and ``negative`` (shares of the
    area that lie clearly on either side of the level), ``agreement`` (share of the area with the
    sign of the frame before; null for the first)."""
    along = states.turned(phase_offset.smoothed(response, good))[good]
    middle = states.background * np.exp(-1j * states.offset)
    across = (response * np.exp(-1j * states.offset))[good].imag
    noise = _CERTAIN * _noise(across, good) / np.sqrt(4 * np.pi)
    return {
        "offset": states.offset,
        "states": states.count,
        "level": float(middle.real),
        "across": float(middle.imag),
        "resultant": states.resultant,
        "positive": float((along > noise).mean()) if along.size else 0.0,
        "negative": float((along < -noise).mean()) if along.size else 0.0,
        "agreement": None if np.isnan(agreement) else agreement,
    }


def _noise(across: np.ndarray, good: np.ndarray) -> float:
    """Standard deviation of the noise of a pixel, from differences along the scan lines."""
    plane = np.full(good.shape, np.nan)
    plane[good] = across
    second = np.diff(plane, 2, axis=1)
    second = second[np.isfinite(second)]
    return 1.4826 * float(np.median(abs(second))) / np.sqrt(6) if second.size else 0.0


def _lines_of(frames: _Frames) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """What of every frame is finite and on a good scan line, and for the record of each frame its
    ``axis`` (`y`: lines are rows of the image) and ``stripes`` (first line, last line, kind)."""
    good, facts = [], []
    for frame in frames:
        seen = np.isfinite(frame)
        offset = phase_offset.states_of(frame, seen).offset
        found = scan_lines.bad_lines(frame * np.exp(-1j * offset), seen)
        good.append(seen & found.mask(frame.shape))
        stripes = [[one.first, one.last, one.kind] for one in found.stripes]
        facts.append({"axis": "yx"[found.axis], "stripes": stripes})
    return good, facts


def masked(measured: da.Array | None, good: np.ndarray) -> tuple[da.Array | None, float]:
    """Count bad scan lines as not measured.

    Parameters
    ----------
    measured : (time, y, x) bool, what else was measured; None for all of it.
    good : (time, y, x) bool, as ``turned`` gives it.

    Returns
    -------
    What was measured and lies on good lines, and the share of all pixels that this takes off.
    """
    seen = np.ones(good.shape, bool) if measured is None else np.asarray(measured)
    lost = float((seen & ~good).mean())
    if not lost:
        return measured, 0.0
    return da.from_array(seen & good, chunks=(1, -1, -1), name=False), lost


def refuse_without_contrast(raw: Raw, path: Path) -> None:
    """Refuse an image that has lost its in-phase channel, which was the same everywhere.

    Raises
    ------
    UserError : there is no channel `in-phase`.
    """
    if "in-phase" not in raw.channels:
        raise UserError(
            "the piezoresponse is the same in every pixel",
            file=path,
            found="a constant amplitude and phase",
            remedy="Check the file in the program that wrote it, or take the row out of the sheet",
        )
