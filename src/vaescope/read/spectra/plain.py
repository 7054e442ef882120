"""Spectra in npy and npz files, and in stacks of TIFF files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.read import arrays, tiff
from vaescope.read.raw import show
from vaescope.read.spectra.axes import UNNAMED, SpectralAxis
from vaescope.read.spectra.curves import LEAST, Curves
from vaescope.read.spectra.unnamed import Array
from vaescope.read.spectra.unnamed import curves as unnamed
from vaescope.read.spectra_settings import SpectraSettings


def curves(path: Path, extension: str, settings: SpectraSettings) -> tuple[list[Curves], str]:
    """Read the spectra of an npy, npz or TIFF file; and list the arrays of the file.

    A TIFF is a cube only where `spectra: axis: first` says that its pages are channels.
    """
    if extension in ("tif", "tiff"):
        return _stack(path, extension, settings)
    if extension == "npy":
        found = {path.stem: Array(*arrays.open_npy(path))}
    else:
        found = {name: Array(*one) for name, one in arrays.members(path).items()}
    there = arrays.listing({name: (one.shape, one.dtype) for name, one in found.items()})
    made = unnamed(found, settings.axis, path=path, reader="numpy", wanted=settings.array)
    return made, there


def _stack(path: Path, extension: str, settings: SpectraSettings) -> tuple[list[Curves], str]:
    """Read the pages of a TIFF file, or its channels, as channels of spectra."""
    raw = tiff.read(path, extension, settings.array)
    frames, channels = raw.data.shape[:2]
    there = f"{frames} pages of {channels} channels, {show(raw.data.shape[2:])}"
    if settings.axis != "first" or min(frames, channels) > 1 or max(frames, channels) < LEAST:
        if max(frames, channels) >= LEAST:
            there += "; if these are channels of spectra, set `spectra: axis: first` in the recipe"
        return [], there
    data = raw.data[:, 0] if frames > 1 else raw.data[0]
    axis = SpectralAxis(UNNAMED, "1", np.arange(data.shape[0], dtype=float))
    cube = da.moveaxis(data, 0, -1)[None]
    name = path.stem
    about: dict[str, Any] = {"pixel": raw.pixel, "metadata": raw.metadata}
    return [Curves(name, cube, axis, raw.reader, parts=(name,), **about)], there
