"""Spectra of scanning probes: Nanonis grids (.3ds) and curves in Igor waves (.ibw)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from vaescope.read import igor, lazy, nanonis
from vaescope.read.raw import show
from vaescope.read.spectra.axes import SpectralAxis, name_of, unit_of
from vaescope.read.spectra.curves import Curves, of_signal
from vaescope.read.spectra_settings import SpectraSettings


def curves(path: Path, extension: str, settings: SpectraSettings) -> tuple[list[Curves], str]:
    """Read the channels of a grid or wave; and say in words what the file holds."""
    return _grid(path) if extension == "3ds" else _wave(path)


def _grid(path: Path) -> tuple[list[Curves], str]:
    """Read a Nanonis grid: one signal for each channel but the measured sweep itself.

    Values of the sweep run from the first to the second fixed parameter of the first point.
    """
    grid = nanonis.grid_of(path)
    height, width = grid.shape
    data = grid.data[::-1]
    sweep = grid.facts.get("Sweep Signal", "")
    unit = unit_of(_bracketed(sweep))
    name = name_of(sweep, unit)
    first, last = (float(one) for one in np.asarray(data[-1, 0, :2].compute(), float))
    if not (np.isfinite([first, last]).all() and first != last):
        first, last, unit = 0.0, grid.points - 1.0, "1"
    axis = SpectralAxis(name, unit, np.linspace(first, last, grid.points))
    found = []
    for k, channel in enumerate(grid.channels):
        start = grid.parameters + k * grid.points
        if nanonis.plain(channel).casefold().startswith(nanonis.plain(sweep).casefold() or "\0"):
            continue  # what was applied, as measured
        found.append(
            Curves(
                nanonis.plain(channel),
                data[None, :, :, start : start + grid.points],
                axis,
                "Nanonis 3ds",
                quantity=nanonis.plain(channel),
                unit=_bracketed(channel),
                pixel=grid.pixel,
                metadata=grid.facts,
            )
        )
    return found, f"a grid of {width} × {height} spectra ({', '.join(grid.channels)})"


def _bracketed(name: str) -> str:
    found = re.search(r"\(([^)]*)\)", name)
    return found[1] if found else ""


def _wave(path: Path) -> tuple[list[Curves], str]:
    """Read an Igor wave of curves: one axis, or three of which one has a spectral unit.

    A wave (point, channel) with names of its channels, as Asylum Research writes force curves and
    loops, gives one signal for each channel.
    """
    wave = igor.load(path)
    data = lazy.array(wave["wData"])
    head = wave["wave_header"]
    there = f"a wave of shape {show(data.shape)}"
    axes = [_axis(head, k, n) for k, n in enumerate(data.shape)]
    note = {"note": igor.notes(wave)}
    name = igor.text(head["bname"]).strip("\0 ") or path.stem
    channels = igor.labels(path, wave, data.shape[1], axis=1) if data.ndim == 2 else None
    about: dict[str, Any] = {"reader": "igor2", "metadata": note}
    if data.ndim == 2 and channels:
        axes[0]["navigate"] = False
        found: list[Curves] = []
        for k, channel in enumerate(channels):
            found += of_signal(
                data[:, k], axes[:1], name=channel, quantity=channel, parts=(name,), **about
            )
        return found, f"{there} ({', '.join(channels)})"
    if data.ndim == 1:
        axes[0] |= {"name": "", "navigate": False}
    return of_signal(data, axes, name=name, parts=(name,), **about), there


def _axis(head: dict[str, Any], k: int, size: int) -> dict[str, Any]:
    """Describe a dimension of a wave, (x, y, layer), as RosettaSciIO does."""
    units = np.asarray(head.get("dimUnits", []))
    unit = (
        b"".join(units[k].tolist()).split(b"\0")[0] if units.ndim == 2 and k < len(units) else b""
    )
    return {
        "name": ("x", "y", "", "")[k] if size > 1 else "",
        "size": size,
        "units": unit.decode("latin-1"),
        "scale": float(head["sfA"][k]),
        "offset": float(head["sfB"][k]),
        "navigate": True,
    }
