"""The schedule of a training: the learning rate, the weights, the turns and the classes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from torch import Tensor

from vaescope.models.elbo import Weights
from vaescope.models.settings import ModelSettings

TEMPER_START = 30.0
"""First weight of the turns' entropy: log-likelihoods of turns differ by tens of nats at first."""

ALL_TURNS = 0.3
"""Share of the steps before classes are active in which all turns of a patch count."""


ALL_SHIFTS = 0.2
"""The same with a grid of shifts: within a cell they are found sooner."""

MOST_COPIES = 384
"""Copies of patches, at all turns and shifts, that are decoded in one step, as long as that leaves
FEWEST_PATCHES of them."""

FEWEST_PATCHES = 6


@dataclass(frozen=True)
class Moment:
    """What one step of training is like.

    ``sites`` of a batch; ``keep``: how many turns of each site count, None: all;
    ``teaches_classes`` and ``teaches_turns``: whether classes and turns come from outside the
    model; ``teacher_weight``: the share of those classes in the posterior; ``rate`` of learning.
    ``varying`` names the weights that change from step to step.
    """

    sites: int
    keep: int | None
    teaches_classes: bool
    teaches_turns: bool
    weights: Weights
    teacher_weight: float | Tensor
    rate: float | Tensor
    varying: tuple[str, ...]

    @property
    def alike(self) -> tuple[int, int | None, bool, bool]:
        """A key that steps share which differ in numbers alone."""
        return self.sites, self.keep, self.teaches_classes, self.teaches_turns

    def numbers(self) -> list[float | Tensor]:
        """The numbers by which alike steps differ."""
        return [
            self.teacher_weight,
            self.rate,
            *(getattr(self.weights, name) for name in self.varying),
        ]

    def with_numbers(self, numbers: Tensor) -> Moment:
        """This moment with other numbers, those of a tensor (number,), as tensors."""
        teacher_weight, rate, *weights = numbers.unbind()
        changed = replace(self.weights, **dict(zip(self.varying, weights, strict=True)))
        return replace(self, teacher_weight=teacher_weight, rate=rate, weights=changed)


@dataclass(frozen=True)
class TrainingSchedule:
    """What each step of one training is like, as fractions of its steps fixed by the settings.

    ``shifts``: at how many shifts each turn of a patch is seen.
    """

    settings: ModelSettings
    shifts: int = 1

    TURNS_TAUGHT = 0.25
    """Share of teaching down to which the turns are taught as well."""

    @property
    def recentring(self) -> frozenset[int]:
        """Steps at which the classes are put where their sites are."""
        active = self.settings.steps - self.activation_step
        turns_taught = 0.5 * active * (1 - self.TURNS_TAUGHT)
        return frozenset(
            self.activation_step + int(share * turns_taught) for share in (0.5, 1.0) if active
        )

    @property
    def activation_step(self) -> int:
        """The step at which classes become active (after the last step if there are none)."""
        steps = self.settings.steps
        return max(int(0.6 * steps), 1) if self.settings.classes else steps

    def temper(self, step: int) -> float:
        """Weight of the turns' entropy: falls from ``TEMPER_START`` to 1 over the first fifth."""
        progress = min(step / max(0.2 * self.activation_step, 1), 1.0)
        return TEMPER_START ** (1 - progress)

    def moment(self, step: int, sites: int) -> Moment:
        """The moment of a step of a training on ``sites`` sites."""
        teaching = self.teaching(step)
        return Moment(
            min(self.batch(step), sites),
            self.keep(step),
            teaching > 0.0,
            teaching > self.TURNS_TAUGHT,
            self.weights(step),
            teaching,
            self.learning_rate(step),
            tuple(self._varying()),
        )

    def _varying(self) -> Iterator[str]:
        """Names of the weights that change during training."""
        yield "temper"
        named = {"content": "content_weight"}
        for field in fields(Weights):
            schedule = getattr(self.settings, named.get(field.name, field.name), None)
            if isinstance(schedule, list):
                yield field.name

    def weights(self, step: int) -> Weights:
        """How the terms of the bound count."""
        progress = step / max(self.settings.steps - 1, 1)
        return Weights.of(self.settings, progress, self.temper(step))

    def keep(self, step: int) -> int | None:
        """How many turns of each site count: all at first (None), then the likeliest few."""
        return None if step < self.pruned_from else self.settings.top_turns

    @property
    def pruned_from(self) -> int:
        """The first step in which the likeliest copies alone count."""
        share = ALL_TURNS if self.shifts == 1 else ALL_SHIFTS
        return math.ceil(share * self.activation_step)

    def batch(self, step: int) -> int:
        """Patches in one step: half of them, or fewer, while each is decoded in all its copies."""
        full = self.settings.batch
        if step >= self._fewer:
            return full
        few = full // 2
        if self.shifts > 1:
            few = min(few, max(MOST_COPIES // self.copies, FEWEST_PATCHES))
        return max(few, 1)

    @property
    def copies(self) -> int:
        """At how many turns and shifts each patch is seen."""
        turned = "rotation" in self.settings.pose_parts
        return (self.settings.turns if turned else 1) * self.shifts

    @property
    def _fewer(self) -> int:
        """How many steps see fewer patches."""
        settings = self.settings
        if settings.prototypes or self.copies < 2 * settings.top_turns:
            return 0
        return self.pruned_from

    def seen(self, step: int, sites: int) -> int:
        """Patches drawn in the steps before ``step``, of a training on ``sites`` sites."""
        half = min(step, self._fewer)
        return half * min(self.batch(0), sites) + (step - half) * min(self.settings.batch, sites)

    def learning_rate(self, step: int) -> float:
        """One cycle for the pose and content, a second, gentler one once classes are active."""
        active = step >= self.activation_step
        start, end = (
            (self.activation_step, self.settings.steps) if active else (0, self.activation_step)
        )
        progress = (step - start + 1) / max(end - start, 1)
        # Weights that come from a whole training are nearer to their end.
        gentler = 0.25 if self.settings.start_from else 0.5
        peak = self.settings.learning_rate * (gentler if active else 1.0)
        rise = 0.1
        if progress < rise:
            return peak * progress / rise
        fall = (progress - rise) / (1 - rise)
        return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))

    def teaching(self, step: int) -> float:
        """Share, 1 falling to 0, of the mixture's assignments in the posterior of the class."""
        if step < self.activation_step or not self.settings.classes:
            return 0.0
        span = max(0.5 * (self.settings.steps - self.activation_step), 1)
        return max(1 - (step - self.activation_step) / span, 0.0)
