"""TIFF: axes and units by RosettaSciIO, which knows the vendors; pixels by tifffile, in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.read import lazy
from vaescope.read.raw import Raw
from vaescope.read.rosetta import load
from vaescope.read.signals import to_raw

# Print resolution: TIFF writers fill it in without knowing the specimen.
_OF_PAPER = {"inch", "in", '"', "inches", "cm", "centimeter", "centimetre"}


def read(path: Path, extension: str, wanted: Any) -> Raw:
    """The image or stack of a TIFF file; pages are read one by one, plain ones by pieces."""
    import tifffile

    signals = load("rsciio.tiff", path)
    with tifffile.TiffFile(path) as file:
        for number, (signal, series) in enumerate(zip(signals, file.series, strict=True)):
            for axis in signal["axes"]:
                if str(axis.get("units") or "").strip().casefold() in _OF_PAPER:
                    axis.update(scale=1.0, units=None)
            data = _pixels(path, number, series)
            if data.ndim == len(signal["axes"]) + 1:
                signal["axes"].append({"name": "colour", "size": data.shape[-1], "colour": True})
            signal["data"] = data
    return to_raw(_without_thumbnails(signals, wanted), wanted, "tifffile, RosettaSciIO", path=path)


def _pixels(path: Path, number: int, series: Any) -> da.Array:
    dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
    shape = tuple(series.shape)
    if series.dataoffset is not None:
        return lazy.array(lazy.Mapped(str(path), series.dataoffset, dtype, shape))
    page = tuple(series.keyframe.shape)
    pages = len(series.pages)
    if pages == 1 or shape[len(shape) - len(page) :] != page:
        return lazy.array(lazy.Decoded(_decode, str(path), (number, None), series.dtype, shape))
    frames = [
        lazy.array(lazy.Decoded(_decode, str(path), (number, k), series.dtype, page))
        for k in range(pages)
    ]
    return da.stack(frames).reshape(shape)


def _decode(path: str, part: tuple[int, int | None]) -> np.ndarray:
    import tifffile

    number, page = part
    with tifffile.TiffFile(path) as file:
        return file.asarray(series=number, key=page)


def _without_thumbnails(signals: list[dict[str, Any]], wanted: Any) -> list[dict[str, Any]]:
    """Leave out previews: pictures with less than a quarter of the pixels of the largest."""
    if wanted is not None:
        return signals
    largest = max((signal["data"].size for signal in signals), default=0)
    return [signal for signal in signals if 4 * signal["data"].size > largest]
