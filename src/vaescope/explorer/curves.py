"""Pack spectra for the explorer: measured, predicted with their band, and reconstructed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vaescope.explorer.pack import Blocks
from vaescope.explorer.pictures import CHUNK, evenly
from vaescope.figures.scene import Scene
from vaescope.figures.windows import choose
from vaescope.results import ModelResults
from vaescope.text import plain

MEASURED = "spectrum"
LEVELS = 255  # into which the range of one curve is divided
MOST_CHANNELS = 256  # of a curve: more are averaged
LEAST_CHANNELS = 96  # of a curve, below which sites are left out instead
FINE = 65_534  # into which the range of the decoded spectra of a plane is divided
BUDGET = 6_000_000  # bytes of all curves of a page, before they are deflated
_OF_A_MODEL = {
    "predicted": ("predicted_spectrum", "predicted"),
    "predicted_low": ("predicted_spectrum_low", ""),
    "predicted_high": ("predicted_spectrum_high", ""),
    "reconstruction": ("reconstruction", "reconstruction"),
}
"""Curves of a model: its variable, and its name in the legend."""


@dataclass
class CurveKind:
    """Curves (site, energy) of one kind, lazy."""

    name: str
    label: str
    values: xr.DataArray

    def take(self, rows: np.ndarray, step: int) -> np.ndarray:
        """Some of them (row, channel), ``step`` channels averaged into one."""
        taken = np.asarray(self.values.isel(site=rows).values, np.float32)
        if step == 1:
            return taken
        starts = np.arange(0, taken.shape[1], step)
        counts = np.diff([*starts, taken.shape[1]])
        return np.add.reduceat(taken, starts, axis=1) / counts.astype(np.float32)


def kinds(scene: Scene, stores: dict[str, xr.Dataset]) -> list[CurveKind]:
    """The spectra of sites, measured and as every model has them; nothing without spectra."""
    samples = scene.patches
    if "spectrum" not in samples or not samples.sizes["site"]:
        return []
    found = [CurveKind(MEASURED, "measured", samples["spectrum"])]
    for model, latents in stores.items():
        if latents.sizes.get("site") != samples.sizes["site"]:
            continue
        for kind, (name, label) in _OF_A_MODEL.items():
            held = latents.get(name)
            if kind == "reconstruction" and "predicted_spectrum" in latents:
                continue  # the same, or less well known
            if held is None or "energy" not in held.dims:
                continue
            beside = [dim for dim in held.dims if dim not in ("site", "energy")]
            if any(held.sizes[dim] != 1 for dim in beside):
                continue
            curves = held.isel(dict.fromkeys(beside, 0)).transpose("site", "energy")
            if curves.sizes["energy"] == samples.sizes["energy"]:
                found.append(CurveKind(f"{model}/{kind}", label, curves))
    return found


def pack(scene: Scene, found: list[CurveKind], rows: np.ndarray, blocks: Blocks) -> Any:
    """Pack the curves of as many sites as the budget allows; None without any.

    Parameters
    ----------
    found : of ``kinds``. rows : (site of the samples,) their places in the table of sites.

    Returns
    -------
    ``rows``, the sites packed, in the table of sites; ``energy``, ``axis`` and ``signal``, the axis
    and what the axes are called; ``kinds`` by name, with the value of code 0 and the step of every
    curve.
    """
    if not found:
        return None
    energy = scene.patches["energy"]
    # All sites rather than all channels: a window of energies is to colour a whole map.
    afforded = BUDGET // max(len(rows) * len(found), 1)
    step = -(-energy.size // int(np.clip(afforded, LEAST_CHANNELS, MOST_CHANNELS)))
    channels = -(-energy.size // step)
    chosen = evenly(len(rows), max(BUDGET // (channels * len(found)), 1))
    axis = CurveKind("", "", energy.astype(float).expand_dims("site")).take(np.arange(1), step)[0]
    packed: dict[str, Any] = {}
    for kind in found:
        chunks, lows, steps = [], [], []
        for start in range(0, len(chosen), CHUNK):
            curves = kind.take(chosen[start : start + CHUNK], step)
            low, high = np.nanmin(curves, axis=1), np.nanmax(curves, axis=1)
            one = np.where(high > low, (high - low) / LEVELS, 1.0).astype(np.float32)
            codes = np.nan_to_num((curves - low[:, None]) / one[:, None]).round()
            chunks += blocks.add([np.clip(codes, 0, LEVELS).astype(np.uint8)])
            lows.append(low.astype(np.float32))
            steps.append(one)
        low_place, step_place = blocks.add([np.concatenate(lows), np.concatenate(steps)])
        packed[kind.name] = {
            "label": kind.label,
            "chunks": chunks,
            "low": low_place,
            "step": step_place,
        }
    signal = scene.patches["spectrum"]
    unit = plain(str(energy.attrs.get("units") or "1"), 20)
    return {
        "sites": rows[chosen],
        "energy": blocks.add([axis.astype(np.float32)])[0],
        "axis": _named(energy, "channel"),
        "axis_name": plain(str(energy.attrs.get("long_name") or "channel"), 40),
        "unit": "" if unit == "1" else unit,
        "window": _window(signal, step),
        "cmaps": [scene.look.colormap, scene.look.diverging],
        "averaged": step,
        "signal": _named(signal, "signal"),
        "channels": channels,
        "chunk": CHUNK,
        "kinds": packed,
    }


def beside_planes(
    view: ModelResults, planes: list[dict[str, Any]], blocks: Blocks
) -> list[dict[str, Any]]:
    """Add to decoded planes of pictures the spectra that a model of both views decodes there.

    Returns the planes, as ``pictures.pack_planes`` gives them, with ``spectra``: where the codes
    are, the value of code 0 and the step, and how many channels there are.
    """
    if not view.has("plane_spectrum"):
        return planes
    along = ("plane", "plane_told", "plane_step_y", "plane_step_x", "energy")
    held = view.latents["plane_spectrum"].transpose(*along).values[:, 0]
    step = -(-held.shape[-1] // MOST_CHANNELS)
    for plane, spectra in zip(planes, held, strict=False):
        flat = xr.DataArray(spectra.reshape(-1, held.shape[-1]), dims=("site", "energy"))
        curves = CurveKind("", "", flat).take(np.arange(len(flat)), step)
        low, high = float(np.nanmin(curves)), float(np.nanmax(curves))
        one = (high - low) / FINE or 1.0
        codes = np.nan_to_num((curves - low) / one).round().astype(np.uint16)
        place = {"place": blocks.add([codes])[0], "low": low, "step": one}
        plane["spectra"] = place | {"channels": curves.shape[1]}
    return planes


def _window(spectra: xr.DataArray, step: int) -> list[int]:
    """First channel of the page and the one after the last in which spectra differ most."""
    found = choose(spectra.transpose("site", "energy"), 1)
    if not found:
        return [0, max(spectra.sizes["energy"] // (16 * step), 1)]
    start = found[0].start // step
    return [start, max(-(-found[0].stop // step), start + 1)]


def _named(array: xr.DataArray, otherwise: str) -> str:
    name = plain(str(array.attrs.get("long_name") or otherwise), 40)
    unit = plain(str(array.attrs.get("units") or "1"), 20)
    return name if unit in ("1", name) else f"{name} ({unit})"
