"""Text for people: names from elsewhere made safe to print, percentages and durations in words."""

from __future__ import annotations

import math
import unicodedata

# Prefixes by which lengths are told in readable numbers, in metres.
_LENGTHS = {"m": 1.0, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12}
_UNSEEN = {"Cc", "Cf", "Cs"}  # control characters, directions, halves of characters
_SPELLINGS = {"um": "µm", "μm": "µm", "micron": "µm", "microns": "µm"}


def plain(text: object, longest: int = 80) -> str:
    """Make one printable line of at most ``longest`` characters; the middle of longer text goes.

    Names come from users: line breaks, control and direction-changing characters would break the
    layout.
    """
    clean = "".join(
        " " if c.isspace() else c
        for c in str(text)
        if unicodedata.category(c) not in _UNSEEN - {"Cc"}
    )
    clean = "".join(c for c in clean if unicodedata.category(c) != "Cc")
    clean = " ".join(clean.split())
    if len(clean) <= longest:
        return clean
    head = (longest - 1) * 2 // 3
    return clean[:head] + "…" + clean[len(clean) - (longest - 1 - head) :]


def harmless(text: str) -> str:
    """Take out what a terminal takes for a command, and keep lines and tabs.

    Control characters come from names and notes in the files of others; direction-changing ones
    show a text in another order than it has.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _UNSEEN)


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


def readable_unit(
    pixels: float, pixel_size: float, unit: str, smallest: float = 1.0
) -> tuple[float, str]:
    """Choose factor and unit in which a length of so many pixels is ``smallest`` or more.

    Units that are no lengths in metres are kept.
    """
    unit = _SPELLINGS.get(unit, unit)
    if unit not in _LENGTHS or not math.isfinite(pixels) or pixels <= 0:
        return pixel_size, unit
    metres = pixels * pixel_size * _LENGTHS[unit]
    fitting = [name for name, size in _LENGTHS.items() if metres >= size * smallest * 0.999]
    best = fitting[0] if fitting else "pm"
    return pixel_size * _LENGTHS[unit] / _LENGTHS[best], best


def grouped(count: int) -> str:
    """A whole number with its digits in groups of three."""
    return f"{count:,}".replace(",", "\u202f").replace("-", "−")
