"""When frames were recorded: what the file says, or the JSON file beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from vaescope.read.physical import split_quantity
from vaescope.read.raw import Raw
from vaescope.read.sidecar import plain_key

_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "µs": 1e-6,
    "us": 1e-6,
    "min": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hours": 3600.0,
}
_KEY = re.compile(
    r"(?:frame_?(?:interval|time|step|period)|time_?(?:step|interval|per_frame)|finterval)"
    r"(?:_(?:in_)?(?P<unit>[a-zµ]+))?"
)
_UNITS = ("time_unit", "time_units")
_ASYLUM = "Seconds"  # since 1904, when the scan was saved


def seconds(value: float, unit: object) -> float | None:
    """Convert a time to seconds; None unless the unit is known and the time above zero."""
    per = _SECONDS.get(str(unit or "").strip().casefold())
    return value * per if per is not None and math.isfinite(value) and value > 0 else None


def asylum(note: dict[str, Any]) -> tuple[float, ...]:
    """When a scan was saved, from the note of an Asylum file: one number of seconds, or none."""
    try:
        found = float(note[_ASYLUM])
    except (KeyError, TypeError, ValueError):
        return ()
    return (found,) if math.isfinite(found) and found > 0 else ()


def stated(raw: Raw, content: dict[str, Any]) -> Raw:
    """The image with the frame interval of a sidecar, where the file itself gives none.

    `frame_interval` and its like count with a unit only: ``"2.5 s"``, ``frame_interval_ms``, or a
    unit beside it (``frame_interval_unit``, ``time_unit``).
    """
    if raw.time_unit != "frame" or raw.taken:
        return raw
    step = next(_intervals(content), None)
    return raw if step is None else replace(raw, time_step=step, time_unit="s")


def _intervals(node: Any) -> Iterator[float]:
    if isinstance(node, list):
        for item in node[:100]:
            yield from _intervals(item)
    if not isinstance(node, dict):
        return
    plain = {plain_key(key): value for key, value in node.items()}
    for key, value in plain.items():
        match = _KEY.fullmatch(key)
        if match is None or (match["unit"] and match["unit"] not in _SECONDS):
            yield from _intervals(value)
            continue
        near = (f"{key}_unit", f"{key}_units", *_UNITS)
        unit = match["unit"] or next((plain[name] for name in near if name in plain), "")
        if isinstance(value, str) and (quantity := split_quantity(value)):
            value, unit = quantity[0], quantity[1] or unit
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = seconds(float(value), unit)
            if found is not None:
                yield found


def times(raw: Raw) -> tuple[np.ndarray, str]:
    """Times (time,) of the frames since the first one, and their unit: "s", or "frame" where only
    their order is known."""
    frames = raw.data.shape[0]
    taken = np.array(raw.taken, float)
    if frames > 1 and len(taken) == frames and (np.diff(taken) > 0).all():
        return taken - taken[0], "s"
    return np.arange(frames) * raw.time_step, raw.time_unit
