"""Spectrum images as systems: a picture, spectra on a grid of its own, and the truth of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.simulate.arguments import recorded

if TYPE_CHECKING:
    import xarray as xr

GRID = ("time", "spectrum_y", "spectrum_x")
"""Dims of what is known of each spectrum."""


@dataclass(frozen=True)
class Recording:
    """One simulated spectrum image, or n pictures with a spectrum each.

    ``image`` : (time, y, x). ``spectra`` : (time, row, column, energy), as measured; ``expected`` :
    the same without noise. ``energy`` : (energy,). ``truth`` : name -> (time, row, column).
    ``pixel`` : size of a pixel of the image. ``pitch`` : px of the image from one spectrum to the
    next, along y and x. ``start`` : px (y, x) of the image where the first spectrum is centred.
    ``channels`` : name -> values (energy,) and attributes of what else is known of each channel.
    """

    image: np.ndarray
    spectra: np.ndarray
    expected: np.ndarray
    energy: np.ndarray
    truth: Mapping[str, np.ndarray]
    pixel: float
    pitch: tuple[float, float] = (1.0, 1.0)
    start: tuple[float, float] = (0.0, 0.0)
    channels: Mapping[str, tuple[np.ndarray, dict[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class SpectrumSystem:
    """A spectrum image that can be simulated.

    ``build`` : its scene. ``parameters`` : with their defaults. ``axis``, ``signal``, ``picture`` :
    name and unit of the energy axis, of the spectra, of the image. ``truths`` : attributes of what
    is true of each spectrum. ``names`` : what the values of a truth stand for. ``counts`` : the
    spectra are Poisson counts. ``image_from`` : how the image is made of the spectra, if it is.
    ``calibrated`` : pixels have a size; otherwise the grid only holds the spectra.
    """

    build: Callable[[Any, np.random.Generator], Recording]
    parameters: Any
    axis: tuple[str, str]
    signal: tuple[str, str]
    picture: tuple[str, str]
    truths: Mapping[str, dict[str, Any]]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: bool = False
    image_from: str = ""
    calibrated: bool = True

    def make(self, name: str, parameters: Any, seed: int) -> xr.Dataset:
        """Simulate what a name with parameters stands for, with its truth.

        Raises
        ------
        UserError : what is wanted does not fit into the image.
        """
        import xarray as xr

        scene = self.build(parameters, np.random.default_rng(seed))
        known = {
            f"truth_{key}": (GRID, values, self.truths[key]) for key, values in scene.truth.items()
        }
        about = {**_named(self.signal), "long_name": f"true {self.signal[0]}"}
        spectral = (*GRID, "energy")
        unit = "nm" if self.calibrated else "px"
        height, width = (np.arange(n) * scene.pixel for n in scene.image.shape[1:])
        dataset = xr.Dataset(
            {
                "image": (
                    ("time", "channel", "y", "x"),
                    scene.image[:, None].astype(np.float32),
                    _named(self.picture),
                ),
                "spectra": (spectral, scene.spectra.astype(np.float32), _named(self.signal)),
                "truth_spectrum": (spectral, scene.expected.astype(np.float32), about),
                **known,
            },
            coords={
                "time": np.arange(len(scene.image)),
                "channel": ["simulated"],
                "y": ("y", height, {"long_name": "y", "units": unit}),
                "x": ("x", width, {"long_name": "x", "units": unit}),
                "energy": ("energy", scene.energy, _named(self.axis)),
                **{key: ("energy", *known) for key, known in scene.channels.items()},
            },
            attrs={
                "pixel_size": scene.pixel,
                "pixel_unit": unit,
                "calibrated": self.calibrated,
                "pitch_y": float(scene.pitch[0]),
                "pitch_x": float(scene.pitch[1]),
                "start_y": float(scene.start[0]),
                "start_x": float(scene.start[1]),
                "image_from": self.image_from,
                "counts": int(self.counts),
                **recorded(name, parameters, seed),
                **{f"truth_{key}_names": list(names) for key, names in self.names.items()},
            },
        )
        return dataset.chunk({"time": 256})


def _named(words: tuple[str, str]) -> dict[str, str]:
    return {"long_name": words[0], "units": words[1]}
