"""The signals with a spectral axis in a file of any kind, by its own reader."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaescope.read import formats, rosetta, titles
from vaescope.read.spectra import axes
from vaescope.read.spectra.curves import Curves, of_signal, pick
from vaescope.read.spectra_settings import SpectraSettings

# extension -> module of this folder; all others are RosettaSciIO's
_OURS = {
    **dict.fromkeys(("h5", "hdf5", "nsid", "usid"), "hdf5"),
    "npy": "plain",
    **dict.fromkeys(("npz", "tif", "tiff"), "plain"),
    "3ds": "probes",
    "ibw": "probes",
    "gwy": "volumes",
}


def read(path: Path, settings: SpectraSettings) -> Curves:
    """Read the spectra of one file, lazily.

    Raises
    ------
    UserError : there are none, several could be meant, or the file cannot be read.
    """
    extension = formats.extension_of(path, curves=True)
    with formats.readable(path, extension):
        module = _OURS.get(extension)
        if module is None:
            found, there = vendor(path, extension)
        else:
            reader: Any = importlib.import_module(f"vaescope.read.spectra.{module}")
            found, there = reader.curves(path, extension, settings)
        return pick(found, settings.array, path=path, there=there)


def vendor(path: Path, extension: str) -> tuple[list[Curves], str]:
    """Read the signals of a vendor file through RosettaSciIO; and list all that it holds."""
    if extension not in rosetta.readers(curves=True):
        return [], f"a .{extension} file, which holds images"
    signals, reader = rosetta.signals(path, extension)
    found: list[Curves] = []
    for k, (signal, called) in enumerate(zip(signals, titles.of(signals), strict=True)):
        about = signal.get("metadata", {})
        quantity = str(about.get("Signal", {}).get("quantity") or "")
        found += of_signal(
            rosetta.lazily(signal["data"]),
            titles.in_order(signal["axes"]),
            name=called[0] or f"signal {k}",
            reader=reader,
            quantity=quantity.partition("(")[0].strip(),
            unit=quantity.partition("(")[2].rstrip(") "),
            parts=(str(k),),
            metadata={
                "metadata": about,
                "original_metadata": signal.get("original_metadata", {}),
            },
        )
    parts = tuple(part for one in found for part in one.parts)
    found = [replace(one, parts=(*one.parts, *parts)) for one in found]
    there = titles.listing(signals)
    if not found and (both := _several_axes(signals)):
        there += f"; its axes {both} are all spectral: export the sum over all but one of them"
    return found, there


def _several_axes(signals: list[dict[str, Any]]) -> str:
    """Name the spectral axes of the first signal that has several."""
    for signal in signals:
        names = [
            axes.spectral(axis).name
            for axis in titles.in_order(signal["axes"])
            if axis.get("size", 1) > 1 and axes.is_spectral(axis.get("name"), axis.get("units"))
        ]
        if len(names) > 1:
            return " and ".join(names)
    return ""
