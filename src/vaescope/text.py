"""Text for people: names from elsewhere made safe to print, percentages and durations in words."""

from __future__ import annotations

import unicodedata


def plain(text: object, longest: int = 80) -> str:
    """Make one printable line of at most ``longest`` characters; the middle of longer text goes.

    Names come from users: line breaks, control and direction-changing characters would break the
    layout.
    """
    clean = "".join(
        " " if c.isspace() else c for c in str(text) if unicodedata.category(c) not in {"Cf", "Cs"}
    )
    clean = "".join(c for c in clean if unicodedata.category(c) != "Cc")
    clean = " ".join(clean.split())
    if len(clean) <= longest:
        return clean
    head = (longest - 1) * 2 // 3
    return clean[:head] + "…" + clean[len(clean) - (longest - 1 - head) :]


def percent(share: float, digits: int = 1) -> str:
    """Write a share from 0 to 1 in per cent: ``93.5 %``."""
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """Write a time in words: ``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    # The seconds of what lasts long are noise.
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
