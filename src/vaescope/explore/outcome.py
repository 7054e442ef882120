"""What a search came to, read from ``explore.zarr``: its course, its map, its baselines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.support import REAL

if TYPE_CHECKING:
    import xarray as xr

SEARCH = "this search"
"""Name of the search itself among the strategies."""
RANDOM = "random"
_FEWEST = 20  # candidates with a known value from which a share is computed
_BOUND = "gradient"  # begins the name of what is no rival, but bounds what can be reached
_AHEAD = 0.05  # of the error: more than luck
_AHEAD_OF_RANGE = 0.01  # of the range of the values seen
_CELLS, _IN_A_CELL = (12, 40), 100  # of a profile along an axis, and candidates in each
_EMPTIEST = 4  # places of a grid for each candidate
_OFF = 0.02  # of the distance between lines of a grid


@dataclass(frozen=True)
class Course:
    """What one strategy had reached after so many evaluations, over its runs.

    ``evaluations``, ``median``, ``low``, ``high`` : (step,); the last two are the quartiles.
    """

    strategy: str
    evaluations: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int


class Outcome:
    """A search, as ``explore.zarr`` holds it; arrays are loaded as they are wanted."""

    def __init__(self, explored: xr.Dataset) -> None:
        self.explored = explored

    @property
    def active(self) -> bool:
        """Whether spectra were measured one by one, rather than an optimum sought."""
        return str(self.explored.attrs.get("method")) == "active"

    @property
    def mapped(self) -> bool:
        """Whether candidates have places, rather than being the patches of a stack."""
        return bool(np.ptp(self.places, axis=0).any())

    @property
    def objective(self) -> str:
        """What a value is, in words."""
        return str(self.explored.attrs.get("objective") or "objective")

    @property
    def unit(self) -> str:
        """Unit of the values; empty where they have none."""
        unit = str(self.explored.attrs.get("unit") or "")
        return "" if unit in ("1", "none") else unit

    @property
    def label(self) -> str:
        """What a value is, with its unit."""
        return f"{self.objective} ({self.unit})" if self.unit else self.objective

    @property
    def stopped(self) -> str:
        """Why the search ended, in words."""
        return str(self.explored.attrs.get("stopped") or "")

    def array(self, name: str) -> np.ndarray:
        """A variable as floating-point numbers."""
        return np.asarray(self.explored[name].values, dtype=float)

    def has(self, name: str) -> bool:
        """Whether a variable is there."""
        return name in self.explored.variables

    @cached_property
    def places(self) -> np.ndarray:
        """(candidate, axis) places of the candidates on the map."""
        return self.array("place")

    @cached_property
    def axes(self) -> list[str]:
        """Names of the axes of the map."""
        return [str(name) for name in self.explored["axis"].values]

    @property
    def planar(self) -> bool:
        """Whether the candidates lie in a plane, which can be mapped."""
        return self.places.shape[1] == 2

    def in_order(self) -> dict[str, np.ndarray]:
        """Columns of a table of the evaluations, as they followed each other."""
        return {
            "evaluation": np.arange(1, len(self.points) + 1),
            "candidate": self.points,
            "value": self.values,
        }

    def leaders(self, axis: int, values: np.ndarray) -> np.ndarray:
        """Candidates with the largest value (candidate,) of those at about the same place along an
        axis, in the order of these places; those that could be proposed go before all others. All
        candidates, where there is one axis."""
        along = self.places[:, axis]
        if self.places.shape[1] == 1:
            return np.argsort(along, kind="stable")
        count = int(np.clip(len(along) / _IN_A_CELL, *_CELLS))
        cells = np.linspace(along.min(), along.max(), count + 1)[1:-1]
        cell = np.searchsorted(cells, along)
        worth = np.where(np.isfinite(values), values, -np.inf)
        order = np.lexsort((worth, self.allowed & np.isfinite(values), cell))
        last = np.append(np.diff(cell[order]) > 0, True)
        return np.asarray(order[last])

    @cached_property
    def allowed(self) -> np.ndarray:
        """(candidate,) which candidates could be proposed."""
        if not self.has("allowed"):
            return np.ones(len(self.places), bool)
        return self.array("allowed") > 0

    @cached_property
    def real(self) -> np.ndarray:
        """(candidate,) which candidates could be proposed and resemble the data when decoded."""
        supported = self.array("support") >= REAL if self.has("support") else True
        return self.allowed & supported

    def unreal(self, candidate: int) -> bool:
        """Whether a candidate lies where nothing that is decoded resembles the data."""
        return self.has("support") and bool(self.array("support")[candidate] < REAL)

    @cached_property
    def points(self) -> np.ndarray:
        """(step,) which candidate each evaluation was of."""
        return self.array("point").astype(int)

    @cached_property
    def values(self) -> np.ndarray:
        """(step,) what came of each evaluation; NaN where it failed."""
        return self.array("value")

    @cached_property
    def kept(self) -> np.ndarray:
        """(kept,) numbers of evaluations after which beliefs were kept."""
        return self.array("kept").astype(int)

    @cached_property
    def mean(self) -> np.ndarray:
        """(candidate,) the last belief."""
        return np.asarray(self.explored["mean"].isel(kept=-1).values, dtype=float)

    @cached_property
    def sd(self) -> np.ndarray:
        """(candidate,) its standard deviation."""
        return np.asarray(self.explored["sd"].isel(kept=-1).values, dtype=float)

    @cached_property
    def truth(self) -> np.ndarray:
        """(candidate,) the value of each candidate; NaN where nobody knows it."""
        return self.array("truth") if self.has("truth") else np.full(len(self.places), np.nan)

    @property
    def knows_truth(self) -> bool:
        """Whether enough candidates have a known value to judge the search by."""
        return int(np.isfinite(self.truth).sum()) >= _FEWEST

    @cached_property
    def unseen(self) -> np.ndarray:
        """(candidate,) which known values of real candidates the search has not seen."""
        unseen = np.isfinite(self.truth) & self.real
        unseen[self.points] = False
        return unseen

    @property
    def best(self) -> int:
        """The evaluation with the largest value."""
        return int(np.nanargmax(self.values))

    @cached_property
    def best_so_far(self) -> np.ndarray:
        """(step,) the largest value until then; NaN before the first."""
        return np.fmax.accumulate(self.values)

    def regret(self) -> float:
        """How far the best value found is below the best there is among the candidates that could
        be proposed, as a share of their range; NaN where that is not known."""
        known = self.truth[self.allowed & np.isfinite(self.truth)]
        reach = float(np.ptp(known)) if known.size else 0.0
        if not self.knows_truth or reach == 0:
            return float("nan")
        return float((known.max() - np.nanmax(self.values)) / reach)

    def inside(self) -> float:
        """Share of the known values not seen that lie within two standard deviations."""
        if self.unseen.sum() < _FEWEST:
            return float("nan")
        off = np.abs(self.mean - self.truth)[self.unseen]
        return float((off <= 2 * self.sd[self.unseen]).mean())

    def error(self) -> float:
        """Root mean square error of the values not seen, over the standard deviation of all: 1 is
        what the mean of all values would give."""
        if self.unseen.sum() < _FEWEST:
            return float("nan")
        spread = float(np.nanstd(self.truth[self.real]))
        off = (self.mean - self.truth)[self.unseen]
        return float(np.sqrt((off**2).mean()) / spread) if spread else float("nan")

    def spread_share(self) -> float:
        """Median standard deviation of the values not seen, over the standard deviation of all."""
        spread = float(np.nanstd(self.truth[self.real])) if self.unseen.any() else 0.0
        return float(np.median(self.sd[self.unseen]) / spread) if spread else float("nan")

    @property
    def compares(self) -> bool:
        """Whether strategies can be compared at the end: errors are of what is left unmeasured."""
        return not (self.active and self.unseen.sum() < _FEWEST)

    @cached_property
    def strategies(self) -> list[str]:
        """Names of the search and of the baselines beside it, the search first."""
        if "strategy" not in self.explored.coords:
            return []
        names = [str(name) for name in self.explored["strategy"].values]
        return sorted(names, key=lambda name: name != SEARCH)

    @property
    def reached(self) -> str:
        """The variable by which strategies are compared; empty where there is none."""
        names = ("rmse", "best") if self.active else ("best",)
        return next((name for name in names if self.has(name)), "")

    def course(self, strategy: str, name: str = "") -> Course | None:
        """What a strategy had reached, of the variable by which they are compared or another."""
        name = name or self.reached
        if not name or strategy not in self.strategies:
            return None
        own = self.explored[name].sel(strategy=strategy)
        along = "step" if "step" in own.dims else "kept"
        values = np.asarray(own.transpose("run", along).values, dtype=float)
        values = values[np.isfinite(values).any(axis=1)]
        if not len(values):
            return None
        known = np.isfinite(values).any(axis=0)
        at = np.arange(1, values.shape[1] + 1) if along == "step" else self.kept
        low, median, high = np.nanquantile(values[:, known], (0.25, 0.5, 0.75), axis=0)
        return Course(strategy, np.asarray(at)[known], median, low, high, len(values))

    def needed(self, strategy: str, level: float) -> float:
        """Evaluations after which the median of a strategy's runs had reached a level; NaN where it
        never did."""
        course = self.course(strategy)
        if course is None:
            return float("nan")
        downward = self.reached == "rmse"
        there = course.median <= level if downward else course.median >= level
        return float(course.evaluations[np.argmax(there)]) if there.any() else float("nan")

    def better_baselines(self) -> list[str]:
        """Baselines whose median at the end of the search is clearly better than the search."""
        own = self.course(SEARCH)
        if own is None or not self.compares:
            return []
        end = float(own.median[-1])
        better = []
        for name in self.strategies:
            other = self.course(name)
            if name == SEARCH or name.startswith(_BOUND) or other is None:
                continue
            at = np.searchsorted(other.evaluations, own.evaluations[-1], side="right") - 1
            if at >= 0 and self._clearly_better(float(other.median[at]), end):
                better.append(name)
        return better

    def _clearly_better(self, other: float, own: float) -> bool:
        if self.reached == "rmse":
            return other < (1 - _AHEAD) * own
        reach = float(np.nanmax(self.values) - np.nanmin(self.values))
        return other > own + _AHEAD_OF_RANGE * reach

    def grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """The grid on which the places lie: values of the axis down (row,) and of the axis across
        (column,), and for every candidate its place in the flattened (row, column). None where they
        lie on none. The axes are y and x, or the first axis across and the second one down.
        """
        if not self.planar:
            return None
        across = 1 if self.axes[0].startswith("y") else 0
        wide, high = _lines(self.places[:, across]), _lines(self.places[:, 1 - across])
        if wide is None or high is None:
            return None
        (columns, at), (rows, up) = wide, high
        flat = up * len(columns) + at
        if len(np.unique(flat)) != len(flat) or len(columns) * len(rows) > _EMPTIEST * len(flat):
            return None
        return rows, columns, flat


def _lines(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Equally spaced values (line,), and which of them each of some is (k,); None where they are
    not. A line on which none lies is one as well: nothing was measured there."""
    known = np.unique(np.round(values, 9))
    if len(known) < 2:
        return None
    step = np.diff(known).min()
    count = round((known[-1] - known[0]) / step) + 1
    if count > _EMPTIEST * len(known):
        return None
    lines = np.linspace(known[0], known[-1], count)
    at = np.rint((values - known[0]) / (lines[1] - lines[0])).astype(int)
    return (lines, at) if np.abs(lines[at] - values).max() <= _OFF * step else None
