"""Igor binary waves (.ibw), as Asylum Research scanning probes write them."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, lazy, moments
from vaescope.read.physical import Pixel, length
from vaescope.read.quiet import quiet
from vaescope.read.raw import PLAIN, SMALLEST_SIDE, NoImageError, Raw, pick_channels, real, show
from vaescope.read.signals import SPECTRA

_LABEL = 32  # bytes of each dimension label in a version 5 file (WaveMetrics Technical Note 003)
_UNITS = {"height": "m", "zsensor": "m", "amplitude": "m", "deflection": "m", "phase": "deg"}
_UNITS |= {"userin": "V", "frequency": "Hz", "current": "A"}


def read(path: Path, extension: str, wanted: Any) -> Raw:
    """Read an Igor wave: named layers become channels, unnamed ones a series in time."""
    wave = load(path)
    data = lazy.array(wave["wData"])
    if data.ndim < 2 or min(data.shape[:2]) < SMALLEST_SIDE or data.ndim > 3:
        raise NoImageError(
            "there is no image in this file",
            file=path,
            found=f"a wave of shape {show(data.shape)}",
            expected=f"(x, y) or (x, y, channel), at least {SMALLEST_SIDE} pixels a side",
            remedy=SPECTRA,
        )
    note = notes(wave)
    asylum = "ScanSize" in note
    # Igor counts (x, y, layer); Asylum's lines run upwards from the lower left corner.
    data = da.transpose(data if data.ndim == 3 else data[..., None])
    if asylum:
        data = data[:, ::-1]
    names = labels(path, wave, data.shape[0])
    if names is None and data.shape[0] > 1 and not asylum:
        data, names = data[:, None], [PLAIN]
    else:
        data = data[None]
        names = names or [PLAIN if len(data) == 1 else f"{PLAIN} {k}" for k in range(data.shape[1])]
    pixel = _pixel(wave, note, data.shape[-2:])
    units = [_unit(name) if asylum else "" for name in names]
    metadata = {"note": note, "name": text(wave["wave_header"]["bname"])}
    taken = moments.asylum(note) if asylum else ()
    raw = Raw(data, names, units, "igor2", pixel=pixel, taken=taken, metadata=metadata)
    raw = real(raw)
    return raw if wanted is None else pick_channels(raw, wanted, path=path)


def load(path: Path) -> dict[str, Any]:
    """Load the whole wave with igor2; Igor files are small."""
    from igor2 import binarywave

    _refuse_short(path)
    with quiet("igor2"):
        return binarywave.load(str(path))["wave"]


def _refuse_short(path: Path) -> None:
    """Raise if a version 5 file ends before its numbers do; its first bytes give their length."""
    with path.open("rb") as file:
        head = file.read(8)
    order = next((o for o in "<>" if struct.unpack(f"{o}h", head[:2].ljust(2))[0] == 5), None)
    if order is None or len(head) < 8:
        return
    announced = 64 + struct.unpack(f"{order}i", head[4:])[0]
    if path.stat().st_size < announced:
        raise UserError(
            f"the file ends after {path.stat().st_size:,} of the {announced:,} or more bytes that "
            "its header announces; the copy is probably incomplete",
            file=path,
            remedy="Copy the file again, or take the row out of the sample sheet",
        )


def notes(wave: dict[str, Any]) -> dict[str, str]:
    """Parse the wave's note, lines ``key: value``; the first of equal keys counts."""
    found: dict[str, str] = {}
    for line in re.split(r"[\r\n]+", text(wave.get("note", b""))):
        key, colon, value = line.partition(":")
        if colon and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found


def labels(path: Path, wave: dict[str, Any], count: int, axis: int = 2) -> list[str] | None:
    """Read the names of the layers from the file: igor2 appends remains of older names.

    Every label is a field of 32 bytes ended by a zero; after the zero stands whatever was in
    memory. The first label belongs to the dimension, the others to its layers.
    """
    head = wave["bin_header"]
    if "dimLabelsSize" not in head or len(head["dimLabelsSize"]) < 3:
        return None
    size = int(head["dimLabelsSize"][axis])
    if size < _LABEL * (count + 1):
        return None
    before = sum(
        int(np.sum(head[key])) for key in ("formulaSize", "noteSize", "dataEUnitsSize")
    ) + int(np.sum(head["dimEUnitsSize"]))
    # 64 bytes of file header; wfmSize counts the wave header and the numbers.
    start = 64 + int(head["wfmSize"]) + before + int(np.sum(head["dimLabelsSize"][:axis]))
    with path.open("rb") as file:
        file.seek(start)
        block = file.read(size)
    found = [
        block[k * _LABEL : (k + 1) * _LABEL].split(b"\0")[0].decode("latin-1").strip()
        for k in range(1, count + 1)
    ]
    names = [name or f"layer {k}" for k, name in enumerate(found)]
    names = chosen.told_apart(names)
    return names if any(found) else None


def _pixel(wave: dict[str, Any], note: dict[str, str], shape: tuple[int, ...]) -> Pixel | None:
    """Read the pixel size from the wave's scaling, else from the scan size in its note (m)."""
    head = wave["wave_header"]
    units = np.asarray(head.get("dimUnits", []))
    if units.ndim == 2 and len(units) >= 2:
        x, y = (length(head["sfA"][k], b"".join(units[k].tolist()).split(b"\0")[0]) for k in (0, 1))
        if x and y:
            return Pixel(y, x)
    sides = [
        length(_number(note.get(key)) / max(count - 1, 1), "m")
        for key, count in zip(("SlowScanSize", "FastScanSize"), shape, strict=True)
    ]
    return Pixel(*sides) if None not in sides else None  # type: ignore[arg-type]


def _number(value: str | None) -> float:
    try:
        return float(value or "nan")
    except ValueError:
        return float("nan")


def _unit(name: str) -> str:
    word = name.casefold().removeprefix("nap")
    return next((unit for start, unit in _UNITS.items() if word.startswith(start)), "")


def text(value: Any) -> str:
    """Decode text of a wave."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
