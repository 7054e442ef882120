"""Domain walls that stay where they are, in images or movies that only drift, and those that move
(see `switching`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate import domains, piezoresponse
from vaescope.simulate.arguments import Spread, one_of, within
from vaescope.simulate.piezo_movies import PiezoMovie, PiezoSystem, film
from vaescope.simulate.piezoresponse import Recorder
from vaescope.simulate.specimen_drift import drifting
from vaescope.simulate.switching import Switching, switching

_PIXELS = 2**26  # of a whole movie, at most


@dataclass(frozen=True)
class DomainWalls(Recorder):
    """Parameters of `walls`."""

    domains: str = one_of(*domains.SHAPES)
    # px: sd of the Gaussian that makes domains at random, width of a stripe, radius of a circle
    length: float = within(12.0, 4.0, 200.0, Spread(6.0, 30.0))
    # of the area in the positive domain
    share: float = within(0.5, 0.0, 1.0, Spread(0.2, 0.8))
    frames: int = within(1, 1, 1000)


def static_walls(p: DomainWalls, rng: np.random.Generator) -> PiezoMovie:
    """Domains that stay as they are, in frames that drift.

    Raises
    ------
    UserError : the movie would not fit in memory.
    """
    drift = drifting(p.drift, p.frames, rng)
    reach = drift.reach + piezoresponse.margin(p)
    pixels = max(p.frames * p.size**2, (p.size + 2 * reach) ** 2)
    if pixels > _PIXELS:
        raise UserError(
            "the simulated movie is too large",
            found=f"{pixels:.2g} pixels in all frames or in the area they show",
            expected=f"at most {_PIXELS:.2g}",
            remedy="Ask for fewer `frames`, a smaller `size` or less `drift`",
        )
    plane = domains.plane(p.domains, -reach, p.size - 1 + reach, p.length, p.share, rng)
    return film([plane] * p.frames, p, drift, reach, rng)


PIEZO: dict[str, PiezoSystem] = {
    "walls": PiezoSystem(static_walls, DomainWalls()),
    "switching": PiezoSystem(switching, Switching()),
}
"""The ferroelectric domains that can be simulated."""
