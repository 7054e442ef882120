"""Bayesian optimisation over a fixed set of candidates, by ``ask`` and ``tell``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from vaescope import weights
from vaescope.errors import UserError
from vaescope.explore import transforms, trust
from vaescope.explore.acquisition import ACQUISITIONS, Acquisition, log_time, utility
from vaescope.explore.choice import Choice
from vaescope.explore.inputs import (
    check_candidates,
    check_counts,
    check_names,
    check_places,
    check_tell,
    check_weights,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from vaescope.explore.transforms import Transform

_POOL = 64
"""Candidates among which the next starting point is the one farthest from all before it."""
_LEADERS, _DRAWS = 400, 256
"""Candidates, and functions drawn at them, from which the expected regret is estimated."""
_BEST = 10
"""Values at least that are called the best, where a quarter of them is less."""


class Explorer:
    """Proposes which of some candidates to evaluate next, and learns from the values found.

    Parameters
    ----------
    candidates : (n, features) float, one row for each candidate; or several descriptions of the
        same candidates by name, {name: (n, features)}. Each alone, and all of them together, is
        then a possible description; the one that predicts each known value best from all the
        others (leave-one-out predictive density) is used.
    combine : ``choose`` among several descriptions, as above, or take a value for the ``sum`` of
        functions, one of each description, of which each has one length scale. A sum is learned
        from fewer values where several descriptions matter.
    isotropic : names of descriptions whose features have one unit, such as a place (y, x): they
        keep their proportions. All other features are scaled to their ranges, each by itself.
    acquisition : ``logei`` (expected improvement), ``ei``, ``ucb`` (mean + ``kappa`` sd),
        ``thompson``, ``uncertainty`` (the largest sd), or ``variance`` (after which the variance of
        all candidates together is least).
    start : number of starting points, spread over the candidates before any model is fitted.
    allowed : (n,) bool or weights from 0 (never proposed) to 1; what a candidate is worth is
        multiplied by its weight.
    places : (n, 2), where each candidate is, and ``cost``, the time for travelling a unit of length
        in units of the time for one measurement: what counts is then the worth in a given time.
    maximise : whether large values are sought.
    transform : of the values: ``none``, ``log``, ``yeo-johnson``, or ``auto``, the one of these
        with the largest leave-one-out predictive density.
    trust_region : propose only candidates near the best one, in a box that grows with success,
        shrinks with failure, and starts again elsewhere once it is small; for landscapes with so
        many local optima that a search of the whole never settles.
    seed : of all random choices; the same calls make the same proposals.

    Raises
    ------
    UserError : candidates, weights, places or a setting are not as described.
    """

    def __init__(
        self,
        candidates: ArrayLike | Mapping[str, ArrayLike],
        *,
        acquisition: Acquisition = "logei",
        kappa: float = 2.0,
        start: int = 20,
        allowed: ArrayLike | None = None,
        places: ArrayLike | None = None,
        cost: float = 0.0,
        maximise: bool = True,
        transform: str = "auto",
        combine: Literal["choose", "sum"] = "choose",
        isotropic: Collection[str] = (),
        trust_region: bool = False,
        seed: int = 0,
    ) -> None:
        check_counts(kappa=kappa, start=start, cost=cost, seed=seed)
        self.descriptions = check_candidates(candidates)
        n = len(next(iter(self.descriptions.values())))
        self.weights = check_weights(allowed, n)
        self.places = check_places(places, cost, n)
        for name, value, known in (
            ("acquisition", acquisition, ACQUISITIONS),
            ("transform", transform, ("auto", *transforms.KINDS)),
            ("combine", combine, ("choose", "sum")),
        ):
            if value not in known:
                raise UserError(
                    f"there is no such `{name}`",
                    found=repr(value),
                    expected="one of " + ", ".join(known),
                )
        self.acquisition, self.kappa, self.start = acquisition, float(kappa), int(start)
        self.cost, self.maximise, self.transform = float(cost), bool(maximise), transform
        self.combine, self.seed = combine, int(seed)
        self.isotropic = check_names(isotropic, self.descriptions)
        self.trust_region = bool(trust_region)
        self.pending: list[int] = []
        self._points: list[int] = []
        self._values: list[float] = []
        self._learnt = 0  # how many of the points are in the order in which the model has them
        self._spent = np.zeros(n, bool)
        sign = 1 if maximise else -1
        self._choice = Choice(self.descriptions, transform, sign, combine == "sum", self.isotropic)

    @property
    def points(self) -> np.ndarray:
        """Indices (k,) of the candidates evaluated, failed ones included."""
        return np.array(self._points, int)

    @property
    def values(self) -> np.ndarray:
        """Their values (k,); NaN where the evaluation failed."""
        return np.array(self._values, float)

    @property
    def chosen(self) -> tuple[str, str]:
        """Description of the candidates and transform of the values that predict best so far."""
        return self._choice.chosen

    @property
    def best(self) -> tuple[int, float]:
        """Candidate with the best value found, and that value; −1 and NaN before there is one."""
        values = self.values if self.maximise else -self.values
        if not np.isfinite(values).any():
            return -1, float("nan")
        index = int(np.nanargmax(values))
        return self._points[index], self._values[index]

    def ask(self, n: int = 1, *, opinion: int = 0) -> np.ndarray:
        """Indices (n,) of the candidates to evaluate next; fewer where fewer are left.

        None of them is proposed again. Until its value is given, each counts as if it had the value
        that is expected of it.

        Parameters
        ----------
        opinion : where there are several descriptions, which of them proposes, by how well each
            predicts values that are left out: 0 the best, 1 the next, and so on. Where the best one
            expects to gain nothing more, the others may find what it cannot see.
        """
        if n < 1 or n != int(n):
            raise UserError(
                "no such number of proposals", found=n, expected="a whole number of at least 1"
            )
        known = int(np.isfinite(self.values).sum())
        proposed: list[int] = []
        for _ in range(int(n)):
            left = np.flatnonzero(~self._spent & (self.weights > 0))
            if not len(left):
                break
            taken = len(self._points) + len(self.pending)
            random = np.random.default_rng([self.seed, taken])
            if taken < self.start or known < 2:
                new = self._start_point(left, random)
            else:
                new = self._next(left, random, opinion)
            self._spent[new] = True
            self.pending.append(new)
            proposed.append(new)
        return np.array(proposed, int)

    def _start_point(self, left: np.ndarray, random: np.random.Generator) -> int:
        """A candidate far from all before it: D. Mitchell, Comput. Graph. 25 (1991) 157."""
        chance = self.weights[left] / self.weights[left].sum()
        size = min(_POOL, len(left))
        pool = random.choice(left, size, replace=False, p=chance)
        before = [*self._points, *self.pending]
        if not before:
            return int(pool[0])
        cube = self._choice.cube()
        apart = np.linalg.norm(cube[pool][:, None] - cube[before][None], axis=-1).min(1)
        return int(pool[np.argmax(apart)])

    def _next(self, left: np.ndarray, random: np.random.Generator, opinion: int) -> int:
        """The candidate that is worth most."""
        model, _ = self._believed(self.pending, opinion)
        mean, sd = model.predict()
        seed = int(random.integers(2**31))
        worth = utility(
            self.acquisition,
            mean[left],
            sd[left],
            best=float(mean[model.points].max()),
            kappa=self.kappa,
            drawn=model.draw(seed)[left] if self.acquisition == "thompson" else None,
            learned=model.decrease(left) if self.acquisition == "variance" else None,
        )
        worth = worth + np.log(self.weights[left])
        if self.trust_region:
            values = self.values if self.maximise else -self.values
            near = trust.inside(model.features.numpy(), self.points, values, self.start)[left]
            worth = np.where(near | ~near.any(), worth, -np.inf)
        last = self.pending[-1] if self.pending else (self._points[-1] if self._points else None)
        if self.places is not None and last is not None:
            worth = worth - log_time(self.places[left], self.places[last], self.cost)
        # The first of those that rounding alone sets apart: the same after a resumption.
        top = np.max(worth)
        return int(left[np.flatnonzero(worth >= top - 1e-9 * max(abs(top), 1.0))[0]])

    def _learn(self) -> tuple[list[int], np.ndarray]:
        """Finite values in the order in which the model has them: that in which they came matters
        only between one proposal and the next."""
        new = sorted(zip(self._points[self._learnt :], self._values[self._learnt :], strict=True))
        self._points[self._learnt :] = [point for point, _ in new]
        self._values[self._learnt :] = [value for _, value in new]
        self._learnt = len(self._points)
        finite = np.isfinite(self.values)
        return [p for p, ok in zip(self._points, finite, strict=True) if ok], self.values[finite]

    def _believed(self, pending: Sequence[int] = (), opinion: int = 0) -> tuple[Any, Transform]:
        """The model that knows all values, and pending ones as expected, and their transform."""
        points, values = self._learn()
        model, transform = self._choice.model(points, values, opinion)
        mapped = transform.forward(values)
        model.condition(points, mapped)
        if pending:  # Kriging believer: D. Ginsbourger, R. Le Riche and L. Carraro (2010)
            expected = model.predict()[0][list(pending)]
            model.condition([*points, *pending], np.concatenate([mapped, expected]))
        return model, transform

    def tell(self, indices: ArrayLike, values: ArrayLike) -> None:
        """Take in the values of some candidates, whether proposed here or not.

        Parameters
        ----------
        indices : (k,) int. values : (k,) float; NaN is a failed evaluation, which is neither
            fitted nor proposed again. A candidate may have several values: what they differ by is
            noise.
        """
        places, numbers = check_tell(indices, values, len(self.weights))
        for point, value in zip(places, numbers, strict=True):
            if point in self.pending:
                self.pending.remove(point)
            self._spent[point] = True
            self._points.append(int(point))
            self._values.append(float(value))

    def predict(self, *, measured: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n,) of the value of every candidate, without the noise of
        its evaluation, or with it: of what would be ``measured``. NaN before two values are known.
        """
        if np.isfinite(self.values).sum() < 2:
            return np.full(len(self.weights), np.nan), np.full(len(self.weights), np.nan)
        model, transform = self._believed()
        mean, sd = model.predict()
        return transform.moments(mean, np.hypot(sd, model.noise) if measured else sd)

    def left_out(self) -> np.ndarray:
        """How far each finite value is from what all the others predict, in standard deviations of
        what would be measured: (k,), which is normal where bands hold. Empty before two are known.
        """
        if np.isfinite(self.values).sum() < 2:
            return np.zeros(0)
        model, transform = self._believed()
        finite = np.isfinite(self.values)
        points = [p for p, ok in zip(self._points, finite, strict=True) if ok]
        off, sd = model.left_out(points, transform.forward(self.values[finite]))
        return off / sd

    def expected_regret(self) -> float:
        """By how much the best allowed candidate is expected to be better than the one expected to
        be the best of those evaluated, in the unit of the values; infinite before two are known.
        What a candidate gains is multiplied by its weight, as its worth is where it is proposed.

        Estimated from functions drawn jointly at the candidates with the most to gain by 3 sd. They
        vary by more than the model says where values that are left out, all or the best of them,
        are farther from what the others predict than it expects.
        """
        if np.isfinite(self.values).sum() < 2:
            return float("inf")
        model, transform = self._believed()
        mean, sd = model.predict()
        known = np.array(model.points)
        incumbent = known[np.argmax(mean[known])]
        left = np.flatnonzero(~self._spent & (self.weights > 0))
        hope = (self.weights * (mean + 3 * sd - mean[incumbent]))[left]
        leaders = left[np.argsort(-hope, kind="stable")[:_LEADERS]]
        among = np.concatenate([[incumbent], leaders])
        covariance = model.covariance(among)
        size, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(size, 0))
        random = np.random.default_rng([self.seed, len(self._points), 1])
        drawn = random.standard_normal((_DRAWS, len(among))) @ root.T
        drawn = mean[among] + self._excess(transform) * drawn
        found = transform.inverse(drawn)
        gain = (found - found[:, :1]) * (1 if self.maximise else -1)
        return float((gain * self.weights[among]).max(1).mean())

    def _excess(self, transform: Transform) -> float:
        """Root mean square of what is left out, in its standard deviations; at least 1."""
        off = self.left_out() ** 2
        values = transform.forward(self.values[np.isfinite(self.values)])
        best = np.argsort(-values, kind="stable")[: max(len(values) // 4, _BEST)]
        return float(np.sqrt(max(1.0, off.mean(), off[best].mean())))

    def save(self, path: str | Path) -> None:
        """Write everything to one file (safetensors), atomically.

        Raises
        ------
        UserError : ``path`` is a folder.
        """
        import torch

        if Path(path).is_dir():
            raise UserError(
                "an explorer is one file", file=path, found="a folder", expected="a path of a file"
            )
        arrays = {f"description {i}": d for i, d in enumerate(self.descriptions.values())}
        arrays |= {"weights": self.weights, "points": self.points, "values": self.values}
        arrays |= {"pending": np.array(self.pending, int)}
        if self.places is not None:
            arrays["places"] = self.places
        tensors, choice = self._choice.state()
        tensors |= {name: torch.as_tensor(value) for name, value in arrays.items()}
        settings = {
            name: getattr(self, name)
            for name in (
                "acquisition",
                "kappa",
                "start",
                "cost",
                "maximise",
                "transform",
                "combine",
                "isotropic",
                "trust_region",
                "seed",
            )
        }
        facts = {"kind": "explorer", "names": list(self.descriptions), "settings": settings}
        weights.save(Path(path), tensors, facts | {"learnt": self._learnt, "choice": choice})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The explorer in a file that ``save`` wrote; its next proposals are the same.

        Raises
        ------
        UserError : there is no such file, or it is another one.
        """
        try:
            tensors, facts = weights.load(Path(path)) or ({}, {})
            if facts["kind"] == "explorer":
                return cls._made(tensors, facts)
        except (KeyError, TypeError, ValueError, IndexError):
            pass  # a file of something else, or of another version
        raise UserError(
            "no explorer can be read from this file",
            file=path,
            expected="a file written by `Explorer.save`",
        )

    @classmethod
    def _made(cls, tensors: dict[str, Any], facts: dict[str, Any]) -> Self:
        arrays = {name: value.numpy() for name, value in tensors.items()}
        made = cls(
            {name: arrays[f"description {i}"] for i, name in enumerate(facts["names"])},
            allowed=arrays["weights"],
            places=arrays.get("places"),
            **facts["settings"],
        )
        made.tell(arrays["points"], arrays["values"])
        made.pending = arrays["pending"].tolist()
        made._spent[made.pending] = True
        made._learnt = facts["learnt"]
        made._choice.restore(tensors, facts["choice"])
        return made

    def __repr__(self) -> str:
        facts = json.dumps({"evaluated": len(self._points), "best": self.best[1]})
        return f"Explorer of {len(self.weights)} candidates {facts}"
