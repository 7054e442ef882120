"""The units inside a model in those of the results: lengths of patches, channels, signals."""

from __future__ import annotations

import numpy as np
import xarray as xr

from vaescope.ensemble.members import Member
from vaescope.models.parts import AXIS, SIGNAL
from vaescope.models.spectrum_decoder import SpectrumDecoder


def lengths_of(samples: xr.Dataset) -> dict[str, tuple[float, str]]:
    """The units of length inside a model in the units of the results (``consensus.gather``): along
    a sweep there and back, channels."""
    found = {}
    if "px" in samples.sizes:
        half = samples.sizes["px"] / 2 * float(samples.attrs.get("pitch", 1.0))
        found["px"], found["1/px"] = (half, "px"), (1 / half, "1/px")
    found[AXIS] = (1.0, "channel")
    if "energy" in samples.coords and samples.sizes["energy"] > 1:
        axis = samples["energy"]
        steps = np.diff(axis.values.astype(float))
        if (steps > 0).all() or (steps < 0).all():
            found[AXIS] = (float(np.median(steps)), str(axis.attrs.get("units", "1")))
    return found


def signals_of(member: Member, samples: xr.Dataset) -> dict[str, tuple[float, str]]:
    """The unit of a signal of spectra inside a model in that of the spectra; nothing where it
    decodes none."""
    decoder = member.model.decoder
    if not isinstance(decoder, SpectrumDecoder):
        return {}
    about = samples["spectrum"].attrs if "spectrum" in samples else {}
    return {SIGNAL: (float(decoder.level[0]), str(about.get("units", "1")))}
