"""Whether walls at sites are 180° walls, by what the channels of an image say of their sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vaescope.quantities import attributes
from vaescope.walls.ferroelastic import Sides, sides

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.table import Column
    from vaescope.sites.wall_columns import Points
    from vaescope.walls.signal import Signal
    from vaescope.walls.wall import Wall

HEIGHT, LATERAL = "height", "lateral in-phase"


def columns(
    image: xr.Dataset, frame: int, signal: Signal, walls: Sequence[Wall], points: Points
) -> dict[str, Column]:
    """The column ``ferroelastic`` of the sites along the walls of a frame; none where an image has
    the in-phase response alone."""
    names = [str(name) for name in image["channel"].values]
    planes = image["image"][frame]

    def plane(name: str) -> dict[str, np.ndarray]:
        return {name: np.asarray(planes[names.index(name)].values, float)} if name in names else {}

    steps, creases = plane(LATERAL), plane(HEIGHT)
    if signal.out_of_phase is not None:
        steps["out-of-phase"] = signal.out_of_phase
        steps["strength"] = np.hypot(signal.in_phase, signal.out_of_phase)
    if not steps and not creases:
        return {}
    found = sides(walls, steps, creases, signal.measured, lateral=(LATERAL,))
    words = "probability that the wall is no 180° wall"
    about = attributes(words, "1", "sequential", valid=(0, 1))
    return {"ferroelastic": (_at(points, walls, found), about)}


def _at(points: Points, walls: Sequence[Wall], found: Sequence[Sides]) -> np.ndarray:
    """The probability (site,) at the point of a wall that is nearest to each site."""
    value = np.full(len(points.wall), np.nan)
    for number, (wall, each) in enumerate(zip(walls, found, strict=True)):
        here = np.flatnonzero(points.wall == number)
        nearest = np.rint(points.at[here] / wall.length * len(wall.steps)).astype(int)
        value[here] = each.ferroelastic[nearest % len(wall.place)]
    return value
