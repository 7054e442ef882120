"""From the signals of files to the Dataset of `spectra.zarr`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from vaescope import progress
from vaescope.errors import UserError
from vaescope.read import metadata
from vaescope.read.digest import fingerprint
from vaescope.read.raw import Raw, show
from vaescope.read.spectra import check, corrections, sources
from vaescope.read.spectra.curves import Curves, in_chunks
from vaescope.read.spectra.geometry import GridPlace
from vaescope.read.spectra.preprocess import PLACES, Corrected
from vaescope.read.spectra_settings import SpectraSettings

if TYPE_CHECKING:
    import xarray as xr

_NUMBERS = 4  # that are taken of every spectrum for its image


def stacked(paths: Sequence[Path], settings: SpectraSettings) -> Curves:
    """Read the spectra of several files as frames of one series, in the order given.

    Raises
    ------
    UserError : a file holds none, or the files differ in grid or axis.
    """
    parts = [sources.read(path, settings) for path in paths]
    first = parts[0]
    for other, path in zip(parts[1:], paths[1:], strict=True):
        same = other.data.shape[1:] == first.data.shape[1:]
        if not same or not np.allclose(other.axis.values, first.axis.values, rtol=1e-3):
            raise UserError(
                "the spectra of one dataset must have equal grids and axes",
                file=path,
                found=_words(other),
                expected=f"{_words(first)}, as in `{paths[0].name}`",
                remedy="Narrow the pattern in the sample sheet, or give each its own row",
            )
    if len(parts) == 1:
        return first
    data = da.concatenate([part.data for part in parts])
    files = {path.name: part.metadata for path, part in zip(paths, parts, strict=True)}
    return replace(first, data=data, time_step=1.0, time_unit="frame", metadata={"files": files})


def _words(curves: Curves) -> str:
    values = curves.axis.values
    return f"{show(curves.data.shape[1:])}, {values[0]:g} to {values[-1]:g} {curves.axis.unit}"


def picture(curves: Curves, settings: SpectraSettings, *, path: Path) -> tuple[Raw, str]:
    """Make an image of spectra: their sum, greatest value, or sum over a window; and say which.

    NaN where fewer than nine tenths of the channels are finite, and where a spectrum is dead.
    """
    data, how = in_chunks(curves.data), settings.image
    name = "channels" if curves.axis.name == "channel" else curves.axis.name
    words = f"{'sum' if how == 'sum' else 'maximum'} over {name}"
    if isinstance(how, list):
        inside = corrections.window(curves.axis, how, "image", least=1, path=path)
        data = data[..., np.flatnonzero(inside)]
        unit = f" {curves.axis.unit}" if curves.axis.calibrated else ""
        words = f"sum over {name} from {how[0]:g} to {how[1]:g}{unit}"
    numbers = da.map_blocks(
        _reduced,
        data,
        how == "max",
        chunks=(*data.chunks[:3], (_NUMBERS,)),
        dtype=np.float64,
        meta=np.empty((0, 0, 0, 0)),
    )
    with progress.chunks("image of the spectra"):
        image, total, low, high = np.moveaxis(numbers.compute(), -1, 0)
    if not isinstance(how, list):
        image[check.dead(total, low, high, np.isfinite(image))] = np.nan
    raw = Raw(
        data=da.from_array(image[:, None], name=False),
        channels=[words],
        units=[curves.unit],
        reader=curves.reader,
        pixel=curves.pixel,
        corner=curves.corner,
        time_step=curves.time_step,
        time_unit=curves.time_unit,
        metadata=curves.metadata,
    )
    return raw, words


def _reduced(block: np.ndarray, highest: bool) -> np.ndarray:
    """Of every spectrum its pixel in the image, its sum, its least and its greatest value."""
    good = np.isfinite(block)
    finite = good.sum(-1)
    low = np.where(good, block, np.inf).min(-1)
    high = np.where(good, block, -np.inf).max(-1)
    total = np.where(good, block, 0).sum(-1, dtype=float)
    found = high if highest else total * (block.shape[-1] / np.maximum(finite, 1))
    found = np.where(finite >= check.ENOUGH * block.shape[-1], found, np.nan)
    return np.stack([found, total, low, high], -1).astype(float)


def dataset(
    curves: Curves,
    paths: Sequence[Path],
    settings: SpectraSettings,
    grid: GridPlace,
    *,
    image_from: str,
    pixel: tuple[float, str],
) -> xr.Dataset:
    """Correct the spectra and label them: the Dataset of `spectra.zarr`.

    Parameters
    ----------
    grid : how the spectra lie on the image.
    image_from : how the image was made of them, "" if it is another signal.
    pixel : side of a pixel of the image, and its unit.
    """
    import xarray as xr

    facts = check.facts(curves, counts=settings.counts, path=paths[0])
    way = Corrected(check.filled(curves.data, facts), curves.axis, facts.counts, paths[0])
    way.detector(settings.preprocess, paths[0].parent)
    spiked = check.spiked(way.data, way.counts)
    way.specimen(settings.preprocess)
    axis, data = way.axis, in_chunks(way.data)
    unit = "counts" if way.counts and curves.unit in ("", "1") else curves.unit or "1"
    variables: dict[str, Any] = {
        "spectra": (
            (*PLACES, "energy"),
            data,
            {"long_name": curves.quantity or ("counts" if way.counts else "signal"), "units": unit},
        )
    }
    for name, (values, about) in way.beside.items():
        variables[name] = (PLACES, values, about)
    if not facts.measured.all():
        about = {"long_name": "measured", "units": "1"}
        variables["measured"] = (PLACES, da.from_array(facts.measured, name=False), about)
    for name, values in curves.truth.items():
        variables[name] = _truth(name, values, data.shape)
    height, width = curves.grid
    places = {
        name: (
            name,
            (start + pitch * np.arange(count)) * pixel[0],
            {"long_name": f"position {along}", "units": pixel[1]},
        )
        for name, count, pitch, start, along in zip(
            "yx",
            (height, width),
            grid.pitch,
            grid.start,
            ("downwards", "to the right"),
            strict=True,
        )
    }
    frames = np.arange(data.shape[0]) * curves.time_step
    long = "time" if curves.time_unit == "s" else "frame"
    return xr.Dataset(
        variables,
        coords={
            "time": ("time", frames, {"long_name": long, "units": curves.time_unit}),
            **places,
            "energy": ("energy", axis.values, {"long_name": axis.name, "units": axis.unit}),
        },
        attrs={
            "pitch_y": float(grid.pitch[0]),
            "pitch_x": float(grid.pitch[1]),
            "start_y": float(grid.start[0]),
            "start_x": float(grid.start[1]),
            "image_from": image_from,
            "counts": int(way.counts),
            "calibrated": axis.calibrated,
            "signal": curves.name,
            "reader": curves.reader,
            "source_dtype": str(curves.data.dtype),
            "source_files": [path.name for path in paths],
            "source_sha256": [fingerprint(path) for path in paths],
            "vendor_metadata": metadata.to_json(curves.metadata),
            "preprocess": json.dumps(way.done),
            "filled_channels": facts.gaps,
            "lowest": facts.low,
            "spiked": spiked,
        },
    )


def _truth(name: str, values: da.Array, shape: tuple[int, ...]) -> tuple:
    """Label what is known of every spectrum: (time, y, x) or (time, y, x, energy)."""
    about = {"long_name": name.removeprefix("truth_").replace("_", " "), "units": "1"}
    dims = (*PLACES, "energy" if values.shape[-1] == shape[-1] else f"{name}_point")
    return dims[: values.ndim], values, about
