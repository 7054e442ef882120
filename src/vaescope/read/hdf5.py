"""HDF5 files: pyNSID and USID as their conventions say, others by the arrays they hold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, inside, lazy, moments, usid
from vaescope.read.arrays import choose, joined, listing, of_one_shape, refuse_unlike_pair
from vaescope.read.physical import Pixel, length
from vaescope.read.raw import SMALLEST_SIDE, NoImageError, Raw, beside, natural, real, unlabelled
from vaescope.read.signals import SPECTRA

_TRIED_UNITS = ("units", "unit", "pixel_unit", "pixel_units", "pixel_size_units", "pixel_size_unit")


def read(
    path: Path,
    extension: str,
    wanted: Any,
    without: Collection[str] = (),
    *,
    together: bool = False,
) -> Raw:
    """Read the image of an HDF5 file; the images of a pyNSID measurement become channels.

    ``without`` names arrays that are spectra and their axis: neither images nor facts of a frame.
    ``together``: all arrays of the commonest shape become channels.
    """
    with h5py.File(path, "r") as file:
        if str(text(file.attrs.get("file_format", ""))) == "HyperSpy":
            from vaescope.read import rosetta

            return rosetta.read(path, "hspy", wanted, without)
        arrays = {
            name: one
            for name, one in datasets(file).items()
            if not is_scale(one) and name not in without
        }
        main = {n: d for n, d in arrays.items() if "main_data_name" in d.attrs}
        if wanted is None and main:
            return _nsid(path, main)
        if main and (name := _by_quantity(main, wanted)):
            return _nsid(path, {name: main[name]})
        positioned = {n: d for n, d in arrays.items() if usid.is_main(d)}
        if positioned:
            return usid.read(path, file, positioned, wanted)
        arrays = {**main, **arrays}  # counted in this order, whichever message lists them
        shapes = {n: (d.shape, d.dtype) for n, d in arrays.items() if d.shape}
        if together and (same := of_one_shape(shapes)):
            refuse_unlike_pair(shapes, same, path)
            return _joined(path, file, {name: arrays[name] for name in same}, arrays)
        name = choose(shapes, wanted, path=path)
        found = arrays[name]
        raw = unlabelled(as_array(path, found), "h5py", path=path)
        pixel = _pixel_from_attributes(found, raw.data.shape[-2:])
        near = {
            n: as_array(path, d)
            for n, d in arrays.items()
            if d.parent == found.parent and d.dtype.kind in "buif"
        }
        return replace(
            raw,
            pixel=pixel,
            metadata=_attributes(file, found),
            beside=beside(near, name, raw.data.shape[0]),
        )


def _joined(
    path: Path, file: h5py.File, same: dict[str, h5py.Dataset], arrays: dict[str, h5py.Dataset]
) -> Raw:
    """Read arrays of one shape as channels, with the units that their attributes give."""
    near = {n: as_array(path, d) for n, d in arrays.items() if d.dtype.kind in "buif"}
    raw = joined({n: as_array(path, d) for n, d in same.items()}, "h5py", near, path=path)
    first = next(iter(same.values()))
    units = [str(text(d.attrs.get("units", d.attrs.get("unit", "")))) for d in same.values()]
    whole = len(units) == len(raw.units) and all(d.dtype.kind != "c" for d in same.values())
    return replace(
        raw,
        units=units if whole else raw.units,
        pixel=_pixel_from_attributes(first, raw.data.shape[-2:]),
        metadata=_attributes(file, first),
    )


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """List all datasets by path, in natural order (2 before 10)."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.shape is not None and inside.own(node):
            found[name] = node

    file.visititems(visit)
    return dict(sorted(found.items(), key=lambda pair: natural(pair[0])))


def as_array(path: Path, dataset: h5py.Dataset, pieces: tuple[int, ...] | None = None) -> da.Array:
    """Open a dataset as a Dask array that reopens the file for each chunk.

    Raises
    ------
    UserError : its chunks are too large for the memory, or it was never written.
    """
    inside.refuse_hollow(path, dataset)
    source = lazy.InHdf5(str(path), dataset.name, dataset.dtype, dataset.shape)
    return lazy.array(source, pieces)


def text(value: Any) -> Any:
    """Decode an attribute that is text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        return text(value.reshape(-1)[0])
    return value


def _nsid(path: Path, main: dict[str, h5py.Dataset]) -> Raw:
    """Read pyNSID datasets, which name their dimensions; images of one shape become channels.

    The dimensions are in the order of measurement, (x, y) for most scanning probes: they are put
    into the order (y, x).

    Source: pyNSID data format, https://pycroscopy.github.io/pyNSID/nsid.html.
    """
    images = {name: found for name, one in main.items() if (found := _nsid_image(path, one))}
    shapes = {data.shape for data, _ in images.values()}
    if len(shapes) != 1:
        raise (UserError if shapes else NoImageError)(
            "several images of unlike shapes are in this file"
            if shapes
            else "there is no image in this file",
            file=path,
            found=listing({name: (d.shape, d.dtype) for name, d in main.items()}),
            expected=f"images at least {SMALLEST_SIDE} pixels a side",
            remedy="Say which by `ingest: array` in the recipe, by name or number"
            if shapes
            else SPECTRA,
        )
    names = [str(text(main[name].attrs.get("quantity")) or name) for name in images]
    names = chosen.told_apart(names)
    pixels = [pixel for _, pixel in images.values() if pixel]
    pixel = pixels[0] if pixels else None
    first = main[next(iter(images))]
    metadata = _attributes(first.file, first)
    kind = np.result_type(*(data.dtype for data, _ in images.values()))
    return real(
        Raw(
            data=da.stack([data.astype(kind) for data, _ in images.values()], axis=1),
            channels=names,
            units=[str(text(main[name].attrs.get("units", ""))) for name in images],
            reader="h5py (pyNSID)",
            pixel=pixel,
            taken=moments.asylum(metadata.get("original_metadata", {})),
            metadata=metadata,
        )
    )


def _nsid_image(path: Path, dataset: h5py.Dataset) -> tuple[da.Array, Pixel | None] | None:
    """Read ((time, y, x), pixel) of a pyNSID dataset; None unless it is an image or a stack."""
    if dataset.dtype.kind not in "buifc":
        return None
    labels = [dimension.label for dimension in dataset.dims]
    scales = [inside.scale_of(dimension) for dimension in dataset.dims]
    types = [str(text(s.attrs.get("dimension_type", ""))).upper() if s else "" for s in scales]
    space = [k for k, kind in enumerate(types) if "SPATIAL" in kind]
    rest = [k for k in range(dataset.ndim) if k not in space and dataset.shape[k] > 1]
    if len(space) != 2 or len(rest) > 1 or any("TEMPORAL" not in types[k] for k in rest):
        return None
    if labels[space[0]].casefold().startswith("x"):
        space.reverse()
    if min(dataset.shape[k] for k in space) < SMALLEST_SIDE:
        return None
    single = [k for k in range(dataset.ndim) if k not in space and k not in rest]
    data = da.transpose(as_array(path, dataset), [*single, *rest, *space])
    data = data[(0,) * len(single)]
    data = data if rest else data[None]
    sides = [_side(scales[k]) for k in space]
    return data, (Pixel(*sides) if None not in sides else None)  # type: ignore[arg-type]


def _side(scale: h5py.Dataset | None) -> float | None:
    if scale is None or scale.shape[0] < 2:
        return None
    first, last = float(scale[0]), float(scale[-1])
    return length((last - first) / (scale.shape[0] - 1), text(scale.attrs.get("units")))


def _by_quantity(main: dict[str, h5py.Dataset], wanted: Any) -> str | None:
    called = [
        (str(text(d.attrs.get("quantity", ""))), n, n.rsplit("/", 1)[-1]) for n, d in main.items()
    ]
    hits = chosen.numbers(wanted, called)
    return list(main)[hits[0]] if len(hits) == 1 else None


def is_scale(dataset: h5py.Dataset) -> bool:
    return text(dataset.attrs.get("CLASS")) == "DIMENSION_SCALE"


def _pixel_from_attributes(dataset: h5py.Dataset, shape: tuple[int, ...]) -> Pixel | None:
    """Read ``pixel_size`` and its unit, or ``element_size_um`` as ImageJ writes it."""
    um = np.atleast_1d(dataset.attrs.get("element_size_um", []))
    if um.size >= 2:
        y, x = (length(value, "um") for value in um[-2:])
        return Pixel(y, x) if y and x else None
    value = text(dataset.attrs.get("pixel_size"))
    unit = next((text(dataset.attrs[k]) for k in _TRIED_UNITS[::-1] if k in dataset.attrs), None)
    if isinstance(value, np.ndarray) and value.size == 2 and value[0] != value[1]:
        return None  # which of the two is y is not said
    side = length(np.ravel(value)[0], unit) if value is not None else None
    return Pixel(side, side) if side else None


def _attributes(file: h5py.File, dataset: h5py.Dataset) -> dict[str, Any]:
    """Collect the attributes of the file, the dataset, and groups of metadata next to it."""
    found = {"file": dict(file.attrs), "dataset": dict(dataset.attrs)}
    for name, node in inside.groups(dataset.parent):
        if "metadata" in name:
            found[name] = dict(node.attrs)
    skip = ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME")
    return {
        part: {key: text(value) for key, value in attrs.items() if key not in skip}
        for part, attrs in found.items()
    }
