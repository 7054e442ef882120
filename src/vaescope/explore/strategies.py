"""What stands beside a search: random draws, a grid, searches that know less or something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vaescope.explore.explorer import Explorer

Values = Callable[[np.ndarray], np.ndarray]
"""Values (k,) of candidates (k,) by index."""


def best_so_far(values: np.ndarray, steps: int) -> np.ndarray:
    """Largest of the values (k,) until each of so many steps; NaN before the first."""
    best = np.fmax.accumulate(np.asarray(values, float)[:steps])
    return np.pad(best, (0, steps - len(best)), mode="edge")


def random(allowed: np.ndarray, values: Values, steps: int, seed: int) -> np.ndarray:
    """Best values (step,) of allowed candidates (n,) drawn at random without replacement."""
    able = np.flatnonzero(allowed)
    drawn = np.random.default_rng(seed).permutation(able)[:steps]
    return best_so_far(values(drawn), steps)


def grid(
    places: np.ndarray, allowed: np.ndarray, values: Values, steps: int, seed: int
) -> np.ndarray:
    """Best values (step,) of the candidates nearest to a regular grid of as many places as there
    are steps, displaced at random and gone through in random order."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    low, high = places.min(0), places.max(0)
    side = max(int(np.ceil(steps ** (1 / places.shape[1]))), 1)
    cells = (np.indices((side,) * places.shape[1]).reshape(places.shape[1], -1).T) / side
    able = np.flatnonzero(allowed)
    wanted = low + (cells + rng.random(places.shape[1]) / side) * (high - low)
    nearest = np.unique(able[cKDTree(places[able]).query(wanted)[1]])
    return best_so_far(values(rng.permutation(nearest)[:steps]), steps)


def search(explorer: Explorer, values: Values, steps: int, batch: int = 1) -> np.ndarray:
    """Best values (step,) of the proposals of an explorer."""
    while len(explorer.points) < steps:
        new = explorer.ask(min(batch, steps - len(explorer.points)))
        if not len(new):
            break
        explorer.tell(new, values(new))
    return best_so_far(explorer.values, steps)
