"""Lengths and their units: what a pixel measures on the specimen, or that nobody has said."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from vaescope.errors import UserError

# One metre in each unit, by every spelling met in vendor files. Micro sign and Greek mu both occur.
_METRES = {
    "m": 1.0,
    "meter": 1.0,
    "metre": 1.0,
    "mm": 1e-3,
    "millimeter": 1e-3,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "micron": 1e-6,
    "micrometer": 1e-6,
    "micrometre": 1e-6,
    "nm": 1e-9,
    "nanometer": 1e-9,
    "nanometre": 1e-9,
    "å": 1e-10,
    "\u212b": 1e-10,
    "a": 1e-10,
    "ang": 1e-10,
    "angstrom": 1e-10,
    "ångström": 1e-10,
    "pm": 1e-12,
    "picometer": 1e-12,
    "picometre": 1e-12,
    "fm": 1e-15,
}
_DISPLAY = (("mm", 1e-3), ("um", 1e-6), ("nm", 1e-9), ("pm", 1e-12))
# A pixel of a microscope is larger than a nucleus and smaller than the field of a hand lens.
SMALLEST, LARGEST = 1e-14, 1e-3
_COMMA = r"\s*[-+]?(?P<whole>\d*),(?P<rest>\d+)(?![\d.,])"  # a number with a decimal comma
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)"


class Pixel(NamedTuple):
    """Sides of one pixel on the specimen, in metres."""

    y: float
    x: float


def metres_per(unit: object) -> float | None:
    """Convert one ``unit`` to metres; None if it is no known unit of length.

    ``nm/px`` and ``nm per pixel`` count as nm: the size of a pixel is what is asked for.
    """
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", "replace")
    if not isinstance(unit, str):
        return None
    text = re.sub(r"\s*(/|\bper\b)\s*(px|pixels?)\s*$", "", unit.strip(), flags=re.IGNORECASE)
    text = text.strip(" []()")
    if text in ("M", "MM", "A", "PM", "NM", "UM"):
        text = text.lower()
    found = _METRES.get(text.lower() if text.lower() in _METRES else text.lower().rstrip("s"))
    # "Mm" is a megametre: nobody means it, so it is not guessed to be a millimetre.
    return None if text in ("Mm", "Pm") else found


def length(value: object, unit: object) -> float | None:
    """Convert ``value`` in ``unit`` to metres; None unless it is a plausible side of a pixel."""
    per = metres_per(unit)
    try:
        number = abs(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if per is None or not math.isfinite(number):
        return None
    return number * per if SMALLEST <= number * per <= LARGEST else None


def split_quantity(text: str) -> tuple[float, str] | None:
    """Split ``"9.0 nm"`` or ``"9,0 nm"`` into (9.0, "nm").

    The unit may be empty. None when it is no quantity, or when its comma may be one of thousands.
    """
    if comma := re.match(_COMMA, text):
        if thousands(text):
            return None
        text = text[: comma.start("rest") - 1] + "." + text[comma.start("rest") :]
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(.*?)\s*", text, flags=re.IGNORECASE)
    return (float(match[1]), match[2]) if match else None


def thousands(text: str) -> bool:
    """Tell whether the comma of a number may be one of thousands, as in ``1,234``."""
    comma = re.match(_COMMA, text)
    return comma is not None and len(comma["rest"]) == 3 and comma["whole"].strip("0") != ""


def from_sheet(value: object) -> Pixel | None:
    """Read the pixel size in a cell of the sample sheet, such as ``0.0078 nm``.

    Returns
    -------
    Pixel in metres, or None when the cell is empty.

    Raises
    ------
    UserError : no unit, an unknown unit, or a size that no pixel can have.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(value).strip()
    if not text:
        return None
    remedy = "Write a number and a unit of length, for example 0.0078 nm"
    quantity = split_quantity(text)
    if thousands(text):
        raise UserError(
            "the comma of the pixel size may be a decimal one or one of thousands",
            found=repr(text),
            remedy="Write a point instead, for example 1.234 nm",
        )
    if quantity is None:
        raise UserError("the pixel size cannot be understood", found=repr(text), remedy=remedy)
    number, unit = quantity
    if not math.isfinite(number) or number <= 0:
        raise UserError(
            "the pixel size must be finite and above zero", found=repr(text), remedy=remedy
        )
    if not unit:
        raise UserError("the pixel size has no unit", found=repr(text), remedy=remedy)
    if metres_per(unit) is None:
        raise UserError(
            "the unit of the pixel size is unknown",
            found=repr(unit),
            expected="one of m, mm, um, nm, pm, Å (or angstrom)",
            remedy=remedy,
        )
    side = length(number, unit)
    if side is None:
        raise UserError(
            "no microscope has pixels of this size",
            found=repr(text),
            expected="a side between 0.00001 nm and 1 mm",
            remedy=remedy,
        )
    return Pixel(side, side)


def display(pixel: Pixel) -> tuple[float, float, str]:
    """Express the sides (y, x) of a pixel in a convenient unit: mm, um, nm or pm.

    Nanometres from 0.001 nm to 1 um, the range in which atoms and domains are imaged.
    """
    unit, per = "nm", 1e-9
    if not 1e-12 <= pixel.x < 1e-6:
        unit, per = next(((name, size) for name, size in _DISPLAY if pixel.x >= size), _DISPLAY[-1])
    # Twelve digits: enough for any instrument, and free of the noise of dividing by 1e-9.
    return float(f"{pixel.y / per:.12g}"), float(f"{pixel.x / per:.12g}"), unit
