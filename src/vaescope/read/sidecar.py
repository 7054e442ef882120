"""The pixel size from a JSON file beside an image that cannot carry one itself.

Such files differ from one instrument and group to the next; what is looked for is a field of view
or a pixel size, wherever it is nested, with a unit. Without a unit it stays unknown.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaescope.errors import UserError
from vaescope.read.physical import Pixel, length, metres_per, split_quantity

LARGEST = 8 * 2**20  # bytes; instruments write some kB
_FIELD = r"(?:fov|field_?of_?view|scan_?size|scan_?range)"
_PIXEL = (
    r"(?:(?:pixel|px)_?(?:size|spacing|width|height|scale)|scale_per_(?:pixel|px)|physical_?size)"
)
_LOOSE = re.compile(r"(?:pixel|px|sampling)(?:_(?P<axis>[xy]))?")  # only with a unit of length
_UNITS = tuple(
    f"{word}unit{plural}"
    for word in ("", "pixel_", "pixel_size_", "px_", "size_", "scale_", "length_", "spatial_")
    for plural in ("s", "")
)
_KEY = re.compile(
    rf"(?P<what>{_FIELD}|{_PIXEL})(?:_(?P<axis>[xyhw]|width|height))?(?:_(?:in_)?(?P<unit>[a-zµμå]+))?"
)
_AXIS = {"x": "x", "w": "x", "width": "x", "y": "y", "h": "y", "height": "y"}


@dataclass(frozen=True)
class Clue:
    """One statement of a sidecar: a pixel or a field of view along an axis ("" for both)."""

    key: str
    field: bool
    axis: str
    value: float
    unit: str


def beside(path: Path) -> Path | None:
    """Find the JSON file of the same name: ``scan.json`` or ``scan.npy.json`` for ``scan.npy``."""
    for candidate in (path.with_suffix(".json"), path.with_name(path.name + ".json")):
        if candidate != path and candidate.is_file():
            return candidate
    return None


def read(sidecar: Path) -> dict[str, Any]:
    """Read a sidecar; anything but a JSON object is put under the key ``content``."""
    if sidecar.stat().st_size > LARGEST:
        raise UserError(
            "the sidecar is too large to be one",
            file=sidecar,
            found=f"{sidecar.stat().st_size:,} bytes",
            expected=f"at most {LARGEST:,}",
            remedy="Move it away to read the image without it",
        )
    try:
        found = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            "the sidecar is not valid JSON",
            file=sidecar,
            found=str(error)[:200],
            remedy="Correct it, or move it away to read the image without a pixel size",
        ) from error
    return found if isinstance(found, dict) else {"content": found}


def pixel(
    content: dict[str, Any], shape: tuple[int, int], *, file: Path
) -> tuple[Pixel | None, str]:
    """Determine the sides of a pixel from a sidecar, and say in words where they come from.

    Parameters
    ----------
    content : the sidecar.
    shape : (height, width) of the image in pixels, by which a field of view is divided.

    Raises
    ------
    UserError : two statements contradict each other, or one is not above zero.
    """
    clues = list(_clues(content))
    known = [clue for clue in clues if metres_per(clue.unit) is not None]
    if not known:
        if clues:
            return None, f"none: `{file.name}` gives {clues[0].key} without a unit of length"
        return None, f"none in the file, none in `{file.name}`"
    sides: dict[str, tuple[float, Clue]] = {}
    for clue in known:
        for axis in (clue.axis,) if clue.axis else ("y", "x"):
            # A field of view named without an axis is the width: scans are measured along the line.
            count = (shape[0] if clue.axis == "y" else shape[1]) if clue.field else 1
            side = length(clue.value / count, clue.unit)
            if not math.isfinite(clue.value) or clue.value <= 0 or side is None:
                raise UserError(
                    f"{clue.key} is no possible length",
                    file=file,
                    found=f"{clue.value:g} {clue.unit}",
                    remedy="Correct the sidecar, or fill in the column `pixel_size`",
                )
            if axis in sides and not math.isclose(sides[axis][0], side, rel_tol=0.01):
                raise UserError(
                    "two statements of the sidecar contradict each other",
                    file=file,
                    found=f"{sides[axis][1].key} and {clue.key} give pixels of "
                    f"{sides[axis][0] * 1e9:g} and {side * 1e9:g} nm along {axis}",
                    remedy="Correct the sidecar, or fill in the column `pixel_size`",
                )
            sides.setdefault(axis, (side, clue))
    given = sides.get("x") or sides["y"]
    found = Pixel(sides.get("y", given)[0], sides.get("x", given)[0])
    return found, f"`{file.name}`: {given[1].key} {given[1].value:g} {given[1].unit}"


def _clues(node: Any) -> Iterator[Clue]:
    if isinstance(node, list):
        for item in node[:100]:
            yield from _clues(item)
    if not isinstance(node, dict):
        return
    plain = {plain_key(key): value for key, value in node.items()}
    for key, value in plain.items():
        match = _KEY.fullmatch(key)
        per_pixel = re.fullmatch(r"(?P<unit>[a-zµμå]+)_per_(?:pixel|px)", key)
        if per_pixel and metres_per(per_pixel["unit"]) is not None:
            yield from _values(key, False, "", value, per_pixel["unit"])
        elif match and (match["unit"] is None or metres_per(match["unit"]) is not None):
            field = re.fullmatch(_FIELD, match["what"]) is not None
            axis = _AXIS.get(match["axis"] or "", "")
            axis = axis or ("x" if "width" in key else "y" if "height" in key else "")
            yield from _values(key, field, axis, value, match["unit"] or _unit_near(plain, key))
        elif loose := _LOOSE.fullmatch(key):
            near = _unit_near(plain, key)
            found = list(_values(key, False, loose["axis"] or "", value, near))
            yield from (clue for clue in found if metres_per(clue.unit) is not None)
            yield from _clues(value)
        else:
            yield from _clues(value)


def _values(key: str, field: bool, axis: str, value: Any, unit: str) -> Iterator[Clue]:
    """Parse one value: a number, ``"9 nm"``, [9, 9], or {"x": 9, "y": 9, "unit": "nm"}."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield Clue(key, field, axis, float(value), unit)
    elif isinstance(value, str):
        quantity = split_quantity(value)
        if quantity is not None:
            yield Clue(key, field, axis, quantity[0], quantity[1] or unit)
    elif isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        yield from _values(key, field, axis, value[0], unit)  # two unlike ones: which is x?
    elif isinstance(value, dict):
        inner = {plain_key(name): one for name, one in value.items()}
        own = _first_text(inner, _UNITS) or unit
        for name, one in inner.items():
            if name in ("value", "size", *_AXIS):
                yield from _values(key, field, _AXIS.get(name, axis), one, own)


def _unit_near(plain: dict[str, Any], key: str) -> str:
    """Find the unit that stands beside a value.

    ``KEY_units``, the same of ``KEY`` without its axis, or one of the names in ``_UNITS``.
    """
    stem = re.sub(r"_(?:[xyhw]|width|height)$", "", key)
    names = [f"{base}_{word}" for base in (key, stem) for word in ("units", "unit")]
    if stem.startswith("scan"):
        return _first_text(plain, tuple(names))  # else it may well be a number of pixels
    return _first_text(plain, (*names, *_UNITS))


def _first_text(plain: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((plain[name] for name in names if isinstance(plain.get(name), str)), "")


def plain_key(key: object) -> str:
    """Normalise a key: ``FieldOfView (nm)`` becomes ``field_of_view_nm``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", str(key))
    return re.sub(r"[^0-9a-zµμå]+", "_", words.lower()).strip("_")
