"""TIFF: axes and units by RosettaSciIO, which knows the vendors; pixels by tifffile, in pieces.

Where the least value is white (the tag PhotometricInterpretation is 0), values are inverted: the
image is that which every viewer shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np

from vaescope.read import inside, lazy
from vaescope.read.at_once import refuse_large
from vaescope.read.quiet import quiet
from vaescope.read.raw import Raw
from vaescope.read.rosetta import load
from vaescope.read.signals import to_raw

# Print resolution: TIFF writers fill it in without knowing the specimen.
_OF_PAPER = {"inch", "in", '"', "inches", "cm", "centimeter", "centimetre"}


def read(path: Path, extension: str, wanted: Any) -> Raw:
    """Read the image or stack of a TIFF file; pages one by one, uncompressed ones in pieces."""
    import tifffile

    with quiet("tifffile"), tifffile.TiffFile(path) as file:
        inside.refuse_files_elsewhere(path, file.ome_metadata)
    signals = load("rsciio.tiff", path)
    inverted = False
    with quiet("tifffile"), tifffile.TiffFile(path) as file:
        for number, (signal, series) in enumerate(zip(signals, file.series, strict=True)):
            for axis in signal["axes"]:
                if str(axis.get("units") or "").strip().casefold() in _OF_PAPER:
                    axis.update(scale=1.0, units=None)
            for axis, letter in zip(signal["axes"], series.axes.replace("S", ""), strict=False):
                axis.update(_stated(file, series.keyframe, str(axis.get("name"))))
                if letter == "C":
                    axis.update(name="channel", units=None, labels=_channels(file, axis["size"]))
            data = _pixels(path, number, series)
            if series.keyframe.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                inverted = True
                data = _inverted(data, series.keyframe.bitspersample)
            if data.ndim == len(signal["axes"]) + 1:
                signal["axes"].append({"name": "colour", "size": data.shape[-1], "colour": True})
            signal["data"] = data
    reader = "tifffile, RosettaSciIO" + (", least value white: inverted" if inverted else "")
    return to_raw(signals, wanted, reader, path=path, previews=True)


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


def _channels(file: Any, count: int) -> list[str]:
    """Name the channels of an OME-TIFF or of an ImageJ hyperstack, by number where it does not."""
    names: list[str] = []
    if file.is_ome:
        found = ElementTree.fromstring(file.ome_metadata).find(".//{*}Pixels")
        channels = [] if found is None else found.findall("{*}Channel")
        names = [str(one.get("Name") or "").strip() for one in channels]
    elif file.is_imagej:  # labels of all planes, of which the channel counts fastest
        labels = (file.imagej_metadata or {}).get("Labels") or []
        names = [str(label).strip() for label in labels[:count]]
    if len(names) != count or not all(names) or len(set(names)) != count:
        return [f"channel {k}" for k in range(count)]
    return names


def _inverted(data: da.Array, bits: Any) -> da.Array:
    """Turn values of which the least is white into values of which the least is black."""
    if data.dtype.kind == "b":
        return ~data
    if data.dtype.kind == "u":
        highest = 2 ** int(np.max(bits)) - 1
        return data.dtype.type(highest) - data
    return ~data if data.dtype.kind == "i" else -data


def _pixels(path: Path, number: int, series: Any) -> da.Array:
    dtype = np.dtype(series.keyframe.parent.byteorder + series.dtype.char)
    shape = tuple(series.shape)
    if series.dataoffset is not None:
        return lazy.array(lazy.Mapped(str(path), series.dataoffset, dtype, shape))
    page = tuple(series.keyframe.shape)
    pages = len(series.pages)
    if pages == 1 or shape[len(shape) - len(page) :] != page:
        refuse_large(path, shape, dtype, "the image")
        return lazy.array(lazy.Decoded(str(path), _decode, (number, None), series.dtype, shape))
    refuse_large(path, page, dtype, "a page")
    frames = [
        lazy.array(lazy.Decoded(str(path), _decode, (number, k), series.dtype, page))
        for k in range(pages)
    ]
    return da.stack(frames).reshape(shape)


def _decode(path: str, part: tuple[int, int | None]) -> np.ndarray:
    import tifffile

    number, page = part
    with quiet("tifffile"), tifffile.TiffFile(path) as file:
        return file.asarray(series=number, key=page)
