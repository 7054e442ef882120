"""TIFF: axes and units by RosettaSciIO, which knows the vendors; pixels by tifffile, in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np

from vaescope.read import lazy
from vaescope.read.quiet import quiet
from vaescope.read.raw import Raw
from vaescope.read.rosetta import load
from vaescope.read.signals import to_raw

# Print resolution: TIFF writers fill it in without knowing the specimen.
_OF_PAPER = {"inch", "in", '"', "inches", "cm", "centimeter", "centimetre"}


def read(path: Path, extension: str, wanted: Any) -> Raw:
    """Read the image or stack of a TIFF file; pages one by one, uncompressed ones in pieces."""
    import tifffile

    signals = load("rsciio.tiff", path)
    with quiet("tifffile"), tifffile.TiffFile(path) as file:
        for number, (signal, series) in enumerate(zip(signals, file.series, strict=True)):
            for axis in signal["axes"]:
                if str(axis.get("units") or "").strip().casefold() in _OF_PAPER:
                    axis.update(scale=1.0, units=None)
            for axis in signal["axes"]:
                axis.update(_stated(file, series.keyframe, str(axis.get("name"))))
            data = _pixels(path, number, series)
            if data.ndim == len(signal["axes"]) + 1:
                signal["axes"].append({"name": "colour", "size": data.shape[-1], "colour": True})
            signal["data"] = data
    return to_raw(signals, wanted, "tifffile, RosettaSciIO", path=path, previews=True)


def _stated(file: Any, page: Any, name: str) -> dict[str, Any]:
    """Read scale and unit of an axis from ImageJ or OME-TIFF, which RosettaSciIO ignores.

    ImageJ: its unit with the resolution of the page (pixels per unit), and the frame interval.
    OME: ``PhysicalSizeX`` of the first image, in micrometres where no unit is named.
    """
    if file.is_imagej:
        facts = file.imagej_metadata or {}
        if name == "time" and "finterval" in facts:
            return {"scale": facts["finterval"], "units": "s"}
        tag = page.tags.get({"width": "XResolution", "height": "YResolution"}.get(name, ""))
        unit = str(facts.get("unit", "")).replace("\\u00B5", "µ")
        if tag is None or not tag.value[0] or unit.casefold() in _OF_PAPER:
            return {}
        return {"scale": tag.value[1] / tag.value[0], "units": unit or None}
    letter = {"width": "X", "height": "Y"}.get(name)
    if file.is_ome and letter:
        pixels = ElementTree.fromstring(file.ome_metadata).find(".//{*}Pixels")
        size = pixels.get(f"PhysicalSize{letter}") if pixels is not None else None
        if pixels is not None and size:
            return {
                "scale": float(size),
                "units": pixels.get(f"PhysicalSize{letter}Unit", "µm"),
            }
    return {}


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
    with quiet("tifffile"), tifffile.TiffFile(path) as file:
        return file.asarray(series=number, key=page)
