"""Axes of spectra: which axis of a signal is a spectral one, what it is called, and its values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaescope.read.physical import metres_per

UNNAMED = "channel"  # what an axis is called of which nothing is known
# Spellings of units of spectral axes, and the one that is written.
_UNITS = {
    **{unit.casefold(): unit for unit in ("eV", "keV", "meV", "V", "mV", "µV", "Hz", "kHz", "MHz")},
    **dict.fromkeys(("ev ", "electronvolt", "electronvolts"), "eV"),
    **dict.fromkeys(("volt", "volts"), "V"),
    "μv": "µV",
    "ghz": "GHz",
    "thz": "THz",
    **dict.fromkeys(("cm-1", "1/cm", "cm^-1", "cm⁻¹", "cm**-1", "rel. 1/cm", "cm^{-1}"), "cm-1"),
    **dict.fromkeys(("amu", "da", "u", "th", "m/z"), "u"),
}
_NO_UNIT = {"", "1", "none", "px", "pixel", "pixels", "channel", "channels", "<undefined>", "a.u."}
_SECONDS = {"s", "sec", "seconds", "ms", "us", "µs", "μs", "ns", "ps", "fs"}
# What is found in the name of an axis, and what the axis is then called.
_NAMES = (
    ("energy loss", "energy loss"),
    ("energy_loss", "energy loss"),
    ("eloss", "energy loss"),
    ("photon energy", "photon energy"),
    ("x-ray energy", "energy"),
    ("energy", "energy"),
    ("raman", "Raman shift"),
    ("wavelength", "wavelength"),
    ("lambda", "wavelength"),
    ("wavenumber", "wavenumber"),
    ("frequency bin", "frequency bin"),  # a number, not a frequency
    ("frequency_bin", "frequency bin"),
    ("frequency", "frequency"),
    ("freq", "frequency"),
    ("bias", "bias"),
    ("dc_offset", "bias"),
    ("dc offset", "bias"),
    ("voltage", "bias"),
    ("m/z", "mass"),
    ("mass", "mass"),
    ("intensity axis", UNNAMED),
)
_OF_UNITS = {
    **dict.fromkeys(("eV", "keV", "meV"), "energy"),
    **dict.fromkeys(("V", "mV", "µV"), "bias"),
    **dict.fromkeys(("Hz", "kHz", "MHz", "GHz", "THz"), "frequency"),
    "cm-1": "wavenumber",
    "u": "mass",
}
_ENERGIES = ("1", "eV", "keV", "meV", "J")
_NO_NAMES = {"<undefined>", "none", "signal", "undefined", "z"}
SPACE = {"y", "x", "height", "width", "row", "column", "scan_y", "scan_x", "rows", "columns"}


@dataclass(frozen=True)
class SpectralAxis:
    """A spectral axis: its name in words, its unit ("1" where there is none) and its values.

    ``calibrated`` is false where the file gives no unit.
    """

    name: str
    unit: str
    values: np.ndarray

    @property
    def calibrated(self) -> bool:
        return self.unit != "1"

    @property
    def step(self) -> float | None:
        """Distance of neighbouring channels; None where it is not the same throughout."""
        steps = np.diff(self.values)
        if not len(steps) or not np.allclose(steps, steps[0], rtol=1e-3, atol=0) or not steps[0]:
            return None
        return float(np.mean(steps))


def unit_of(text: Any) -> str:
    """Write a unit in one way: `cm^-1` and `1/cm` as `cm-1`; "1" where there is none."""
    words = re.sub(r"\s+", " ", str(text if text is not None else "")).strip(" []()$")
    plain = words.casefold()
    if plain in _NO_UNIT:
        return "1"
    return _UNITS.get(plain, words)


def name_of(text: Any, unit: str) -> str:
    """Name an axis in words: by what its name contains, else by its unit, else `channel`.

    An `energy` in a unit of another quantity is what any axis is called where it has no name of
    its own.
    """
    words = str(text or "").strip()
    plain = words.casefold()
    if plain == "energy" and unit not in _ENERGIES:
        return _of_unit(unit)
    for part, name in _NAMES:
        if part in plain:
            return name
    if plain and plain not in _NO_NAMES | SPACE:
        called = re.sub(r"[_\s]+", " ", re.sub(r"\s*[(\[].*", "", words)).strip() or UNNAMED
        return called.casefold() if called.istitle() else called
    return _of_unit(unit)


def _of_unit(unit: str) -> str:
    if unit in _SECONDS:
        return "time"
    if unit not in _OF_UNITS and metres_per(unit) is not None:
        return "wavelength"
    return _OF_UNITS.get(unit, UNNAMED)


def is_spectral(name: Any, unit: Any) -> bool:
    """Tell whether an axis is a spectral one by its name and unit alone.

    A length counts only under the name of a wavelength, a time never: both may be other axes.
    """
    plain = str(name or "").casefold()
    return unit_of(unit) in _OF_UNITS or any(
        part in plain for part, called in _NAMES if called != UNNAMED
    )


def is_space(axis: dict[str, Any]) -> bool:
    """Tell whether an axis lies in space: by its name, or by a unit of length."""
    name = str(axis.get("name") or "").strip().casefold()
    if is_spectral(name, axis.get("units")):
        return False
    return name in SPACE or metres_per(axis.get("units")) is not None


def is_time(axis: dict[str, Any]) -> bool:
    """Tell whether an axis counts frames or time."""
    name = str(axis.get("name") or "").strip().casefold()
    unit = str(axis.get("units") or "").strip().casefold()
    return name in ("time", "t", "frame", "frames") or unit in _SECONDS


def values_of(axis: dict[str, Any]) -> np.ndarray:
    """Compute the values along an axis as RosettaSciIO describes it: a table, or a scale."""
    table = axis.get("axis")
    if table is not None and np.size(table) == axis["size"]:
        return np.asarray(table, float).ravel()
    scale, offset = (
        _number(axis.get(key), default) for key, default in (("scale", 1.0), ("offset", 0.0))
    )
    return offset + (scale or 1.0) * np.arange(axis["size"])


def spectral(axis: dict[str, Any]) -> SpectralAxis:
    """Make the spectral axis of what a reader says of it."""
    unit = unit_of(axis.get("units"))
    return SpectralAxis(name_of(axis.get("name"), unit), unit, values_of(axis))


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if np.isfinite(number) else default
