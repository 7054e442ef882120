"""Spectra in HDF5 files: HyperSpy, pyNSID and USID by their conventions, others by their arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vaescope.read import arrays as plain
from vaescope.read import hdf5, inside, lazy, usid
from vaescope.read.spectra.curves import Curves, fields, of_signal, spectral_axis
from vaescope.read.spectra.positions import of_positions
from vaescope.read.spectra.unnamed import Array
from vaescope.read.spectra.unnamed import curves as unnamed
from vaescope.read.spectra_settings import SpectraSettings


def curves(path: Path, extension: str, settings: SpectraSettings) -> tuple[list[Curves], str]:
    """Read the signals with a spectral axis of an HDF5 file; and list all that it holds."""
    with h5py.File(path, "r") as file:
        if str(hdf5.text(file.attrs.get("file_format", ""))) == "HyperSpy":
            from vaescope.read.spectra.sources import vendor

            return vendor(path, "hspy")
        every = hdf5.datasets(file)
        arrays = {name: one for name, one in every.items() if not hdf5.is_scale(one)}
        there = plain.listing({n: (d.shape, d.dtype) for n, d in arrays.items()})
        found: list[Curves] = []
        for name, one in arrays.items():
            if usid.is_main(one):
                found += of_positions(path, file, name, one)
            elif one.ndim and _labelled(one):
                found += _named(path, name, one)
        if found:
            return found, there
        # Scales without a place on a dimension may still be the values of an axis.
        open_ones = {
            name: Array(one.shape, one.dtype, _opener(path, one), one.chunks)
            for name, one in every.items()
            if one.dtype.kind in "buifcSO"
        }
        return (
            unnamed(open_ones, settings.axis, path=path, reader="h5py", wanted=settings.array),
            there,
        )


def _opener(path: Path, dataset: h5py.Dataset) -> Callable[..., Any]:
    """How to open a dataset once its file is closed again."""
    inside.refuse_hollow(path, dataset)
    source = lazy.InHdf5(str(path), dataset.name, dataset.dtype, dataset.shape)
    return partial(lazy.array, source)


def _labelled(dataset: h5py.Dataset) -> bool:
    """Tell whether the dimensions of a dataset have scales or labels, as pyNSID and netCDF have."""
    return any(dimension.label or len(dimension) for dimension in dataset.dims)


def _named(path: Path, name: str, dataset: h5py.Dataset) -> list[Curves]:
    """Read a dataset of named dimensions; every field of a compound one is a signal.

    Source: pyNSID data format, https://pycroscopy.github.io/pyNSID/nsid.html.
    """
    axes = [_axis(dimension, n) for dimension, n in zip(dataset.dims, dataset.shape, strict=True)]
    quantity = str(hdf5.text(dataset.attrs.get("quantity", "")))
    about = {
        "unit": str(hdf5.text(dataset.attrs.get("units", ""))),
        "parts": (name,),
        "metadata": {
            "dataset": {
                key: hdf5.text(value)
                for key, value in dataset.attrs.items()
                if key not in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME")
            }
        },
    }
    short = [part for part in name.split("/") if part][-1]
    place = spectral_axis(axes)
    if place is None:
        return []
    pieces = lazy.whole_along(place, dataset.shape, dataset.chunks)
    found: list[Curves] = []
    for field, data in fields(hdf5.as_array(path, dataset, pieces)).items():
        found += of_signal(
            data,
            axes,
            name=" ".join(filter(None, (quantity or short, field))),
            reader="h5py (pyNSID)" if "main_data_name" in dataset.attrs else "h5py",
            quantity=field or quantity,
            **about,
        )
    return found


def _axis(dimension: Any, size: int) -> dict[str, Any]:
    """Describe a dimension as RosettaSciIO does."""
    scale = inside.scale_of(dimension)
    facts = dict(scale.attrs) if scale is not None else {}
    kind = str(hdf5.text(facts.get("dimension_type", ""))).upper()
    called = dimension.label or (scale.name.rsplit("/", 1)[-1] if scale is not None else "")
    values = _values(scale, size)
    axis: dict[str, Any] = {
        "name": called,
        "size": size,
        "units": str(hdf5.text(facts.get("units", ""))),
        "navigate": "SPECTRAL" not in kind,
        "spectral": "SPECTRAL" in kind,
    }
    if values is not None:
        axis["axis"] = values
        axis["offset"] = float(values[0])
        axis["scale"] = float((values[-1] - values[0]) / max(size - 1, 1))
    return axis


def _values(scale: h5py.Dataset | None, size: int) -> np.ndarray | None:
    if scale is None or scale.dtype.kind not in "iuf" or scale.size != size or not size:
        return None
    return np.asarray(scale[()], np.float64).ravel()
