"""What the signals of one file, as RosettaSciIO describes them, are called."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaescope.read.raw import show

_NO_TITLE = "Unrecognized_image_signal"  # RosettaSciIO's, of a Velox file without operations
# Where vendors keep the name of a detector: Velox of old and of late, DigitalMicrograph.
_DETECTORS = (
    ("BinaryResult", "Detector"),
    ("DetectorMetadata", "DetectorName"),
    ("ImageList", "TagGroup0", "ImageTags", "DataBar", "Signal Name"),
)


def of(signals: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """List for each signal its best name, its title and its detector; "" where there is none.

    The detector is the better name where several signals have one title, or none.
    """
    given = [
        str(signal.get("metadata", {}).get("General", {}).get("title") or "") for signal in signals
    ]
    given = ["" if title == _NO_TITLE else title for title in given]
    detectors = [_detector(signal) for signal in signals]
    return [
        (title if title and given.count(title) == 1 else detector or title, title, detector)
        for title, detector in zip(given, detectors, strict=True)
    ]


def _detector(signal: dict[str, Any]) -> str:
    """Find the name of the detector that recorded a signal, if its metadata state it."""
    for path in _DETECTORS:
        node: Any = signal.get("original_metadata", {})
        for key in path:
            node = node.get(key) if hasattr(node, "get") else None
        if isinstance(node, str) and node.strip():
            return node.strip()
    return ""


def listing(signals: list[dict[str, Any]]) -> str:
    """List the signals of a file in words: number, title, shape and axes."""
    words = []
    for k, (signal, called) in enumerate(zip(signals[:20], of(signals), strict=False)):
        title = called[0] or "untitled"
        axes = ", ".join(str(axis.get("name") or "?") for axis in signal["axes"])
        words.append(f"{k}: {title} ({show(np.shape(signal['data']))}; {axes})")
    return "; ".join(words) + ("; …" if len(signals) > 20 else "")


def in_order(axes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List axes in the order of the array, which is that of the list unless they say otherwise."""
    places = [axis.get("index_in_array", k) for k, axis in enumerate(axes)]
    return [dict(axes[k]) for k in sorted(range(len(axes)), key=lambda k: places[k])]
