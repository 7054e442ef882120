"""Optional corrections of spectra before anything is looked for in them; all off by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read.spectra import corrections, shifts, sources
from vaescope.read.spectra.axes import SpectralAxis
from vaescope.read.spectra_settings import SpectraPreprocess, SpectraSettings

PLACES = ("time", "y", "x")


class Corrected:
    """Spectra on their way through the corrections.

    Attributes
    ----------
    data : (time, y, x, energy) float32 in chunks of whole spectra, lazy.
    axis : their axis.
    counts : whether the values still are counts.
    done : what was done, in order.
    beside : variables (time, y, x) that tell what was done to each spectrum: name -> (values,
        attributes).
    """

    def __init__(self, data: da.Array, axis: SpectralAxis, counts: bool, path: Path) -> None:
        self.data, self.axis, self.counts, self.path = data, axis, counts, path
        self.done: list[dict[str, Any]] = []
        self.beside: dict[str, tuple[Any, dict[str, str]]] = {}

    def detector(self, chosen: SpectraPreprocess, folder: Path) -> None:
        """Correct what the detector did: dark spectrum, gain, spikes."""
        if chosen.dark is not None:
            dark = self._spectrum(chosen.dark, folder)
            self._map(lambda block: block - dark, "dark", {"file": chosen.dark})
            self.counts = False
        if chosen.gain is not None:
            gain = self._spectrum(chosen.gain, folder)
            if not (gain > 0).all():
                raise UserError(
                    "the gain of a detector must be above zero everywhere",
                    file=chosen.gain,
                    found=f"{int((gain <= 0).sum())} channels of {gain.min():g} or more",
                )
            gain = gain / gain.mean()
            self._map(lambda block: block / gain, "gain", {"file": chosen.gain})
            self.counts = False
        if chosen.spikes is not None:
            self.data = corrections.each(
                self.data,
                corrections.without_spikes,
                threshold=float(chosen.spikes),
                counts=self.counts,
            )
            self.done.append({"step": "spikes", "threshold": chosen.spikes})

    def specimen(self, chosen: SpectraPreprocess) -> None:
        """Align, subtract the background, crop, bin and normalise, in this order."""
        if chosen.align is not None:
            self.data, found = shifts.align(
                self.data, self.axis, chosen.align, chosen.align_within, path=self.path
            )
            self.counts = False
            about = {"long_name": "shift by which a spectrum was aligned", "units": self.axis.unit}
            self.beside["aligned_by"] = (found, about)
            self.done.append({"step": "align", "kind": chosen.align})
        if chosen.background.window is not None:
            self._background(chosen.background.window, chosen.background.model)
        if chosen.crop is not None:
            inside = corrections.window(
                self.axis, chosen.crop, "preprocess: crop", least=3, path=self.path
            )
            self._keep(inside)
            self.done.append({"step": "crop", "window": list(chosen.crop)})
        if chosen.bin > 1:
            self._bin(chosen.bin)
        if chosen.normalise != "none":
            kind = chosen.normalise
            by = corrections.each(self.data, corrections.divisor, 1, kind=kind)
            self.data = self.data / by
            self.counts = False
            about = {"long_name": "what a spectrum was divided by", "units": "1"}
            self.beside["normalised_by"] = (by[..., 0], about)
            self.done.append({"step": "normalise", "kind": kind})

    def _map(self, function: Callable[[Any], Any], step: str, facts: dict[str, Any]) -> None:
        self.data = corrections.each(self.data, lambda block: function(block).astype(np.float32))
        self.done.append({"step": step, **facts})

    def _keep(self, inside: np.ndarray) -> None:
        places = np.flatnonzero(inside)
        if len(places) == places[-1] - places[0] + 1:
            self.data = self.data[..., places[0] : places[-1] + 1]
        else:  # a sweep there and back
            self.data = corrections.each(self.data, lambda block: block[..., places], len(places))
        self.axis = replace(self.axis, values=self.axis.values[inside])

    def _background(self, limits: list[float], model: str) -> None:
        inside = corrections.window(
            self.axis, limits, "preprocess: background: window", least=4, path=self.path
        )
        if model == "power-law":
            if limits[0] <= 0:
                raise UserError(
                    "a power law has no value at zero",
                    file=self.path,
                    found=f"`spectra: preprocess: background: window` from {limits[0]:g}",
                    remedy="Begin the window above zero, or set `model: linear`",
                )
            above = self.axis.values >= limits[0]  # below its window the law grows without bound
            self._keep(above)
            inside = inside[above]
        self.data = corrections.each(
            self.data,
            corrections.less_background,
            values=self.axis.values,
            inside=inside,
            model=model,
        )
        self.counts = False
        self.done.append({"step": "background", "window": list(limits), "model": model})

    def _bin(self, count: int) -> None:
        channels = len(self.axis.values) // count
        if channels < 3:
            raise UserError(
                "`spectra: preprocess: bin` leaves too few channels",
                file=self.path,
                found=f"{len(self.axis.values)} channels in groups of {count}",
                expected="at least 3 groups",
            )
        self.data = corrections.each(
            self.data, corrections.binned, channels, count=count, add=self.counts
        )
        values = self.axis.values[: channels * count].reshape(channels, count).mean(1)
        self.axis = replace(self.axis, values=values)
        how = "sum" if self.counts else "mean"
        self.done.append({"step": "bin", "channels": count, "how": how})

    def _spectrum(self, file: str, folder: Path) -> np.ndarray:
        """Read the one spectrum of a file of the detector, the mean if it holds several."""
        path = Path(file).expanduser()
        if not path.is_absolute() and not path.exists():
            path = folder / path
        found = sources.read(path, SpectraSettings()).data
        mean = found.mean(axis=(0, 1, 2)).compute().astype(np.float32)
        if mean.shape != self.axis.values.shape or not np.isfinite(mean).all():
            raise UserError(
                "a spectrum of the detector does not fit the spectra",
                file=path,
                found=f"{len(mean)} channels, {int((~np.isfinite(mean)).sum())} not finite",
                expected=f"{len(self.axis.values)} finite ones, before any crop or binning",
            )
        return mean
