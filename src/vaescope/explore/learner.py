"""The explorer of an active measurement, on disk after every step."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaescope import store
from vaescope.errors import UserError
from vaescope.explore import monitors, world
from vaescope.explore.checkpoints import arrays_of, keep_arrays
from vaescope.explore.explorer import Explorer

if TYPE_CHECKING:
    from vaescope.explore.settings import ExploreSettings
    from vaescope.explore.world import World

FILE, STEPS, FALLEN = "search.safetensors", "steps.npz", "deep-kernel.txt"
_GROWN = 1.25
"""A deep kernel is fitted anew once there are so many times as many values."""


def explorer(
    descriptions: dict[str, np.ndarray], known: World, settings: ExploreSettings, seed: int
) -> Explorer:
    """The explorer of a world, in which a value is a sum of functions of its descriptions."""
    return Explorer(
        descriptions,
        combine="sum" if len(descriptions) > 1 else "choose",
        isotropic=[name for name in world.ISOTROPIC if name in descriptions],
        acquisition=settings.acquisition or "variance",
        kappa=settings.kappa,
        start=settings.start,
        places=known.place / known.pitch if settings.path_cost else None,
        cost=settings.path_cost,
        transform="none",
        seed=seed,
    )


class Learner:
    """Asks and learns, and is the same after a restart.

    Parameters
    ----------
    known : the world. settings : of the search. seed : of all random choices. folder : of the
        checkpoint.

    ``first`` : sites of the start, chosen without looking at any value. ``points``, ``values`` :
    (step,) what was measured, in order.
    """

    def __init__(self, known: World, settings: ExploreSettings, seed: int, folder: Path) -> None:
        self.known, self.settings, self.seed, self.folder = known, settings, seed, folder
        fresh = explorer(known.descriptions, known, settings, seed)
        self.first = fresh.ask(min(settings.start, settings.evaluations, len(known)))
        self.points, self.values = np.zeros(0, int), np.zeros(0)
        self._explorer = explorer(known.descriptions, known, settings, seed)
        steps = arrays_of(folder / STEPS)
        if steps is None or not _follow(steps, self.first):  # a new search, or no file of one
            shutil.rmtree(folder, ignore_errors=True)
            return
        self.points, self.values = steps["points"], steps["values"]
        with suppress(UserError):  # without a readable file all is learned from the steps
            held = Explorer.load(folder / FILE)
            same = self.points[: len(held.points)]  # the explorer has an order of its own
            if np.array_equal(np.sort(held.points), np.sort(same)):
                self._explorer = held
        self._make_up_for(len(self._explorer.points))

    @property
    def count(self) -> int:
        """How many sites were measured."""
        return len(self.points)

    @property
    def fallen(self) -> str:
        """Why a deep kernel that was wanted is not used, in words; empty otherwise."""
        file = self.folder / FALLEN
        return file.read_text("utf-8") if file.exists() else ""

    def ask(self, n: int) -> np.ndarray:
        """The next sites (n,); those of the start all at once."""
        return self.first if not self.count else self._explorer.ask(n)

    def tell(self, sites: np.ndarray, values: np.ndarray) -> None:
        """Write down what was measured, and learn from it."""
        before = self.count
        self.points = np.concatenate([self.points, sites])
        self.values = np.concatenate([self.values, values])
        keep_arrays(self.folder / STEPS, points=self.points, values=self.values)
        self._learn(before)

    def _learn(self, before: int) -> None:
        if before == self.count:
            return
        if self.settings.deep_kernel and self._due(before):
            self._bend()
        else:
            self._explorer.tell(self.points[before:], self.values[before:])
        self._explorer.save(self.folder / FILE)

    def _make_up_for(self, before: int) -> None:
        """Learn what was written down before a kill, after the same proposals as then."""
        if 0 < before < self.count:
            self._explorer.ask(self.count - before)
        self._learn(before)

    def _due(self, before: int) -> bool:
        """Whether the number of values has passed one at which the deep kernel is fitted."""
        fits = len(self.first) * _GROWN ** np.arange(40)
        return bool(((fits > before) & (fits <= self.count)).any())

    def _bend(self) -> None:
        """Fit the deep kernel anew, and use it if it predicts better."""
        from vaescope.explore import deep_kernel

        known = self.known
        bent = deep_kernel.bend(
            known.descriptions,
            self.points,
            self.values,
            self.seed,
            known.patches,
            world.ISOTROPIC,
        )
        store.write_text(bent.fallen, self.folder / FALLEN)
        self._explorer = explorer(bent.descriptions, self.known, self.settings, self.seed)
        self._explorer.tell(self.points, self.values)

    def believe(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean and sd (site,) of what would be measured, with the factor that is in sd."""
        mean, sd = self._explorer.predict(measured=True)
        parameters = 2 * len(self._explorer.descriptions) + 2
        factor = monitors.band_factor(self._explorer.left_out(), parameters)
        return mean, sd * factor, factor


def _follow(steps: dict[str, np.ndarray], first: np.ndarray) -> bool:
    """Whether steps read from a file begin with the sites of a start, a value for each."""
    points, values = steps.get("points", first[:0]), steps.get("values", first[:0])
    start = np.array_equal(points[: len(first)], first)
    return start and points.shape == values.shape
