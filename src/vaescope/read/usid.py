"""USID (pyUSID) datasets: positions × spectroscopic values, folded back into an image.

Source: S. Somnath et al., USID and Pycroscopy, arXiv:1903.09515.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, inside, lazy
from vaescope.read.arrays import listing
from vaescope.read.physical import Pixel, length
from vaescope.read.raw import SMALLEST_SIDE, NoImageError, Raw, real
from vaescope.read.signals import SPECTRA

_LINKS = ("Position_Indices", "Position_Values", "Spectroscopic_Indices", "Spectroscopic_Values")


def is_main(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset is a main one: two axes, with links to their meaning."""
    return dataset.ndim == 2 and all(_meant(dataset, name) for name in _LINKS)


def _meant(dataset: h5py.Dataset, name: str) -> bool:
    """Whether an attribute refers to a dataset whose numbers lie in the same file."""
    link = dataset.attrs.get(name)
    if not isinstance(link, h5py.Reference) or not link:
        return False
    node = dataset.file[link]
    return isinstance(node, h5py.Dataset) and inside.own(node)


def read(path: Path, file: h5py.File, main: dict[str, h5py.Dataset], wanted: Any) -> Raw:
    """Read datasets with one value per position as channels of one image."""
    there = listing({n: (d.shape, d.dtype) for n, d in main.items()})
    if wanted is not None:
        called = [(n, _quantity(n, d), *n.split("/")[::-1]) for n, d in main.items()]
        main = {list(main)[k]: main[list(main)[k]] for k in chosen.numbers(wanted, called)}
    if not main:
        raise UserError(
            f"`ingest: array` names {wanted!r}, which is no array of this file",
            file=path,
            found=there,
            remedy="Set it to one of these names, quantities or numbers",
        )
    images = {name: found for name, one in main.items() if (found := _image(path, file, one))}
    if len({data.shape for data, _ in images.values()}) != 1:
        raise (UserError if images else NoImageError)(
            "several images of unlike shapes are in this file"
            if images
            else "there is no image in this file",
            file=path,
            found=there,
            expected="datasets with one value at each position of a grid",
            remedy="Say which by `ingest: array` in the recipe, by name or number"
            if images
            else SPECTRA,
        )
    names = [_quantity(name, main[name]) for name in images]
    names = chosen.told_apart(names)
    pixel = next((pixel for _, pixel in images.values() if pixel), None)
    kind = np.result_type(*(data.dtype for data, _ in images.values()))
    first = main[next(iter(images))]
    return real(
        Raw(
            data=da.stack([data.astype(kind) for data, _ in images.values()])[None],
            channels=names,
            units=[_text(main[name].attrs.get("units", "")) for name in images],
            reader="h5py (USID)",
            pixel=pixel,
            metadata={
                "file": dict(file.attrs),
                "measurement": dict(first.parent.parent.attrs),
                "dataset": {k: v for k, v in first.attrs.items() if k not in _LINKS},
            },
        )
    )


def _image(
    path: Path, file: h5py.File, dataset: h5py.Dataset
) -> tuple[da.Array, Pixel | None] | None:
    """Read ((y, x), pixel) of a dataset whose positions are a full grid; None for others."""
    if dataset.dtype.kind not in "buifc" or dataset.shape[1] != 1:
        return None
    indices = file[dataset.attrs["Position_Indices"]]
    values = file[dataset.attrs["Position_Values"]]
    grid = indices[()]
    sizes = [len(np.unique(grid[:, k])) for k in range(grid.shape[1])]
    used = [k for k, size in enumerate(sizes) if size > 1]
    if len(used) != 2 or min(sizes[k] for k in used) < SMALLEST_SIDE:
        return None
    fast, slow = used if grid[1, used[0]] != grid[0, used[0]] else used[::-1]
    full = np.indices((sizes[slow], sizes[fast])).reshape(2, -1)
    start = grid.min(axis=0)
    if len(grid) != full.shape[1] or not (
        np.array_equal(grid[:, slow] - start[slow], full[0])
        and np.array_equal(grid[:, fast] - start[fast], full[1])
    ):
        return None
    inside.refuse_hollow(path, dataset)
    column = da.from_array(
        lazy.InHdf5(str(path), dataset.name, dataset.dtype, dataset.shape),
        chunks=(max(1, lazy.SIDE**2 // sizes[fast]) * sizes[fast], 1),
        name=False,
    )
    data = column[:, 0].reshape(sizes[slow], sizes[fast])
    names = _words(indices.attrs.get("labels", []))
    units = [re.sub(r"[()\[\]]", "", unit) for unit in _words(values.attrs.get("units", []))]
    sides = []
    for k in (slow, fast):
        steps = np.unique(values[:, k])
        step = (steps[-1] - steps[0]) / (sizes[k] - 1) if len(steps) > 1 else None
        sides.append(length(step, units[k]) if k < len(units) else None)
    if len(names) > slow and names[slow].casefold().startswith("x"):
        data, sides = data.T, sides[::-1]
    return data, Pixel(*sides) if None not in sides else None  # type: ignore[arg-type]


def _quantity(name: str, dataset: h5py.Dataset) -> str:
    """Name a dataset by its quantity; ``Raw_Data`` without one by its channel, since all are."""
    quantity = _text(dataset.attrs.get("quantity", ""))
    last = name.split("/")
    return quantity or (last[-2] if len(last) > 1 and last[-1] == "Raw_Data" else last[-1])


def _words(values: Any) -> list[str]:
    return [_text(value) for value in np.atleast_1d(values)]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
