"""Which description of the candidates and which transform of the values predict best."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.explore import transforms
from vaescope.explore.transforms import Transform

if TYPE_CHECKING:
    from torch import Tensor

    from vaescope.explore.surrogate import Surrogate

TOGETHER = " + "
REFIT = 0.15
"""Models are fitted anew when the number of values has grown by this share."""
FITS = 1
"""Fits at most before one proposal, once each takes a good part of a second."""
FEW = 40
"""Values up to which all models are fitted at once."""

Pair = tuple[str, str]


class Choice:
    """Models of all descriptions and transforms, fitted as values come, and the best of them.

    Parameters
    ----------
    descriptions : (n, features) by name; where there are several, all together are one more.
    transform : of the values, or ``auto``. sign : −1 where small values are sought.
    summed : a value is a sum of functions, one of each description; there is no other model.
    isotropic : descriptions whose features keep their proportions.

    ``features`` : (n, features) by name, in the unit cube.
    """

    def __init__(
        self,
        descriptions: dict[str, np.ndarray],
        transform: str,
        sign: int,
        summed: bool = False,
        isotropic: Collection[str] = (),
    ) -> None:
        from vaescope.explore.surrogate import unit_cube

        scaled = {name: unit_cube(one, name in isotropic) for name, one in descriptions.items()}
        self.features = scaled
        if len(descriptions) > 1:
            together = np.hstack(list(scaled.values()))
            name = TOGETHER.join(descriptions)
            self.features = {name: together} if summed else {**scaled, name: together}
        self.sizes = [one.shape[1] for one in descriptions.values()] if summed else []
        self.kinds = transforms.KINDS if transform == "auto" else (transform,)
        self.sign = sign
        self.chosen: Pair = (next(iter(self.features)), self.kinds[0])
        self.evidence: dict[Pair, float] = {}
        self._models: dict[Pair, Surrogate] = {}
        self._fitted: dict[Pair, int] = {}

    def cube(self) -> np.ndarray:
        """Features of the first description."""
        return next(iter(self.features.values()))

    def model(
        self, points: list[int], values: np.ndarray, opinion: int = 0
    ) -> tuple[Surrogate, Transform]:
        """The best model, its parameters up to date, and the transform that goes with it.

        ``opinion`` : 0 for the best of all, 1, 2, … for that of the next best description.
        """
        if self._refit(points, values):
            self._choose(points, values)
        pair = self._by_evidence()[min(opinion, len(self._by_evidence()) - 1)]
        kind = pair[1] if transforms.possible(pair[1], values) else "none"
        pair = (pair[0], kind)
        transform = Transform.of(kind, values, self.sign)
        if pair not in self._fitted:
            self._fit(pair, points, transform.forward(values))
        return self._models[pair], transform

    def _by_evidence(self) -> list[Pair]:
        """The chosen pair, then the best of every other description."""
        ranked = sorted(self.evidence, key=lambda pair: -self.evidence[pair])
        best = {self.chosen[0]: self.chosen}
        for pair in ranked:
            best.setdefault(pair[0], pair)
        return list(best.values())

    def _pairs(self, values: np.ndarray) -> list[Pair]:
        """The chosen pair, then those that differ from it in the transform or the description."""
        description, kind = self.chosen
        others = [(description, k) for k in self.kinds if k != kind]
        others += [(name, kind) for name in self.features if name != description]
        return [p for p in [self.chosen, *others] if transforms.possible(p[1], values)]

    def _refit(self, points: list[int], values: np.ndarray) -> bool:
        """Fit the models that are out of date; whether there were any."""
        n = len(points)
        due = [p for p in self._pairs(values) if n >= self._fitted.get(p, 0) * (1 + REFIT) + 0.5]
        due = due if n <= FEW else sorted(due, key=lambda p: self._fitted.get(p, 0))[:FITS]
        for pair in due:
            self._fit(pair, points, Transform.of(pair[1], values, self.sign).forward(values))
        return bool(due)

    def _fit(self, pair: Pair, points: list[int], mapped: np.ndarray) -> None:
        from vaescope.explore.surrogate import Surrogate

        if pair not in self._models:
            self._models[pair] = Surrogate(self.features[pair[0]], self.sizes)
        self._models[pair].fit(points, mapped)
        self._fitted[pair] = len(points)

    def _choose(self, points: list[int], values: np.ndarray) -> None:
        """Take the pair with the largest leave-one-out predictive density of the values."""
        self.evidence = {}
        for pair, model in self._models.items():
            if transforms.possible(pair[1], values):
                transform = Transform.of(pair[1], values, self.sign)
                density = model.leave_one_out(points, transform.forward(values))
                self.evidence[pair] = float((density + transform.log_slope(values)).mean())
        if self.evidence:
            self.chosen = max(self.evidence, key=lambda pair: self.evidence[pair])
        for pair, model in self._models.items():
            if pair != self.chosen:
                model.forget()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON-able facts from which ``restore`` makes the same choice."""
        tensors: dict[str, Tensor] = {}
        pairs = []
        for number, (pair, model) in enumerate(self._models.items()):
            pairs.append([*pair, self._fitted[pair], self.evidence.get(pair)])
            tensors |= {f"model {number} {k}": v for k, v in model.parameters.items()}
        return tensors, {"chosen": list(self.chosen), "pairs": pairs}

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take the state of another choice among the same descriptions."""
        from vaescope.explore.surrogate import Surrogate

        for number, (description, kind, fitted, evidence) in enumerate(facts["pairs"]):
            pair = (description, kind)
            self._models[pair] = Surrogate(self.features[description], self.sizes)
            self._fitted[pair] = fitted
            if evidence is not None:
                self.evidence[pair] = evidence
            start = f"model {number} "
            self._models[pair].parameters = {
                name.removeprefix(start): value
                for name, value in tensors.items()
                if name.startswith(start)
            }
        self.chosen = tuple(facts["chosen"])
