"""The evidence lower bound: its terms, and how they are weighed during training.

With content z, pose (angle, offset, …) and class alpha the objective is

    E[log p(t | ·)] - beta_c |w KL(content) + KL(pose) - C_z| - beta_d |KL(class) - C_a|,

each KL a mean over the batch (Burgess et al. 2018, arXiv:1804.03599; Dupont 2018,
arXiv:1804.00104). With C = 0, beta = 1 and w = 1 it is the evidence lower bound itself. A w above 1
makes content dearer than the pose: what a pose can say is left to the pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaescope.models.parts import PosePart
from vaescope.models.pose_parts import ANGLE
from vaescope.models.settings import ModelSettings, at


@dataclass(frozen=True)
class Weights:
    """How the terms count at one moment of training: numbers, or tensors of one number each.

    ``temper`` is the weight of the entropy of the turns: above 1 it keeps all turns in play.
    """

    beta: float | Tensor = 1.0
    content: float | Tensor = 1.0
    beta_class: float | Tensor = 1.0
    capacity: float | Tensor = 0.0
    capacity_class: float | Tensor = 0.0
    temper: float | Tensor = 1.0

    @classmethod
    def of(cls, settings: ModelSettings, progress: float = 1.0, temper: float = 1.0) -> Weights:
        """The weights at a share of training from 0 to 1."""
        return cls(
            at(settings.beta, progress),
            at(settings.content_weight, progress),
            at(settings.beta_class, progress),
            at(settings.capacity, progress),
            at(settings.capacity_class, progress),
            temper,
        )

    @property
    def price(self) -> float | Tensor:
        """Of a nat of content, in nats of the class."""
        least = 1e-6
        if isinstance(self.beta_class, Tensor):
            return self.beta / self.beta_class.clamp_min(least)
        return self.beta / max(self.beta_class, least)


@dataclass
class Terms:
    """The terms of the bound, each (member, site) in nats; ``objective`` (member,) is maximised.

    ``divergences`` by name: ``content``; ``turns`` of the angle, its turn and its correction; the
    other parts of the pose that the model has; ``class``, once classes are active. ``penalty``:
    what guides the training, the user's own term included; ``physics``: that term alone, None if
    there is none.
    """

    elbo: Tensor
    reconstruction: Tensor
    divergences: dict[str, Tensor]
    penalty: Tensor
    objective: Tensor
    physics: Tensor | None = None

    def recorded(self, name: str) -> Tensor:
        """The term of a column of ``history.csv`` (member, site): ``kl_NAME`` is a divergence, of
        classes that are not active yet 0."""
        divergence = name.removeprefix("kl_")
        if divergence == name:
            term: Tensor = getattr(self, name)
            return term
        return self.divergences.get(divergence, torch.zeros_like(self.elbo))


def columns(parts: Sequence[PosePart], classes: int, physics: bool = False) -> tuple[str, ...]:
    """The terms of a model with these parts of the pose, as columns of ``history.csv``, with
    that of the user's own ``physics`` if there is one."""
    names = ["content", "turns", *(part.name for part in parts if part is not ANGLE)]
    if classes:
        names.append("class")
    own = ("physics",) if physics else ()
    return ("elbo", "reconstruction", *(f"kl_{name}" for name in names), "penalty", *own)


def gather(
    values: dict[str, Tensor], kl_turns: Tensor, tempered: Tensor, now: Weights, final: Weights
) -> Terms:
    """Terms from the means over turns of ``Family.each_turn``.

    kl_turns (member, site): divergence of the turns; tempered: the same with its entropy weighed.
    """
    divergences = {
        name.removeprefix("kl_"): value for name, value in values.items() if name.startswith("kl_")
    }
    content, kl_class = divergences["content"], divergences.get("class")
    continuous, weighed = final.content * content, now.content * content
    of_pose = [kl for name, kl in divergences.items() if name not in ("content", "class")]
    if of_pose:
        kl_pose = sum(of_pose[1:], of_pose[0])
        continuous, weighed = continuous + kl_pose, weighed + kl_pose
    reconstruction, penalty = values["reconstruction"], values["penalty"]
    elbo = reconstruction - final.beta * (continuous + kl_turns)
    objective = (reconstruction - penalty).mean(1) - now.beta * _away(
        (weighed + tempered).mean(1), now.capacity
    )
    if kl_class is not None:
        elbo = elbo - final.beta_class * kl_class
        objective = objective - now.beta_class * _away(kl_class.mean(1), now.capacity_class)
    of_angle = divergences.pop(ANGLE.name, None)
    divergences["turns"] = kl_turns if of_angle is None else kl_turns + of_angle
    own = values.get("physics")
    return Terms(elbo, reconstruction, divergences, penalty, objective, own)


def _away(divergence: Tensor, capacity: float | Tensor) -> Tensor:
    """How far a divergence is from the capacity that it is to have; itself, where it has none."""
    if isinstance(capacity, Tensor) or capacity:
        return (divergence - capacity).abs()
    return divergence
