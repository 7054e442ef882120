"""HyperSpy signals (``.hspy``): calibrated axes, metadata, and the sites as markers.

Written by RosettaSciIO, which HyperSpy itself reads and writes with.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import progress, store
from vaescope.exchange.axes import Axis, axes_of, placed, shown

if TYPE_CHECKING:
    import xarray as xr

IN_SPACE = ("y", "x")
LONGEST = 60_000
"""Letters of one text of the metadata: HDF5 holds no attribute above 64 kB."""
_MARKER = {
    "class": "Points",
    "name": "sites",
    "plot_on_signal": True,
    "offset_transform": "data",
    "transform": "display",
    "ScalarMappable_array": None,
}
_LOOK = {"units": "xy", "facecolors": "none", "edgecolors": "tab:red", "linewidths": 0.7}
DIAMETER = 0.4
"""Of a marker, in spacings: sites beside each other keep apart however far one zooms."""
_USUAL = 10.0  # px, spacing where the sites have none


def write(
    signal: xr.DataArray,
    path: str | os.PathLike,
    *,
    title: str,
    sites: xr.Dataset | None = None,
    metadata: dict[str, Any] | None = None,
    original: dict[str, Any] | None = None,
) -> None:
    """Write an array as a HyperSpy signal, atomically, chunk by chunk.

    Parameters
    ----------
    signal : an image, with ``time`` and ``channel`` or without, or spectra: any other axis beside
        y and x (such as ``energy``) is the axis of a spectrum at every place of these.
    path : the file to write, ``NAME.hspy``.
    title : of the signal.
    sites : ``y``, ``x`` (px) and ``frame`` of sites to be drawn as markers on an image.
    metadata : more for ``metadata.vaescope`` of the signal.
    original : the instrument's own metadata.
    """
    import rsciio.hspy

    signal = shown(signal)
    spectral = [str(dim) for dim in signal.dims if dim not in ("time", "channel", *IN_SPACE)]
    of_signal = spectral or [dim for dim in IN_SPACE if dim in signal.dims]
    navigation = [str(dim) for dim in signal.dims if dim not in of_signal]
    signal = signal.transpose(*navigation, *of_signal)
    axes = axes_of(signal)
    entries: dict[str, Any] = {
        "General": {"title": title},
        "Signal": {"signal_type": "", "quantity": _quantity(signal)},
        "_HyperSpy": {
            "Folding": dict.fromkeys(("unfolded", "signal_unfolded"), False)
            | dict.fromkeys(("original_shape", "original_axes_manager"))
        },
        "vaescope": clean(metadata or {}) | {"code_version": store.code_version()},
    }
    if "channel" in signal.coords:
        entries["vaescope"]["channels"] = [str(c) for c in np.atleast_1d(signal["channel"].values)]
    if sites is not None and not spectral:
        entries["Markers"] = {"sites": _marker(sites, axes, signal)}
    with store.replace_atomically(path) as beside, progress.chunks("writing the signal"):
        rsciio.hspy.file_writer(
            str(beside),
            {
                "data": signal.data,
                "axes": [_described(axis, axis.name in navigation, signal) for axis in axes],
                "metadata": entries,
                "original_metadata": clean(original or {}),
                "learning_results": {},
                "attributes": {"_lazy": True, "ragged": False},
                "models": {},
                "tmp_parameters": {},
                "package_info": {"package": "vaescope", "package_version": store.code_version()},
            },
            show_progressbar=False,
        )


def clean(value: Any) -> Any:
    """Metadata as HDF5 can hold them: no slashes in names, no null characters, no endless texts."""
    if isinstance(value, dict):
        return {
            str(key).replace("/", "_").replace("\x00", "").strip(". ") or "_": clean(one)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [clean(one) for one in value]
    if isinstance(value, str):
        text = value.replace("\x00", "").encode("utf-8", "replace")[:LONGEST]
        return text.decode("utf-8", "ignore")
    return value


def vendor(image: xr.Dataset) -> dict[str, Any]:
    """The instrument's own metadata of an image store; empty where there are none."""
    try:
        found = json.loads(str(image.attrs.get("vendor_metadata") or "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"vendor": found}


def facts(image: xr.Dataset) -> dict[str, Any]:
    """What an image store says of itself in plain numbers and words."""
    entries = {
        k: v for k, v in image.attrs.items() if k not in ("vendor_metadata", store.PROVENANCE)
    }
    return {
        key: value for key, value in entries.items() if isinstance(value, str | int | float | list)
    }


def _quantity(signal: xr.DataArray) -> str:
    name, unit = signal.attrs.get("long_name", "signal"), signal.attrs.get("units", "")
    return f"{name} ({unit})" if unit not in ("", "1") else str(name)


def _described(axis: Axis, navigate: bool, signal: xr.DataArray) -> dict[str, Any]:
    """An axis as HyperSpy keeps it."""
    common = {"name": axis.name, "navigate": navigate, "is_binned": False, "size": axis.size}
    unit = axis.unit or {"y": "px", "x": "px", "time": "frame"}.get(axis.name, "")
    if not axis.even:
        places = signal[axis.name].values.astype(float)
        return common | {"_type": "DataAxis", "axis": places, "units": unit}
    scale = {"scale": axis.step, "offset": axis.start}
    return common | {"_type": "UniformDataAxis", "units": unit} | scale


def _marker(sites: xr.Dataset, axes: list[Axis], signal: xr.DataArray) -> dict[str, Any]:
    """Sites as permanent markers: (x, y) of each, in the units of the axes, frame by frame."""
    by_name = {axis.name: axis for axis in axes}
    place = np.column_stack([placed(sites[name].values, by_name[name]) for name in ("x", "y")])
    spacing = float(sites.attrs.get("spacing") or _USUAL)
    look = _LOOK | {"sizes": (DIAMETER * spacing * by_name["x"].step,)}
    navigation = [axis for axis in axes if axis.name not in IN_SPACE]
    if not navigation:
        return _MARKER | {"kwargs": look | {"offsets": place}}
    # HyperSpy counts the axes of navigation from the last to the first.
    shape = [axis.size for axis in reversed(navigation)]
    offsets = np.empty(shape, dtype=object)
    frame = sites["frame"].values
    timed = "time" in by_name
    for index in np.ndindex(*shape):
        where = dict(zip([axis.name for axis in reversed(navigation)], index, strict=True))
        offsets[index] = place[frame == where["time"]] if timed else place
    return _MARKER | {"kwargs": look | {"offsets": offsets}}
