"""Gwyddion files (.gwy) through gwyfile: images, volume data and curves."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen
from vaescope.read.physical import Pixel, length
from vaescope.read.raw import SMALLEST_SIDE, NoImageError, Raw, natural, show
from vaescope.read.signals import SPECTRA

_MAGIC = b"GWYP"


def read(path: Path, extension: str, wanted: Any) -> Raw:
    """Read the images of a Gwyddion file; those of one shape become channels."""
    container = load(path)
    fields = entries(container, r"/\d+/data")
    titles = chosen.told_apart([title(container, key) for key in fields])
    there = "; ".join(
        f"{k}: {name} ({show(_shape(field))})"
        for k, (name, field) in enumerate(zip(titles, fields.values(), strict=True))
    )
    found = dict(zip(titles, fields.values(), strict=True))
    if wanted is not None:
        keep = chosen.numbers(wanted, titles)
        found = {titles[k]: found[titles[k]] for k in keep}
        if not found:
            raise UserError(
                f"`ingest: array` names {wanted!r}, which is no image of this file",
                file=path,
                found=there,
                remedy="Set it to one of these titles or numbers",
            )
    found = {n: field for n, field in found.items() if min(_shape(field)) >= SMALLEST_SIDE}
    if len({_shape(field) for field in found.values()}) != 1:
        raise (UserError if found else NoImageError)(
            "several images of unlike shapes are in this file"
            if found
            else "there is no image in this file",
            file=path,
            found=there or "no image",
            expected=f"images at least {SMALLEST_SIDE} pixels a side",
            remedy="Say which by `ingest: array` in the recipe, by title or number"
            if found
            else SPECTRA,
        )
    first = next(iter(found.values()))
    height, width = _shape(first)
    unit = unit_of(first, "si_unit_xy") or "m"
    sides = [length(first[f"{k}real"] / n, unit) for k, n in (("y", height), ("x", width))]
    data = [np.asarray(field["data"]).reshape(_shape(field)) for field in found.values()]
    corner = (float(first.get("yoff", 0.0)), float(first.get("xoff", 0.0)))
    return Raw(
        data=da.from_array(np.stack(data)[None], chunks=(1, 1, -1, -1), name=False),
        channels=list(found),
        units=[unit_of(field, "si_unit_z") for field in found.values()],
        reader="gwyfile",
        pixel=Pixel(*sides) if None not in sides else None,  # type: ignore[arg-type]
        corner=corner if unit == "m" else None,
        metadata=notes(container),
    )


def load(path: Path) -> Any:
    """Load the container of a Gwyddion file, which is read as a whole.

    Raises
    ------
    UserError : the file ends before its container does.
    """
    import gwyfile

    with path.open("rb") as file:
        head = file.read(64)
    end = head.find(b"\0")
    if not head.startswith(_MAGIC) or end < 0:
        raise ValueError("there is no mark GWYP at its start")
    announced = end + 5 + struct.unpack("<I", head[end + 1 : end + 5].ljust(4, b"\0"))[0]
    if path.stat().st_size < announced:
        raise UserError(
            f"the file ends after {path.stat().st_size:,} of the {announced:,} bytes that its "
            "header announces; the copy is probably incomplete",
            file=path,
            remedy="Copy the file again, or take the row out of the sample sheet",
        )
    return gwyfile.load(str(path))


def entries(container: Any, pattern: str) -> dict[str, Any]:
    """Select the objects of a container whose key matches a pattern, in the order of numbers."""
    keys = [key for key in container if re.fullmatch(pattern, key)]
    return {key: container[key] for key in sorted(keys, key=natural)}


def title(container: Any, key: str) -> str:
    """Find the title of an object, else its number."""
    found = container.get(f"{key}/title") or container[key].get("title")
    return str(found or f"channel {re.sub(r'[^0-9]', '', key)}")


def unit_of(node: Any, key: str) -> str:
    """Read the unit of an object, "" without one."""
    unit = node.get(key)
    return str(unit.get("unitstr") or "") if unit is not None else ""


def notes(container: Any) -> dict[str, Any]:
    """Collect what the instrument recorded."""
    return {key: dict(node) for key, node in container.items() if key.endswith("/meta")}


def _shape(field: Any) -> tuple[int, int]:
    return int(field["yres"]), int(field["xres"])
