"""What the vendor recorded, as JSON that any program can read and that cannot grow without end."""

from __future__ import annotations

import json
import math
from enum import Enum
from typing import Any

import numpy as np

LONGEST = 256 * 1024  # characters in one store; instruments write tens of kB, some embed images
_TEXT, _ITEMS, _DEPTH = 2000, 200, 12


def to_json(metadata: Any) -> str:
    """Write metadata as JSON of at most 256 Ki characters; what is too long is cut with a mark."""
    for text, items, depth in ((_TEXT, _ITEMS, _DEPTH), (200, 50, 6), (80, 20, 4), (40, 8, 3)):
        found = json.dumps(_safe(metadata, text, items, depth), ensure_ascii=False)
        if len(found) <= LONGEST:
            return found
    keys = list(map(str, metadata))[:50] if isinstance(metadata, dict) else []
    return json.dumps({"cut": "too long to keep", "keys": [key[:80] for key in keys]})


def _safe(value: Any, text: int, items: int, depth: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str | bytes):
        words = value.decode("latin-1") if isinstance(value, bytes) else value
        # Lone surrogates and control characters would make the JSON unreadable elsewhere.
        words = words.encode("utf-8", "replace").decode().replace("\x00", "")
        return words if len(words) <= text else f"{words[:text]}… ({len(words)} characters)"
    if isinstance(value, np.generic):
        return _safe(value.item(), text, items, depth) if value.dtype.kind != "V" else "(binary)"
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "V" or value.size > 10 * items:
            return f"(array {value.shape} of {value.dtype})"
        return _safe(value.tolist(), text, items, depth)
    if depth == 0:
        return "…"
    if hasattr(value, "items"):
        limit = 10 * items  # keys are what people search for: keep more of them than of a list
        kept = {
            str(_safe(str(key), 200, items, 1)): _safe(one, text, items, depth - 1)
            for key, one in list(value.items())[:limit]
        }
        return kept if len(value) <= limit else {**kept, "…": f"{len(value) - limit} more"}
    if isinstance(value, list | tuple | set):
        kept_items = [_safe(one, text, items, depth - 1) for one in list(value)[:items]]
        return kept_items if len(value) <= items else [*kept_items, f"… ({len(value)} in all)"]
    return _safe(str(value), text, items, depth)
