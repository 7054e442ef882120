"""Phases: channels whose values come back after a full turn, as their cosine and sine.

Whatever samples or smooths an image adds neighbouring values, which means nothing where one is just
below 180° and the other just above -180°. Cosine and sine have no such step.
"""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np

from vaescope.read.raw import Raw

TURNS = {
    **dict.fromkeys(("rad", "radian", "radians"), 2 * np.pi),
    **dict.fromkeys(("deg", "degree", "degrees", "°"), 360.0),
}
"""The period of a channel by its unit."""


def parted(raw: Raw) -> Raw:
    """Put two channels, ``NAME cos`` and ``NAME sin``, in the place of every phase.

    Channels in other units stay as they are; without a phase the very same image comes back.
    """
    periods = [TURNS.get(unit.strip().casefold()) for unit in raw.units]
    if not any(periods):
        return raw
    planes, names, units = [], [], []
    for k, period in enumerate(periods):
        plane = raw.data[:, k : k + 1]
        if period is None:
            planes.append(plane)
            names.append(raw.channels[k])
            units.append(raw.units[k])
            continue
        turn = plane.astype(np.float64) * (2 * np.pi / period)
        planes += [da.cos(turn), da.sin(turn)]
        names += [f"{raw.channels[k]} cos", f"{raw.channels[k]} sin"]
        units += ["1", "1"]
    return replace(raw, data=da.concatenate(planes, axis=1), channels=names, units=units)
