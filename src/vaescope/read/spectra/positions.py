"""Spectra in USID datasets: positions × spectroscopic values, folded back onto the grid.

Source: S. Somnath et al., USID and Pycroscopy, arXiv:1903.09515.
"""

from __future__ import annotations

import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np

from vaescope.read import hdf5, lazy
from vaescope.read.spectra import axes as of_axes
from vaescope.read.spectra.curves import LEAST, Curves, fields, of_signal

_MOST = 64  # signals of one dataset that differ by their other dimensions


def of_positions(path: Path, file: h5py.File, name: str, dataset: h5py.Dataset) -> list[Curves]:
    """Read the spectra of a USID dataset; fields of a compound one are signals of their own.

    Where several spectroscopic dimensions were stepped through, such as a voltage in several
    cycles, the longest is the axis and every step of the others a signal.
    """
    places, axes = _dimensions(file, dataset, "Position")
    values, stepped = _dimensions(file, dataset, "Spectroscopic")
    if dataset.shape[1] < LEAST:
        return []
    if places is None or len(places) > 2:  # no grid: a series of spectra
        places, axes = [dataset.shape[0]], [{"name": "time", "units": "", "navigate": True}]
    missing = math.prod(places) - dataset.shape[0]
    if values is None:
        values, stepped = [dataset.shape[1]], [{"name": "", "units": "", "navigate": False}]
    fast = places[-1] if places else 1
    rows = max(1, lazy.WHOLE // (fast * dataset.shape[1]))
    data = da.from_array(
        lazy.InHdf5(str(path), dataset.name, dataset.dtype, dataset.shape),
        chunks=(min(rows * fast, dataset.shape[0]), dataset.shape[1]),
        name=False,
        asarray=True,
        meta=np.empty((0, 0), dataset.dtype),
    )
    if missing:  # of the last line of a scan that was stopped
        gap = np.full((missing, dataset.shape[1]), np.nan, _with_nan(dataset.dtype))
        data = da.concatenate([data.astype(gap.dtype), da.from_array(gap, name=False)])
        data = data.rechunk((max(rows, 1) * fast, -1))
    data = data.reshape(*places, *values)
    main = len(places) + _longest(values, stepped)
    others = [k for k in range(len(places), data.ndim) if k != main]
    quantity = str(hdf5.text(dataset.attrs.get("quantity", "")))
    short = name.strip("/").split("/")
    called = quantity or (short[-2] if short[-1] == "Raw_Data" and len(short) > 1 else short[-1])
    described = [*axes, *stepped]
    described[main] = described[main] | {"spectral": True}
    found: list[Curves] = []
    steps = list(product(*(range(data.shape[k]) for k in others)))[:_MOST]
    for field, whole in fields(data).items():
        for step in steps:
            index: list[Any] = [slice(None)] * data.ndim
            for k, n in zip(others, step, strict=True):
                index[k] = n
            words = [called, field] + [
                f"{described[k]['name']} {n}"
                for k, n in zip(others, step, strict=True)
                if data.shape[k] > 1
            ]
            found += of_signal(
                whole[tuple(index)],
                [axis for k, axis in enumerate(described) if k not in others],
                name=" ".join(filter(None, words)),
                reader="h5py (USID)",
                quantity=field or quantity,
                unit=str(hdf5.text(dataset.attrs.get("units", ""))),
                parts=(name,),
                metadata={"measurement": dict(dataset.parent.parent.attrs)},
            )
    return found


def _dimensions(
    file: h5py.File, dataset: h5py.Dataset, kind: str
) -> tuple[list[int] | None, list[dict[str, Any]]]:
    """Sizes and axes of the positions or spectroscopic values, slowest first; (None, []) where
    they are no grid. The last line of positions may be incomplete."""
    indices = file[dataset.attrs[f"{kind}_Indices"]]
    values = file[dataset.attrs[f"{kind}_Values"]]
    labels = [str(hdf5.text(one)) for one in np.atleast_1d(indices.attrs.get("labels", []))]
    units = [str(hdf5.text(one)) for one in np.atleast_1d(values.attrs.get("units", []))]
    table = indices[()] if kind == "Position" else indices[()].T  # (item, dimension)
    given = values[()] if kind == "Position" else values[()].T
    sizes = [len(np.unique(table[:, k])) for k in range(table.shape[1])]
    # The dimension that changes most often is the fastest.
    changes = [int((np.diff(table[:, k]) != 0).sum()) for k in range(table.shape[1])]
    order = sorted(range(table.shape[1]), key=lambda k: changes[k])
    shape = [sizes[k] for k in order]
    absent = math.prod(shape) - len(table)
    if absent and not (kind == "Position" and 0 < absent < shape[-1] and len(shape) > 1):
        return None, []
    full = np.indices(shape).reshape(len(shape), -1)[:, : len(table)]
    if any(
        not np.array_equal(table[:, k] - table[:, k].min(), full[n]) for n, k in enumerate(order)
    ):
        return None, []
    axes = []
    strides = [int(np.prod(shape[n + 1 :])) for n in range(len(shape))]
    for n, k in enumerate(order):
        along = np.asarray(given[:: strides[n], k][: shape[n]], float)
        unit = re.sub(r"[()\[\]]", "", units[k]) if k < len(units) else ""
        axes.append(
            {
                "name": labels[k] if k < len(labels) else "",
                "units": unit,
                "axis": along,
                "offset": float(along[0]),
                "scale": float((along[-1] - along[0]) / max(len(along) - 1, 1)),
                "navigate": kind == "Position",
            }
        )
    return shape, axes


def _with_nan(kind: np.dtype) -> np.dtype:
    """The type of numbers like these that knows NaN."""
    if kind.names:
        return np.dtype([(name, _with_nan(kind[name])) for name in kind.names])
    return kind if kind.kind in "fc" else np.dtype(np.float64)


def _longest(sizes: list[int], axes: list[dict[str, Any]]) -> int:
    """The dimension that is the axis: the longest, and of equal ones that with a spectral name."""
    named = [of_axes.is_spectral(axis["name"], axis["units"]) for axis in axes]
    return max(range(len(sizes)), key=lambda k: (sizes[k], named[k]))
