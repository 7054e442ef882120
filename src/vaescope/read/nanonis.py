"""Nanonis scans (.sxm) and grids of spectra (.3ds).

Both are a header of text and big-endian float32 numbers. Read here since the libraries at hand
refuse headers that lack entries which the images do not need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, lazy
from vaescope.read.physical import Pixel, length
from vaescope.read.raw import SMALLEST_SIDE, NoImageError, Raw, pick_channels
from vaescope.read.signals import SPECTRA

_FLOAT = np.dtype(">f4")
_LONGEST_HEADER = 1 << 20  # bytes; real ones have a few thousand


def read_sxm(path: Path, extension: str, wanted: Any) -> Raw:
    """Read the channels of a scan, forward and backward, as displayed by the instrument."""
    text, start = _header(path, b":SCANIT_END:")
    start = path.read_bytes()[: start + 64].index(b"\x1a\x04", start) + 2
    facts = _blocks(text)
    width, height = (int(n) for n in facts["SCAN_PIXELS"].split())
    if "FLOAT" not in facts.get("SCANIT_TYPE", "FLOAT"):
        raise ValueError(f"numbers of the type {facts['SCANIT_TYPE']}")
    sweeps = list(_sweeps(facts["DATA_INFO"]))
    _refuse_short(path, start + 4 * width * height * len(sweeps))
    whole = lazy.array(lazy.Mapped(str(path), start, _FLOAT, (len(sweeps), height, width)))
    # A backward line runs from right to left, and an upward scan begins with the lowest line.
    layers = [
        whole[k, :, ::-1] if name.endswith("backward") else whole[k]
        for k, (name, _) in enumerate(sweeps)
    ]
    data = da.stack(layers)
    if facts.get("SCAN_DIR", "down").strip().casefold() == "up":
        data = data[:, ::-1]
    ranges = [_number(one) for one in facts.get("SCAN_RANGE", "").split()]
    raw = Raw(
        data=data[None],
        channels=[name for name, _ in sweeps],
        units=[unit for _, unit in sweeps],
        reader="Nanonis sxm",
        pixel=_pixel(ranges, (height, width)),
        metadata=facts,
    )
    return raw if wanted is None else pick_channels(raw, wanted, path=path)


@dataclass(frozen=True)
class GridFile:
    """A grid of spectra: ``data`` (row, column, number), parameters first, then the channels; NaN
    at the points that an aborted measurement did not reach."""

    data: da.Array
    shape: tuple[int, int]
    names: list[str]
    channels: list[str]
    parameters: int
    points: int
    pixel: Pixel | None
    facts: dict[str, str]


def grid_of(path: Path) -> GridFile:
    """Read the header of a grid of spectra. Its first point lies in the lower left corner."""
    text, start = _header(path, b":HEADER_END:\r\n")
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    facts = {key.strip(): value.strip().strip('"') for key, value in facts.items()}
    width, height = (int(n) for n in facts["Grid dim"].split("x"))
    names = [
        name.strip()
        for key in ("Fixed parameters", "Experiment parameters")
        for name in facts.get(key, "").split(";")
        if name.strip()
    ]
    channels = [name.strip() for name in facts["Channels"].split(";")]
    parameters, points = int(facts["# Parameters (4 byte)"]), int(facts["Points"])
    record = parameters + points * len(channels)
    settings = [_number(one) for one in facts.get("Grid settings", "").split(";")]
    return GridFile(
        data=_points(path, start, (height, width, record)),
        shape=(height, width),
        names=names,
        channels=channels,
        parameters=parameters,
        points=points,
        pixel=_pixel(settings[2:4], (height, width)),
        facts=facts,
    )


def _points(path: Path, start: int, shape: tuple[int, int, int]) -> da.Array:
    """Open the records of a grid (row, column, number), of which an aborted one lacks the last.

    Raises
    ------
    UserError : the file ends within the first row.
    """
    height, width, record = shape
    there = (path.stat().st_size - start) // (4 * record)
    rows, rest = divmod(min(there, height * width), width)
    if not rows:
        _refuse_short(path, start + 4 * height * width * record)
    whole = lazy.Mapped(str(path), start, _FLOAT, (rows, width, record))
    parts = [lazy.array(whole, lazy.whole_along(2, whole.shape))]
    if rest:
        begun = lazy.Mapped(str(path), start + 4 * rows * width * record, _FLOAT, (1, rest, record))
        missing = da.full((1, width - rest, record), np.nan, dtype=_FLOAT)
        parts.append(da.concatenate([lazy.array(begun), missing], axis=1))
    left = height - rows - bool(rest)
    if left:
        parts.append(da.full((left, width, record), np.nan, dtype=_FLOAT, chunks=(left, width, -1)))
    return da.concatenate(parts) if len(parts) > 1 else parts[0]


def read_3ds(path: Path, extension: str, wanted: Any) -> Raw:
    """Read the images in a grid of spectra: parameters that vary from point to point.

    The height of the tip (Z) unless the recipe names others.
    """
    grid = grid_of(path)
    names, (height, width) = grid.names, grid.shape
    layers = [k for k, name in enumerate(names) if re.match(r"z\s*(\(|$)", name.casefold())]
    if wanted is not None:
        layers = chosen.numbers(wanted, [(name, plain(name)) for name in names])
    if not layers or min(width, height) < SMALLEST_SIDE:
        raise NoImageError(
            "there is no image in this file",
            file=path,
            found=f"a grid of {width} × {height} spectra ({', '.join(grid.channels)}; "
            f"{grid.points} points) "
            f"with the parameters {', '.join(f'{k}: {name}' for k, name in enumerate(names))}",
            expected=f"a grid of at least {SMALLEST_SIDE} points a side, and the height Z or the "
            "parameter that `ingest: array` names",
            remedy=SPECTRA,
        )
    return Raw(
        data=da.stack([grid.data[::-1, :, k] for k in layers])[None],
        channels=[plain(names[k]) for k in layers],
        units=[_unit(names[k]) for k in layers],
        reader="Nanonis 3ds",
        pixel=grid.pixel,
        metadata=grid.facts,
    )


def _header(path: Path, end: bytes) -> tuple[str, int]:
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    place = head.find(end)
    if place < 0:
        raise ValueError(f"the header has no end mark {end.decode().strip()}")
    return head[:place].decode("latin-1"), place + len(end)


def _blocks(text: str) -> dict[str, str]:
    """Parse an sxm header: ``:KEY:`` followed by lines."""
    parts = re.split(r"^:([^:\n]+(?:>[^:\n]+)*):[ \t]*$", text, flags=re.MULTILINE)
    return {key: value.strip("\r\n") for key, value in zip(parts[1::2], parts[2::2], strict=True)}


def _sweeps(table: str) -> Any:
    """List (name, unit) of every image in the order of the file, from the table DATA_INFO."""
    rows = [re.split(r"\s+", line.strip()) for line in table.splitlines() if line.strip()]
    head = [word.casefold() for word in rows[0]]
    name, unit, direction = (head.index(word) for word in ("name", "unit", "direction"))
    for row in rows[1:]:
        both = row[direction].casefold() == "both"
        for sweep in ("forward", "backward") if both else (row[direction].casefold(),):
            yield f"{row[name]} {sweep}", row[unit]


def _refuse_short(path: Path, announced: int) -> None:
    size = path.stat().st_size
    if size < announced:
        raise UserError(
            f"the file ends after {size:,} of the {announced:,} bytes that its header announces; "
            "the copy or the measurement is probably incomplete",
            file=path,
            remedy="Copy the file again, or take the row out of the sample sheet",
        )


def _pixel(ranges: list[float], shape: tuple[int, int]) -> Pixel | None:
    """Compute the pixel from the (x, y) size of the scan in m and its (height, width) in points."""
    if len(ranges) < 2:
        return None
    y, x = length(ranges[1] / shape[0], "m"), length(ranges[0] / shape[1], "m")
    return Pixel(y, x) if y and x else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def plain(name: Any) -> str:
    """Take the unit in brackets from the end of a name."""
    return re.sub(r"\s*\([^)]*\)$", "", str(name))


def _unit(name: str) -> str:
    found = re.search(r"\(([^)]*)\)$", name)
    return found[1] if found else ""
