"""Spectra in npy and npz files."""

from __future__ import annotations

from pathlib import Path

from vaescope.read import arrays
from vaescope.read.spectra.curves import Curves
from vaescope.read.spectra.unnamed import Array
from vaescope.read.spectra.unnamed import curves as unnamed
from vaescope.read.spectra_settings import SpectraSettings


def curves(path: Path, extension: str, settings: SpectraSettings) -> tuple[list[Curves], str]:
    """Read the spectra of an npy or npz file; and list the arrays of the file."""
    if extension == "npy":
        found = {path.stem: Array(*arrays.open_npy(path))}
    else:
        found = {name: Array(*one) for name, one in arrays.members(path).items()}
    there = arrays.listing({name: (one.shape, one.dtype) for name, one in found.items()})
    made = unnamed(found, settings.axis, path=path, reader="numpy", wanted=settings.array)
    return made, there
