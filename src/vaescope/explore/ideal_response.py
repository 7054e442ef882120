"""What the lattice of an objective would do without its defects: a cheap guess of what it does.

Material and field are those of the objective, and known; its defects are not looked at. Such a
lattice stays uniform, so that four sites stand for all, at a hundredth of the price.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vaescope.explore.objective import SETTLING, course_of, of_lattices, polarisation_of
from vaescope.explore.objective_settings import ObjectiveSettings

AT_ONCE = 5000
"""Curves whose lattices are simulated together."""
FINE = 1 / 8
"""Polarisation that counts as small, as a share of the spontaneous one."""
LEAST = 1e-6
"""Of the spontaneous polarisation: what varies by less is rounding."""


def ideal_responses(curves: np.ndarray, settings: ObjectiveSettings) -> dict[str, np.ndarray]:
    """Descriptions (n, feature) of curves (n, channel) by the polarisation of a perfect lattice.

    The features are its components at the end, and one and two times of settling before: inverse
    hyperbolic sines of their ratios to the spontaneous polarisation (``coarse response``) and to
    `FINE` of it (``response``). Components that are the same for all curves are left out. Curves
    that no lattice can follow have the response 0. There are none for a function of the user's.
    """
    if settings.quantity == "function":
        return {}
    ideal = replace(settings, side=2, defects=0, boundary="periodic")
    last = len(course_of(curves[:1], ideal)[1]) - 1
    settling = round(SETTLING * last)
    keep = [0, last - 2 * settling, last - settling, last]

    def of_one_site(some: np.ndarray) -> np.ndarray:
        return np.asarray(polarisation_of(some, ideal, keep=keep))[..., 0, 0]

    states, _ = of_lattices(of_one_site, np.asarray(curves, np.float32), AT_ONCE)
    states = np.nan_to_num(states)
    if states.ndim == 1:  # no lattice follows any of the curves
        return {}
    spontaneous = float(np.linalg.norm(states[:, 0], axis=-1).max())
    ends = states[:, 1:].reshape(len(curves), -1)
    ends = ends[:, np.ptp(ends, axis=0) > LEAST * spontaneous]
    if not ends.shape[1]:
        return {}
    return {
        "response": np.arcsinh(ends / (FINE * spontaneous)),
        "coarse response": np.arcsinh(ends / spontaneous),
    }
