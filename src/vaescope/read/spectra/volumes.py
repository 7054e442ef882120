"""Spectra in Gwyddion files: volume data (bricks) and sets of point spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.read import gwyddion
from vaescope.read.spectra.curves import Curves, of_signal
from vaescope.read.spectra_settings import SpectraSettings


def curves(path: Path, extension: str, settings: SpectraSettings) -> tuple[list[Curves], str]:
    """Read the volume data and the point spectra of a Gwyddion file; and list them in words."""
    container = gwyddion.load(path)
    about = {"reader": "gwyfile", "metadata": gwyddion.notes(container)}
    found: list[Curves] = []
    bricks = gwyddion.entries(container, r"/brick/\d+")
    points = gwyddion.entries(container, r"/sps/\d+")
    for key, brick in bricks.items():
        found += _brick(brick, gwyddion.title(container, key), about)
    for key, one in points.items():
        found += _points(one, gwyddion.title(container, key), about)
    images = gwyddion.entries(container, r"/\d+/data")
    words = f"{len(images)} images, {len(bricks)} volumes, {len(points)} sets of point spectra"
    return found, words


def _brick(brick: Any, title: str, about: dict[str, Any]) -> list[Curves]:
    """Volume data (z, y, x): z is the spectral axis, its values perhaps a line of their own."""
    names = ("z", "y", "x")
    shape = tuple(int(brick[f"{name}res"]) for name in names)
    axes = []
    for name, size in zip(names, shape, strict=True):
        axes.append(
            {
                "name": "" if name == "z" else name,
                "units": gwyddion.unit_of(brick, f"si_unit_{name}"),
                "scale": float(brick[f"{name}real"]) / size,
                "offset": float(brick.get(f"{name}off", 0.0)),
                "navigate": name != "z",
                "spectral": name == "z",
            }
        )
    calibration = brick.get("calibration")
    if calibration is not None:
        axes[0]["axis"] = np.asarray(calibration["data"], float)
        axes[0]["units"] = gwyddion.unit_of(calibration, "si_unit_y") or axes[0]["units"]
    numbers = np.asarray(brick["data"]).reshape(shape)
    data = da.from_array(numbers, chunks=(shape[0], 16, shape[2]), name=False)
    unit = gwyddion.unit_of(brick, "si_unit_w")
    return of_signal(data, axes, name=title, quantity=title, unit=unit, **about)


def _points(spectra: Any, title: str, about: dict[str, Any]) -> list[Curves]:
    """Point spectra of one axis: a series, since their places need not be a grid."""
    lines = list(spectra.get("data") or [])
    if not lines or len({(one["res"], one["real"], one.get("off", 0.0)) for one in lines}) != 1:
        return []
    first = lines[0]
    size = int(first["res"])
    axis = {
        "name": str(spectra.get("spec_xlabel") or ""),
        "units": gwyddion.unit_of(first, "si_unit_x"),
        "scale": float(first["real"]) / size,
        "offset": float(first.get("off", 0.0)),
        "spectral": True,
    }
    numbers = np.stack([np.asarray(one["data"], float) for one in lines])
    series = {"name": "time", "units": "", "navigate": True}
    label = str(spectra.get("spec_ylabel") or title)
    unit = gwyddion.unit_of(first, "si_unit_y")
    data = da.from_array(numbers, name=False)
    return of_signal(data, [series, axis], name=title, quantity=label, unit=unit, **about)
